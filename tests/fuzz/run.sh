#!/usr/bin/env bash
# run.sh PROGRAM MINUTES [TARGET...]: runs the fuzz targets one at a time, MINUTES each, and prints a line for each: executions, their rate,
# edges reached, findings. The input of a finding is kept in FOUND (build/fuzz/found) and named. Starts from the corpora here; with KEEP=FOLDER
# it continues from, and adds to, the inputs in FOLDER/TARGET; with RUNS=N a target also ends after N executions. Exit code 1 after any finding.
set -u
export LC_ALL=C # numbers have a point, and names one order
here=$(cd "$(dirname "$0")" && pwd)
program=$1 seconds=$(awk -v m="$2" 'BEGIN { s = int(60 * m); print s < 1 ? 1 : s }')
shift 2
found=${FOUND:-$here/../../build/fuzz/found} bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$found"
[ $# -gt 0 ] || set -- $(sed -n 's/^TARGET(\([a-z0-9]*\),.*/\1/p' "$here/targets.def")
export ASAN_OPTIONS=allocator_may_return_null=1:handle_abort=1:quarantine_size_mb=8:malloc_context_size=4 UBSAN_OPTIONS=print_stacktrace=1
printf '%-12s %12s %10s %8s %9s\n' target executions per-second edges findings
for target in "$@"; do
  longest=$(sed -n "s/^TARGET($target, \([0-9]*\),.*/\1/p" "$here/targets.def")
  [ -n "$longest" ] || { echo "no target $target" >&2; exit 2; }
  corpus=${KEEP:-$work}/$target log=$work/log
  mkdir -p "$corpus"
  options=()
  [ ! -f "$here/words/$target" ] || options+=("-dict=$here/words/$target")
  case $target in shard | records | h5) options+=(-detect_leaks=0) ;; esac # libhdf5 leaks, and the leak check takes longer than the target
  TARGET=$target "$program" "$corpus" "$here/corpus/$target" -max_total_time="$seconds" -runs="${RUNS:--1}" -max_len="$longest" -timeout=10 -rss_limit_mb=2000 \
    -malloc_limit_mb=100 -artifact_prefix="$found/$target-" -close_fd_mask=3 -print_final_stats=1 "${options[@]}" >"$log" 2>&1 </dev/null
  code=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log" | tail -1)
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  findings=0
  if [ $code -ne 0 ]; then findings=1 bad=1; fi
  printf '%-12s %12s %10s %8s %9s\n' "$target" "${runs:-0}" "${rate:-0}" "${edges:-0}" "$findings"
  [ $code -eq 0 ] || { grep -aE 'ERROR:|runtime error|expected:|Test unit written|^ *#[0-9]* .*(src|tests)/' "$log" | head -12; cp "$log" "$found/$target.log"; }
done
exit $bad
