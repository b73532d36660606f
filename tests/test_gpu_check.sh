#!/usr/bin/env bash
# tests/gpu/check.sh on the emulated GPU, with stand-ins for the tools of a GPU machine: its table, and that a failing phase hides no other.
# (Its phases parity and golden are test_cuda, test_micro_batches and test_golden, which run by themselves.)
source "$(dirname "$0")/lib.sh"
build=$(dirname "$FINDNA") check=$root/tests/gpu/check.sh
if ldd "$FINDNA" | grep -q asan; then echo "skipped - GPU check: tested without sanitizers"; exit 0; fi
export OUT=$scratch/logs PYTHON=$scratch/bin/python PEAK=1
stand_in python 'case $1 in -c) ;; -) exec python3 "$@" ;; *) while read -r line; do echo "0.500000 1234"; done ;; esac'
stand_in ncu 'echo "$@" >>'"$scratch"'/profiled; printf "%s\n" "\"ID\",\"Kernel Name\",\"Metric Name\",\"Metric Unit\",\"Metric Value\"" "\"0\",\"void (anonymous namespace)::gather(int)\",\"gpu__time_duration.sum\",\"us\",\"7.5\""'
stand_in nvidia-smi '[ $# -gt 0 ] || exit 0; for used in 100 1100 5100; do echo $used; sleep 0.2; done; exec sleep 60'
stand_in compute-sanitizer 'echo "$@" >>'"$scratch"'/sanitized; [ "$2" = memcheck ]'

code=0; FINDNA_EMULATED_CAPABILITY=90 "$check" --emulated --phases doctor,steps,torch,counters,same,speed,memcheck,racecheck "$build" >check.log 2>&1 || code=$?
check "a failing phase fails the check" test $code = 1
check "and hides none of the others" test "$(tail -1 check.log)" = "passed: doctor steps torch counters same speed memcheck; FAILED: racecheck; skipped: none"
has() { grep -qE -- "$1" check.log; }
for line in 'GPU +emulated GPU, compute capability 9.0' 'state_id: one run = two +yes' 'state_id: one run = stopped +yes' 'state_id: one run = recomputed +yes' 'state_id: one run = apart +yes' 'state_id: one run = graphs +yes' \
  '8 micro-batches, graphs: sequences/s +[0-9.]+' '8 micro-batches, graphs: passes as graphs +72 of 72, 3 were built' \
  '4 micro-batches of 1 window: sequences/s +[0-9.]+' '4 micro-batches of 1 window, one by one: sequences/s +[0-9.]+' '4 micro-batches of 1 window, one by one, graphs: sequences/s +[0-9.]+' \
  'findna bf16, chain: sequences/s +[0-9.]+ \([0-9.]+ steps/s; median step [0-9.]+ ms\)' 'findna bf16, chain: memory of the GPU +(1|5)000 MB' \
  'findna bf16, single: kernel +[0-9.]+ ms +[0-9.]+ % +[0-9]+ launches +[0-9.]+ us each  a product' 'counters of gather +gpu__time_duration 7.5 us' \
  'recompute: start to first step +[0-9.]+ s' 'chain: longest stall of a checkpoint +[0-9.]+ ms' 'bf16 product of 512 x 512 \(PyTorch\) +0.0 TFLOP/s' \
  'PyTorch eager: sequences/s +2.0 \(1234 MB\)' 'chain: MFU \(of 1 TFLOP/s\) +[0-9.e-]+ %' 'findna8: of the measured product +[0-9.e-]+ %' \
  'chain / torch +[0-9.]+ times as fast' 'fastest kind of products +(single|chain|warpgroup) ' \
  'state_id: by warpgroups = warpgroup_again +yes' 'state_id: by warpgroups = warpgroup_recomputed +yes' 'findna bf16, warpgroup: sequences/s +[0-9.]+' 'memcheck on all operations, chain +clean' 'racecheck on all operations, fp32 +exit code 1'; do
  check "the table has: $line" has "$line"
done
check "the sanitizer looked at all operations" grep -q "memcheck .*test_cuda" sanitized
check "logs are written, and only three" test "$(ls logs | paste -sd' ')" = "log.txt rows.tsv summary.txt"

code=0; FINDNA_EMULATED_CAPABILITY=75 "$check" --emulated --phases doctor,same,racecheck "$build" >check.log 2>&1 || code=$?
check "a GPU that is too old: every phase fails" test $code = 1 -a "$(tail -1 check.log)" = "passed: none; FAILED: doctor same racecheck; skipped: none"
check "with the reason" grep -q "the lowest supported is 8.0" logs/log.txt
"$check" --emulated --phases doctor,memcheck "$build" >check.log 2>&1
check "a GPU without warpgroups: products by the other kinds only" eval 'has "GPU +emulated GPU, compute capability 8.0" && has "memcheck on all operations, chain +clean" && ! grep -q warpgroup check.log'
# A kind that fails in parity is left out later; one that hangs is stopped, and what is known by then is there. (Test programs are stand-ins.)
mkdir -p fake/tests && ln -s "$FINDNA" "$build/libfindna_emulated.so" fake/
for program in test_cuda test_micro_batches test_golden; do printf '#!/bin/sh\necho "ok 1 - $1"\n' >fake/tests/$program; chmod +x fake/tests/*; done
printf '#!/bin/sh\n[ $1 != chain ] || kill -SEGV $$\n[ $1 != warpgroup ] || sleep 1000\necho "ok 1 - $1"\n' >fake/tests/test_cuda
FINDNA_EMULATED_CAPABILITY=90 SLOW=1 BUDGET=60 "$check" --emulated --phases parity,steps fake >check.log 2>&1
for line in 'single: operations against the CPU +1 of 1 passed' 'library: passes of several micro-batches against single ones +1 of 1 passed' 'products by chain +FAILED in parity: left out from here on' 'warpgroup: operations against the CPU +0 of 0 passed, stopped: it hangs' 'products by warpgroup +FAILED in parity'; do
  check "kinds that fail: the table has: $line" has "$line"
done
check "and no steps of theirs" sh -c '[ -s check.log ] && ! grep -qE "findna bf16, (chain|warpgroup)" check.log'
printf '#!/bin/sh\n[ $1 != nccl ] || { echo "not ok 1 - link"; exit 1; }\necho "ok 1 - $1"\n' >fake/tests/test_cuda
FINDNA_EMULATED_CAPABILITY=90 SLOW=1 "$check" --emulated --phases parity fake >check.log 2>&1
check "NCCL that fails is no fault of a kind of products" bash -c 'grep -qE "NCCL: a link of one rank +0 of 1 passed, exit code 1" check.log && ! grep -q "left out from here" check.log && grep -q "FAILED: parity" check.log'
printf '#!/bin/sh\nkill -SEGV $$\n' >fake/tests/test_cuda
FINDNA_EMULATED_CAPABILITY=90 SLOW=1 "$check" --emulated --phases parity,steps fake >check.log 2>&1
check "without any kind that is right, no steps pass" test "$(tail -1 check.log)" = "passed: none; FAILED: parity steps; skipped: none"
stand_in compute-sanitizer 'echo "========= Error: Device not supported. Please refer to the documentation"; exit 1'
"$check" --emulated --phases memcheck "$build" >check.log 2>&1
check "a machine on which the sanitizer cannot run" test "$(tail -1 check.log)" = "passed: none; FAILED: none; skipped: memcheck"
rm bin/compute-sanitizer bin/ncu
stand_in python exit\ 1
"$check" --emulated --phases torch,compile "$build" >check.log 2>&1
check "what is missing is skipped with its reason" has "torch +skipped: .*bin/python has no PyTorch"
check "and listed in the last line" test "$(tail -1 check.log)" = "passed: none; FAILED: none; skipped: torch compile"
BUDGET=0 "$check" --emulated --phases doctor,same "$build" >check.log 2>&1
check "a phase after the time limit is not run" has "same +not run: the 0 seconds are used up"
expect "an unknown phase" 64 "no phase 'speeed'; there are: doctor" "$check" --phases speeed
expect "a folder without programs" 66 "findna is not there" "$check" "$root/docs"
