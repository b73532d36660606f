#!/usr/bin/env bash
# Checkpoints, shards, exported models and embeddings with a flipped bit or cut short are refused, or read unchanged: tests/chaos/flip.c, with
# FLIPS (1000) trials per reader; in memory if there is /dev/shm.
source "$(dirname "$0")/lib.sh"
[ ! -w /dev/shm ] || { memory=$(mktemp -d /dev/shm/findna-flip-XXXXXX); trap 'rm -rf "$scratch" "$memory"' EXIT; cd "$memory"; }
printf '>a\nACGTNACGTTGCAACGT\n>b\nACGTTGCAAC\n' >x.fa
"$FINDNA" prepare --window 61 --count 60 --val-count 20 --max-n 0 --seed 1 --shard-windows 30 --bed "$root/datasets/human_chr20_slice.bed" shards "$root/datasets/human_chr20_slice.2bit" >log 2>&1 &&
  "$FINDNA" pretrain "$root/tests/tiny.yaml" train.steps=4 train.batch=8 model.channels=6 model.hidden=8 model.track=2 checkpoint.every=4 run.folder=run >log 2>&1 &&
  "$FINDNA" export run export >log 2>&1 && "$FINDNA" embed run x.fa --output embeddings.h5 >log 2>&1 && "$FINDNA" embed run x.fa --output embeddings.npy >log 2>&1 ||
  { tail -3 log; not_ok "making the files"; exit 1; }
ASAN_OPTIONS=handle_segv=0:handle_abort=0:detect_leaks=0 "$(dirname "$FINDNA")/tests/chaos/flip" . "${FLIPS:-1000}" "${SEED:-1}"
check "a flipped bit or a cut is refused, or changes nothing, in $((${FLIPS:-1000} * 7)) trials" test $? = 0
