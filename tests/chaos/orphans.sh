#!/usr/bin/env bash
# Trials in which only mpirun is killed (kill -9) at a random instant, from its start to the middle of the training: every rank must
# end within comm.limit. Every third trial starts the ranks through a shell, every second one keeps the processors busy.
# TRIALS (60) and SEED (1) may be set; KEEP=1 prints every trial.
source "$(dirname "$0")/../lib.sh"
trials=${TRIALS:-60} limit=30
tiny_shards shards
run="$root/tests/tiny.yaml train.steps=100000 checkpoint.every=20 device.threads=1 comm.limit=$limit"
export ASAN_OPTIONS=detect_leaks=0 FINDNA
ms() { date +%s%N | cut -c1-13; }
burners=()
burn() { while :; do :; done; }
rest() { kill "${burners[@]}" 2>/dev/null; wait "${burners[@]}" 2>/dev/null; burners=(); }
trap 'rest; rm -rf "$scratch"' EXIT
# runs SESSION: whether a process of the session is running
runs() { ps -s "$1" -o stat= 2>/dev/null | grep -q '^[^ZX]'; }
worst=0 late=0 alive=0
for ((i = 1; i <= trials; i++)); do
  if [ $((i % 2)) = 0 ]; then for ((b = 0; b < $(nproc); b++)); do burn & burners+=($!); done; fi
  if [ $((i % 3)) = 0 ]; then setsid mpirun -n 4 --oversubscribe --bind-to none bash -c "\$FINDNA pretrain $run run.folder=o$i; exit \$?" >o.log 2>&1 &
  else setsid mpirun -n 4 --oversubscribe --bind-to none "$FINDNA" pretrain $run run.folder=o$i >o.log 2>&1 & fi
  session=$! delay=$((50 + (RANDOM * 32768 + RANDOM) % 3000))
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  kill -9 $session
  start=$(ms)
  wait $session 2>/dev/null
  before=$(ps -s $session -o pid= | wc -l)
  while runs $session && [ $(($(ms) - start)) -lt $((2 * limit * 1000)) ]; do sleep 0.02; done
  took=$(($(ms) - start))
  rest
  [ "$before" -gt 0 ] && alive=$((alive + 1))
  [ $took -gt $worst ] && worst=$took
  [ $took -gt $((limit * 1000)) ] && late=$((late + 1))
  [ -n "${KEEP-}" ] && echo "trial $i: killed after $delay ms, $before processes left, gone after $took ms"
  pkill -KILL -s $session
  rm -rf o$i
done
echo "$trials trials, seed ${SEED:-1}: in $alive of them ranks were left; the slowest ended after $worst ms; $late after the limit of $limit s"
check "ranks whose mpirun was killed end within comm.limit" test $late = 0
check "in most trials ranks were left" test $((alive * 2)) -gt "$trials"
