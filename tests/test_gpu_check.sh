#!/usr/bin/env bash
# tests/gpu/check.sh on the emulated GPU, with stand-ins for the tools of a GPU machine: its table, and that a failing phase hides no other.
# (Its phases parity and golden are test_cuda, test_micro_batches and test_golden, which run by themselves.)
source "$(dirname "$0")/lib.sh"
build=$(dirname "$FINDNA") check=$root/tests/gpu/check.sh
if ldd "$FINDNA" | grep -q asan; then echo "skipped - GPU check: tested without sanitizers"; exit 0; fi
mkdir bin
export PATH=$scratch/bin:$PATH OUT=$scratch/logs PYTHON=$scratch/bin/python PEAK=1
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"; chmod +x "bin/$1"; }
stand_in python '[ "$1" = -c ] || while read -r line; do echo "0.500000 1234"; done'
stand_in nvidia-smi '[ $# -gt 0 ] || exit 0; for used in 100 1100 5100; do echo $used; sleep 0.2; done; exec sleep 60'
stand_in compute-sanitizer 'echo "$@" >>'"$scratch"'/sanitized; [ "$2" = memcheck ]'

code=0; "$check" --emulated --phases doctor,same,speed,torch,memcheck,racecheck "$build" >check.log 2>&1 || code=$?
check "a failing phase fails the check" test $code = 1
check "and hides none of the others" test "$(tail -1 check.log)" = "passed: doctor same speed torch memcheck; FAILED: racecheck; skipped: none"
has() { grep -qE -- "$1" check.log; }
for line in 'GPU +emulated GPU, compute capability 8.0' 'state_id: one run = two +yes' 'state_id: one run = stopped +yes' 'state_id: one run = recomputed +yes' 'state_id: one run = apart +yes' 'state_id: one run = graphs +yes' \
  '8 micro-batches, graphs: sequences/s +[0-9.]+' '8 micro-batches, graphs: passes as graphs +120 of 120, 3 were built' \
  '4 micro-batches of 1 window: sequences/s +[0-9.]+' '4 micro-batches of 1 window, one by one: sequences/s +[0-9.]+' '4 micro-batches of 1 window, one by one, graphs: sequences/s +[0-9.]+' \
  'findna bf16, 8 micro-batches: sequences/s +[0-9.]+ \([0-9.]+ steps/s; median step [0-9.]+ ms\)' 'findna bf16, 1 micro-batch: memory of the GPU +(1|5)000 MB' \
  'recompute: start to first step +[0-9.]+ s' 'micro-batch: longest stall of a checkpoint +[0-9.]+ ms' 'bf16 product of 512 x 512 \(PyTorch\) +0.0 TFLOP/s' \
  'PyTorch eager: sequences/s +2.0 \(1234 MB\)' 'findna1: MFU \(of 1 TFLOP/s\) +[0-9.e-]+ %' 'findna8: of the measured product +[0-9.e-]+ %' \
  'findna1 / torch +[0-9.]+ times as fast' 'memcheck on all operations +clean' 'racecheck on all operations +exit code 1'; do
  check "the table has: $line" has "$line"
done
check "the sanitizer looked at all operations" grep -q "memcheck .*test_cuda" sanitized
check "logs are written, and only two" test "$(ls logs | paste -sd' ')" = "log.txt summary.txt"

code=0; FINDNA_EMULATED_CAPABILITY=75 "$check" --emulated --phases doctor,same,racecheck "$build" >check.log 2>&1 || code=$?
check "a GPU that is too old: every phase fails" test $code = 1 -a "$(tail -1 check.log)" = "passed: none; FAILED: doctor same racecheck; skipped: none"
check "with the reason" grep -q "the lowest supported is 8.0" logs/log.txt
FINDNA_EMULATED_CAPABILITY=90 "$check" --emulated --phases same,speed "$build" >check.log 2>&1
for line in 'state_id: by warpgroups = groups_again +yes' 'state_id: by warpgroups = groups_recomputed +yes' '1 micro-batch, warpgroups: sequences/s +[0-9.]+'; do
  check "a GPU with warpgroups: the table has: $line" has "$line"
done
rm bin/compute-sanitizer
stand_in python exit\ 1
"$check" --emulated --phases torch,compile "$build" >check.log 2>&1
check "what is missing is skipped with its reason" has "torch +skipped: .*bin/python has no PyTorch"
check "and listed in the last line" test "$(tail -1 check.log)" = "passed: none; FAILED: none; skipped: torch compile"
BUDGET=3 "$check" --emulated --phases doctor,same "$build" >check.log 2>&1
check "a phase after the time limit is not run" has "same +not run: the 3 seconds are used up"
expect "an unknown phase" 64 "no phase 'speeed'; there are: doctor" "$check" --phases speeed
expect "a folder without programs" 66 "findna is not there" "$check" "$root/docs"
