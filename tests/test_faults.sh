#!/usr/bin/env bash
# Checkpoints on a full and on a faulty disk, and a sample of the failing calls and power losses that make test-chaos tests exhaustively.
source "$(dirname "$0")/lib.sh"
if ldd "$FINDNA" | grep -q asan; then echo "skipped - full and faulty disks: the fault library does not work with AddressSanitizer"
else
  tiny_shards shards
  ${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl
  printf '#!/bin/sh\nfault=$1; shift; LD_PRELOAD="%s/fault.so" FAULT=$fault exec "%s" pretrain "%s" eval.every=0 "$@"\n' "$PWD" "$FINDNA" "$root/tests/tiny.yaml" >faulty && chmod +x faulty
  expect "a disk that stays full ends the run" 74 "3 checkpoints in a row could not be written to full" ./faulty write:1+:28:/student- run.folder=full checkpoint.every=1
  check "after the third" bash -c 'grep -q "checkpoint of step 3 failed" out.log && ! grep -q "checkpoint of step 4" out.log'
  expect "a disk that changes a bit is noticed" 74 "step_000000008/student-00.safetensors: reads back as [0-9]+ bytes with SHA-256 [0-9a-f]{12}... .written: " ./faulty write:1:flip:.tmp-step_000000008/student run.folder=flip checkpoint.keep=1 train.steps=8
  check "the checkpoint before is kept" test "$(ls -A flip/ckpt)" = step_000000004
  expect "and whole" 0 "all 6 files are as written" "$FINDNA" inspect flip/ckpt/step_000000004
fi
cd "$root/tests/chaos" || exit 1
STRIDE=40 bash ./calls.sh
MAX=1 COMMANDS='^(prepare-gz|resume|embed-npy)$' CALLS='write|fsync|rename|openat|read|mkdir|unlink' bash ./syscalls.sh
STATES=8 AGAIN=1 COMMANDS='^(pretrain|prepare|embed-npy|export)$' bash ./power.sh
