#!/usr/bin/env bash
# make bench: our training step and PyTorch's (eager fp32, same model, batch and cores), interleaved in one run, and the data path.
# TORCH=0 leaves PyTorch out; else it is set up in a virtual environment of its own. THREADS and BATCH may be given.
set -eu
cd "$(dirname "$0")/../.."
threads=${THREADS:-$(nproc)} batch=${BATCH:-4} rounds=${ROUNDS:-5}
bench=$BENCH
log=$(mktemp) && folder=$(mktemp -d) && trap 'rm -rf "$log" "$log".* "$folder"' EXIT
# summary FILE: median, smallest and largest of the numbers in the second column
summary() { sort -g -k2 "$1" | awk '{v[NR]=$2} END {m=NR%2?v[(NR+1)/2]:(v[NR/2]+v[NR/2+1])/2; printf "%.4g %.4g %.4g %d\n", m, v[1], v[NR], NR}'; }
torch=${TORCH:-1}
python=build/bench-venv/bin/python
if [ "$torch" != 0 ] && ! $python -c 'import torch' 2>/dev/null; then
  echo "setting up PyTorch in build/bench-venv (TORCH=0 leaves it out)" >&2
  python3 -c 'import ensurepip' 2>/dev/null || launch/dependencies.sh python3-venv || true
  python3 -m venv build/bench-venv && build/bench-venv/bin/pip install -q torch numpy >&2 || { echo "PyTorch cannot be installed here; its rows are left out" >&2; torch=0; }
fi
for round in $(seq "$rounds"); do
  printf '\rround %d of %d' "$round" "$rounds" >&2
  "$bench" step "$threads" "$batch" 2 >> "$log.ours"
  [ "$torch" = 0 ] || $python -W ignore tests/bench/step_torch.py "$threads" "$batch" 2 >> "$log.torch"
  "$bench" data 2 >> "$log.data"
  "$bench" prepare "$folder" 2>&1 >/dev/null | tee >(grep mb_per >> "$log.prepare") | grep bytes_per >> "$log.memory"
done
echo >&2
echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(date -u +%F); findna $(./findna --version | cut -d' ' -f2); batch $batch, $threads threads"
echo "measurement                                   median  smallest   largest     n"
row() { printf '%-42s %9s %9s %9s %5s\n' "$1" $(summary "$2"); }
row "findna, training step (s)" "$log.ours"
[ "$torch" = 0 ] || row "PyTorch $($python -c 'import torch; print(torch.__version__)') eager fp32, step (s)" "$log.torch"
row "data path, one core (windows/s)" "$log.data"
row "prepare, one core (MB of FASTA/s)" "$log.prepare"
row "prepare, memory (bytes/base)" "$log.memory"
[ "$torch" = 0 ] || awk -v a="$(summary "$log.torch" | cut -d' ' -f1)" -v b="$(summary "$log.ours" | cut -d' ' -f1)" 'BEGIN {printf "findna is %.2f times as fast as PyTorch (medians of interleaved runs)\n", a / b}'
