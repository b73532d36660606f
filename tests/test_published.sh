#!/usr/bin/env bash
# findna import of published folders (Nucleotide Transformer v2, DNABERT-2, BERT): what is read, refused and left out; embed and probe of what was
# imported; export and import again. The values are those of test_published.c.
. "$(dirname "$0")/lib.sh"
golden=$root/../shared/golden5
[ -d "$golden" ] || { echo "skipped - published folders: ../shared/golden5 is not here"; exit 0; }
cp -r "$golden/ntv2_d48_hf" nt && cp -r "$golden/dnabert2_d48_hf" dnabert && cp -r "$golden/bert_d48_hf" bert && chmod -R u+w nt dnabert bert
printf '>a\n%s\n>b\nACGTNACGTTTGACA\n' "$(for _ in $(seq 30); do printf ACGTTGCA; done)" >s.fa
awk 'BEGIN { srand(5); print "sequence,label"; for (i = 0; i < 60; i++) { s = ""; for (j = 0; j < 48; j++) s = s substr("ACGT", 1 + int(4 * rand()), 1); print s "," i % 2 } }' >rows.csv

# --- Nucleotide Transformer v2
expect "a published NTv2 is imported" 0 "wrote run" "$FINDNA" import nt run
check "unused tensors are listed" bash -c "grep -q 'not used: esm.contact_head.regression.weight' out.log && grep -q '7 tensors of nt are not used' out.log"
expect "means over words" 0 "wrote mean.tsv" "$FINDNA" embed run s.fa --output mean.tsv
check "one row a sequence, 48 values" bash -c "[ \$(wc -l <mean.tsv) -eq 3 ] && [ \$(head -1 mean.tsv | wc -w) -eq 49 ]"
expect "its own [CLS] token" 0 "wrote cls.tsv" "$FINDNA" embed run s.fa --output cls.tsv --pool cls
check "is another row" bash -c "! cmp -s mean.tsv cls.tsv"
expect "nucleotides have no rows" 64 "sees words of several nucleotides" "$FINDNA" embed run s.fa --output x.tsv --pool positions
expect "a linear probe" 0 "student" "$FINDNA" probe run --train rows.csv --test rows.csv --seeds 1
expect "two ranks" 0 "wrote two.tsv" env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" embed run s.fa --output two.tsv
check "embed to the same bits" cmp mean.tsv two.tsv
expect "exported" 0 "wrote" "$FINDNA" export run out
check "with the published names" grep -aq '"esm.encoder.layer.2.attention.self.query.weight"' out/model.safetensors
expect "and imported again" 0 "wrote run2" "$FINDNA" import out run2
expect "it embeds" 0 "wrote again.tsv" "$FINDNA" embed run2 s.fa --output again.tsv
check "to the same bits" cmp mean.tsv again.tsv
expect "scores are of nucleotides" 64 "scores are of models over nucleotides" "$FINDNA" score run s.fa --output x.bedgraph

# --- several files with an index
mkdir parts && cp nt/config.json parts/ && cp nt/model.safetensors parts/model-00001-of-00001.safetensors
echo '{"metadata": {}, "weight_map": {"a": "model-00001-of-00001.safetensors", "b": "model-00001-of-00001.safetensors"}}' >parts/model.safetensors.index.json
expect "an index" 0 "wrote run3" "$FINDNA" import parts run3
expect "of it" 0 "wrote part.tsv" "$FINDNA" embed run3 s.fa --output part.tsv
check "the same bits" cmp mean.tsv part.tsv
sed -i 's/"b": "model-00001/"b": "model-00002/' parts/model.safetensors.index.json
expect "a file of the index that is missing" 66 "cannot open parts/model-00002-of-00001.safetensors" "$FINDNA" import parts bad
sed -i 's/"b": "model-00002-of-00001.safetensors"/"b": "..\/x"/' parts/model.safetensors.index.json
expect "a file elsewhere" 65 "tensor 'b': expected the name of a file in this folder" "$FINDNA" import parts bad
echo '{}' >parts/model.safetensors.index.json
expect "an index of nothing" 65 "no 'weight_map'" "$FINDNA" import parts bad

# --- what is wrong is named
edit() { rm -rf bad_nt && cp -r nt bad_nt && sed -i "$1" "bad_nt/${2:-config.json}"; }
edit 's/"esm"/"t5"/' && expect "another family" 65 "model_type: 't5' .expected esm or bert" "$FINDNA" import bad_nt bad
edit 's/"rotary"/"absolute"/' && expect "other positions" 65 "position_embedding_type: 'absolute' .expected 'rotary'" "$FINDNA" import bad_nt bad
edit 's/"add_bias_fnn": false/"add_bias_fnn": true/' && expect "biases that are not read" 65 "add_bias_fnn: 'true'" "$FINDNA" import bad_nt bad
edit 's/"hidden_size": 48/"hidden_size": "48"/' && expect "a size that is a text" 65 "hidden_size: expected a whole number" "$FINDNA" import bad_nt bad
edit 's/"vocab_size": 4107/"vocab_size": 4108/' && expect "another vocabulary" 65 "vocab_size: 4108 .expected 4107" "$FINDNA" import bad_nt bad
edit 's/"num_attention_heads": 4/"num_attention_heads": 5/' && expect "heads that do not cut the width" 65 "model.heads: 5" "$FINDNA" import bad_nt bad
edit 's/"intermediate_size": 128/"intermediate_size": 64/' && expect "another shape" 65 "intermediate.dense.weight': shape .256, 48. .config.json says .128, 48" "$FINDNA" import bad_nt bad
edit 's/"num_hidden_layers": 3/"num_hidden_layers": 2/' && expect "a tensor too many" 65 "tensor 'esm.encoder.layer.2.*' is none of this model" "$FINDNA" import bad_nt bad
edit 's/"num_hidden_layers": 3/"num_hidden_layers": 4/' && expect "a tensor that is missing" 65 "no tensor 'esm.encoder.layer.3" "$FINDNA" import bad_nt bad
edit 's/\("esm.encoder.layer.0.LayerNorm.bias":{"dtype":"\)F32/\1I32/' model.safetensors && expect "whole numbers" 65 "is I32 .expected F32, F16 or BF16" "$FINDNA" import bad_nt bad
rm -rf bad_nt && cp -r nt bad_nt && truncate -s -4 bad_nt/model.safetensors && expect "a file that was cut" 65 "model.safetensors" "$FINDNA" import bad_nt bad
rm bad_nt/model.safetensors && expect "no weights" 66 "cannot open bad_nt/model.safetensors" "$FINDNA" import bad_nt bad
check "nothing was written" test ! -e bad

# --- byte pairs
expect "without the tokenizer" 66 "dnabert/tokenizer.json: not there" "$FINDNA" import dnabert bad
merges=$golden/bpe_merges.txt
{
  printf '{"version":"1.0","added_tokens":['
  n=0; for t in UNK CLS SEP PAD MASK; do [ $n -eq 0 ] || printf ,; printf '{"id":%d,"content":"[%s]","special":true}' $n $t; n=$((n + 1)); done
  printf '],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}},"model":{"type":"BPE","unk_token":"[UNK]","fuse_unk":false,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"[PAD]":3,"[MASK]":4,"A":5,"C":6,"G":7,"T":8'
  awk 'NF == 2 && !($1 $2 in seen) { seen[$1 $2] = 1; printf ",\"%s\":%d", $1 $2, 8 + NR }' "$merges"
  printf '},"merges":['
  awk 'NF == 2 { printf "%s\"%s %s\"", (NR > 1 ? "," : ""), $1, $2 }' "$merges"
  printf ']}}\n'
} >dnabert/tokenizer.json
cp dnabert/tokenizer.json bert/
for model in dnabert bert; do
  expect "a published $model is imported" 0 "wrote run_$model" "$FINDNA" import $model run_$model
  expect "and embeds" 0 "wrote $model.tsv" "$FINDNA" embed run_$model s.fa --output $model.tsv --pool both
  expect "exported with its tokenizer" 0 "wrote" "$FINDNA" export run_$model out_$model
  expect "imported again" 0 "wrote again_$model" "$FINDNA" import out_$model again_$model
  expect "it embeds" 0 "wrote $model.again.tsv" "$FINDNA" embed again_$model s.fa --output $model.again.tsv --pool both
  check "to the same bits" cmp $model.tsv $model.again.tsv
done
printf '>long\n%s\n' "$(for _ in $(seq 300); do printf ACGTTGCA; done)" >long.fa
expect "more tokens than learned positions" 65 "the model has learned 64 positions" "$FINDNA" embed run_bert long.fa --output x.tsv --window 0
sed -i 's/,"[A-Z]* [A-Z]*"\]}}$/]}}/' run_bert/tokenizer.json
expect "another tokenizer than the model's" 65 "another tokenizer .* than that of the model" "$FINDNA" embed run_bert s.fa --output x.tsv

# --- fine-tuning
cp bert/tokenizer.json run_bert/
awk 'BEGIN { srand(5); print "sequence,label"; for (i = 0; i < 200; i++) { s = ""; for (j = 0; j < 40; j++) s = s substr("ACGT", 1 + int(4 * rand()), 1); if (i % 2) s = substr(s, 1, 15) "TATAAAGGC" substr(s, 25); print s "," i % 2 } }' >motif.csv
tune="optim.lr=3e-3 train.epochs=8 device.threads=1"
for model in run run_dnabert run_bert; do
  expect "$model learns a motif" 0 "test " "$FINDNA" finetune $model --train motif.csv --test motif.csv run.folder=tuned_$model $tune
  check "on the rows it saw" bash -c "awk '/^test / { exit !(\$4 > 85) }' out.log"
  expect "on two ranks" 0 "test " env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" finetune $model --train motif.csv --test motif.csv run.folder=two_$model $tune
  check "to the same bits" test "$(state_of tuned_$model)" = "$(state_of two_$model)"
  expect "its head predicts" 0 "wrote task.tsv" "$FINDNA" embed tuned_$model s.fa --output task.tsv --pool task
  expect "exported" 0 "wrote" "$FINDNA" export tuned_$model out_tuned_$model
  expect "imported" 0 "wrote" "$FINDNA" import out_tuned_$model back_$model
  expect "its head predicts" 0 "wrote back.tsv" "$FINDNA" embed back_$model s.fa --output back.tsv --pool task
  check "the same" cmp task.tsv back.tsv
done
rm -r two_run_dnabert/ckpt/step_* && expect "interrupted" 75 "" "$FINDNA" finetune run_dnabert --train motif.csv --test motif.csv run.folder=two_run_dnabert --restart $tune run.minutes=0.002
expect "and resumed" 0 "test " "$FINDNA" finetune run_dnabert --train motif.csv --test motif.csv run.folder=two_run_dnabert $tune
check "to the same bits" test "$(state_of tuned_run_dnabert)" = "$(state_of two_run_dnabert)"
expect "appended [CLS] tokens" 78 "a model over ids has tokens or cls" "$FINDNA" finetune run --train motif.csv run.folder=bad task.features=both
cls="task.features=cls task.hidden=48 task.activation=tanh"
expect "the [CLS] token, and tanh, as published classifiers have" 0 "test " "$FINDNA" finetune run_bert --train motif.csv --test motif.csv run.folder=cls $tune $cls
check "learn a motif" bash -c "awk '/^test / { exit !(\$4 > 85) }' out.log"
expect "on two ranks" 0 "test " env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" finetune run_bert --train motif.csv --test motif.csv run.folder=cls2 $tune $cls
check "to the same bits" test "$(state_of cls)" = "$(state_of cls2)"
expect "an activation of no units" 78 "task.activation has no effect without task.hidden" "$FINDNA" finetune run_bert --train motif.csv run.folder=bad task.activation=tanh
tiny_shards shards
expect "it is not pretrained here" 78 "it is not pretrained here yet" "$FINDNA" pretrain run/ckpt/step_000000000/config.yaml data.shards=shards run.folder=bad
