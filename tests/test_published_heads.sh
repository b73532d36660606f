#!/usr/bin/env bash
# Heads of published models: words and classes predicted as golden5 says, export of every tensor with its name, type and bits, tied weights, class names,
# fine-tuned heads written back, and what is refused. With transformers for $PYTHON, that it loads what is exported.
. "$(dirname "$0")/lib.sh"
golden=$root/../shared/golden5 python=${PYTHON:-python3}
[ -d "$golden" ] || { echo "skipped - heads of published models: ../shared/golden5 is not here"; exit 0; }
command -v "$python" >/dev/null || { echo "skipped - heads of published models: no python3 to edit files with"; exit 0; }
cat >st.py <<'P'
"""Safetensors with the standard library: st.py edit IN OUT CODE runs CODE on T, name -> (type, shape, bytes); st.py same A B [LEFT OUT ...]."""
import json, math, struct, sys

def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    header.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], raw[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]) for k, v in header.items()}

def write(path, T):
    header, at = {}, 0
    order = sorted(T, key=lambda k: (T[k][0] not in ("I64", "F64"), T[k][0] != "F32", k))
    for k in order:
        header[k] = {"dtype": T[k][0], "shape": T[k][1], "data_offsets": [at, at + len(T[k][2])]}
        at += len(T[k][2])
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(T[k][2] for k in order))

def floats(t): return struct.unpack(f"<{len(t[2]) // 4}f", t[2])
def f32(values, shape): return ("F32", shape, struct.pack(f"<{len(values)}f", *values))
def half(t): return ("F16", t[1], struct.pack(f"<{len(t[2]) // 4}e", *floats(t)))
def bfloat(t): return ("BF16", t[1], b"".join(t[2][i + 2:i + 4] for i in range(0, len(t[2]), 4)))

if sys.argv[1] == "edit":
    T = read(sys.argv[2])
    exec(sys.argv[4])
    write(sys.argv[3], T)
elif sys.argv[1] == "same":
    a, b = read(sys.argv[2]), read(sys.argv[3])
    for k in sys.argv[4:]: del a[k]
    sys.exit(a != b and print("differ:", [k for k in set(a) | set(b) if a.get(k) != b.get(k)]) is None)
elif sys.argv[1] == "json":  # json FILE CODE: runs CODE on the object C
    C = json.load(open(sys.argv[2]))
    exec(sys.argv[3])
    json.dump(C, open(sys.argv[2], "w"), indent=1)
elif sys.argv[1] == "classes":  # classes CASE.safetensors TSV: softmax of the logits there, to 1e-5
    t, worst = read(sys.argv[2])["logits"], 0
    z, n = floats(t), t[1][1]
    for i, line in enumerate(open(sys.argv[3]).read().splitlines()[1:]):
        row = [math.exp(x) for x in z[i * n:i * n + n]]
        worst = max([worst] + [abs(x / sum(row) - float(y)) for x, y in zip(row, line.split("\t")[-n:])])
    sys.exit(not worst < 1e-5 or i + 1 != t[1][0])
P
st() { "$python" st.py "$@"; }
pairs() { # tokenizer.json from golden5's merges
  printf '{"version":"1.0","added_tokens":['
  n=0; for t in UNK CLS SEP PAD MASK; do [ $n -eq 0 ] || printf ,; printf '{"id":%d,"content":"[%s]","special":true}' $n $t; n=$((n + 1)); done
  printf '],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}},"model":{"type":"BPE","unk_token":"[UNK]","fuse_unk":false,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"[PAD]":3,"[MASK]":4,"A":5,"C":6,"G":7,"T":8'
  awk 'NF == 2 && !($1 $2 in seen) { seen[$1 $2] = 1; printf ",\"%s\":%d", $1 $2, 8 + NR }' "$golden/bpe_merges.txt"
  printf '},"merges":['
  awk 'NF == 2 { printf "%s\"%s %s\"", (NR > 1 ? "," : ""), $1, $2 }' "$golden/bpe_merges.txt"
  printf ']}}\n'
}
for m in ntv2 dnabert2 bert; do cp -r "$golden/${m}_d48_hf" $m; done && chmod -R u+w ntv2 dnabert2 bert
pairs >dnabert2/tokenizer.json && cp dnabert2/tokenizer.json bert/ && echo '{"tokenizer_class": "PreTrainedTokenizerFast"}' >bert/tokenizer_config.json

# --- classes, and every tensor back
for m in dnabert2 bert; do
  expect "$m with a classifier" 0 "wrote run_$m" "$FINDNA" import $m run_$m
  check "all of its tensors are used" bash -c "! grep -q 'not used' out.log"
  "$python" -c 'import json, sys; print(*[f">s{i}\n{s}" for i, s in enumerate(json.load(open(sys.argv[1]))["sequences"])], sep="\n")' "$golden/${m}_d48.json" >$m.fa
  expect "its classifier predicts" 0 "wrote $m.tsv" "$FINDNA" embed run_$m $m.fa --pool task --output $m.tsv --window 0
  [ $m = dnabert2 ] || check "what golden5 says" st classes "$golden/${m}_d48.safetensors" $m.tsv # whose DNABERT-2 sees [MASK] tokens, too
  expect "exported" 0 "wrote" "$FINDNA" export run_$m out_$m
  check "with all names, types, shapes and bits" st same $m/model.safetensors out_$m/model.safetensors
  check "and what config.json said" "$python" -c 'import json, sys; a, b = (json.load(open(f)) for f in sys.argv[1:]); sys.exit(not a.items() <= b.items())' $m/config.json out_$m/config.json
  expect "imported again" 0 "wrote again_$m" "$FINDNA" import out_$m again_$m
  check "it is the same model" test "$(state_of run_$m)" = "$(state_of again_$m)"
done
check "the tokenizer's files go with it" cmp bert/tokenizer_config.json out_bert/tokenizer_config.json
expect "NTv2" 0 "7 tensors of ntv2 are not used" "$FINDNA" import ntv2 run_ntv2
expect "exported" 0 "not written: esm.contact_head.regression.weight, which was not imported" "$FINDNA" export run_ntv2 out_ntv2
check "with all that was imported" st same ntv2/model.safetensors out_ntv2/model.safetensors $(sed -n 's/.*not written: \([^,]*\),.*/\1/p' out.log)

# --- types
for type in half bfloat; do
  mkdir $type && cp bert/* $type/ && st edit bert/model.safetensors $type/model.safetensors "T = {k: $type(t) if 'layer.1' not in k else t for k, t in T.items()}"
  expect "16-bit tensors ($type)" 0 "wrote run_$type" "$FINDNA" import $type run_$type
  expect "exported" 0 "wrote" "$FINDNA" export run_$type out_$type
  check "in their types" st same $type/model.safetensors out_$type/model.safetensors
done
awk 'BEGIN { srand(5); print "sequence,label"; for (i = 0; i < 64; i++) { s = ""; for (j = 0; j < 40; j++) s = s substr("ACGT", 1 + int(4 * rand()), 1); print s "," (i % 2 ? "yes" : "no") } }' >rows.csv
tune="train.steps=2 train.batch=8 train.virtual_ranks=4 optim.warmup=0 device.threads=1"
expect "fine-tuned with a classifier as published ones are" 0 "test " "$FINDNA" finetune run_half --train rows.csv --test rows.csv run.folder=tuned $tune task.features=cls task.hidden=48 task.activation=tanh
expect "exported" 0 "wrote" "$FINDNA" export tuned out_tuned
check "what was trained is float32, under the published names" "$python" -c 'import sys; sys.argv[1:] = ["", ""]; import st; T = st.read("out_tuned/model.safetensors"); sys.exit(set(T) != set(st.read("half/model.safetensors")) or T["bert.pooler.dense.weight"][0] != "F32" or T["classifier.bias"][1] != [2])'
check "and config.json has the classes" grep -q '"1": "yes"' out_tuned/config.json
expect "imported" 0 "wrote" "$FINDNA" import out_tuned again_tuned
for run in tuned again_tuned; do "$FINDNA" embed $run bert.fa --pool task --output $run.tsv >/dev/null 2>&1; done
check "it predicts the same, with the same names" cmp tuned.tsv again_tuned.tsv
check "of the classes" grep -q "no.yes" tuned.tsv
expect "fine-tuned with a head of ours" 0 "test " "$FINDNA" finetune run_dnabert2 --train rows.csv --test rows.csv run.folder=mean $tune task.hidden=5
expect "exported: the classifier that it had is named" 0 "not written: bert.pooler.dense.weight, which the fine-tuned model does not have" "$FINDNA" export mean out_mean
expect "imported" 0 "wrote" "$FINDNA" import out_mean again_mean
for run in mean again_mean; do "$FINDNA" embed $run bert.fa --pool task --output $run.tsv >/dev/null 2>&1; done
check "it predicts the same" cmp mean.tsv again_mean.tsv

# --- names of classes, and values
edit() { rm -rf bad_in && cp -r "$1" bad_in && st json bad_in/config.json "$2"; [ -z "${3:-}" ] || st edit "$1/model.safetensors" bad_in/model.safetensors "$3"; }
edit bert 'C["id2label"] = {"0": "promoter", "1": "enhancer", "2": "none"}' && expect "names of classes" 0 "wrote named" "$FINDNA" import bad_in named
expect "are columns" 0 "columns: promoter,enhancer,none" "$FINDNA" embed named bert.fa --pool task --output named.tsv
edit bert 'C["id2label"] = {"0": "a", "1": "b"}' && expect "names of other classes" 65 "id2label has 2 classes; the classifier's last layer has 3 rows" "$FINDNA" import bad_in bad
edit bert 'C["id2label"] = {"0": "a", "1": "b", "3": "c"}' && expect "a class without a name" 65 "id2label: no name of class 2" "$FINDNA" import bad_in bad
edit bert 'C["id2label"] = {"0": "a,b", "1": "b", "2": "c"}' && expect "a comma in a name" 65 "id2label: 'a,b': names of classes have no comma" "$FINDNA" import bad_in bad
edit bert 'C["problem_type"] = "multi_label_classification"' && expect "several classes at once" 65 "problem_type: 'multi_label_classification' .expected 'single_label" "$FINDNA" import bad_in bad
edit bert 'del C["id2label"]; C["problem_type"] = "regression"' 'T["classifier.weight"] = f32(floats(T["classifier.weight"])[:48], [1, 48]); T["classifier.bias"] = f32([0.5], [1])'
expect "a value" 0 "wrote value" "$FINDNA" import bad_in value
expect "is one column" 0 "rows of 1 values" "$FINDNA" embed value bert.fa --pool task --output value.tsv
edit bert 'C["architectures"] = ["BertForTokenClassification"]' 'T = {k: t for k, t in T.items() if "pooler" not in k}'
expect "classes of tokens are left out" 0 "not used: classifier.weight" "$FINDNA" import bad_in tokens
expect "and what has no head predicts nothing" 64 "has no task's head" "$FINDNA" embed tokens bert.fa --pool task --output x.tsv
edit bert 'pass' 'del T["bert.pooler.dense.weight"]' && expect "half a classifier" 65 "no tensor 'bert.pooler.dense.weight'" "$FINDNA" import bad_in bad

# --- tied weights
table='T["bert.embeddings.word_embeddings.weight"]'
edit dnabert2 pass 'del T["cls.predictions.decoder.weight"]' && expect "a tied decoder that is there once" 0 "wrote once" "$FINDNA" import bad_in once
check "is the same model" test "$(state_of once)" = "$(state_of run_dnabert2)"
edit dnabert2 pass "t = list(floats($table)); t[7] += 1; T['cls.predictions.decoder.weight'] = f32(t, $table[1])"
expect "two that differ" 65 "'bert.embeddings.word_embeddings.weight' and 'cls.predictions.decoder.weight' are one weight, but differ at element 7" "$FINDNA" import bad_in bad
st json bad_in/config.json 'C["tie_word_embeddings"] = False' && expect "are fine where they are not tied" 0 "wrote untied" "$FINDNA" import bad_in untied
expect "exported" 0 wrote "$FINDNA" export untied out_untied
check "both" st same bad_in/model.safetensors out_untied/model.safetensors
edit dnabert2 pass 'T = {k: t for k, t in T.items() if not k.startswith("cls.")}' && expect "no head of words" 0 "wrote headless" "$FINDNA" import bad_in headless
edit dnabert2 pass 'del T["cls.predictions.transform.dense.bias"]' && expect "a head without one of its tensors" 65 "no tensor 'cls.predictions.transform.dense.bias'" "$FINDNA" import bad_in bad
edit ntv2 pass 'T = {k: t for k, t in T.items() if not k.startswith("lm_head.")}' && expect "NTv2 without its head" 0 "wrote nt_headless" "$FINDNA" import bad_in nt_headless
edit ntv2 'C["tie_word_embeddings"] = True' 'del T["lm_head.decoder.weight"]' && expect "NTv2 with a tied one" 0 "wrote nt_tied" "$FINDNA" import bad_in nt_tied
expect "exported" 0 wrote "$FINDNA" export nt_tied out_nt_tied
check "as it was" bash -c '! grep -aq lm_head.decoder.weight out_nt_tied/model.safetensors && grep -aq lm_head.dense.weight out_nt_tied/model.safetensors'

# --- other names of tensors
edit bert pass 'T = {k.replace("bert.", "").replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t for k, t in T.items() if "classifier" not in k and "pooler" not in k}'
expect "names without their first part, gamma and beta" 0 "wrote bare" "$FINDNA" import bad_in bare
expect "exported" 0 wrote "$FINDNA" export bare out_bare
check "have the same names" st same bad_in/model.safetensors out_bare/model.safetensors

# --- what is wrong is named
refuse() { local name=$1 pattern=$2 model=$3 config=$4; edit "$model" "$config" "${5:-}" && expect "$name" 65 "$pattern" "$FINDNA" import bad_in bad; }
refuse "another architecture" "model_type: 'gpt2' .expected esm or bert" bert 'C["model_type"] = "gpt2"'
refuse "another activation" "hidden_act: 'relu' .expected 'gelu'" bert 'C["hidden_act"] = "relu"'
refuse "another activation of a GELU" "hidden_act: 'gelu_new' .expected 'gelu'" dnabert2 'C["hidden_act"] = "gelu_new"'
refuse "another activation of NTv2" "hidden_act: 'gelu' .expected 'silu'" ntv2 'C["hidden_act"] = "gelu"'
refuse "an activation by another key" "activation_function: 'relu'" bert 'C["activation_function"] = "relu"'
refuse "another normalization" "norm_type: 'rmsnorm'" bert 'C["norm_type"] = "rmsnorm"'
refuse "positions relative to each other" "position_embedding_type: 'relative_key' .expected 'absolute'" bert 'C["position_embedding_type"] = "relative_key"'
refuse "NTv2 without a kind of positions" "position_embedding_type: 'missing' .expected 'rotary'" ntv2 'del C["position_embedding_type"]'
refuse "another base of rotary positions" "rope_theta: '500000' .expected '10000'" ntv2 'C["rope_theta"] = 500000.0'
refuse "a decoder" "is_decoder: 'true'" bert 'C["is_decoder"] = True'
refuse "packed weights" "quantization_config: '{...}'" bert 'C["quantization_config"] = {"bits": 4}'
refuse "other types of tokens" "type_vocab_size: '1' .expected '2'" bert 'C["type_vocab_size"] = 1'
refuse "whole numbers of 64 bits" "tensor 'classifier.bias' is I64 .expected F32, F16 or BF16" bert pass 'T["classifier.bias"] = ("I64", [3], bytes(24))'
refuse "doubles" "tensor 'bert.embeddings.LayerNorm.bias' is F64 .expected F32, F16 or BF16" bert pass 'T["bert.embeddings.LayerNorm.bias"] = ("F64", [48], bytes(384))'
refuse "a turned matrix" "intermediate.dense.weight': shape .48, 96. .config.json says .96, 48" bert pass 'k = "bert.encoder.layer.0.intermediate.dense.weight"; T[k] = (T[k][0], T[k][1][::-1], T[k][2])'
refuse "a tensor too many" "tensor 'bert.encoder.layer.0.adapter.weight' is none of this model" bert pass 'T["bert.encoder.layer.0.adapter.weight"] = f32([1.0], [1])'
edit bert pass "t = list(floats($table)); t[3] = float('nan'); $table = f32(t, $table[1])" && expect "a value that is none" 79 "word_embeddings.weight', element 3 is not finite" "$FINDNA" import bad_in bad
mkdir two && cp bert/config.json bert/tokenizer.json two/ && cp bert/model.safetensors two/a.safetensors && cp bert/model.safetensors two/b.safetensors
echo '{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}' >two/model.safetensors.index.json
expect "a tensor in two files" 65 "tensor 'bert.embeddings.LayerNorm.bias' is in two files" "$FINDNA" import two bad
rm two/b.safetensors && expect "a file of the index that is missing" 66 "two/b.safetensors" "$FINDNA" import two bad
check "nothing was written" test ! -e bad
sed -i 's/"F16"/7/' tuned/published/tensors.json && expect "a changed list of what the run keeps" 65 "tensors.json: tensor 'bert\..*': expected its type" "$FINDNA" export tuned bad_out
check "nothing was written" test ! -e bad_out
