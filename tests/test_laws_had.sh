#!/usr/bin/env bash
# The laws for a student of a frozen teacher: the same bits for any number of ranks and threads, after kills, and with passes of any size,
# also on the emulated GPU; a weight of 0 without a teacher; a teacher pretrained here; uses of a student; and what is refused.
source "$(dirname "$0")/lib.sh"
# prepare FOLDER COUNT VAL-COUNT: windows of 60
prepare() { "$FINDNA" prepare --window 60 --max-n 0 --count "$2" --val-count "$3" --seed 1 --bed "$root/datasets/human_chr20_slice.bed" "$1" "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1 || { cat prepare.log; exit 1; }; }
windows() { "$FINDNA" prepare --count 512 --val-count 64 --seed 1 --shard-windows 200 --bed "$root/datasets/human_chr20_slice.bed" "$@" "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1 || { cat prepare.log; exit 1; }; }
windows --window 60 --max-n 0 shards
cat >teacher.yaml <<'YAML'
run: {folder: teacher, seed: 3}
data: {shards: shards}
model: {encoder: nt_v2, channels: 24, hidden: 20, layers: 2, heads: 3, tokenizer: nt6, vocabulary: 4107, epsilon: 1e-12, lm_head: own}
aug: {student: RM, mask_rate: 0.15}
objective: {mnm_weight: 0, cl_weight: 0}
teacher: {kind: none}
optim: {lr: 3e-3, decay: matrices}
train: {batch: 32, virtual_ranks: 4, steps: 12}
eval: {every: 6, windows: 30}
checkpoint: {every: 4}
device: {threads: 1}
YAML
cat >had.yaml <<'YAML'
run: {folder: run, seed: 3}
data: {shards: shards}
model: {encoder: had, channels: 16, hidden: 20, layers: 2, heads: 2, tokenizer: letters, vocabulary: 7, delta_heads: 2, delta_keys: 6, delta_values: 10, decoder_hidden: 12}
aug: {student: RM, mask_rate: 0.15}
objective: {mnm_weight: 0, cl_weight: 0, distil_weight: 1}
teacher: {kind: frozen}
optim: {lr: 3e-3, beta2: 0.95, weight_decay: 0.1, decay: matrices, clip: 1}
train: {batch: 32, virtual_ranks: 4, steps: 12}
eval: {every: 6, windows: 30}
checkpoint: {every: 4}
device: {threads: 1}
YAML
train() { local n=$1 folder=$2; shift 2; ranks "$n" pretrain had.yaml run.folder="$folder" --teacher teacher "$@" >"$folder.log" 2>&1; }
last() { grep -o "\"$2\":[-0-9.e+]*" "$1/metrics.jsonl" | tail -1 | cut -d: -f2; }
first() { grep -o "\"$2\":[-0-9.e+]*" "$1/metrics.jsonl" | head -1 | cut -d: -f2; }

expect "a teacher pretrained here: masked 6-mers" 0 "finished" "$FINDNA" pretrain teacher.yaml
ranks 4 pretrain teacher.yaml run.folder=teacher4 >teacher4.log 2>&1
check "which has the same bits on 4 ranks" same teacher teacher4
before=$(find teacher -type f | sort | xargs sha256sum | sha256sum)

train 1 one || { cat one.log; not_ok "a run finishes"; exit 1; }
for n in 2 4; do
  train $n ranks$n comm.bucket=0.001
  check "$n ranks end in the bits of 1 rank" same one ranks$n
done
check "with the same metrics" same_lines one ranks4
train 2 threads device.threads=2
check "2 ranks of 2 threads end in the bits of 1" same one threads
train 1 generic device.simd=generic
train 4 generic4 device.simd=generic device.threads=2
check "plain kernels: 4 ranks of 2 threads end in the bits of 1" same generic generic4
mkdir stopped && touch stopped/stop
train 4 stopped; code=$?
check "a stop file ends 4 ranks with 85" test $code = 85
train 2 stopped
check "resumed on 2 ranks: the bits of an uninterrupted run" same one stopped
check "and its metrics" same_lines one stopped
longer="train.steps=150 checkpoint.every=7 eval.every=0"
train 1 long $longer
killed 3 killed had.yaml --teacher teacher $longer
check "killed at random instants: the same bits" same long killed
check "at least one kill during training" grep -q "resuming from killed/ckpt/step_" killed.log
check "hidden letters have baselines of counts" test "$(grep -o '"kind":"context".*"reach":[0-9]*' one/metrics.jsonl | grep -o '[0-9]*$' | tr '\n' ' ')" = "0 1 4 "
for key in run.seed=4 aug.mask_rate=0.3 aug.student=M aug.sees=visible objective.distil=cosine objective.distil_pool=repeat \
  objective.distil_norm=none objective.hidden_weight=0.5 objective.distil_weight=2 teacher.sees=clean optim.decay=all; do
  train 1 "$key" "$key"
  check "$key ends elsewhere" other one "$key"
  train 4 "$key-4" "$key"
  check "and 4 ranks end in the same bits" same "$key" "$key-4"
done
check "the teacher's files are unchanged" test "$before" = "$(find teacher -type f | sort | xargs sha256sum | sha256sum)"
check "its SHA-256 is in the checkpoint" grep -qE "^teacher [0-9a-f]{64}$" one/ckpt/step_000000012/MANIFEST

# The cache of features, for a teacher that sees all words: several epochs, in which windows recur in both directions.
clean="teacher.sees=clean train.steps=60 eval.every=15 checkpoint.every=20"
train 1 asked $clean
train 1 kept $clean teacher.cache=true
check "cached features: the bits of a run that runs its teacher each time" same asked kept
check "and its metrics" same_lines asked kept
check "the size of the cache is reported" grep -qE "teacher.cache: features of 1054 windows, 0.00[0-9]+ GB of memory a rank" kept.log
for n in 2 4; do
  train $n kept$n $clean teacher.cache=true
  check "cached on $n ranks: the same bits" same asked kept$n
done
mkdir halfway && touch halfway/stop
train 2 halfway $clean teacher.cache=true
train 1 halfway $clean
check "stopped with a cache, resumed without: the same bits" same asked halfway
expect "a teacher that sees [MASK]: no cache is possible" 78 "teacher.cache: features of a teacher that sees .MASK. differ from draw to draw" "$FINDNA" pretrain had.yaml run.folder=refused --teacher teacher teacher.cache=true

if [ "$(awk '/^MemAvailable/ { print int($2 / 1e6) }' /proc/meminfo)" -lt 35 ]; then
  "$FINDNA" pretrain teacher.yaml run.folder=wide model.channels=512 model.heads=8 model.layers=1 train.steps=1 train.batch=4 eval.every=0 eval.windows=1 >wide.log 2>&1
  prepare many 1000000 64
  expect "a cache that exceeds memory is refused, with its size" 71 "teacher.cache: the features of 2000030 windows need 4[0-9.]+ GB of memory a rank, where [0-9.]+ GB are free for it" "$FINDNA" pretrain had.yaml run.folder=refused --teacher wide data.shards=many teacher.sees=clean teacher.cache=true
  rm -rf many wide
else echo "skipped - a cache that exceeds memory: this machine has too much"; fi

# Alignment of each layer with the teacher, over time.
check "the layers' alignment is measured" grep -qE '"kind":"layers","step":60,"rows":[0-9]+,"layer_1":-?[0-9.e-]+,.*"layer_4":-?[0-9.e-]+}' asked/metrics.jsonl
check "as often as the held-out loss" test "$(grep -c '"kind":"layers"' asked/metrics.jsonl)" = "$(grep -c '"kind":"eval"' asked/metrics.jsonl)"

# What cannot be a teacher, or be in its place.
cat >mae.yaml <<'YAML'
run: {folder: mae, seed: 3}
data: {shards: shards}
model: {encoder: mae, channels: 24, hidden: 20, layers: 2, heads: 3, tokenizer: kmer, kmer: 6, vocabulary: 4098, positions: 20, decoder_layers: 1}
aug: {student: M, mask_rate: 0.5}
objective: {mnm_weight: 0, cl_weight: 0}
teacher: {kind: none}
train: {batch: 32, virtual_ranks: 4, steps: 1}
eval: {every: 0, windows: 30}
device: {threads: 1}
YAML
expect "a masked autoencoder" 0 "finished" "$FINDNA" pretrain mae.yaml
expect "never saw [MASK]" 78 "never saw .MASK.; use teacher.sees=clean" "$FINDNA" pretrain had.yaml run.folder=refused --teacher mae
expect "but all nucleotides" 0 "finished" "$FINDNA" pretrain had.yaml run.folder=of_mae --teacher mae teacher.sees=clean train.steps=1 eval.every=0
expect "a run in the place of its teacher" 78 "run.folder: teacher is that of the --teacher" "$FINDNA" pretrain had.yaml run.folder=teacher --teacher teacher --restart
expect "--teacher for a model that has none" 64 "is for model.encoder: had" "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=refused --teacher teacher
# With a weight of 0 the teacher is not opened.
"$FINDNA" pretrain had.yaml run.folder=none teacher.kind=none objective.distil_weight=0 >none.log 2>&1
"$FINDNA" pretrain had.yaml run.folder=zero objective.distil_weight=0 --teacher nowhere >zero.log 2>&1
check "a weight of 0: the teacher is neither run nor opened" grep -q "is not used" zero.log
check "and the bits are those of a run without a teacher" same none zero
check "which differ from those with a teacher" other none one

train 1 learned train.steps=300 eval.every=100
check "it learns: the loss of hidden letters falls" awk "BEGIN { exit !($(last learned student_loss) < $(first learned student_loss)) }"
check "and the cosine of the features rises" awk "BEGIN { exit !($(last learned cosine) > 0.3 + $(first learned cosine)) }"
check "both losses are in the metrics" grep -qE '"hidden":[0-9.]+,"distil":[0-9.]+' learned/metrics.jsonl
check "and the cosine is in the log" grep -qE "cosine -?[0-9.]+ of student and teacher features over [0-9]+ visible words" learned.log
train 1 only objective.hidden_weight=0
check "distillation only: the reconstruction is evaluated but not trained" grep -qE "held-out loss [0-9.]+ nats" only.log
check "and not part of the loss" grep -qE "^step 12/12  loss [0-9.]+  lr" only.log

# Uses of a student.
printf '>a\nACGTACGTTTACGATCGATCGACTAGCTNNACGT\n>b\nTTGACA\n>c\nA\n' >x.fa
expect "embed" 0 "" "$FINDNA" embed learned x.fa --output x.tsv
expect "export" 0 "wrote the student" "$FINDNA" export learned out
expect "import" 0 "use it as CHECKPOINT" "$FINDNA" import out back
"$FINDNA" embed back x.fa --output back.tsv >/dev/null 2>&1
check "after export and import the embeddings have the same bytes" cmp x.tsv back.tsv
expect "another run starts from the imported student" 0 "weights taken from" "$FINDNA" pretrain had.yaml run.folder=next train.steps=2 --init-from learned --teacher teacher
expect "report" 0 "report.html" "$FINDNA" report learned
check "with the cosine over time" grep -q "Features of a frozen teacher" learned/report.html
check "and both terms" grep -q "Hidden words or letters, and alignment" learned/report.html
check "and the alignment of the layers" grep -q "Alignment of each layer with the teacher" learned/report.html

refused() { expect "$1 is refused" "$2" "$3" "$FINDNA" pretrain had.yaml run.folder=refused "${@:4}"; }
refused "no teacher" 64 "give the teacher of the alignment with --teacher CHECKPOINT"
windows --window 61 --max-n 0 odd
refused "a window that is not made of whole groups" 65 "not of whole groups of 6 letters.*multiple of 6" data.shards=odd --teacher teacher
"$FINDNA" pretrain teacher.yaml run.folder=kmer4 model.encoder=bert model.tokenizer=kmer model.kmer=4 model.vocabulary=258 model.lm_head=own train.steps=1 >kmer4.log 2>&1 || tail -2 kmer4.log
refused "a teacher of other words" 78 "its words have 4 letters, and 6 are hidden together" --teacher kmer4
refused "a teacher without words" 78 "does not read words of a fixed length" --teacher one
refused "different widths without a projection" 78 "teacher has 24 channels and the student 16.*projection" objective.distil_project=none --teacher teacher
"$FINDNA" pretrain teacher.yaml run.folder=teacher-other run.seed=9 >/dev/null 2>&1
expect "a teacher whose weights changed since the checkpoint is refused" 78 "its teacher was [0-9a-f]{12}.*now it is [0-9a-f]{12}" "$FINDNA" pretrain had.yaml run.folder=one --teacher teacher-other
refused "an alignment without a teacher" 78 "needs teacher.kind: frozen" teacher.kind=none --teacher teacher
refused "words instead of letters" 78 "had reads letters" model.tokenizer=kmer --teacher teacher
refused "nothing to learn" 78 "nothing to learn" objective.hidden_weight=0 objective.distil_weight=0
expect "HAD's options with another model are refused" 78 "are only for model.encoder: had" "$FINDNA" pretrain teacher.yaml run.folder=refused objective.distil_weight=1
check "and refused runs leave no checkpoint" test ! -e refused/ckpt
# Windows of N only teach nothing and do no harm.
for name in n m; do echo ">$name"; for i in $(seq 200); do echo NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN; done; done >n.fa
"$FINDNA" prepare --window 60 --count 64 --val-count 8 --holdout m --max-n 1 --seed 1 dark n.fa >dark.log 2>&1
if [ -e dark/manifest.json ]; then
  train 1 dark-run data.shards=dark
  check "windows of N only: losses are 0, and weights finite" grep -qE '"loss":0,.*"skipped":0' dark-run/metrics.jsonl
else echo "skipped - windows of N only: $(tail -1 dark.log)"; fi

# The emulated GPU.
export FINDNA_PLUGIN=$(dirname "$FINDNA")/libfindna_emulated.so
if [ -e "$FINDNA_PLUGIN" ]; then
  few="train.batch=8 train.steps=2 eval.windows=4"
  train 1 cpu $few
  for precision in fp32 bf16; do
    on="device.kind=cuda comm.share_gpu=true $few device.precision=$precision"
    train 1 $precision $on || tail -2 $precision.log
    train 2 $precision-ranks $on
    check "$precision: 2 ranks end in the bits of 1" same $precision $precision-ranks
  done
  train 1 grouped device.kind=cuda comm.share_gpu=true $few device.precision=bf16 device.group=4
  check "bf16: a pass of 4 micro-batches ends in the bits of 1" same bf16 grouped
  kept="train.batch=4 train.virtual_ranks=2 train.steps=8 eval.windows=4 teacher.sees=clean device.kind=cuda comm.share_gpu=true data.shards=few"
  prepare few 8 8 # four epochs
  train 1 gpu-asked $kept
  train 1 gpu-kept $kept teacher.cache=true
  check "bf16: cached features, the bits of a run without a cache" same gpu-asked gpu-kept
  check "fp32: every step's loss equals the CPU's to within 1e-5" near fp32 cpu 1e-5
  check "bf16: every step's loss equals the CPU's to within 2e-2" near bf16 cpu 2e-2
else echo "skipped - the emulated GPU: this build has none"; fi
awk 'BEGIN { srand(6 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 40; i++) { s = ""; for (k = 0; k < 30; k++) s = s substr("ACGT", 1 + int(4 * rand()), 1); print s "," i % 2 } }' >rows.csv
expect "the first layers of a model whose last blocks are of other kinds" 78 "tensors of such a model have no weights in" "$FINDNA" finetune learned --first-layers 1 --train rows.csv run.folder=bad train.batch=8 train.virtual_ranks=1 device.threads=1
