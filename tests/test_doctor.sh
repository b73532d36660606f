#!/usr/bin/env bash
# findna doctor: GPUs that are there and that are not; what a run needs before it starts, and that the run keeps to it.
source "$(dirname "$0")/lib.sh"
emulated=$(dirname "$FINDNA")/libfindna_emulated.so
tiny_shards shards
cat >gpu.yaml <<'YAML'
run: {folder: run, seed: 3}
data: {shards: shards}
model: {cls: 3, channels: 18, hidden: 20, track: 3, networks: 1, blocks: 2}
train: {batch: 8, virtual_ranks: 4, steps: 2}
eval: {every: 0, windows: 8, monitor_windows: 0}
device: {kind: cuda}
YAML
# shows NAME PATTERN...: each pattern is found in the output
shows() {
  local name=$1 pattern; shift
  for pattern; do grep -qE -- "$pattern" out.log || { not_ok "$name: no line matches '$pattern'"; sed 's/^/    /' out.log | tail -12; return; }; done
  ok "$name"
}

expect "no plugin is no fault" 0 "GPU +none: the CUDA plugin cannot be loaded: .*nowhere.so" env FINDNA_PLUGIN=nowhere.so "$FINDNA" doctor
export FINDNA_PLUGIN=$emulated
expect "no GPU is no fault" 0 "GPU +none: there is no GPU that this process may use" env FINDNA_EMULATED_GPUS=0 "$FINDNA" doctor
expect "GPUs are listed" 0 "GPU 1 +emulated GPU, compute capability 9.0; 12.0 GB, of which 12.0 GB are free" \
  env FINDNA_EMULATED_GPUS=2 FINDNA_EMULATED_CAPABILITY=90 FINDNA_EMULATED_MEMORY=12000000000 "$FINDNA" doctor
shows "and the driver" "CUDA +13.0 at most with this driver"
expect "a GPU of an older kind is named" 0 "compute capability 7.5 \(too old: the lowest supported is 8.0, A100\)" env FINDNA_EMULATED_CAPABILITY=75 "$FINDNA" doctor
expect "and missing for a run" 66 "missing: a GPU that is supported: .* 7.5" env FINDNA_EMULATED_CAPABILITY=75 "$FINDNA" doctor gpu.yaml

expect "a run on the CPU" 0 "memory +[0-9.]+ GB a rank of this machine, .*: fits" "$FINDNA" doctor "$root/tests/tiny.yaml" data.shards=shards
shows "its model, step and disk" "model +[0-9]+ parameters, 1 networks of 6 blocks, windows of 61 \+ 3 tokens" "64 windows in 4 micro-batches of 16" "checkpoint .*: fits"
expect "a run on a GPU" 0 "memory +[0-9.]+ GB a rank of its GPU, .*: fits" "$FINDNA" doctor gpu.yaml
shows "in bf16" "device +cuda, activations in bf16"
shows "and what it does at a time" "pass +1 micro-batch, 128 tokens; 128 give each multiprocessor a tile$"
expect "where there is none, what it would take" 0 "GB a rank of its GPU; no GPU here to compare with: there is no GPU" env FINDNA_EMULATED_GPUS=0 "$FINDNA" doctor gpu.yaml
need=$("$FINDNA" doctor gpu.yaml | sed -n 's/^ *memory *\([0-9.]*\) GB a rank of its GPU.*/\1/p')
check "a run keeps to it" env FINDNA_EMULATED_MEMORY="$(awk -v gb="$need" 'BEGIN { printf "%d", gb * 1e9 + 5e5 }')" timeout 120 "$FINDNA" pretrain gpu.yaml

# What a GPU like an H200 does at a time.
export FINDNA_EMULATED_MULTIPROCESSORS=132
expect "micro-batches of one window: as many as have a tile for each multiprocessor" 0 "pass +16 micro-batches, 16160 tokens; 16896 give each multiprocessor a tile$" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda
expect "no more than fit" 0 "pass +[248] micro-batches" env FINDNA_EMULATED_MEMORY=1500000000 "$FINDNA" doctor findna device.kind=cuda
shows "which they do" "memory .*: fits"
expect "no more than device.group, and no advice where the batch has more" 0 "pass +2 micro-batches, 2020 tokens; 16896 give each multiprocessor a tile$" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda device.group=2
expect "large micro-batches one by one" 0 "pass +1 micro-batch, 64640 tokens; 16896 give" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda train.virtual_ranks=1
expect "a batch that is too small" 0 "pass +1 micro-batch, 1010 tokens; 16896 give each multiprocessor a tile: a larger train.batch would use more of it, or fewer ranks$" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda train.batch=1 train.virtual_ranks=1
unset FINDNA_EMULATED_MULTIPROCESSORS

export FINDNA_EMULATED_MEMORY=6000000000
paper=(doctor findna device.kind=cuda train.batch=128 train.virtual_ranks=1)
expect "a batch that does not fit" 66 "missing: .* GB of memory: model.recompute=true fits .*; train.batch=[0-9]+ is the largest that fits as it is" "$FINDNA" "${paper[@]}"
largest=$(sed -n 's/.*train.batch=\([0-9]*\) is the largest that fits as it is.*/\1/p' out.log)
expect "the batch that was named fits" 0 "its GPU, .*: fits" "$FINDNA" "${paper[@]}" train.batch="$largest"
expect "and the next one does not" 66 "does NOT fit" "$FINDNA" "${paper[@]}" train.batch=$((largest + 1))
expect "with smaller micro-batches it fits" 0 "its GPU, .*: fits" "$FINDNA" "${paper[@]}" train.virtual_ranks=8
expect "a model that cannot fit" 66 "a micro-batch of one window is the smallest there is" env FINDNA_EMULATED_MEMORY=100000000 "$FINDNA" doctor findna device.kind=cuda
expect "a disk that is too small" 66 "missing: [0-9.]+ GB of disk for checkpoints at /dev/shm/x: another run.folder" "$FINDNA" doctor findna run.folder=/dev/shm/x checkpoint.keep=100000
expect "shards that are not there" 66 "nowhere" "$FINDNA" doctor findna data.shards=nowhere
expect "an unknown key" 78 "did you mean" "$FINDNA" doctor findna train.bach=2
ranks 4 doctor gpu.yaml >four.log 2>&1
check "four ranks and one GPU: said before the run" grep -q "missing: 4 ranks on this machine and 1 GPU: one rank a GPU" four.log
