#!/usr/bin/env bash
# Training on the emulated GPU: what is missing is reported, the laws hold, and the results are close to the CPU's.
source "$(dirname "$0")/lib.sh"
emulated=$(dirname "$FINDNA")/libfindna_emulated.so real=$(dirname "$FINDNA")/libfindna_cuda.so
tiny_shards shards
cat >gpu.yaml <<'YAML'
run: {folder: run, seed: 3}
data: {shards: shards}
model: {cls: 3, channels: 18, hidden: 20, track: 3, networks: 1, blocks: 2}
optim: {lr: 3e-3}
train: {batch: 8, virtual_ranks: 4, steps: 6}
eval: {every: 0, windows: 8, monitor_windows: 7}
checkpoint: {every: 3}
device: {kind: cuda}
YAML
gpu() { FINDNA_PLUGIN=$emulated ranks "$@"; }
train() { local n=$1 folder=$2; shift 2; gpu "$n" pretrain gpu.yaml run.folder="$folder" "$@" >"$folder.log" 2>&1; }

expect "a missing plugin" 69 "the CUDA plugin cannot be loaded: .*nowhere.so" env FINDNA_PLUGIN=nowhere.so "$FINDNA" pretrain gpu.yaml
if [ -e "$real" ] && ! [ -e /dev/nvidiactl ]; then
  expect "a machine without a driver" 69 "device.kind: cuda: this machine has no NVIDIA driver; device.kind=cpu runs without" env -u FINDNA_PLUGIN "$FINDNA" pretrain gpu.yaml
elif ! [ -e "$real" ]; then
  expect "a build without the plugin" 69 "this build has no CUDA plugin .*make CUDA=1" env -u FINDNA_PLUGIN "$FINDNA" pretrain gpu.yaml
fi
export FINDNA_PLUGIN=$emulated
expect "a driver older than CUDA's major version" 69 "the NVIDIA driver supports CUDA 12.4, and the plugin was built with CUDA 13.0: update the driver" env FINDNA_EMULATED_DRIVER=12040 "$FINDNA" pretrain gpu.yaml
expect "no GPU for this process" 69 "no GPU that this process may use" env FINDNA_EMULATED_GPUS=0 "$FINDNA" pretrain gpu.yaml
expect "a GPU of an older kind" 78 "emulated GPU\) has compute capability 7.5; the lowest supported is 8.0" env FINDNA_EMULATED_CAPABILITY=75 "$FINDNA" pretrain gpu.yaml
expect "products that there are not" 78 "FINDNA_PRODUCTS=fast: expected chain, single, warpgroup, plain or library" env FINDNA_PRODUCTS=fast "$FINDNA" pretrain gpu.yaml
expect "products that this GPU has not" 78 "FINDNA_PRODUCTS=warpgroup needs compute capability 9.0, and emulated GPU has 8.0" env FINDNA_PRODUCTS=warpgroup "$FINDNA" pretrain gpu.yaml
expect "products by a library that is not there" 69 "FINDNA_PRODUCTS=library: libfake_cublasLt.so cannot be loaded" env LD_LIBRARY_PATH= FINDNA_PRODUCTS=library "$FINDNA" pretrain gpu.yaml
expect "graphs are on or off" 78 "FINDNA_GRAPH=yes: expected 0 or 1" env FINDNA_GRAPH=yes "$FINDNA" pretrain gpu.yaml
expect "times are on or off" 78 "FINDNA_TIMES=yes: expected 0 or 1" env FINDNA_TIMES=yes "$FINDNA" pretrain gpu.yaml
expect "times are of kernels, not of graphs" 78 "FINDNA_TIMES=1 times single kernels.*: unset FINDNA_GRAPH" env FINDNA_TIMES=1 FINDNA_GRAPH=1 "$FINDNA" pretrain gpu.yaml
expect "two ranks with one GPU" 78 "ranks 0 and 1 on .* have the same GPU .*share_gpu" mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" pretrain gpu.yaml
expect "a batch that does not fit" 71 "train.batch 8 with train.virtual_ranks 1 needs [0-9.e-]+ GB on GPU 0 .*: the largest batch that fits is [1-7] " env FINDNA_EMULATED_MEMORY=1400000 "$FINDNA" pretrain gpu.yaml train.virtual_ranks=1
expect "a model that does not fit" 71 "no batch fits; a smaller model, or model.recompute=true" env FINDNA_EMULATED_MEMORY=20000 "$FINDNA" pretrain gpu.yaml
check "nothing was left behind" test ! -e run/ckpt
rm -rf run

train 1 one || { cat one.log; not_ok "a run on the GPU finishes"; exit 1; }
check "the log names the GPU" grep -q "device: cuda (GPU 0 (emulated GPU))" one.log
FINDNA_EMULATED_CAPABILITY=90 train 1 hopper train.steps=1 checkpoint.every=1
check "a GPU of compute capability 9.0 computes single products where nothing else is said" grep -q "device: cuda (GPU 0 (emulated GPU, products: single))" hopper.log
for n in 2 4; do
  train $n ranks$n comm.share_gpu=true
  check "$n ranks that share a GPU end in the bits of 1" same one ranks$n
done
FINDNA_EMULATED_GPUS=4 train 4 four
check "4 ranks on 4 GPUs end in the bits of 1" same one four
train 1 again
check "a second run has the same bits" same one again
train 1 recomputed model.recompute=true
check "model.recompute: the same bits" same one recomputed
for n in 2 4; do
  train 1 group$n device.group=$n
  check "passes of $n micro-batches end in the bits of single ones" same one group$n
  check "and the log says so" grep -q "a pass takes $n micro-batches" group$n.log
done
held_out() { grep -E '"kind":"(eval|monitor)"' "$1/metrics.jsonl"; }
check "evaluations have the same bits too" test -n "$(held_out one)" -a "$(held_out one)" = "$(held_out group4)"
train 2 group22 device.group=2 model.recompute=true comm.share_gpu=true
check "2 ranks with one pass each, recomputed: the same bits" same one group22
uneven=("$FINDNA" pretrain gpu.yaml run.folder=uneven comm.share_gpu=true) # its second rank computes both of its micro-batches in one pass
check "2 ranks with passes of different sizes finish" env ASAN_OPTIONS=detect_leaks=0 timeout -s TERM 120 mpirun --oversubscribe --bind-to none -n 1 "${uneven[@]}" : -n 1 env FINDNA_EMULATED_MULTIPROCESSORS=4 "${uneven[@]}"
check "with the same bits" same one uneven
check "and so do their evaluations" test "$(held_out one)" = "$(held_out uneven)"
FINDNA_EMULATED_MULTIPROCESSORS=4 train 1 filled
check "a larger GPU computes enough micro-batches in one pass to give each multiprocessor a tile" grep -q "a pass takes 4 micro-batches, 512 tokens; 512 give" filled.log
check "and ends in the same bits" same one filled
FINDNA_EMULATED_MULTIPROCESSORS=4 FINDNA_EMULATED_MEMORY=1650000 train 1 scarce
check "but no more than fit in memory" grep -q "a pass takes 2 micro-batches" scarce.log
for share in 1:2650000 2:3350000; do
  FINDNA_EMULATED_MULTIPROCESSORS=4 FINDNA_EMULATED_MEMORY=${share#*:} train 2 shared comm.share_gpu=true
  check "2 ranks that share a GPU's ${share#*:} bytes compute ${share%:*} of their 2 micro-batches in one pass" grep -q "a pass takes ${share%:*} micro-batch" shared.log
  rm -rf shared
done
mkdir half && touch half/stop
train 1 half
check "a stop file ends a run on the GPU with a checkpoint" test "$(ls half/ckpt)" != step_000000006
train 2 half comm.share_gpu=true device.group=2
check "and 2 ranks that resume from it end in the same bits" same one half
# Blocks that are wide enough for the chain of warpgroups.
groups() { FINDNA_PRODUCTS=warpgroup FINDNA_EMULATED_CAPABILITY=90 train "$@" model.channels=170 model.track=15 model.hidden=70 train.steps=2; }
groups 1 groups || { cat groups.log; not_ok "a run by warpgroups finishes"; }
groups 1 groups_recomputed model.recompute=true
groups 2 groups2 comm.share_gpu=true
check "products by warpgroups: the same bits recomputed" same groups groups_recomputed
check "and on 2 ranks" same groups groups2
train 1 fp32 device.precision=fp32

FINDNA_TIMES=1 train 1 timed
check "FINDNA_TIMES=1: the same bits" same one timed
check "each kernel's launches and time are printed, under its name" grep -qE '^times: +[0-9.]+ ms +[0-9.]+ % +[1-9][0-9]* launches +[0-9.]+ us each  backward_parts$' timed.log
check "and nothing without" sh -c '[ -s one.log ] && ! grep -q ^times: one.log'

# Passes of micro-batches as CUDA graphs: all but those of a process's first step, and (with several ranks) the backward pass that sends gradients.
graphs() { grep -q "graphs: $2 of $2 forward and backward passes were started as one CUDA graph each, $3 were built" "$1.log"; }
FINDNA_GRAPH=1 train 1 graph
check "graphs: the same bits" same one graph
check "5 steps of 4 micro-batches in three kinds of graphs: forward with and without new copies of weights, backward" graphs graph 40 3
FINDNA_GRAPH=1 train 2 graph2 comm.share_gpu=true
check "2 ranks: the same bits" same one graph2
check "graphs where no gradients are sent" graphs graph2 15 3
FINDNA_GRAPH=1 train 1 graph_recomputed model.recompute=true
check "recomputed: the same bits" same one graph_recomputed
mkdir graph_half && touch graph_half/stop
FINDNA_GRAPH=1 train 1 graph_half
FINDNA_GRAPH=1 train 1 graph_half
check "stopped and resumed: the same bits" same one graph_half
export LD_LIBRARY_PATH=$(dirname "$FINDNA")/fake_blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
for products in single plain warpgroup chain library; do
  wide="model.channels=162 model.track=27 model.hidden=24 model.blocks=1 train.batch=4 train.steps=2 checkpoint.every=2"
  FINDNA_EMULATED_CAPABILITY=90 FINDNA_PRODUCTS=$products train 1 wide $wide --restart
  FINDNA_EMULATED_CAPABILITY=90 FINDNA_PRODUCTS=$products FINDNA_GRAPH=1 train 1 graph_wide $wide --restart
  check "products: $products: the same bits" same wide graph_wide
done
FINDNA_GRAPH=1 train 1 graph_fp32 device.precision=fp32
check "fp32: the same bits" same fp32 graph_fp32
FINDNA_GRAPH=1 train 1 graph_check device.check=true
check "device.check reads values within a pass: no graphs" sh -c '[ -s graph_check.log ] && ! grep "graphs:" graph_check.log'
check "and the same bits" same one graph_check
timeout 120 "$FINDNA" pretrain gpu.yaml run.folder=cpu device.kind=cpu >cpu.log 2>&1
# losses RUN: the loss of each step
losses() { grep -o '"loss": *[0-9.e+-]*' "$1/metrics.jsonl" | grep -o '[0-9][0-9.e+-]*$'; }
# near A B BOUND: whether the losses of two runs differ by at most BOUND, relatively, at each step
near() { paste <(losses "$1") <(losses "$2") | awk -v bound="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > bound * $2) bad = 1; n++ } END { exit bad || n < 6 }'; }
check "fp32: every step's loss is the CPU's to 1e-5" near fp32 cpu 1e-5
check "bf16: every step's loss is the CPU's to 1e-2" near one cpu 1e-2
projected="model.cls_tokens=learned objective.cl_space=projection objective.cl_axis=D objective.prototypes=12"
train 1 projected $projected device.precision=fp32
train 2 projected2 $projected device.precision=fp32 comm.share_gpu=true
timeout 120 "$FINDNA" pretrain gpu.yaml run.folder=projected_cpu device.kind=cpu $projected >projected_cpu.log 2>&1
check "learned tokens and a projection, fp32: every step's loss is the CPU's to 1e-5" near projected projected_cpu 1e-5
for of in cls tokens; do
  train 1 $of-single $projected objective.projection_of=$of device.group=1
  FINDNA_GRAPH=1 train 1 $of-four $projected objective.projection_of=$of device.group=4
  check "a projection of $of: passes of 4 micro-batches, as graphs, end in the bits of single ones" same $of-single $of-four
done
check "and 2 ranks end in the bits of 1" same projected projected2
check "bf16 and fp32 are not the same" other one fp32
for kind in cpu cuda; do
  expect "$kind: device.check names the layer of a value that is not finite" 79 "device.check: [0-9]+ of [0-9]+ values are not finite in the forward pass of encoder.0.[01] " "$FINDNA" pretrain gpu.yaml run.folder=bad_$kind device.kind=$kind device.check=true optim.lr=100 optim.weight_decay=100 optim.schedule=constant optim.warmup=0 train.steps=30
done

# Uses of a pretrained model.
awk 'BEGIN { srand(1 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 24; i++) { s = ""; for (k = 0; k < 30 + i; k++) s = s substr("ACGT", 1 + int(4 * rand()), 1); print s "," i % 2 } }' >rows.csv
"$FINDNA" embed one rows.csv --output cpu.tsv >/dev/null 2>&1
expect "embed on the GPU" 0 "wrote gpu.tsv" "$FINDNA" embed one rows.csv --device cuda --output gpu.tsv
check "embeddings are the CPU's to bf16" awk 'NR == FNR { for (i = 2; i <= NF; i++) a[FNR, i] = $i; next } FNR > 1 { for (i = 2; i <= NF; i++) { d = a[FNR, i] - $i; if (d > 0.02 || d < -0.02) bad = 1; n++ } } END { exit bad || n < 400 }' cpu.tsv gpu.tsv
tune() { local n=$1 folder=$2; shift 2; gpu "$n" finetune one --train rows.csv run.folder="$folder" train.batch=8 train.virtual_ranks=4 train.steps=6 task.hidden=7 task.dropout=0.1 task.head_dropout=0.1 task.features=both device.threads=1 "$@" >"$folder.log" 2>&1; }
tune 1 tuned_cpu
tune 1 tuned device.kind=cuda
tune 2 tuned2 device.kind=cuda comm.share_gpu=true
check "fine-tuning with dropout: 2 ranks end in the bits of 1" same tuned tuned2
check "and its losses are the CPU's to 1e-2" near tuned tuned_cpu 1e-2
FINDNA_GRAPH=1 tune 1 graph_tuned device.kind=cuda
check "fine-tuning rows of many lengths as graphs: the same bits" same tuned graph_tuned
check "where memory for longer rows was allocated before" grep -qE "graphs: [234][0-9] of 40 forward and backward passes were started as one" graph_tuned.log
