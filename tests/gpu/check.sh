#!/usr/bin/env bash
# Checks the CUDA back end on this machine's GPU: correctness, determinism and speed. Ends with a table, the fastest kind of products, and a line of the phases that passed.
#   tests/gpu/check.sh [--emulated] [--phases a,b,...] [FOLDER]
# FOLDER: a build (build/<hash>), or a bundle (make check-bundle) for machines without a compiler or libraries. The default in a bundle is the bundle itself;
# elsewhere the program is built first. --emulated uses the emulated GPU and tiny sizes, which tests the script itself on any machine. Logs and rows are written to
# $OUT, or build/gpu-check, as soon as they are known. BUDGET (570) is the time limit in seconds for everything; PYTHON is the interpreter that has PyTorch.
set -u
export LC_ALL=C # numbers have a point, and names one order
self=$(readlink -f "$0")
root=$(cd "$(dirname "$self")/../.." && pwd)
all=(doctor parity golden steps torch counters same speed compile memcheck racecheck) # in order of importance

# --- phases: each runs in a process of its own; row and value record at once what the table shows; exit code 77: cannot be run here
row() { printf '%s\t%s\n' "$1" "$2" >>"$logs/rows.tsv"; }
value() { printf '%s %s\n' "$1" "$2" >>"$work/values"; }
of() { awk -v key="$1" '$1 == key { v = $2 } END { if (v == "") exit 1; print v }' "$work/values" 2>/dev/null; }
skip() { echo "cannot be done here: $1"; echo "$1" >"$work/reason"; exit 77; }
# limited SECONDS COMMAND...: runs a command under its own time limit and within the whole budget; exit code 124 if it is stopped
limited() {
  local most=$1 left=$((end - $(date +%s))); shift
  [ $left -gt 3 ] || { echo "not run: the time is used up: $*"; return 124; }
  [ "$most" -lt $left ] || most=$left
  timeout -k 5 "$most" "$@"
}
# Kinds of products that failed or hung; later runs do not use them.
broken() { grep -qx "$1" "$work/broken" 2>/dev/null; }
break_kind() { echo "$1" >>"$work/broken"; row "products by $1" "FAILED in $2: left out from here on"; }
# pretrain SECONDS NAME OPTION...: trains with the check's config in runs/NAME
pretrain() { local most=$1 name=$2; shift 2; limited "$most" "$program" pretrain "$config" run.folder="$work/runs/$name" data.shards="$work/shards" "$@"; }
state_of() { sed -n 's/^state_id //p' "$(ls -d "$work/runs/$1"/ckpt/step_* | sort | tail -1)/MANIFEST"; }
shards() {
  [ ! -d "$work/shards" ] || return 0
  "$program" prepare --window "$window" --count 4000 --val-count 256 --max-n 0 --seed 1 --bed datasets/human_chr20_slice.bed "$work/shards" datasets/human_chr20_slice.2bit
}

phase_doctor() {
  command -v nvidia-smi >/dev/null && nvidia-smi
  "$program" doctor "$config" "${big[@]}" train.virtual_ranks=1 | tee "$work/doctor" # its exit code is ignored, since it also reports a missing mpirun
  local gpu; gpu=$(sed -n 's/^ *GPU 0 *//p' "$work/doctor")
  [ -n "$gpu" ] || { echo "no GPU: $(grep -E '^ *GPU ' "$work/doctor")"; return 1; }
  row "GPU" "${gpu%%;*}"
  row "program" "$("$program" --version)"
  row "driver" "$(sed -n 's/^ *driver *//p; s/^ *CUDA *\([0-9.]*\).*/CUDA \1/p' "$work/doctor" | paste -sd, | sed 's/,/, /')"
  ! grep -E 'does NOT fit|too old' "$work/doctor"
}

# tap SECONDS ROW PROGRAM ARGUMENT...: runs a test program; succeeds if all tests pass that are not skipped
tap() {
  local code=0 most=$1 title=$2 program=$3; shift 3
  CMOCKA_MESSAGE_OUTPUT=TAP limited "$most" "$tests/$program" "$@" >"$work/tap" 2>&1 || code=$?
  sed -i '/^not ok .*# SKIP/d' "$work/tap" # cmocka's line for a skipped test
  cat "$work/tap"
  row "$title" "$(grep -c '^ok ' "$work/tap") of $(grep -cE '^(not )?ok ' "$work/tap") passed$(case $code in 0) ;; 124 | 137) echo ", stopped: it hangs, or its time was used up" ;; *) echo ", exit code $code" ;; esac)"
  [ $code = 0 ] && ! grep -q '^not ok' "$work/tap" && ! grep '^skipped - ' "$work/tap" | grep -qvE '^skipped - (NCCL|cuBLASLt|warpgroup)' # a check on one GPU does not require these
}
# One process per kind of products, those least likely to fail first, so that a fault or hang in one does not hide the others.
phase_parity() {
  local bad=0 kind
  for kind in fp32 plain single library chain warpgroup; do
    tap $parity_limit "$kind: operations against the CPU" test_cuda $kind && tap $parity_limit "$kind: passes of several micro-batches against single ones" test_micro_batches $kind && continue
    bad=1; break_kind $kind parity
  done
  tap $parity_limit "NCCL: a link of one rank" test_cuda nccl || bad=1 # whatever fails there, the kinds of products are right
  return $bad
}
phase_golden() { tap $golden_limit "golden training steps (PyTorch), fp32 and bf16" test_golden; }

# The kinds of products that can compute the paper's training step on this GPU and have not failed.
kinds() {
  local kind names="single chain"
  ! "$program" doctor | grep -q 'GPU 0 .*compute capability 9\.' || names="$names warpgroup"
  for kind in $names; do broken $kind || echo $kind; done
}

# alike TITLE RUN OTHER...: succeeds if the other runs end with the same bits as the first
alike() {
  local title=$1 one other name bad=0; one=$(state_of "$2"); shift 2
  for name; do
    other=$(state_of "$name")
    echo "$name: state_id $other"
    if [ "$other" = "$one" ]; then row "state_id: $title = $name" "yes"; else row "state_id: $title = $name" "NO"; bad=1; fi
  done
  return $bad
}

# Two runs, a stop and resume, recomputation, micro-batches one at a time, passes as CUDA graphs, and ranks that share the GPU must end with the same bits. The same with warpgroup
# instructions, where the GPU has them: there, recomputation must use the instruction shape of the chain.
phase_same() {
  local bad=0 one name
  shards || return 1
  pretrain $run_limit one "${small[@]}" || return 1
  one=$(state_of one)
  pretrain $run_limit two "${small[@]}" || bad=1
  mkdir -p "$work/runs/stopped" && touch "$work/runs/stopped/stop"
  pretrain $run_limit stopped "${small[@]}" # ends after one step, with code 85
  [ "$(state_of stopped)" != "$one" ] || { echo "the stopped run did not stop"; bad=1; }
  pretrain $run_limit stopped "${small[@]}" || bad=1
  pretrain $run_limit recomputed "${small[@]}" model.recompute=true || bad=1
  pretrain $run_limit apart "${small[@]}" device.group=1 || bad=1
  FINDNA_GRAPH=1 pretrain $run_limit graphs "${small[@]}" || bad=1
  local names="two stopped recomputed apart graphs"
  if command -v "$mpirun" >/dev/null; then
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 limited $run_limit "$mpirun" -n 2 --oversubscribe --bind-to none "$program" pretrain "$config" \
      run.folder="$work/runs/ranks" data.shards="$work/shards" "${small[@]}" comm.share_gpu=true || bad=1
    names="$names ranks"
  else echo "two ranks on the GPU are left out: no mpirun"; fi
  alike "one run" one $names || bad=1
  if kinds | grep -qx warpgroup; then
    for name in warpgroup_one warpgroup_again; do FINDNA_PRODUCTS=warpgroup pretrain $run_limit $name "${small[@]}" || bad=1; done
    FINDNA_PRODUCTS=warpgroup pretrain $run_limit warpgroup_recomputed "${small[@]}" model.recompute=true || bad=1
    alike "by warpgroups" warpgroup_one warpgroup_again warpgroup_recomputed || bad=1
  fi
  return $bad
}

# timed NAME OPTION...: a run whose lines of metrics are timestamped as they are written. Prints "first-step mean median stall memory": seconds from
# the start to the first step, per step after warm-up (mean and median), and of the longest delay after a checkpoint; MB of GPU memory
timed() {
  local name=$1 begin pid sampler="" follower code=0 used; shift
  local metrics=$work/runs/$name/metrics.jsonl
  rm -rf "$work/runs/$name"
  : >"$work/used"; : >"$work/stamps"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -i 0 -lms 100 >"$work/used" & sampler=$!
    sleep 0.5
  fi
  begin=$EPOCHREALTIME
  pretrain $step_limit "$name" "$@" >"$work/$name.log" 2>&1 & pid=$!
  until [ -e "$metrics" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.005; done
  if [ -e "$metrics" ]; then # polled every millisecond: inotify is not available everywhere
    tail -n +1 -s 0.001 ---disable-inotify --pid=$pid -f "$metrics" | while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done >"$work/stamps" & follower=$!
  fi
  wait $pid || code=$?
  [ -z "${follower-}" ] || wait "$follower"
  [ -z "$sampler" ] || { kill "$sampler"; wait "$sampler" 2>/dev/null; }
  cat "$work/$name.log" "$work/stamps" >&2
  [ $code = 0 ] || return $code
  used=$(awk 'NR == 1 || $1 < low { low = $1 } $1 > high { high = $1 } END { print high - low }' "$work/used")
  awk -v begin="$begin" -v warm="$warm" -v every="$every" -v used="$used" '
    /"kind": *"step"/ { at[n++] = $1 }
    END {
      if (n < warm + 5) { print "too few steps (" n ")" >"/dev/stderr"; exit 1 }
      m = n - warm
      for (i = 0; i < m; i++) { v = at[warm + i] - at[warm + i - 1]; for (j = i; j > 0 && sorted[j - 1] > v; j--) sorted[j] = sorted[j - 1]; sorted[j] = v }
      median = sorted[int(m / 2)]
      for (i = warm; i < n; i++) if (i % every == 0 && at[i] - at[i - 1] - median > stall) stall = at[i] - at[i - 1] - median
      printf "%.4f %.6f %.6f %.6f %d\n", at[0] - begin, (at[n - 1] - at[warm - 1]) / m, median, stall, used
    }' "$work/stamps"
}

# speed TITLE KEY OPTION...: times a run and adds its rows to the table.
speed() {
  local title=$1 key=$2 first mean median stall memory; shift 2
  timed "$key" "$@" >"$work/timed" || { row "$title" "FAILED"; return 1; }
  read -r first mean median stall memory <"$work/timed"
  value "$key" "$mean"
  row "$title: sequences/s" "$(awk -v b="$batch" -v s="$mean" 'BEGIN { printf "%.1f (%.2f steps/s; median step %.2f ms)", b / s, 1 / s, 1000 * '"$median"' }')"
  [ "$memory" = 0 ] || row "$title: memory of the GPU" "$memory MB"
  row "$title: start to first step" "$first s"
  row "$title: longest stall of a checkpoint" "$(awk -v s="$stall" 'BEGIN { printf "%.1f ms", 1000 * s }')"
  ! grep -q 'graphs: ' "$work/$key.log" || row "$title: passes as graphs" "$(sed -n 's/.*graphs: \([0-9]* of [0-9]*\).*, \([0-9]* were built\).*/\1, \2/p' "$work/$key.log")"
}
# Steps of the paper's model with each kind of products, and once more with kernel times.
phase_steps() {
  local bad=0 kind
  [ -n "$(kinds)" ] || { echo "no kind of products is left that could compute the training step"; return 1; }
  shards || return 1
  for kind in $(kinds); do
    if FINDNA_PRODUCTS=$kind speed "findna bf16, $kind" "$kind" "${big[@]}" "${steps[@]}" train.virtual_ranks=1 &&
      FINDNA_PRODUCTS=$kind FINDNA_TIMES=1 pretrain $step_limit times_$kind "${big[@]}" "${steps[@]}" train.virtual_ranks=1 >"$work/times" 2>&1; then
      cat "$work/times"
      sed -n 's/^times: *//p' "$work/times" | head -12 | while IFS= read -r line; do row "findna bf16, $kind: kernel" "$line"; done
    else bad=1; cat "$work/times" 2>/dev/null; break_kind $kind steps; fi
  done
  return $bad
}
phase_speed() {
  local bad=0
  shards || return 1
  speed "findna bf16, 8 micro-batches" findna8 "${big[@]}" "${long[@]}" train.virtual_ranks=8 || bad=1
  speed "findna bf16, 1 micro-batch, recompute" recompute "${big[@]}" "${long[@]}" train.virtual_ranks=1 model.recompute=true || bad=1
  FINDNA_GRAPH=1 speed "findna bf16, 8 micro-batches, graphs" graphs8 "${big[@]}" "${long[@]}" train.virtual_ranks=8 || bad=1
  FINDNA_GRAPH=1 speed "findna bf16, 1 micro-batch, graphs" graphs1 "${big[@]}" "${long[@]}" train.virtual_ranks=1 || bad=1
  local batch=$single windows=(device.kind=cuda train.batch="$single" train.virtual_ranks="$single" "${long[@]}")
  speed "findna bf16, $single micro-batches of 1 window" single_windows "${windows[@]}" || bad=1
  speed "findna bf16, $single micro-batches of 1 window, one by one" apart "${windows[@]}" device.group=1 || bad=1
  FINDNA_GRAPH=1 speed "findna bf16, $single micro-batches of 1 window, one by one, graphs" graphs_apart "${windows[@]}" device.group=1 || bad=1
  return $bad
}

# torch KIND COUNT SIZE: mean seconds of COUNT measurements without the first fifth, and MB; SIZE is the batch, or the size of a product
torch() {
  "$python" -c 'import torch' 2>/dev/null || skip "$python has no PyTorch"
  [ "$device" = cpu ] || "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || skip "PyTorch of $python sees no GPU"
  yes "" | head -n "$2" | limited "$torch_limit" "$python" -W ignore tests/bench/torch_step.py "$1" 2 "$3" "$device" |
    awk -v warm="$(($2 / 5))" 'NR > warm { s += $1; n++; m = $2 } END { if (!n) exit 1; printf "%.6f %.0f\n", s / n, m }'
}
per_batch() { awk -v s="$1" -v a="$batch" -v b="$torch_batch" 'BEGIN { printf "%.6f", s * a / b }'; }
phase_torch() {
  local seconds memory
  torch product 50 "$size" >"$work/torch" || exit $?
  read -r seconds memory <"$work/torch"
  value product "$(awk -v n="$size" -v s="$seconds" 'BEGIN { printf "%.6g", 2 * n * n * n / s }')"
  row "bf16 product of $size x $size (PyTorch)" "$(awk -v f="$(of product)" 'BEGIN { printf "%.1f TFLOP/s", f * 1e-12 }')"
  torch step "$count" "$torch_batch" >"$work/torch" || exit $?
  read -r seconds memory <"$work/torch"
  value torch "$(per_batch "$seconds")"
  row "PyTorch eager: sequences/s" "$(awk -v b="$torch_batch" -v s="$seconds" 'BEGIN { printf "%.1f", b / s }') ($memory MB)"
}
phase_compile() {
  local seconds memory torch_limit=$compile_limit
  [ "$device" != cpu ] || skip "torch.compile is left to a GPU"
  torch compile "$count" "$torch_batch" >"$work/torch" || exit $?
  read -r seconds memory <"$work/torch"
  value compiled "$(per_batch "$seconds")"
  row "PyTorch torch.compile: sequences/s" "$(awk -v b="$torch_batch" -v s="$seconds" 'BEGIN { printf "%.1f", b / s }') ($memory MB)"
}

# The profiler's counters of one launch of each important kernel, in a run of a few steps.
phase_counters() {
  local tool kind
  tool=$(command -v ncu || ls /usr/local/cuda/bin/ncu 2>/dev/null) || skip "no ncu (Nsight Compute)"
  "$python" -c 'import csv' 2>/dev/null || skip "$python, which reads the counters, is not there"
  kind=$(fastest) || kind=single
  shards || return 1
  FINDNA_PRODUCTS=$kind limited $counter_limit "$tool" --csv --clock-control none --kernel-name-base demangled --kernel-id '::regex:fd_product|gather|column_sums|add_chunks|adamw:3' --launch-count 12 \
    --metrics gpu__time_duration.sum,sm__throughput.avg.pct_of_peak_sustained_elapsed,sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active,dram__throughput.avg.pct_of_peak_sustained_elapsed,lts__t_sector_hit_rate.pct,l1tex__data_bank_conflicts_pipe_lsu.sum \
    "$program" pretrain "$config" run.folder="$work/runs/counters" data.shards="$work/shards" "${big[@]}" train.virtual_ranks=1 train.steps=4 eval.every=0 >"$work/counters"
  local code=$?
  cat "$work/counters"
  "$python" - "$work/counters" >"$work/counted" <<'PYTHON'
import csv, sys
lines = [line for line in open(sys.argv[1]) if line.startswith('"')]
kernels = {}
for r in csv.DictReader(lines):
    name = r["Kernel Name"].replace("(anonymous namespace)::", "").replace("void ", "").split("(")[0]
    kernels.setdefault((r["ID"], name), []).append("%s %s %s" % (r["Metric Name"].split(".")[0], r["Metric Value"], r["Metric Unit"]))
for (_, name), values in kernels.items():
    print("counters of %s\t%s" % (name, "; ".join(values)))
PYTHON
  cat "$work/counted" >>"$logs/rows.tsv"
  [ $code = 0 ] && [ -s "$work/counted" ]
}

# fastest: the kind of products with the shortest measured step
fastest() {
  local kind
  for kind in single chain warpgroup; do ! of $kind >/dev/null || echo "$(of $kind) $kind"; done | sort -g | awk 'NR == 1 { print $2; n++ } END { exit !n }'
}

sanitizer() {
  local tool kind code bad=0
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) || skip "no compute-sanitizer"
  for kind in fp32 $(kinds); do
    CMOCKA_MESSAGE_OUTPUT=TAP limited $sanitizer_limit "$tool" --tool "$1" --error-exitcode 99 "$tests/test_cuda" $kind >"$work/sanitizer" 2>&1
    code=$?
    cat "$work/sanitizer"
    ! grep -q 'Device not supported' "$work/sanitizer" || skip "compute-sanitizer does not support this machine's GPU"
    row "compute-sanitizer $1 on all operations, $kind" "$([ $code = 0 ] && echo clean || { [ $code = 124 ] && echo "not finished: its time was used up" || echo "exit code $code"; })"
    [ $code = 0 ] || bad=1
  done
  return $bad
}
phase_memcheck() { sanitizer memcheck; }
phase_racecheck() { sanitizer racecheck; }

if [ "${1-}" = --inner ]; then
  . "$2/settings"
  cd "$root"
  "phase_$3"
  exit
fi

# --- the check
emulated="" phases=() folder=""
while [ $# -gt 0 ]; do
  case $1 in
    --emulated) emulated=1; shift ;;
    --phases) IFS=, read -ra phases <<<"${2-}"; shift 2 ;;
    -h | --help) sed -n '2,7s/^# //p' "$self"; exit 0 ;;
    -*) echo "check.sh: unknown option $1; see --help" >&2; exit 64 ;;
    *) folder=$(cd "$1" 2>/dev/null && pwd) || { echo "check.sh: no folder $1" >&2; exit 66; }; shift ;;
  esac
done
[ ${#phases[@]} -gt 0 ] || phases=("${all[@]}")
for phase in "${phases[@]}"; do [[ " ${all[*]} " == *" $phase "* ]] || { echo "check.sh: no phase '$phase'; there are: ${all[*]}" >&2; exit 64; }; done
cd "$root"
SECONDS=0
budget=${BUDGET:-570}
if [ -z "$folder" ] && [ -e BUNDLE.txt ]; then folder=$root; fi
if [ -z "$folder" ]; then
  log=$(mktemp)
  [ -z "$emulated" ] || make -s -j"$(nproc)" emulated >/dev/null 2>"$log"
  folder=$(make -s -j"$(nproc)" --no-print-directory check-programs $([ -n "$emulated" ] || echo CUDA=1) 2>"$log" | tail -1)
  [ -n "$folder" ] && [ -x "$folder/findna" ] || { tail -20 "$log" >&2; echo "check.sh: cannot be built here; give a folder that was built elsewhere (make check-bundle)" >&2; exit 1; }
  rm -f "$log"
  folder=$root/$folder
fi
plugin=libfindna_$([ -n "$emulated" ] && echo emulated || echo cuda).so
if [ -x "$folder/bin/findna" ]; then program=$folder/bin/findna tests=$folder/bin plugin=$folder/lib/findna/$plugin
else program=$folder/findna tests=$folder/tests plugin=$folder/$plugin; fi
for file in "$program" "$plugin" "$tests/test_cuda" "$tests/test_micro_batches" "$tests/test_golden"; do [ -e "$file" ] || { echo "check.sh: $file is not there" >&2; exit 66; }; done
mpirun=mpirun
[ ! -x "$folder/bin/mpirun" ] || mpirun=$folder/bin/mpirun

logs=${OUT:-$root/build/gpu-check}
mkdir -p "$logs" || exit 74
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$logs/rows.tsv"; : >"$work/values"; : >"$logs/log.txt"; : >"$work/broken"
export FINDNA_PLUGIN=$plugin
unset FINDNA_EMULATED_GPUS
# window, batch: of the measured model; single: windows per batch in runs with micro-batches of one window; small: options of the runs that are compared; big, long, steps: options
# of the timed runs; warm: their first steps, which are not counted; every: steps between checkpoints; count, torch_batch, size: PyTorch's number of steps, their batch, and the
# size of its product; flop: per sequence, 16 * channels * hidden * blocks * tokens (the teacher's pass is one of four), without recomputation
if [ -n "$emulated" ]; then
  cat >"$work/tiny.yaml" <<'YAML'
model: {cls: 3, channels: 18, hidden: 20, track: 3, networks: 1, blocks: 2}
optim: {lr: 3e-3}
device: {kind: cuda}
YAML
  config=$work/tiny.yaml window=61 batch=8 single=4 device=cpu warm=3 every=5 count=3 size=512 torch_batch=1
  flop=$((16 * 18 * 20 * 2 * 64))
  small="train.batch=8 train.virtual_ranks=4 train.steps=4 eval.every=0 eval.windows=8 eval.monitor_windows=0 checkpoint.every=2"
  long="train.steps=10 eval.every=0 eval.windows=8 eval.monitor_windows=0" steps="train.steps=10 eval.every=0 eval.windows=8 eval.monitor_windows=0"
else
  config=findna window=1000 batch=128 single=16 device=cuda warm=15 every=20 count=40 size=8192 torch_batch=128
  flop=$((16 * 308 * 512 * 40 * 1010))
  small="device.kind=cuda train.batch=32 train.virtual_ranks=4 train.steps=8 eval.every=0 eval.windows=8 eval.monitor_windows=0 checkpoint.every=4"
  long="train.steps=60 eval.every=0" steps="train.steps=40 eval.every=0"
fi
if [ -z "${PYTHON-}" ]; then PYTHON=python3; [ ! -x build/bench-venv/bin/python ] || PYTHON=$root/build/bench-venv/bin/python; fi
python=$PYTHON
# Puts NCCL and cuBLASLt from PyTorch's packages, if installed, on the library path: the plugin opens them by name.
packages=$("$python" -c 'import importlib.util, os; s = importlib.util.find_spec("torch"); print(os.path.dirname(os.path.dirname(s.origin)) if s else "")' 2>/dev/null)
for libraries in "$packages"/nvidia/*/lib; do [ ! -d "$libraries" ] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries; done
big=(device.kind=cuda "train.batch=$batch") long="$long checkpoint.every=$every" steps="$steps checkpoint.every=$every"
# Time limit of each run in seconds. The emulated GPU is slow and not subject to a machine's budget, so its limits are longer.
slow=${SLOW:-$([ -n "$emulated" ] && echo 10 || echo 1)}
parity_limit=$((30 * slow)) golden_limit=$((60 * slow)) step_limit=$((40 * slow)) run_limit=$((25 * slow)) torch_limit=$((60 * slow)) counter_limit=$((60 * slow)) compile_limit=$((150 * slow)) sanitizer_limit=$((120 * slow))
end=$(($(date +%s) + (budget - SECONDS) * slow - 8))
for name in work logs program tests config window batch single device warm every count size torch_batch mpirun python end parity_limit golden_limit step_limit run_limit torch_limit counter_limit compile_limit sanitizer_limit; do printf '%s=%q\n' $name "${!name}"; done >"$work/settings"
printf '%s=(%s)\n' small "$small" long "$long" steps "$steps" big "${big[*]}" >>"$work/settings"

declare -A outcome
for phase in "${phases[@]}"; do
  if [ $((end - $(date +%s))) -lt 3 ]; then outcome[$phase]=skipped; row "$phase" "not run: the $budget seconds are used up"; continue; fi
  start=$SECONDS code=0
  printf '%-10s ' "$phase"
  echo "=== $phase" >>"$logs/log.txt"
  rm -f "$work/reason"
  timeout -k 2 $((end + 6 - $(date +%s))) bash "$self" --inner "$work" "$phase" >>"$logs/log.txt" 2>&1 </dev/null || code=$?
  case $code in
    0) outcome[$phase]=passed ;;
    77) outcome[$phase]=skipped; row "$phase" "skipped: $(cat "$work/reason" 2>/dev/null)" ;;
    124 | 137) outcome[$phase]=FAILED; row "$phase" "stopped: the $budget seconds are used up" ;;
    *) outcome[$phase]=FAILED ;;
  esac
  echo "${outcome[$phase]} ($((SECONDS - start)) s)"
  [ "${outcome[$phase]}" != FAILED ] || tail -8 "$logs/log.txt" | sed 's/^/    /'
done

# --- the table: measured values, and values derived from them
# The datasheet's dense bf16 rate, by the GPU's name; PEAK (TFLOP/s) gives it for other GPUs.
case $(sed -n 's/^GPU\t//p' "$logs/rows.tsv") in *H100* | *H200*) peak=989.5 ;; *A100*) peak=312 ;; *) peak=${PEAK-} ;; esac
share() { awk -v s="$1" -v b="$batch" -v flop="$flop" -v peak="$2" 'BEGIN { printf "%.3g %%", 100 * b / s * flop / peak }'; }
for key in single chain warpgroup findna8 recompute torch compiled; do
  mean=$(of $key) || continue
  [ -z "$peak" ] || row "$key: MFU (of $peak TFLOP/s)" "$(share "$mean" "${peak}e12")"
  ! product=$(of product) || row "$key: of the measured product" "$(share "$mean" "$product")"
  for other in torch compiled; do
    case $key in torch | compiled) ;; *) ! theirs=$(of $other) || row "$key / $other" "$(awk -v a="$theirs" -v b="$mean" 'BEGIN { printf "%.2f times as fast", a / b }')" ;; esac
  done
done
! kind=$(fastest) || row "fastest kind of products" "$kind (FINDNA_PRODUCTS=$kind)"
{
  echo "findna on a GPU, $(date -u +%F): tests/gpu/check.sh${emulated:+ --emulated}, batch $batch, windows of $window, $SECONDS s"
  [ -z "$emulated" ] || echo "(the emulated GPU: its times mean nothing, nor do their ratios)"
  awk -F'\t' '{ printf "  %-56s %s\n", $1, $2 }' "$logs/rows.tsv"
} | tee "$logs/summary.txt"
words() { local name out=""; for name in "${phases[@]}"; do [ "${outcome[$name]}" != "$1" ] || out="$out $name"; done; echo "${out:- none}"; }
line="passed:$(words passed); FAILED:$(words FAILED); skipped:$(words skipped)"
echo "logs: $logs/log.txt, $logs/rows.tsv, $logs/summary.txt"
echo "$line" | tee -a "$logs/summary.txt"
[ "$(words FAILED)" = " none" ]
