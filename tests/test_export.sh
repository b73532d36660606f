#!/usr/bin/env bash
# findna export and import: the round trip keeps the weights, PyTorch computes the same embeddings, and refused inputs.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
awk 'BEGIN { srand(9 + ENVIRON["DRAWS"]); for (s = 0; s < 12; s++) { t = ""; for (i = 0; i < 15 + s * 4; i++) t = t substr("ACGTN", 1 + int(rand() * 4.2), 1); print ">s" s "\n" t } }' >x.fa
for which in teacher student; do
  expect "export: the $which" 0 "wrote the $which" "$FINDNA" export run $which --encoder $which
  expect "import" 0 "use it as CHECKPOINT" "$FINDNA" import $which back-$which
  "$FINDNA" embed run x.fa --encoder $which --output a.tsv >/dev/null 2>&1; "$FINDNA" embed back-$which x.fa --output b.tsv >/dev/null 2>&1
  check "$which: after export and import, the embeddings have the same bytes" cmp a.tsv b.tsv
done
expect "an imported run is a run" 0 "a resume takes this one" "$FINDNA" inspect back-teacher
expect "and starts another" 0 "weights taken from" "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=next train.steps=2 --init-from back-teacher
expect "an exported model is not used as a run" 66 "teacher: is an exported or published model, not a run folder: .findna import teacher RUN. makes one of it" "$FINDNA" embed teacher x.fa --output o.tsv
"$FINDNA" export back-student again >/dev/null 2>&1
check "exported again: the same file" cmp again/model.safetensors student/model.safetensors

# Learned [CLS] tokens are part of the model; a projection belongs to pretraining only.
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=plus model.cls_tokens=learned objective.cl_space=projection objective.cl_axis=D >/dev/null 2>&1
expect "export: learned tokens" 0 "wrote the teacher" "$FINDNA" export plus plus-out
check "are among the tensors, a projection is not" bash -c 'grep -aq "\"embedding.cls\"" plus-out/model.safetensors && ! grep -aq projection plus-out/model.safetensors && grep -q "\"cls_tokens\": \"learned\"" plus-out/config.json'
expect "import: learned tokens" 0 "use it as CHECKPOINT" "$FINDNA" import plus-out plus-back
for run in plus plus-back; do "$FINDNA" embed $run x.fa --pool cls --output $run.tsv >/dev/null 2>&1; done
check "after export and import, the embeddings of [CLS] tokens have the same bytes" cmp plus.tsv plus-back.tsv
expect "a run with a projection starts from a model without" 0 "weights taken from" "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=plus-next train.steps=2 model.cls_tokens=learned objective.cl_space=projection --init-from plus-back
expect "a run without learned tokens does not start from it" 78 "is not of the config's shape" "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=plus-no train.steps=2 --init-from plus-back

python=${PYTHON:-python3}
if "$python" -c 'import torch' 2>/dev/null; then
  "$FINDNA" embed run x.fa --output ours.tsv --window 0 >/dev/null 2>&1
  grep -v '>' x.fa | "$python" "$root/launch/torch/findna_torch.py" teacher >theirs.tsv 2>torch.log || tail -2 torch.log
  check "the PyTorch module gives the same embeddings" bash -c 'paste <(tail -n +2 ours.tsv | cut -f2-) theirs.tsv | awk "{ n = NF / 2; for (i = 1; i <= n; i++) { d = \$i - \$(i + n); if (d < 0) d = -d; if (d > 1e-5) bad++ } rows++ } END { exit bad || rows != 12 }"'
  "$FINDNA" embed plus x.fa --output ours.tsv --window 0 --pool cls >/dev/null 2>&1
  grep -v '>' x.fa | "$python" -c 'import sys; sys.path.insert(0, sys.argv[1] + "/launch/torch"); from findna_torch import FinDNA
for row in FinDNA.load("plus-out").embed([line.strip() for line in sys.stdin], pool="cls"): print(*row.tolist(), sep="\t")' "$root" >theirs.tsv 2>torch.log || tail -2 torch.log
  check "and those of learned [CLS] tokens" bash -c 'paste <(tail -n +2 ours.tsv | cut -f2-) theirs.tsv | awk "{ n = NF / 2; for (i = 1; i <= n; i++) { d = \$i - \$(i + n); if (d < 0) d = -d; if (d > 1e-5) bad++ } rows++ } END { exit bad || rows != 12 }"'
  cat >make_pt.py <<'P'
import sys, torch
sys.path.insert(0, sys.argv[1] + "/launch/torch")
from findna_torch import FinDNA
model = FinDNA.load("teacher")
order = ["ACGTN".index(c) for c in "GTNAC"]
state = {"module." + k.replace("encoder", "layers").replace("fc", "mlp.dense"): v for k, v in model.state_dict().items()}
state["module.embedding.weight"] = state["module.embedding.weight"][:, order]
state["module.head.weight"], state["module.head.bias"] = state["module.head.weight"][order], state["module.head.bias"][order]
torch.save({"Teacher": state, "EPOCHS_RUN": 3}, "other.pt")
P
  "$python" make_pt.py "$root" && "$python" "$root/launch/torch/convert_pt.py" other.pt converted --window 61 --networks 1 --track 3 --cls 3 --order GTNAC >convert.log 2>&1 || tail -3 convert.log
  expect "a PyTorch checkpoint of other names and letters is converted and imported" 0 "use it as CHECKPOINT" "$FINDNA" import converted from-pt
  "$FINDNA" export from-pt from-pt-again >/dev/null 2>&1
  check "to the same weights" cmp from-pt-again/model.safetensors teacher/model.safetensors
  mkdir transformer && sed 's/"encoder": "chordmixer"/"encoder": "transformer"/' teacher/config.json >transformer/config.json
  expect "another encoder is refused by its name" 1 "model.encoder: transformer; this script supports only chordmixer" "$python" "$root/launch/torch/findna_torch.py" transformer
  expect "a conversion that does not fit is refused" 1 "expected an embedding" "$python" "$root/launch/torch/convert_pt.py" other.pt no --window 61 --networks 4 --track 3
else
  echo "skipped - PyTorch's side of export: no torch for $python (PYTHON=...)"
fi

# retyped TYPE SIZE BYTES FILE: prints the file with its F32 tensors as TYPE of SIZE bytes; the awk statement BYTES prints a value's bytes, as escapes,
# from those of the float, $1 to $4 in hexadecimal.
retyped() {
  local n=$(od -An -tu8 -N8 "$4") header
  header=$(tail -c +9 "$4" | head -c $n | sed "s/\"F32\"/\"$1\"/g" | awk -v size=$2 '{ while (match($0, /offsets":\[[0-9]+,[0-9]+/)) { split(substr($0, RSTART + 10, RLENGTH - 10), at, ","); out = out substr($0, 1, RSTART + 9) at[1] / 4 * size "," at[2] / 4 * size; $0 = substr($0, RSTART + RLENGTH) } print out $0 }')
  while [ $((${#header} % 8)) != 0 ]; do header+=' '; done
  printf "$(printf '\\x%02x\\x%02x\\0\\0\\0\\0\\0\\0' $((${#header} % 256)) $((${#header} / 256)))$(printf %s "$header" | sed 's/%/%%/g')"
  tail -c +$((9 + n)) "$4" | od -An -v -tx1 -w4 | awk "{ $3 }" >bytes
  printf "$(cat bytes)"
}
rm -rf half && cp -r teacher half && retyped BF16 2 'printf "\\x%s\\x%s", $3, $4' teacher/model.safetensors >half/model.safetensors
expect "import: bfloat16" 0 "use it as CHECKPOINT" "$FINDNA" import half from-half
"$FINDNA" export from-half half-out >/dev/null 2>&1
{ n=$(od -An -tu8 -N8 teacher/model.safetensors); head -c $((8 + n)) teacher/model.safetensors; tail -c +$((9 + n)) teacher/model.safetensors | od -An -v -tx1 -w4 | awk '{ printf "\\0\\0\\x%s\\x%s", $3, $4 }' >bytes; printf "$(cat bytes)"; } >wanted
check "its values are these floats" cmp half-out/model.safetensors wanted
# Float16 with sign and exponent only: powers of 2 from -2^-1 to -2^-8, by the position in the tensor.
rm -rf half from-half half-out && cp -r teacher half && retyped F16 2 'printf "\\0\\x%x", 184 - 4 * (NR % 8)' teacher/model.safetensors >half/model.safetensors
expect "import: float16" 0 "use it as CHECKPOINT" "$FINDNA" import half from-half
"$FINDNA" export from-half half-out >/dev/null 2>&1
check "its values are these powers of 2" bash -c '"$0" inspect half-out/model.safetensors | grep -q "0 not finite" && test "$(tail -c 4 half-out/model.safetensors | od -An -tf4 | tr -d " ")" = "$1"' "$FINDNA" "$(awk -v n=$((($(stat -c %s teacher/model.safetensors) - 8 - n) / 4)) 'BEGIN { print -2 ^ (-1 - n % 8) }')"
for type in I16 U16; do
  rm -rf half && cp -r teacher half && retyped $type 2 'printf "\\x%s\\x%s", $3, $4' teacher/model.safetensors >half/model.safetensors
  expect "import: weights of type $type" 65 "half/model.safetensors: tensor '[a-z.0-9]+' is $type .expected F32, F16 or BF16" "$FINDNA" import half no-half
done
for type in F64 I64; do
  rm -rf half && cp -r teacher half && retyped $type 8 'printf "\\x%s\\x%s\\x%s\\x%s\\0\\0\\0\\0", $1, $2, $3, $4' teacher/model.safetensors >half/model.safetensors
  expect "import: $type" 65 "half/model.safetensors: tensor '[a-z.0-9]+' is $type .expected F32, F16 or BF16" "$FINDNA" import half no-half
done
check "and nothing was made of them" test ! -e no-half

expect "export: an existing folder" 73 "exists already" "$FINDNA" export run teacher
expect "import: an existing folder" 73 "exists already" "$FINDNA" import teacher run
expect "import: nothing" 66 "nowhere" "$FINDNA" import nowhere new
edit() { rm -rf bad && cp -r teacher bad && sed -i "$1" bad/config.json; }
edit 's/ACGTN/ACGNT/' && expect "another alphabet" 65 "alphabet 'ACGNT' .expected 'ACGTN'" "$FINDNA" import bad new
edit 's/"hidden": [0-9]*/"hidden": 21/' && expect "a shape that is not the file's" 65 "encoder.0.0.fc1.weight': shape \[20, 18\] .config.json says \[21, 18\]" "$FINDNA" import bad new
edit 's/"blocks": [0-9]*/"blocks": 5/' && expect "tensors of more blocks" 65 "encoder.0.5.fc1.* does not belong to this model" "$FINDNA" import bad new
edit 's/"blocks": [0-9]*/"blocks": 9/' && expect "missing tensors" 65 "no tensor 'encoder.0" "$FINDNA" import bad new
edit 's/"channels": [0-9]*/"channels": 0/' && expect "channels out of range" 65 "channels" "$FINDNA" import bad new
edit 's/findna-model 1/other/' && expect "another format" 65 "format 'other'" "$FINDNA" import bad new
edit 's/{//' && expect "no JSON" 65 "not JSON" "$FINDNA" import bad new
edit 's/"mnm": "ce"/"mnm": "ce\\n  cls: 5"/' && expect "a value with a line of another key" 65 "mnm: 'missing' is not one of" "$FINDNA" import bad new
edit 's/"encoder": "[a-z]*"/"encoder": "mamba"/' && expect "another encoder" 65 "model.encoder: 'mamba' is not one of chordmixer" "$FINDNA" import bad new
edit 's/"alphabet"/"task": {"outputs": 2, "hidden": 0, "kind": "classes", "features": "tokens", "names": "a,b,c"}, &/' && expect "three names for two classes" 65 "3 names of classes for 2 outputs" "$FINDNA" import bad new
edit 's/"channels": [0-9]*/"channels": 65536/;s/"hidden": [0-9]*/"hidden": 65536/' && expect "a model of 10^11 weights in a small file is refused before memory is allocated" 65 "config.json says .65536, 5." "$FINDNA" import bad new
rm -rf bad && cp -r teacher bad && truncate -s -4 bad/model.safetensors && expect "a truncated file" 65 "model.safetensors" "$FINDNA" import bad new
check "and nothing was made" bash -c '! [ -e new ]'
