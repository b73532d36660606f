#!/usr/bin/env bash
# findna doctor: GPUs that are present or missing; the forecast of what a run needs, and that the run stays within it.
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
# shows NAME PATTERN...: checks that each pattern is in the output
shows() {
  local name=$1 pattern; shift
  for pattern; do grep -qE -- "$pattern" out.log || { not_ok "$name: no line matches '$pattern'"; sed 's/^/    /' out.log | tail -12; return; }; done
  ok "$name"
}

expect "a missing plugin is no error" 0 "GPU +none: the CUDA plugin cannot be loaded: .*nowhere.so" env FINDNA_PLUGIN=nowhere.so "$FINDNA" doctor
export FINDNA_PLUGIN=$emulated
expect "a missing GPU is no error" 0 "GPU +none: there is no GPU that this process may use" env FINDNA_EMULATED_GPUS=0 "$FINDNA" doctor
expect "GPUs are listed" 0 "GPU 1 +emulated GPU, compute capability 9.0; 12.0 GB, of which 12.0 GB are free" \
  env FINDNA_EMULATED_GPUS=2 FINDNA_EMULATED_CAPABILITY=90 FINDNA_EMULATED_MEMORY=12000000000 "$FINDNA" doctor
shows "and the driver" "CUDA +13.0 at most with this driver"
expect "an older GPU is named" 0 "compute capability 7.5 \(too old: the lowest supported is 8.0, A100\)" env FINDNA_EMULATED_CAPABILITY=75 "$FINDNA" doctor
expect "and reported as missing for a run" 66 "missing: a supported GPU: .* 7.5" env FINDNA_EMULATED_CAPABILITY=75 "$FINDNA" doctor gpu.yaml

expect "a run on the CPU" 0 "memory +[0-9.]+ GB a rank of this machine, .*: fits" "$FINDNA" doctor "$root/tests/tiny.yaml" data.shards=shards
shows "its model, step and disk" "model +[0-9]+ parameters, 1 networks of 6 blocks, windows of 61 \+ 3 tokens" "64 windows in 4 micro-batches of 16" "checkpoint .*: fits"
expect "a run on a GPU" 0 "memory +[0-9.]+ GB a rank of its GPU, .*: fits" "$FINDNA" doctor gpu.yaml
shows "in bf16" "device +cuda, activations in bf16"
shows "and what it does at a time" "pass +1 micro-batch, 128 tokens; 128 give each multiprocessor a tile$"
expect "without a GPU, the memory that the run would take" 0 "GB a rank of its GPU; no GPU here to compare with: there is no GPU" env FINDNA_EMULATED_GPUS=0 "$FINDNA" doctor gpu.yaml
need=$("$FINDNA" doctor gpu.yaml | sed -n 's/^ *memory *\([0-9.]*\) GB a rank of its GPU.*/\1/p')
check "a run stays within it" env FINDNA_EMULATED_MEMORY="$(awk -v gb="$need" 'BEGIN { printf "%d", gb * 1e9 + 5e5 }')" timeout 120 "$FINDNA" pretrain gpu.yaml
# The same with cuBLASLt (its substitute), which needs memory for the sums of a block's products.
by_library=(env LD_LIBRARY_PATH="$(dirname "$FINDNA")/fake_blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" FINDNA_PRODUCTS=library)
wide="model.hidden=600 train.batch=32 train.virtual_ranks=1 train.steps=1"
need=$("$FINDNA" doctor gpu.yaml $wide | sed -n 's/^ *memory *\([0-9.]*\) GB a rank of its GPU.*/\1/p')
more=$("${by_library[@]}" "$FINDNA" doctor gpu.yaml $wide | sed -n 's/^ *memory *\([0-9.]*\) GB a rank of its GPU.*/\1/p')
check "products by cuBLASLt need memory for their sums" awk "BEGIN { d = $more - $need; exit !(d > 0.0045 && d < 0.0055) }" # 2048 rows of 604 floats
check "a run by cuBLASLt stays within it" "${by_library[@]}" FINDNA_EMULATED_MEMORY="$(awk -v gb="$more" 'BEGIN { printf "%d", (gb * 1e9 + 5e5) / 0.95 }')" timeout 120 "$FINDNA" pretrain gpu.yaml $wide run.folder=by_library

# Micro-batches per pass on a GPU like an H200.
export FINDNA_EMULATED_MULTIPROCESSORS=132
expect "micro-batches of one window: enough for a tile for each multiprocessor" 0 "pass +16 micro-batches, 16160 tokens; 16896 give each multiprocessor a tile$" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda
expect "not more than fit into memory" 0 "pass +[248] micro-batches" env FINDNA_EMULATED_MEMORY=1500000000 "$FINDNA" doctor findna device.kind=cuda
shows "which they do" "memory .*: fits"
expect "not more than device.group, and no advice if the batch has more" 0 "pass +2 micro-batches, 2020 tokens; 16896 give each multiprocessor a tile$" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda device.group=2
expect "large micro-batches, one per pass" 0 "pass +1 micro-batch, 64640 tokens; 16896 give" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda train.virtual_ranks=1
expect "a batch that is too small" 0 "pass +1 micro-batch, 1010 tokens; 16896 give each multiprocessor a tile: a larger train.batch would use more of it, or fewer ranks$" env FINDNA_EMULATED_MEMORY=140000000000 "$FINDNA" doctor findna device.kind=cuda train.batch=1 train.virtual_ranks=1
unset FINDNA_EMULATED_MULTIPROCESSORS

export FINDNA_EMULATED_MEMORY=6000000000
paper=(doctor findna device.kind=cuda train.batch=128 train.virtual_ranks=1)
expect "a batch that does not fit" 66 "missing: .* GB of memory: model.recompute=true fits .*; train.batch=[0-9]+ is the largest that fits as it is" "$FINDNA" "${paper[@]}"
largest=$(sed -n 's/.*train.batch=\([0-9]*\) is the largest that fits as it is.*/\1/p' out.log)
expect "the batch size that was named fits" 0 "its GPU, .*: fits" "$FINDNA" "${paper[@]}" train.batch="$largest"
expect "and the next larger one does not" 66 "does NOT fit" "$FINDNA" "${paper[@]}" train.batch=$((largest + 1))
expect "with smaller micro-batches it fits" 0 "its GPU, .*: fits" "$FINDNA" "${paper[@]}" train.virtual_ranks=8
expect "a model that cannot fit" 66 "a micro-batch of one window is the smallest there is" env FINDNA_EMULATED_MEMORY=100000000 "$FINDNA" doctor findna device.kind=cuda
expect "a disk that is too small" 66 "missing: [0-9.]+ GB of disk for checkpoints at /dev/shm/x: another run.folder" "$FINDNA" doctor findna run.folder=/dev/shm/x checkpoint.keep=100000
expect "missing shards" 66 "nowhere" "$FINDNA" doctor findna data.shards=nowhere
expect "an unknown key" 78 "did you mean" "$FINDNA" doctor findna train.bach=2
ranks 4 doctor gpu.yaml >four.log 2>&1
check "four ranks and one GPU: reported before the run" grep -q "missing: 4 ranks on this machine and 1 GPU: start one rank per GPU" four.log

# Every architecture is described by what it is made of.
describes() { check "$1: $2" bash -c '"$0" doctor "${@:2}" 2>&1 | grep -qE "^  model +[0-9]+ parameters, $1, windows"' "$FINDNA" "$2" "$1" "${@:3}"; }
describes findna "4 networks of 10 blocks"
describes findna-t "4 blocks of 8 heads"
describes mae "6 blocks of 6 heads, 6 in the decoder"
describes had "4 gated delta nets of 2 heads, attention of 4 heads"
describes kd-transformer "4 blocks of 12 heads" task.outputs=2 model.vocabulary=4107
describes kd-hybrid "3 blocks of 12 heads, 1 convolution of 128 filters" task.outputs=2 model.vocabulary=4107
describes kd-cnn "4 convolutions of 256 filters" task.outputs=2 model.vocabulary=4107

# A student of a frozen teacher: the teacher's memory is counted, by its shape, and a run stays within it.
"$FINDNA" prepare --window 60 --count 64 --val-count 16 --max-n 0 --seed 1 --bed "$root/datasets/human_chr20_slice.bed" groups "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1 || { cat prepare.log; exit 1; }
cat >teacher.yaml <<'YAML'
run: {folder: teacher, seed: 3}
data: {shards: groups}
model: {encoder: nt_v2, channels: 96, hidden: 80, layers: 2, heads: 3, tokenizer: nt6, vocabulary: 4107, epsilon: 1e-12, lm_head: own}
aug: {student: RM, mask_rate: 0.15}
objective: {mnm_weight: 0, cl_weight: 0}
teacher: {kind: none}
train: {batch: 8, virtual_ranks: 4, steps: 1}
eval: {every: 0, windows: 8}
device: {threads: 1}
YAML
cat >had.yaml <<'YAML'
run: {folder: had, seed: 3}
data: {shards: groups}
model: {encoder: had, channels: 16, hidden: 20, layers: 2, heads: 2, tokenizer: letters, vocabulary: 7, delta_heads: 2, delta_keys: 6, delta_values: 10, decoder_hidden: 12}
aug: {student: RM, mask_rate: 0.15}
objective: {mnm_weight: 0, cl_weight: 0, distil_weight: 1}
teacher: {kind: frozen, sees: clean}
train: {batch: 8, virtual_ranks: 4, steps: 2}
eval: {every: 0, windows: 8}
device: {kind: cuda, threads: 1}
YAML
"$FINDNA" pretrain teacher.yaml >teacher.log 2>&1 || tail -3 teacher.log
export FINDNA_EMULATED_MEMORY=6000000000
expect "windows that groups of letters do not fill" 66 "windows of a multiple of 6 nucleotides.*they have 61" "$FINDNA" doctor had.yaml --window 61
expect "a frozen teacher without --teacher" 0 "teacher +not counted: name the teacher" "$FINDNA" doctor had.yaml
alone=$(sed -n 's/^ *memory *\([0-9.]*\) GB a rank of its GPU.*/\1/p' out.log)
expect "a frozen teacher with --teacher" 0 "teacher +[0-9]+ parameters, 11 words a window, 96 features each: 0.00[0-9]+ GB a rank" "$FINDNA" doctor had.yaml --teacher teacher
its=$(sed -n 's/.*features each: \([0-9.]*\) GB a rank.*/\1/p' out.log)
need=$(sed -n 's/^ *memory *\([0-9.]*\) GB a rank of its GPU.*/\1/p' out.log)
check "the teacher adds its memory" awk "BEGIN { d = $need - $alone - $its; exit !(d > -0.003 && d < 0.003 && $its > 0.003) }"
check "a run stays within the sum" env FINDNA_EMULATED_MEMORY="$(awk -v gb="$need" 'BEGIN { printf "%d", (gb * 1e9 + 5e5) / 0.95 }')" timeout 120 "$FINDNA" pretrain had.yaml --teacher teacher
expect "which less memory would not hold" 71 "--teacher: needs 0.00[0-9]+ GB on .*emulated GPU.*, where 0.001 GB are free" env FINDNA_EMULATED_MEMORY=1000000 "$FINDNA" pretrain had.yaml run.folder=less --teacher teacher
expect "the same with the teacher's config" 0 "teacher +[0-9]+ parameters, 11 words a window, 96 features each: $its GB" "$FINDNA" doctor had.yaml --teacher teacher.yaml
expect "cached features are in host memory" 0 "host memory +0.0[0-9]+ GB a rank beside it: windows, features of the teacher" "$FINDNA" doctor had.yaml --teacher teacher teacher.cache=true
"$FINDNA" doctor had.yaml --teacher teacher device.kind=cpu >cpu.log 2>&1
"$FINDNA" pretrain had.yaml --teacher teacher device.kind=cpu run.folder=cpu >run.log 2>&1
check "on a CPU a run's forecast is that of the doctor" awk -v d="$(sed -n 's/^ *memory *\([0-9.]*\) GB a rank.*/\1/p' cpu.log)" -v r="$(sed -n 's/.*about \([0-9]*\) MB of memory a rank.*/\1/p' run.log)" 'BEGIN { exit !(r > 0 && d * 1000 - r < 1.5 && r - d * 1000 < 1.5) }'

# Operations, counted from the graphs: 6 blocks of 2 x 18 x 20 for 64 tokens, an embedding and a head of 5 x 18; Nucleotide Transformer v2 500M
# has 170 GFLOP a window of 1,020 nucleotides, by its matrices and 29 times 171 x 171 scores.
expect "operations of a window" 0 "products +0.002304 GFLOP a window: student 0.000576 forward and 0.001152 backward, teacher 0.000576" "$FINDNA" doctor "$root/tests/tiny.yaml" data.shards=shards
cat >nt.yaml <<'YAML'
model: {encoder: nt_v2, channels: 1024, hidden: 4096, layers: 29, heads: 16, tokenizer: nt6, vocabulary: 4107, lm_head: own}
objective: {mnm_weight: 0, cl_weight: 0}
teacher: {kind: none}
YAML
expect "of the paper's teacher" 0 "products +.*, teacher (169.[5-9]|170.[0-4])" "$FINDNA" doctor had --window 1020 --teacher nt.yaml device.kind=cuda
shows "and what its run takes" "teacher +49[0-9]+ parameters, 171 words a window, 1024 features each" "work +[0-9.]+ TFLOP a step, 1\.[0-9]+e\+18 FLOP in 10000 steps: [0-9.]+ h on one H100 SXM, [0-9.]+ h on one A100 at 40 % of its bf16 peak .computed, not measured."
expect "a teacher of letters is refused" 78 "does not read words" "$FINDNA" doctor had.yaml --teacher "$root/tests/tiny.yaml"

# A processor that has only one instruction set.
expect "FINDNA_SIMD" 0 "instructions +generic; device.simd: auto takes generic" env FINDNA_SIMD=generic "$FINDNA" doctor
expect "no others then" 78 "this CPU or this build has no AVX2" env FINDNA_SIMD=generic "$FINDNA" pretrain "$root/tests/tiny.yaml" device.simd=avx2 run.folder=none
