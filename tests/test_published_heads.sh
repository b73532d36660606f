#!/usr/bin/env bash
# Tests heads of published models: classes are predicted as in golden5; export of every tensor with its name, type and bits; tied weights; class names;
# export of fine-tuned heads; what is refused. If $PYTHON has transformers, also that transformers loads the exports.
. "$(dirname "$0")/lib.sh"
golden=$root/../shared/golden5 python=${PYTHON:-python3}
[ -d "$golden" ] || { echo "skipped - heads of published models: ../shared/golden5 is not available"; exit 0; }
command -v "$python" >/dev/null || { echo "skipped - heads of published models: python3, which edits files, is not installed"; exit 0; }
cat >st.py <<'P'
"""Safetensors with the standard library: st.py edit IN OUT CODE runs CODE on T, name -> (type, shape, bytes); st.py same A B compares all tensors."""
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
    sys.exit(a != b and print("differ:", [k for k in set(a) | set(b) if a.get(k) != b.get(k)]) is None)
elif sys.argv[1] == "json":  # json FILE CODE: runs CODE on the object C
    C = json.load(open(sys.argv[2]))
    exec(sys.argv[3])
    json.dump(C, open(sys.argv[2], "w"), indent=1)
elif sys.argv[1] == "classes":  # classes CASE.safetensors TSV: the probabilities in TSV are the softmax of CASE's logits, to 1e-5
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
awk 'BEGIN { srand(5 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 64; i++) { s = ""; for (j = 0; j < 40; j++) s = s substr("ACGT", 1 + int(4 * rand()), 1); print s "," (i % 2 ? "yes" : "no") } }' >rows.csv
tune="train.steps=2 train.batch=8 train.virtual_ranks=4 optim.warmup=0 device.threads=1"

# --- classes, and every tensor back
for m in dnabert2 bert; do
  expect "$m with a classifier" 0 "wrote run_$m" "$FINDNA" import $m run_$m
  check "all of its tensors are used" bash -c "[ -s out.log ] && ! grep -q 'not used' out.log"
  check "its heads are reported" grep -q "heads: $([ $m = bert ] && echo no || echo a tied) head of masked words, a classifier of [23] outputs" out.log
  "$python" -c 'import json, sys; print(*[f">s{i}\n{s}" for i, s in enumerate(json.load(open(sys.argv[1]))["sequences"])], sep="\n")' "$golden/${m}_d48.json" >$m.fa
  expect "its classifier predicts" 0 "wrote $m.tsv" "$FINDNA" embed run_$m $m.fa --pool task --output $m.tsv --window 0
  [ $m = dnabert2 ] || check "the values of golden5" st classes "$golden/${m}_d48.safetensors" $m.tsv # golden5's DNABERT-2 also has [MASK] tokens as input
  expect "exported" 0 "wrote" "$FINDNA" export run_$m out_$m
  check "with all names, types, shapes and bits" st same $m/model.safetensors out_$m/model.safetensors
  check "and the keys of config.json" "$python" -c 'import json, sys; a, b = (json.load(open(f)) for f in sys.argv[1:]); sys.exit(not a.items() <= b.items())' $m/config.json out_$m/config.json
  expect "imported again" 0 "wrote again_$m" "$FINDNA" import out_$m again_$m
  check "it is the same model" same run_$m again_$m
done
check "the tokenizer's files are exported, too" cmp bert/tokenizer_config.json out_bert/tokenizer_config.json
expect "NTv2" 0 "7 tensors of ntv2 are not used" "$FINDNA" import ntv2 run_ntv2
expect "exported: what is not used is listed" 0 "written unchanged, not used here: esm.contact_head.regression.weight" "$FINDNA" export run_ntv2 out_ntv2
check "and written back" st same ntv2/model.safetensors out_ntv2/model.safetensors
check "seven of them" test "$(grep -c 'written unchanged' out.log)" = 7

# --- the tensors listed in tensors.json must exist
expect "fine-tuned with tensors that are not used" 0 "test " "$FINDNA" finetune run_ntv2 --train rows.csv --test rows.csv run.folder=tuned_ntv2 $tune
touch tuned_ntv2/published/mark
expect "and resumed" 0 "is finished" "$FINDNA" finetune run_ntv2 --train rows.csv --test rows.csv run.folder=tuned_ntv2 $tune
check "the kept files stay" test -e tuned_ntv2/published/mark
st edit tuned_ntv2/published/unused.safetensors short.safetensors 'del T["esm.contact_head.regression.weight"]' && cp short.safetensors tuned_ntv2/published/unused.safetensors
expect "a missing tensor" 65 "unused.safetensors: no tensor 'esm.contact_head.regression.weight', which tensors.json next to it lists as unused" "$FINDNA" export tuned_ntv2 bad_out
rm tuned_ntv2/published/unused.safetensors
expect "all of them missing" 66 "tuned_ntv2/published/unused.safetensors: not there; expected the 7 tensors that tensors.json" "$FINDNA" export tuned_ntv2 bad_out
expect "at the start of another run, too" 66 "unused.safetensors: not there" "$FINDNA" finetune tuned_ntv2 --train rows.csv --test rows.csv run.folder=bad_tuned $tune
check "which keeps nothing" bash -c '! ls bad_tuned | grep -q published'
rm tuned_ntv2/published/tensors.json
expect "the list is missing, too" 66 "tuned_ntv2/published/tensors.json" "$FINDNA" export tuned_ntv2 bad_out
check "nothing was written" test ! -e bad_out

# --- types
for type in half bfloat; do
  mkdir $type && cp bert/* $type/ && st edit bert/model.safetensors $type/model.safetensors "T = {k: $type(t) if 'layer.1' not in k else t for k, t in T.items()}"
  expect "16-bit tensors ($type)" 0 "wrote run_$type" "$FINDNA" import $type run_$type
  expect "exported" 0 "wrote" "$FINDNA" export run_$type out_$type
  check "in their types" st same $type/model.safetensors out_$type/model.safetensors
done
expect "fine-tuned with a classifier of the published form" 0 "test " "$FINDNA" finetune run_half --train rows.csv --test rows.csv run.folder=tuned $tune task.features=cls task.hidden=48 task.activation=tanh
expect "exported" 0 "wrote" "$FINDNA" export tuned out_tuned
check "trained tensors are float32, with the published names" "$python" -c 'import sys; sys.argv[1:] = ["", ""]; import st; T = st.read("out_tuned/model.safetensors"); sys.exit(set(T) != set(st.read("half/model.safetensors")) or T["bert.pooler.dense.weight"][0] != "F32" or T["classifier.bias"][1] != [2])'
check "and config.json has the classes" grep -q '"1": "yes"' out_tuned/config.json
expect "imported" 0 "wrote" "$FINDNA" import out_tuned again_tuned
for run in tuned again_tuned; do "$FINDNA" embed $run bert.fa --pool task --output $run.tsv >/dev/null 2>&1; done
check "it predicts the same, with the same names" cmp tuned.tsv again_tuned.tsv
check "of the classes" grep -q "no.yes" tuned.tsv
expect "fine-tuned with a head of ours" 0 "test " "$FINDNA" finetune run_dnabert2 --train rows.csv --test rows.csv run.folder=mean $tune task.hidden=5
expect "exported: the classifier that it had is named" 0 "not written: bert.pooler.dense.weight, which the model does not have any more" "$FINDNA" export mean out_mean
expect "imported" 0 "wrote" "$FINDNA" import out_mean again_mean
for run in mean again_mean; do "$FINDNA" embed $run bert.fa --pool task --output $run.tsv >/dev/null 2>&1; done
check "it predicts the same" cmp mean.tsv again_mean.tsv

# --- names of classes, and values
edit() { rm -rf bad_in && cp -r "$1" bad_in && st json bad_in/config.json "$2"; [ -z "${3:-}" ] || st edit "$1/model.safetensors" bad_in/model.safetensors "$3"; }
edit bert 'C["id2label"] = {"0": "promoter", "1": "enhancer", "2": "none"}' && expect "names of classes" 0 "wrote named" "$FINDNA" import bad_in named
expect "are columns" 0 "columns: promoter,enhancer,none" "$FINDNA" embed named bert.fa --pool task --output named.tsv
edit bert 'C["id2label"] = {"0": "a", "1": "b"}' && expect "names of other classes" 65 "id2label has 2 classes; the classifier's last layer has 3 rows" "$FINDNA" import bad_in bad
edit bert 'C["id2label"] = {"0": "a", "1": "b", "3": "c"}' && expect "a class without a name" 65 "id2label: class 2 has no name" "$FINDNA" import bad_in bad
edit bert 'C["id2label"] = {"0": "a,b", "1": "b", "2": "c"}' && expect "a comma in a name" 65 "id2label: the label 'a,b' has a comma" "$FINDNA" import bad_in bad
edit bert 'C["id2label"] = {"0": "a", "1": "b", "2": "b"}' && expect "one name for two classes" 65 "the classes 1 and 2 are both .b." "$FINDNA" import bad_in bad
edit bert 'C["problem_type"] = "multi_label_classification"' && expect "several classes at once" 0 "problem_type: 'multi_label_classification': the classifier is not used .expected 'single_label" "$FINDNA" import bad_in several
check "are left out with their pooler" bash -c 'grep -q "not used: classifier.weight" out.log && grep -q "not used: bert.pooler.dense.bias" out.log'
expect "and written back" 0 wrote "$FINDNA" export several out_several
check "unchanged" st same bad_in/model.safetensors out_several/model.safetensors
check "with the keys of config.json" "$python" -c 'import json; a, b = (json.load(open(f"{f}/config.json")) for f in ("bad_in", "out_several")); b.pop("findna"); assert a == b'
# The vocabulary gets the size of 4-mers with [MASK] and [UNK].
resize='T = {k: f32((floats(t) * 2)[:258 * 48], [258, 48]) if k.endswith("word_embeddings.weight") else t for k, t in T.items()}'
edit bert 'C["vocab_size"] = 258' "$resize" && rm bad_in/tokenizer.json
expect "k-mers with a classifier" 0 "the classifier is not used: k-mers have no .CLS. token" "$FINDNA" import bad_in kmers
check "are k-mers" grep -q 'tokenizer: kmer' kmers/ckpt/step_000000000/config.yaml
expect "exported" 0 wrote "$FINDNA" export kmers out_kmers
check "with the classifier" st same bad_in/model.safetensors out_kmers/model.safetensors
echo '{"model": {"type": "WordLevel", "vocab": {"AAAA": 2}}}' >bad_in/tokenizer.json
expect "a file with a list of words" 0 wrote "$FINDNA" import bad_in kmers2
check "is of k-mers" same kmers kmers2
"$python" - dnabert2/tokenizer.json bad_in/tokenizer.json <<'PY'
import json, sys
C = json.load(open(sys.argv[1]))
drop = {t for t, i in C["model"]["vocab"].items() if i >= 258}
C["model"]["vocab"] = {t: i for t, i in C["model"]["vocab"].items() if i < 258}
C["model"]["merges"] = [m for m in C["model"]["merges"] if m.replace(" ", "") not in drop]
json.dump(C, open(sys.argv[2], "w"))
PY
expect "one of byte pairs" 0 "a classifier of 3 outputs" "$FINDNA" import bad_in pairs
check "is of byte pairs" grep -q 'tokenizer: bpe' pairs/ckpt/step_000000000/config.yaml
echo '{' >bad_in/tokenizer.json && expect "a broken one" 65 "bad_in/tokenizer.json:" "$FINDNA" import bad_in bad
edit bert 'C["id2label"] = {"0": "expression"}; C["label2id"] = {"expression": 0}; C["problem_type"] = "regression"' 'T["classifier.weight"] = f32(floats(T["classifier.weight"])[:48], [1, 48]); T["classifier.bias"] = f32([0.5], [1])'
expect "a value" 0 "wrote value" "$FINDNA" import bad_in value
expect "is one column" 0 "rows of 1 values" "$FINDNA" embed value bert.fa --pool task --output value.tsv
expect "exported" 0 wrote "$FINDNA" export value out_value
check "with the name that it had" "$python" -c 'import json; a, b = (json.load(open(f"{f}/config.json")) for f in ("bad_in", "out_value")); b.pop("findna"); assert a == b'
awk -F, -v OFS=, 'NR > 1 { $2 = NR / 10 } { print }' rows.csv >values.csv
expect "another value" 0 wrote bash -c '"$0" finetune value --values --train values.csv --test values.csv run.folder=value_tuned "$@" && "$0" export value_tuned out_value_tuned' "$FINDNA" $tune task.features=cls task.hidden=48 task.activation=tanh
check "has another name" "$python" -c 'import json; c = json.load(open("out_value_tuned/config.json")); assert c["id2label"] == {"0": "LABEL_0"} and c["problem_type"] == "regression"'
edit bert 'C["architectures"] = ["BertForTokenClassification"]' 'T = {k: t for k, t in T.items() if "pooler" not in k}'
expect "classes of tokens are left out" 0 "not used: classifier.weight" "$FINDNA" import bad_in tokens
expect "and a model without a head predicts nothing" 64 "has no task's head" "$FINDNA" embed tokens bert.fa --pool task --output x.tsv
edit bert 'pass' 'del T["bert.pooler.dense.weight"]' && expect "half a classifier" 65 "no tensor 'bert.pooler.dense.weight'" "$FINDNA" import bad_in bad

# --- tied weights
table='T["bert.embeddings.word_embeddings.weight"]'
edit dnabert2 pass 'del T["cls.predictions.decoder.weight"]' && expect "a tied decoder that is stored once" 0 "wrote once" "$FINDNA" import bad_in once
check "is the same model" same once run_dnabert2
edit dnabert2 pass "t = list(floats($table)); t[7] += 1; T['cls.predictions.decoder.weight'] = f32(t, $table[1])"
expect "two that differ" 65 "'bert.embeddings.word_embeddings.weight' and 'cls.predictions.decoder.weight' are one weight, but differ at element 7" "$FINDNA" import bad_in bad
st json bad_in/config.json 'C["tie_word_embeddings"] = False' && expect "are accepted if they are not tied" 0 "wrote untied" "$FINDNA" import bad_in untied
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
expect "names without a prefix, gamma and beta" 0 "wrote bare" "$FINDNA" import bad_in bare
expect "exported" 0 wrote "$FINDNA" export bare out_bare
check "have the same names" st same bad_in/model.safetensors out_bare/model.safetensors

# --- a fine-tuned head replaces unused tensors
edit bert 'del C["architectures"]' 'T = {k.replace("bert.", ""): t for k, t in T.items() if "classifier" not in k}'
expect "an encoder with its pooler" 0 "not used: pooler.dense.weight" "$FINDNA" import bad_in pooled
expect "fine-tuned" 0 "test " "$FINDNA" finetune pooled --train rows.csv --test rows.csv run.folder=pooled_tuned $tune task.features=cls task.hidden=48 task.activation=tanh
expect "exported" 0 wrote "$FINDNA" export pooled_tuned out_pooled
check "with one pooler" test "$(grep -ao 'pooler.dense.weight' out_pooled/model.safetensors | wc -l)" = 1
names_of() { "$python" -c 'import sys; n = sys.argv[1]; sys.argv[1:] = ["", ""]; import st; print(*sorted(st.read(n)))' "$1/model.safetensors"; }
check "under the names of a model with a head, although the source had none" test "$(names_of out_pooled)" = "$(names_of bert)"
expect "imported, it predicts" 0 "wrote pooled_again.tsv" bash -c '"$0" import out_pooled pooled_again && "$0" embed pooled_again bert.fa --pool task --output pooled_again.tsv && "$0" embed pooled_tuned bert.fa --pool task --output pooled.tsv' "$FINDNA"
check "the same" cmp pooled.tsv pooled_again.tsv
edit bert 'del C["architectures"]' 'T = {k.replace("bert.", ""): t for k, t in T.items() if "classifier" not in k and "pooler" not in k}; T["embeddings.position_ids"] = ("I64", [1, 64], bytes(512))'
expect "an encoder with a tensor that is not used" 0 "not used: embeddings.position_ids" "$FINDNA" import bad_in ids
expect "fine-tuned" 0 "test " "$FINDNA" finetune ids --train rows.csv --test rows.csv run.folder=ids_tuned $tune task.features=cls task.hidden=48 task.activation=tanh
expect "exported" 0 wrote "$FINDNA" export ids_tuned out_ids
check "all names have their prefix" test "$(names_of out_ids)" = "$(echo $(names_of bert) bert.embeddings.position_ids | tr ' ' '\n' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
tail=(--train rows.csv --test rows.csv $tune task.features=cls task.hidden=48 task.activation=tanh)
expect "a classifier instead of a head of ours" 0 wrote bash -c '"$0" finetune again_mean "${@}" run.folder=mean_tuned && "$0" export mean_tuned out_mean_tuned' "$FINDNA" "${tail[@]}"
check "has no name of ours" bash -c "[ -s out_mean_tuned/model.safetensors ] && ! grep -aq '\"task\.' out_mean_tuned/model.safetensors"
expect "begun again with another model" 0 "test " "$FINDNA" finetune run_half --train rows.csv --test rows.csv run.folder=pooled_tuned --restart $tune
expect "exported" 0 wrote "$FINDNA" export pooled_tuned out_restarted
check "has nothing of the first" bash -c "[ -s out_restarted/model.safetensors ] && ! grep -aq '\"pooler.dense' out_restarted/model.safetensors"
expect "the first, moved aside, predicts" 0 "wrote aside.tsv" "$FINDNA" embed pooled_tuned/before-restart-1 bert.fa --pool task --output aside.tsv
expect "and is exported" 0 wrote "$FINDNA" export pooled_tuned/before-restart-1 out_aside
check "as before" st same out_pooled/model.safetensors out_aside/model.safetensors

# --- messages name what is wrong
refuse() { local name=$1 pattern=$2 model=$3 config=$4; edit "$model" "$config" "${5:-}" && expect "$name" 65 "$pattern" "$FINDNA" import bad_in bad; }
refuse "another architecture" "model_type: 'gpt2' .expected esm or bert" bert 'C["model_type"] = "gpt2"'
refuse "another activation" "hidden_act: 'relu' .expected 'gelu'" bert 'C["hidden_act"] = "relu"'
refuse "another form of GELU" "hidden_act: 'gelu_new' .expected 'gelu'" dnabert2 'C["hidden_act"] = "gelu_new"'
refuse "another activation of NTv2" "hidden_act: 'gelu' .expected 'silu'" ntv2 'C["hidden_act"] = "gelu"'
refuse "an activation by another key" "activation_function: 'relu'" bert 'C["activation_function"] = "relu"'
refuse "another normalization" "norm_type: 'rmsnorm'" bert 'C["norm_type"] = "rmsnorm"'
refuse "positions relative to each other" "position_embedding_type: 'relative_key' .expected 'absolute'" bert 'C["position_embedding_type"] = "relative_key"'
refuse "NTv2 without a kind of positions" "position_embedding_type: 'missing' .expected 'rotary'" ntv2 'del C["position_embedding_type"]'
refuse "another base of rotary positions" "rope_theta: '500000' .expected '10000'" ntv2 'C["rope_theta"] = 500000.0'
refuse "a decoder" "is_decoder: 'true'" bert 'C["is_decoder"] = True'
refuse "quantized weights" "quantization_config: '{...}'" bert 'C["quantization_config"] = {"bits": 4}'
refuse "other types of tokens" "type_vocab_size: '1' .expected '2'" bert 'C["type_vocab_size"] = 1'
refuse "64-bit integers" "tensor 'classifier.bias' is I64 .expected F32, F16 or BF16" bert pass 'T["classifier.bias"] = ("I64", [3], bytes(24))'
refuse "doubles" "tensor 'bert.embeddings.LayerNorm.bias' is F64 .expected F32, F16 or BF16" bert pass 'T["bert.embeddings.LayerNorm.bias"] = ("F64", [48], bytes(384))'
refuse "a transposed matrix" "intermediate.dense.weight': shape .48, 96. .config.json says .96, 48" bert pass 'k = "bert.encoder.layer.0.intermediate.dense.weight"; T[k] = (T[k][0], T[k][1][::-1], T[k][2])'
refuse "an extra tensor" "tensor 'bert.encoder.layer.0.adapter.weight' does not belong to this model" bert pass 'T["bert.encoder.layer.0.adapter.weight"] = f32([1.0], [1])'
edit bert pass "t = list(floats($table)); t[3] = float('nan'); $table = f32(t, $table[1])" && expect "a value that is not finite" 79 "word_embeddings.weight', element 3 is not finite" "$FINDNA" import bad_in bad
mkdir two && cp bert/config.json bert/tokenizer.json two/ && cp bert/model.safetensors two/a.safetensors && cp bert/model.safetensors two/b.safetensors
echo '{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}' >two/model.safetensors.index.json
expect "a tensor in two files" 65 "tensor 'bert.embeddings.LayerNorm.bias' is in two files" "$FINDNA" import two bad
rm two/b.safetensors && expect "a file of the index that is missing" 66 "two/b.safetensors" "$FINDNA" import two bad
mkdir only_bin && cp bert/config.json bert/tokenizer.json only_bin/ && echo x >only_bin/pytorch_model.bin
expect "only PyTorch's file" 66 "only_bin/model.safetensors: not there, but pytorch_model.bin: .*convert_hf.py" "$FINDNA" import only_bin bad
check "nothing was written" test ! -e bad
sed -i 's/"F16"/7/' tuned/published/tensors.json && expect "a changed list of what the run keeps" 65 "tensors.json: tensor 'bert\..*': expected its type" "$FINDNA" export tuned bad_out
check "nothing was written" test ! -e bad_out

# --- PyTorch's files, and transformers
if "$python" -c 'import torch' 2>/dev/null; then
  cat >to_bin.py <<'P'
import json, os, sys, torch
sys.argv[1:] = ["", ""]
import st
types = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64}
T = {k: torch.frombuffer(bytearray(b), dtype=types[d]).reshape(shape) for k, (d, shape, b) in st.read("half/model.safetensors").items()}
for folder in ("bin", "pieces"):
    os.makedirs(folder)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"): open(f"{folder}/{name}", "w").write(open(f"half/{name}").read())
torch.save(T, "bin/pytorch_model.bin")
names = sorted(T)
for i in range(2): torch.save({k: T[k] for k in names[i::2]}, f"pieces/pytorch_model-{i}.bin")
json.dump({"weight_map": {k: f"pytorch_model-{i % 2}.bin" for i, k in enumerate(names)}}, open("pieces/pytorch_model.bin.index.json", "w"))
os.makedirs("alone")
torch.save({"epoch": 3, "bert_config": json.load(open("half/config.json")), "model": {"module." + k: v for k, v in T.items()}}, "alone/checkpoint.pt")
torch.save({"epoch": 3}, "alone/nothing.pt")
open("alone/broken.pt", "w").write("no checkpoint")
P
  "$python" to_bin.py
  printf '#!/bin/sh\nexec "%s" "%s/launch/torch/convert_hf.py" "$@"\n' "$python" "$root" >convert && chmod +x convert
  for source in bin pieces alone/checkpoint.pt; do
    to=from_${source%%/*}
    expect "$source is converted" 0 "tensors -> $to" ./convert $source $to
    check "to the same tensors" st same half/model.safetensors $to/model.safetensors
    [ -f $to/tokenizer.json ] || cp half/tokenizer.json $to/
    expect "and imported" 0 wrote "$FINDNA" import $to run_$to
    check "as the same model" same run_half run_$to
  done
  mkdir wide && echo '{}' >wide/config.json && "$python" -c 'import torch; torch.save({"w": torch.zeros(1 << 24)}, "wide/pytorch_model.bin", _use_new_zipfile_serialization=False)'
  expect "64 MB, in the older format, within a minute of processor time" 0 "1 tensors -> from_wide" bash -c 'ulimit -t 60; ./convert wide from_wide'
  printf 'version https://git-lfs.github.com/spec/v1\n' >wide/pytorch_model.bin && expect "a pointer in its place" 1 "wide/pytorch_model.bin: is a pointer of Git LFS" ./convert wide no
  expect "a file without tensors" 1 "holds no tensors; name the entry" ./convert alone/nothing.pt no
  expect "a file that is not a checkpoint" 1 "convert_hf.py: alone/broken.pt: " ./convert alone/broken.pt no
  expect "a missing entry" 1 "no entry 'x'; it has epoch, bert_config, model" ./convert alone/checkpoint.pt no --key x
  cp bin/pytorch_model.bin alone/weights.bin && expect "weights without a config.json" 1 "name it with --config" ./convert alone/weights.bin no
  rm pieces/pytorch_model-1.bin && expect "a missing piece" 1 "pieces/pytorch_model-1.bin: no such file" ./convert pieces no
  check "nothing was written" test ! -e no
else
  echo "skipped - .bin and .pt files: torch is not installed for $python (PYTHON=...)"
fi
if "$python" -c 'import torch, transformers' 2>/dev/null; then
  cat >load.py <<'P'
import json, sys, torch, transformers
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
def ids_of(text, k=3): return torch.tensor([[2 + sum("ACGT".index(c) * 4 ** (k - 1 - j) for j, c in enumerate(text[i:i + k])) for i in range(0, len(text) - k + 1, k)]])
def make(cls, folder, seed, vocabulary=521, **more):
    torch.manual_seed(seed)
    model = cls(transformers.BertConfig(vocab_size=vocabulary, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, max_position_embeddings=64, **more))
    with torch.no_grad():
        for p in model.parameters(): p.add_(0.05 * torch.randn_like(p))
    model.save_pretrained(folder)
if sys.argv[1] == "make":
    make(BertForMaskedLM, "hf_words", 1, 66)
    make(BertForSequenceClassification, "hf_classes", 2, num_labels=3)
    make(BertForMaskedLM, "hf_pairs", 3)
    make(BertModel, "hf_bare", 4)
elif sys.argv[1] == "words":  # the export has the same logits, bit for bit
    a, b = (BertForMaskedLM.from_pretrained(f).eval() for f in sys.argv[2:4])
    with torch.no_grad(): sys.exit(not torch.equal(a(ids_of("ACGTTGCAA" * 4)).logits, b(ids_of("ACGTTGCAA" * 4)).logits))
else:  # classes FOLDER FASTA TSV: findna's probabilities, and no missing tensors
    model, info = BertForSequenceClassification.from_pretrained(sys.argv[2], output_loading_info=True)
    worst, full = 0, json.load(open("bert/tokenizer.json"))
    for token in full["added_tokens"]: token.update(single_word=False, lstrip=False, rstrip=False, normalized=False)
    json.dump(full, open("full.json", "w"))
    ids = PreTrainedTokenizerFast(tokenizer_file="full.json")
    for text, line in zip(open(sys.argv[3]).read().split()[1::2], open(sys.argv[4]).read().splitlines()[1:]):
        with torch.no_grad(): theirs = model.eval()(torch.tensor([ids(text)["input_ids"]])).logits[0].softmax(-1)
        worst = max(worst, (theirs - torch.tensor([float(x) for x in line.split("\t")[-len(theirs):]])).abs().max().item())
    sys.exit(bool(info["missing_keys"]) or not worst < 1e-5)
P
  "$python" load.py make >/dev/null 2>&1
  printf '>a\n%s\n>b\n%s\n' ACGTTGCAAACGATTTACGACCAGGTA GGGTACCATTGC >k.fa
  for kind in words classes pairs bare; do
    [ $kind = words ] || cp bert/tokenizer.json hf_$kind/
    expect "save_pretrained's BERT for $kind" 0 wrote "$FINDNA" import hf_$kind hf_run_$kind
    expect "exported" 0 wrote "$FINDNA" export hf_run_$kind hf_out_$kind
    check "has all tensors" st same hf_$kind/model.safetensors hf_out_$kind/model.safetensors
  done
  check "transformers loads it, to the same logits" "$python" load.py words hf_words hf_out_words
  "$FINDNA" embed hf_run_classes k.fa --pool task --output k.tsv >/dev/null 2>&1
  check "its classes have the same probabilities" "$python" load.py classes hf_out_classes k.fa k.tsv
  for kind in pairs bare; do
    "$FINDNA" finetune hf_run_$kind --train rows.csv --test rows.csv run.folder=hf_tuned_$kind $tune task.features=cls task.hidden=48 task.activation=tanh >/dev/null 2>&1
    expect "a classifier that was fine-tuned here ($kind)" 0 wrote "$FINDNA" export hf_tuned_$kind hf_out_tuned_$kind
    "$FINDNA" embed hf_tuned_$kind k.fa --pool task --output k.tsv >/dev/null 2>&1
    check "predicts in transformers as here" "$python" load.py classes hf_out_tuned_$kind k.fa k.tsv
  done
else
  echo "skipped - loading by transformers: it is not installed for $python (PYTHON=...)"
fi
