#!/usr/bin/env bash
# The laws for hidden words, of an autoencoder and of models with [MASK] tokens over k-mers and over byte pairs, on records and on windows: the same bits for
# any number of ranks and threads, after kills, and with passes of any size, also on the emulated GPU; uses of the models; and what is refused.
source "$(dirname "$0")/lib.sh"
tiny_shards windows
# Barcodes of 12 kinds, of 20 to 60 letters, some with N, one of a single word.
awk 'BEGIN { srand(8 + ENVIRON["DRAWS"]); print "id,genus,species,sequence"
  for (g = 0; g < 12; g++) for (k = 0; k < 60; k++) from[g] = from[g] substr("ACGT", 1 + int(rand() * 4), 1)
  for (i = 0; i < 300; i++) { g = i % 12; s = ""; n = 20 + i * 7 % 41
    for (k = 0; k < n; k++) { r = rand(); s = s (r < 0.02 ? "N" : r < 0.1 ? substr("ACGT", 1 + int(rand() * 4), 1) : substr(from[g], k + 1, 1)) }
    if (i == 5) s = "ACGTA"
    print "r" i ",G" int(g / 2) ",S" g "," s } }' >barcodes.csv
"$FINDNA" prepare --table barcodes.csv --shortest 4 --val-share 0.15 --test-share 0.15 --known species records >log 2>&1 || { tail -3 log; exit 1; }
cat >mae.yaml <<'YAML'
run: {folder: run, seed: 3}
data: {shards: records}
model: {encoder: mae, channels: 24, hidden: 20, layers: 2, heads: 3, tokenizer: kmer, kmer: 4, vocabulary: 258, positions: 200, decoder_layers: 1}
aug: {student: M, mask_rate: 0.5, offsets: true}
objective: {mnm_weight: 0, cl_weight: 0, hidden_weight: 0.8}
teacher: {kind: none}
optim: {lr: 3e-3, schedule: one_cycle, clip: 0}
train: {batch: 32, virtual_ranks: 4, steps: 12, dropout: 0.1}
eval: {every: 6, windows: 30}
checkpoint: {every: 4}
device: {threads: 1}
YAML
sed 's/encoder: mae/encoder: bert/; s/, decoder_layers: 1/, lm_head: own/; s/, hidden_weight: 0.8//' mae.yaml >mlm.yaml
"$FINDNA" merges records --vocabulary 80 --output words.json >log 2>&1 || { tail -3 log; exit 1; }
sed 's/encoder: mae/encoder: dnabert_2/; s/tokenizer: kmer, kmer: 4, vocabulary: 258/tokenizer: bpe, vocabulary: 80/; s/, decoder_layers: 1/, lm_head: tied/; s/, hidden_weight: 0.8//
  s/student: M, mask_rate: 0.5, offsets: true/student: RM, mask_rate: 0.3/; s/, dropout: 0.1//; s/shards: records/shards: records, tokenizer: words.json/' mae.yaml >bpe.yaml
train() { local config=$1 n=$2 folder=$3; shift 3; ranks "$n" pretrain $config.yaml run.folder="$folder" "$@" >"$folder.log" 2>&1; }

for c in mae mlm bpe; do
  train $c 1 $c-one || { cat $c-one.log; not_ok "a run finishes"; exit 1; }
  for n in 2 4; do
    train $c $n $c-ranks$n comm.bucket=0.001
    check "$c: $n ranks end in the bits of 1 rank" same $c-one $c-ranks$n
  done
  check "$c: with the same metrics" same_lines $c-one $c-ranks4
  train $c 2 $c-threads device.threads=2
  check "$c: 2 ranks of 2 threads end in the bits of 1" same $c-one $c-threads
  train $c 1 $c-generic device.simd=generic
  train $c 4 $c-generic4 device.simd=generic device.threads=2
  check "$c: plain kernels: 4 ranks of 2 threads end in the bits of 1" same $c-generic $c-generic4
  train $c 1 $c-windows data.shards=windows
  train $c 4 $c-windows4 data.shards=windows
  check "$c: windows: 4 ranks end in the bits of 1" same $c-windows $c-windows4
  check "$c: which differ from those of records" other $c-one $c-windows
  mkdir $c-stopped && touch $c-stopped/stop
  train $c 4 $c-stopped; code=$?
  check "$c: a stop file ends 4 ranks with 85" test $code = 85
  train $c 2 $c-stopped
  check "$c: resumed on 2 ranks: the bits of an uninterrupted run" same $c-one $c-stopped
  check "$c: and its metrics" same_lines $c-one $c-stopped
  longer="train.steps=150 checkpoint.every=7 eval.every=0"
  train $c 1 $c-long $longer
  killed 3 $c-killed $c.yaml $longer
  check "$c: killed at random instants: the same bits" same $c-long $c-killed
  check "$c: at least one kill during training" grep -q "resuming from $c-killed/ckpt/step_" $c-killed.log
  keys="run.seed=4 aug.mask_rate=0.4 aug.offsets=false train.dropout=0"
  [ $c = bpe ] && keys="run.seed=4 aug.mask_rate=0.4 aug.student=M aug.revcomp=0.1"
  for key in $keys; do
    train $c 1 $c-$key $key
    check "$c: $key ends elsewhere" other $c-one $c-$key
  done
  for rate in 0.5 0; do [ $c = bpe ] || train $c 1 $c-rate-$rate optim.lr=0 train.steps=1 train.dropout=$rate; done
  [ $c = bpe ] || check "$c: after a step of training, evaluations have no dropout" test "$(grep '"kind":"eval"' $c-rate-0.5/metrics.jsonl)" = "$(grep '"kind":"eval"' $c-rate-0/metrics.jsonl)" -a -s $c-rate-0/metrics.jsonl
  more=""; [ $c = bpe ] && more="optim.lr=1e-2 eval.windows=100"
  train $c 1 $c-learned train.steps=400 eval.every=0 train.dropout=0 $more
  held() { grep -o '"kind":"eval".*' $c-learned/metrics.jsonl | grep -o '"student_loss":[0-9.]*' | cut -d: -f2; }
  counted() { grep '"kind":"context"' $c-learned/metrics.jsonl | grep -o '"loss":[0-9.]*' | cut -d: -f2; }
  check "$c: it learns: held-out loss below that of the words' own counts" awk "BEGIN { exit !($(held | tail -1) < $(counted | head -1) && $(held | head -1) > $(counted | head -1)) }"
  baselines=3; [ $c = bpe ] && baselines=1 # the letters next to a byte pair are not counted
  check "$c: $baselines baselines are in the metrics" test "$(counted | wc -l)" = $baselines
  expect "$c: report" 0 "report.html" "$FINDNA" report $c-learned
  check "$c: the report names hidden words" grep -q "hidden word" $c-learned/report.html
done
longest=$(cat records/train.tsv records/val.tsv | awk -F"\t" '$3 != "sequence" && int(length($3) / 4) > n { n = int(length($3) / 4) } END { print n }')
check "the log reports the model and the records" grep -q "2 blocks of 3 heads, 1 in the decoder, records of up to $longest + 0 tokens" mae-one.log
check "and the number of unknown words" grep -qE "words: [1-9][0-9]* of [0-9]+ training words contain letters other than" mae-one.log
check "and the held-out loss and accuracy" grep -qE "held-out loss [0-9.]+ nats, accuracy [0-9.]+ % over [0-9]+ hidden words" mae-one.log
train mae 1 once aug.refresh=once
train mae 4 once4 aug.refresh=once
check "one frozen draw per record: 4 ranks end in the bits of 1" same once once4

# Uses of the models.
for c in mae mlm bpe; do
  expect "$c: knn" 0 "queries have a label that no key has" "$FINDNA" knn $c-learned --train records/train.tsv --test records/test.tsv --label species --kmer 3
  expect "$c: embed" 0 "" "$FINDNA" embed $c-learned records/test.tsv --output $c.tsv
  expect "$c: export" 0 "wrote the student" "$FINDNA" export $c-learned $c-out
  expect "$c: import" 0 "use it as CHECKPOINT" "$FINDNA" import $c-out $c-back
  "$FINDNA" embed $c-back records/test.tsv --output $c-back.tsv >/dev/null 2>&1
  check "$c: after export and import the embeddings have the same bytes" cmp $c.tsv $c-back.tsv
  expect "$c: another run starts from the pretrained one" 0 "weights taken from" "$FINDNA" pretrain $c.yaml run.folder=$c-next train.steps=2 --init-from $c-learned
done

refused() { expect "$1 is refused" "$2" "$3" "$FINDNA" pretrain mae.yaml run.folder=refused "${@:4}"; }
"$FINDNA" prepare --table barcodes.csv --shortest 1 --val-share 0.15 short >/dev/null 2>&1
refused "a record shorter than a word" 65 "1 of [0-9]+ sequences are shorter than a word \(model.kmer: 6\); leave them out with findna prepare --shortest 6" data.shards=short model.kmer=6 model.vocabulary=4098
refused "more words than positions" 78 "sequences of up to [0-9]+ nucleotides have $longest words; model.positions is 10" model.positions=10
refused "a term of nucleotides" 78 "words have neither the term mnm nor cl" objective.mnm_weight=0.5
refused "other augmentations" 78 "expected aug.student: M" aug.student=DM
refused "nothing to hide" 78 "aug.mask_rate above 0" aug.mask_rate=0
refused "no head of masked words" 78 "no head would predict the hidden words" model.encoder=bert model.decoder_layers=6 model.lm_head=none objective.hidden_weight=1 objective.mnm_weight=0.5
expect "records for a model of nucleotides are refused" 78 "holds records of different lengths" "$FINDNA" pretrain "$root/tests/tiny.yaml" data.shards=records run.folder=refused
expect "offsets of nucleotides are refused" 78 "aug.offsets is only for words of tokenizer kmer" "$FINDNA" pretrain "$root/tests/tiny.yaml" data.shards=windows run.folder=refused aug.offsets=true
check "and refused runs leave no checkpoint" test ! -e refused/ckpt


# Byte pairs: the file of merges is a part of the run, and a published model is pretrained further with its own file.
check "bpe: the run has a copy of tokenizer.json" cmp words.json bpe-one/tokenizer.json
check "bpe: the config of the run has its hash" grep -qE "words: \"?[0-9a-f]{64}" bpe-one/config.used.yaml
check "bpe: as many tokens as the longest record has" bash -c 'grep -qE "records of up to [0-9]+ \+ 0 tokens" bpe-one.log && ! grep -q "up to 167" bpe-one.log'
cp words.json moved.json
train bpe 2 bpe-moved data.tokenizer=moved.json
check "bpe: the name of the file does not matter" same bpe-one bpe-moved
train bpe 2 bpe-moved data.tokenizer=bpe-moved/tokenizer.json --restart
check "bpe: --restart with the file in the run folder, which is moved aside" same bpe-one bpe-moved
check "bpe: old run and new one have the file" bash -c 'cmp words.json bpe-moved/tokenizer.json && cmp words.json bpe-moved/before-restart-1/tokenizer.json'
train bpe 1 bpe-bert model.encoder=bert model.positions=64
train bpe 4 bpe-bert4 model.encoder=bert model.positions=64
check "bpe: a BERT over them: 4 ranks end in the bits of 1" same bpe-bert bpe-bert4
expect "bpe: fine-tuning from it" 0 "best weights" "$FINDNA" finetune bpe-learned --train records/train.tsv --label genus run.folder=bpe-tuned train.steps=4 train.batch=16 train.virtual_ranks=4 task.features=cls device.threads=1
expect "bpe: which teaches a student of the same words" 0 "teacher: the best of bpe-tuned" "$FINDNA" finetune bpe-tuned --new-model --config kd-cnn --teacher bpe-tuned --train records/train.tsv --label genus run.folder=bpe-student model.channels=8 model.filters=8 train.steps=4 train.batch=16 train.virtual_ranks=4 device.threads=1
expect "bpe: inspect" 0 "bpe" "$FINDNA" inspect bpe-one
"$FINDNA" merges records --vocabulary 80 --windows 40 --output other.json >/dev/null 2>&1
"$FINDNA" merges records --vocabulary 60 --output small.json >/dev/null 2>&1
with() { expect "bpe: $1" "$2" "$3" "$FINDNA" pretrain bpe.yaml run.folder=refused "${@:4}"; }
with "no file of merges" 78 "findna merges records --output tokenizer.json" data.tokenizer=
with "a missing file of merges" 66 "nowhere.json" data.tokenizer=nowhere.json
cp -r bpe-one swapped && cp other.json swapped/tokenizer.json
expect "bpe: a file that was replaced is not exported" 65 "swapped/tokenizer.json: not the model's tokenizer" "$FINDNA" export swapped exported
check "bpe: and nothing is written" test ! -e exported
with "another vocabulary" 65 "small.json: makes a vocabulary of 60 tokens; the model has 80" data.tokenizer=small.json
with "not the words of the config" 65 "words.json: not the model's tokenizer" model.words=$(printf '0%.0s' {1..64})
with "more words than positions" 78 "words; model.positions is 20" model.encoder=bert model.positions=20
with "a k-mer's offsets" 78 "aug.offsets is only for words of tokenizer kmer" aug.offsets=true
with "no head of masked words" 78 "model.lm_head: none" model.lm_head=none objective.mnm_weight=1
sed '0,/"id": 0/s//"id": 79/; s/: 79$/: 0/; s/"\[UNK\]": 0/"[UNK]": 79/' words.json >turned.json
with "special tokens among the others" 65 "its special tokens are not its first ids" data.tokenizer=turned.json
expect "bpe: a resume with other merges" 78 "model.words: [0-9a-f]{64} \(checkpoint\) -> [0-9a-f]{64}" "$FINDNA" pretrain bpe.yaml run.folder=bpe-one train.steps=12 data.tokenizer=other.json
check "bpe: and refused runs leave no folder" test ! -e refused
if [ -d "$root/../shared/golden5/dnabert2_d48_hf" ]; then
  cp -r "$root/../shared/golden5/dnabert2_d48_hf" published && chmod -R u+w published && bpe_json "$root/../shared/golden5/bpe_merges.txt" >published/tokenizer.json
  "$FINDNA" import published imported >out.log 2>&1 || { not_ok "a DNABERT-2 is imported"; tail -2 out.log; }
  shape=$(awk '/^[a-z]/ { in_model = $1 == "model:" } in_model && /^  / { sub(":", "=", $1); gsub("\"", "", $2); print "model." $1 $2 }' "$(ls -d imported/ckpt/step_*)/config.yaml")
  expect "bpe: a published DNABERT-2 is pretrained further" 0 "weights taken from" "$FINDNA" pretrain bpe.yaml run.folder=further data.tokenizer=imported/tokenizer.json --init-from imported train.steps=2 $shape
else echo "skipped - a published DNABERT-2 is pretrained further: ../shared/golden5 is not here"; fi

# The emulated GPU.
export FINDNA_PLUGIN=$(dirname "$FINDNA")/libfindna_emulated.so
if [ -e "$FINDNA_PLUGIN" ]; then
  few="train.batch=8 train.steps=2 eval.windows=4"
  for c in mae mlm bpe; do
    train $c 1 $c-cpu $few
    for precision in fp32 bf16; do
      on="device.kind=cuda comm.share_gpu=true $few device.precision=$precision"
      train $c 1 $c-$precision $on || tail -2 $c-$precision.log
      train $c 2 $c-$precision-ranks $on
      check "$c, $precision: 2 ranks end in the bits of 1" same $c-$precision $c-$precision-ranks
    done
    check "$c: fp32: every step's loss equals the CPU's to within 1e-5" near $c-fp32 $c-cpu 1e-5
    check "$c: bf16: every step's loss equals the CPU's to within 1e-2" near $c-bf16 $c-cpu 1e-2
  done
else echo "skipped - the emulated GPU: this build has none"; fi
