#!/usr/bin/env bash
# The laws for a transformer: the same bits for any number of ranks and threads, after kills, and with passes of any size, also on the
# emulated GPU; uses of a pretrained transformer; and what is refused.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
cat >t.yaml <<'YAML'
run: {folder: run, seed: 3}
data: {shards: shards}
model: {encoder: transformer, cls: 3, cls_tokens: learned, channels: 24, hidden: 20, layers: 2, heads: 3}
optim: {lr: 3e-3}
train: {batch: 64, virtual_ranks: 4, steps: 12}
eval: {every: 6, windows: 32, monitor_windows: 32}
checkpoint: {every: 4}
device: {threads: 1}
YAML
train() { local n=$1 folder=$2; shift 2; ranks "$n" pretrain t.yaml run.folder="$folder" "$@" >"$folder.log" 2>&1; }

train 1 one || { cat one.log; not_ok "a run finishes"; exit 1; }
for n in 2 4; do
  train $n ranks$n comm.bucket=0.001
  check "$n ranks end in the bits of 1 rank" same one ranks$n
done
check "with the same metrics" same_lines one ranks4
train 1 threads device.threads=2
check "2 threads end in the bits of 1" same one threads
train 2 both device.threads=2
check "2 ranks of 2 threads end in the bits of 1" same one both
train 1 generic1 device.simd=generic
train 4 generic4 device.simd=generic device.threads=2
check "plain kernels: 4 ranks of 2 threads end in the bits of 1" same generic1 generic4
train 1 zero model.cls_tokens=zero
train 4 zero4 model.cls_tokens=zero
check "[CLS] tokens without an identity: 4 ranks end in the bits of 1" same zero zero4
train 1 seed run.seed=4
check "another seed ends elsewhere" other one seed
check "the log describes the model" grep -q "model: 7389 parameters, 2 blocks of 3 heads, windows of 61 + 3 tokens" one.log
# The numbers of a step: the positions in the data, the share of the clipped gradient, the rate, and the momentum at the start.
check "the numbers of a step agree with each other" awk 'function v(name) { return match($0, "\"" name "\":[-0-9.e+]+") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0 : "none" }
  /"kind":"step"/ { n++; clip = 0.5 / (v("grad_norm") + 1e-6); d = v("clip") - (clip < 1 ? clip : 1); e = v("sequences_per_second") * v("seconds") - 64
    if (v("draws") != 64 * n || v("masked") != int(v("masked")) || v("masked") < 100 || d * d > 1e-12 || e * e > 1e-6 || (n == 1 && v("lambda") != 0.996)) bad = 1 }
  END { exit bad || n != 12 }' one/metrics.jsonl
check "evaluations look for a collapse" test "$(grep -c '"kind":"monitor".*"teacher_entropy":[0-9]' one/metrics.jsonl)" = 3
forms="model.norm_at=post model.norm=rms model.activation=silu model.gated=true"
train 1 form $forms
train 4 form4 $forms device.threads=2
check "post-RMSNorm and a gated SiLU: 4 ranks end in the bits of 1" same form form4
check "which differ from those of pre-LayerNorm and GELU" other one form
train 1 cycle optim.schedule=one_cycle
train 4 cycle4 optim.schedule=one_cycle optim.beta1=0.5
check "one cycle, whose schedule sets beta1: 4 ranks end in the bits of 1" same cycle cycle4
check "it begins at 1/25 of the peak" grep -qE '"step":0,.*"lr":0\.00012[,0]' cycle/metrics.jsonl
check "and ends in other bits than a cosine" other one cycle

mkdir stopped && touch stopped/stop
train 4 stopped; code=$?
check "a stop file ends 4 ranks with 85" test $code = 85
train 2 stopped
check "resumed on 2 ranks: the bits of an uninterrupted run" same one stopped
check "and its metrics" same_lines one stopped
longer="train.steps=150 checkpoint.every=7 eval.every=0"
train 1 long $longer
check "the times of the parts of a step are not more than those of the step" awk 'function v(name) { return match($0, "\"" name "\":[-0-9.e+]+") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0 : "none" }
  /"kind":"step"/ && v("step") < 100 { seconds += v("seconds") / 100 } /"kind":"rank"/ { n++; parts = v("data") + v("compute") + v("wait") } END { exit n != 1 || parts > seconds || parts < seconds / 2 }' long/metrics.jsonl
killed 5 killed t.yaml $longer
check "killed 5 times at random instants: the same bits" same long killed
check "at least one kill during training" grep -q 'resuming from killed/ckpt/step_' killed.log

# Fine-tuning, with dropout.
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | head -129 | awk -F'\t' 'NR == 1 { print "sequence,label"; next } { print substr($1, 1 + NR % 5, 40 + NR * 7 % 26) "," $2 }' >train.csv
tail -41 train.csv | sed '1i sequence,label' >test.csv
tuning="task.dropout=0.2 task.attention_dropout=0.1 task.head_dropout=0.3 task.features=both task.hidden=7 train.batch=16 train.virtual_ranks=4 train.epochs=2 optim.lr=3e-3 device.threads=1"
ft() { local n=$1 folder=$2; shift 2; ranks "$n" finetune one --train train.csv --test test.csv $tuning run.folder="$folder" "$@" >"$folder.log" 2>&1; }
ft 1 tuned || tail -3 tuned.log
ft 4 tuned4 device.threads=2
check "fine-tuning with dropout: 4 ranks of 2 threads end in the bits of 1" same tuned tuned4
check "and with the same scores" diff <(grep -v version tuned/finetune.json) <(grep -v version tuned4/finetune.json)
mkdir halved && touch halved/stop
ft 1 halved
ft 2 halved
check "stopped and resumed: the same bits" same tuned halved
ft 1 undropped task.dropout=0 task.attention_dropout=0 task.head_dropout=0
check "without dropout: other bits" other tuned undropped

# Other uses of a pretrained transformer.
awk 'BEGIN { srand(9 + ENVIRON["DRAWS"]); for (s = 0; s < 12; s++) { t = ""; for (i = 0; i < 15 + s * 9; i++) t = t substr("ACGTN", 1 + int(rand() * 4.2), 1); print ">s" s "\n" t } }' >x.fa
for n in 1 2; do ranks $n embed one x.fa --pool both --output e$n.tsv >out.log 2>&1 || tail -2 out.log; done
check "embed: 2 ranks write the bytes of 1" cmp e1.tsv e2.tsv
for n in 1 2; do ranks $n probe one --train train.csv --test test.csv --seeds 1 --output p$n.json >out.log 2>&1 || tail -2 out.log; done
check "probe: 2 ranks give the scores of 1" cmp p1.json p2.json
awk 'BEGIN { srand(3 + ENVIRON["DRAWS"]); print ">chr1"; for (i = 0; i < 40; i++) { t = ""; for (j = 0; j < 50; j++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t } }' >genome.fa
awk 'BEGIN { print "chrom,pos,ref,alt" } /^>/ { next } { split("A C G T", to, " "); r = substr($0, 7, 1); for (i = 1; i <= 4; i++) if (to[i] != r) print "chr1," (NR - 2) * 50 + 7 "," r "," to[i] }' genome.fa >v.csv
for n in 1 2; do ranks $n score one v.csv --genome genome.fa --output s$n.tsv >out.log 2>&1 || tail -2 out.log; done
check "score: 2 ranks write the bytes of 1" cmp s1.tsv s2.tsv
check "and all variants have scores" awk 'NR > 1 && ($6 !~ /^-?[0-9]/ || $7 !~ /^[0-9]/) { bad = 1 } END { exit bad || NR != 121 }' s1.tsv
for which in teacher student; do
  expect "export: the $which" 0 "wrote the $which" "$FINDNA" export one $which --encoder $which
  expect "import" 0 "use it as CHECKPOINT" "$FINDNA" import $which back-$which
  "$FINDNA" embed one x.fa --pool both --encoder $which --output a.tsv >/dev/null 2>&1
  "$FINDNA" embed back-$which x.fa --pool both --output b.tsv >/dev/null 2>&1
  check "$which: after export and import the embeddings have the same bytes" cmp a.tsv b.tsv
done
expect "export: another form" 0 "wrote the teacher" "$FINDNA" export form form-out
check "which is recorded in config.json" bash -c 'for is in "norm_at\": \"post" "norm\": \"rms" "activation\": \"silu" "gated\": true"; do grep -q "$is" form-out/config.json || exit 1; done'
expect "import: another form" 0 "use it as CHECKPOINT" "$FINDNA" import form-out form-back
for run in form form-back; do "$FINDNA" embed $run x.fa --output $run.tsv >/dev/null 2>&1; done
check "after export and import the embeddings have the same bytes" cmp form.tsv form-back.tsv
expect "fine-tuning of another form" 0 "" "$FINDNA" finetune form --train train.csv --test test.csv $tuning run.folder=form-tuned
check "and keeps it" bash -c "grep -qE 'norm_at: *\"?post' form-tuned/ckpt/step_*/config.yaml"
expect "--init-from with another activation is refused although the parameters fit" 78 "its model has model.activation=gelu" "$FINDNA" pretrain t.yaml run.folder=no train.steps=2 model.activation=relu --init-from back-teacher
expect "another run starts from an imported model" 0 "weights taken from" "$FINDNA" pretrain t.yaml run.folder=next train.steps=2 --init-from back-teacher
held() { grep "$2" "$1/metrics.jsonl" | $3 -1 | grep -oE "\"$4_(loss|accuracy)\":[0-9.]+" | cut -d: -f2; }
check "whose held-out loss and accuracy are those of the teacher that it was" test -n "$(held next '"kind":"eval"' head student)" -a "$(held next '"kind":"eval"' head student)" = "$(held one '"kind":"eval"' tail teacher)"
check "which are not those of the student" test "$(held one '"kind":"eval"' tail student)" != "$(held one '"kind":"eval"' tail teacher)"
expect "--init-from with another number of heads is refused although the parameters fit" 78 "its model has model.heads=3, and is not of the config's shape" "$FINDNA" pretrain t.yaml run.folder=no train.steps=2 model.heads=4 --init-from back-teacher

refused() { expect "$1 is refused" 78 "$2" "$FINDNA" pretrain t.yaml run.folder=refused "${@:3}"; }
refused "model.track" "model.track has no effect with model.encoder: transformer" model.track=3
refused "model.networks" "model.networks has no effect with model.encoder: transformer" model.networks=2
refused "model.blocks" "model.blocks has no effect with model.encoder: transformer" model.blocks=3
refused "model.recompute" "model.recompute is only for model.encoder: chordmixer" model.recompute=true
refused "a ChordMixer's model.heads" "model.heads has no effect with model.encoder: chordmixer" model.encoder=chordmixer model.layers=6 model.heads=3
refused "a ChordMixer's model.layers" "model.layers has no effect with model.encoder: chordmixer" model.encoder=chordmixer model.heads=8
refused "a ChordMixer's model.norm_at" "model.norm_at has no effect with model.encoder: chordmixer" model.encoder=chordmixer model.layers=6 model.heads=8 model.norm_at=post
refused "another activation" "model.activation" model.activation=tanh
refused "5 heads of 24 channels" "model.heads: 5 do not divide model.channels \(24\)" model.heads=5
refused "8 heads of 24 channels" "model.heads: 8 divide model.channels \(24\) into odd numbers" model.heads=8
refused "a transformer's objective.hidden_weight" "objective.hidden_weight is only for model.encoder: mae" objective.hidden_weight=0.5
refused "a transformer's train.dropout" "train.dropout is only for model.encoder: mae" train.dropout=0.1
refused "an autoencoder over other words" "model.encoder: mae needs kmer" model.encoder=mae
refused "an autoencoder with another vocabulary" "model.vocabulary: 4107; model.encoder: mae with model.kmer 6 has 4098" model.encoder=mae model.tokenizer=kmer
refused "an autoencoder of too many layers" "together 327; expected at most 254" model.encoder=mae model.tokenizer=kmer model.vocabulary=4098 model.layers=200 model.decoder_layers=127
refused "an autoencoder with terms of nucleotides" "words have neither the term mnm nor cl, nor a moving-average teacher" model.encoder=mae model.tokenizer=kmer model.vocabulary=4098
check "and refused runs leave no checkpoint" test ! -e refused/ckpt

# The emulated GPU.
export FINDNA_PLUGIN=$(dirname "$FINDNA")/libfindna_emulated.so
few="train.batch=8 train.steps=2 eval.windows=4 eval.monitor_windows=2"
gpu="device.kind=cuda comm.share_gpu=true $few"
train 1 cpu $few
expect "a model that does not fit: its bf16 copies are counted, and the advice has only settings of this model" 71 "needs 0.0558 GB .*: no batch fits; a smaller model$" env FINDNA_EMULATED_MEMORY=55000000 "$FINDNA" pretrain t.yaml run.folder=large $gpu train.batch=1 train.virtual_ranks=1 device.precision=bf16 model.layers=10 model.channels=192 model.hidden=192
head -17 train.csv >few.csv
for precision in fp32 bf16; do
  on="$gpu device.precision=$precision"
  train 1 $precision $on device.group=1 || tail -2 $precision.log
  train 1 $precision-group4 $on device.group=4
  check "$precision: passes of 4 micro-batches end in the bits of single ones" same $precision $precision-group4
  train 2 $precision-ranks $on device.group=2
  check "$precision: 2 ranks with passes of 2 end in the bits of 1" same $precision $precision-ranks
  FINDNA_GRAPH=1 train 1 $precision-graph $on device.group=2
  check "$precision: passes captured as CUDA graphs end in the same bits" same $precision $precision-graph
  check "$precision: and every pass is one graph" grep -qE "graphs: ([0-9]+) of \\1 forward and backward passes were started as one" $precision-graph.log
  for n in 1 2; do ranks $n finetune one --train few.csv --valid few.csv $tuning run.folder=$precision-tuned$n device.kind=cuda comm.share_gpu=true device.precision=$precision train.batch=8 train.epochs=1 >out.log 2>&1 || tail -2 out.log; done
  check "$precision: fine-tuning with dropout: 2 ranks end in the bits of 1" same $precision-tuned1 $precision-tuned2
done
check "fp32: every step's loss equals the CPU's to within 1e-5" near fp32 cpu 1e-5
# Wide enough for tiled products and for attention heads on tensor cores.
wide="$gpu model.channels=64 model.hidden=80 model.heads=2"
train 1 wide $wide device.group=1 || tail -2 wide.log
train 1 wide-group4 $wide device.group=4
train 2 wide-ranks $wide device.group=2
check "a wide model: passes of 4 micro-batches end in the bits of single ones" same wide wide-group4
check "a wide model: 2 ranks with passes of 2 end in the bits of 1" same wide wide-ranks
library() { LD_LIBRARY_PATH=$(dirname "$FINDNA")/fake_blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} FINDNA_PRODUCTS=library train "$@"; }
library 1 library $wide device.group=1 || tail -2 library.log
library 2 library-ranks $wide device.group=2
check "linear layers by cuBLASLt (a stand-in): 2 ranks with passes of 2 end in the bits of 1" same library library-ranks
check "which differ from those of findna's own products" other wide library
train 1 wide-cpu $few model.channels=64 model.hidden=80 model.heads=2
check "a wide model: every step's loss equals the CPU's to within 1e-2" near wide wide-cpu 1e-2
check "bf16: every step's loss equals the CPU's to within 1e-2" near bf16 cpu 1e-2
