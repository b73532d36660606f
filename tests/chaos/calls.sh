#!/usr/bin/env bash
# make test-chaos, second part: the n-th write, fsync, rename or open of a run fails, for every n up to the number of such calls. No
# crash, no hang, an exit code of the table; and the run then resumes to the bits of an undisturbed one. STRIDE (1): step from n to the next.
source "$(dirname "$0")/../lib.sh"
stride=${STRIDE:-1}
if ldd "$FINDNA" | grep -q asan; then echo "skipped - failing calls: the fault library does not work with AddressSanitizer"; exit 0; fi
tiny_shards shards
${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl
run="$root/tests/tiny.yaml train.steps=8 checkpoint.every=3 eval.every=0 eval.monitor_windows=0 model.networks=1"
$FINDNA pretrain $run run.folder=whole >/dev/null 2>&1
want=$(state_of whole)
bad=0 total=0
for fault in write:28 write:short write:5 fsync:5 rename:5 open:13; do
  call=${fault%:*} action=${fault#*:} points=0
  for ((n = 1; ; n += stride)); do
    rm -rf f count
    timeout 60 env LD_PRELOAD="$PWD/fault.so" FAULT=$call:$n:$action FAULT_COUNT="$PWD/count" "$FINDNA" pretrain $run run.folder=f >f.log 2>&1 </dev/null
    code=$?
    points=$((points + 1))
    case $code in 0 | 65 | 66 | 71 | 73 | 74 | 77) ;; *) bad=$((bad + 1)); echo "$call number $n fails with $action: exit code $code: $(tail -1 f.log)" ;; esac
    timeout 60 "$FINDNA" pretrain $run run.folder=f >g.log 2>&1 </dev/null
    if [ "$(state_of f 2>/dev/null)" != "$want" ]; then bad=$((bad + 1)); echo "$call number $n fails with $action: the run does not resume: $(tail -1 g.log)"; fi
    [ -s count ] && [ "$(tail -1 count)" -lt $n ] && break
    [ $points -lt 20000 ] || break
  done
  total=$((total + points))
  echo "$call fails with $action: $points points"
done
check "every n-th failing call of $total: no crash, no hang, nothing lost" test $bad = 0
