#!/usr/bin/env bash
# make test-chaos, first part: jobs of 4 ranks are killed (kill -9 of a random rank, or of all) at instants uniform over the run's wall time
# and resumed on a random number of ranks. The final state_id must be that of an uninterrupted run, and the log of windows must have each
# window of an epoch once. TRIALS (500) and SEED (1) may be set; failing trials are kept.
source "$(dirname "$0")/../lib.sh"
trials=${TRIALS:-500}
tiny_shards shards
run="$root/tests/tiny.yaml train.steps=120 checkpoint.every=8 eval.every=40 log.windows=true"
start() { # RANKS FOLDER
  ASAN_OPTIONS=detect_leaks=0 setsid mpirun -n "$1" --oversubscribe --bind-to none "$FINDNA" pretrain $run run.folder="$2" >>"$2.log" 2>&1
}
ms() { date +%s%N | cut -c1-13; }
start 1 whole || { tail -5 whole.log; exit 1; }
want=$(state_of whole)
begin=$(ms); start 4 timing; took=$(($(ms) - begin))
echo "an uninterrupted run of 4 ranks takes $took ms; seed ${SEED:-1}, $trials trials"
declare -A phase
failed="" resumes=0
for ((i = 1; i <= trials; i++)); do
  f=t$i delay=$((RANDOM * 32768 + RANDOM)) victims=$((RANDOM % 2)) where="start"
  delay=$((delay % took))
  { start 4 $f; } 2>/dev/null & job=$!
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  pids=($(processes findna run.folder=$f))
  [ -s $f/metrics.jsonl ] && where=training
  compgen -G "$f/ckpt/.tmp-*" >/dev/null && where=checkpoint
  grep -q 'finished:' $f.log 2>/dev/null && where="end"
  if [ ${#pids[@]} -gt 0 ]; then
    if [ $victims = 0 ]; then kill -9 "${pids[RANDOM % ${#pids[@]}]}" 2>/dev/null; else kill -9 $(processes 'mpirun|findna' run.folder=$f) 2>/dev/null; fi
  fi
  wait $job 2>/dev/null || true
  phase[$where]=$((${phase[$where]:-0} + 1))
  for try in 1 2 3; do
    ranks=$((1 << RANDOM % 3))
    start $ranks $f && break
    resumes=$((resumes + 1))
  done
  got=$(state_of $f 2>/dev/null) audit=$(awk -v windows=512 -v batch=64 -f "$root/tests/chaos/audit.awk" $f/windows/* 2>&1)
  if [ "$got" != "$want" ] || [ "$audit" != "120 0" ]; then
    failed="$failed $i"
    echo "trial $i (killed after $delay ms in $where): state ${got:-none}, audit '$audit' (expected '120 0')"
    cp -r $f "${KEEP:-/tmp}/findna-chaos-$i" 2>/dev/null
  fi
  rm -rf $f $f.log
  [ $((i % 50)) = 0 ] && echo "$i of $trials: killed in$(for p in "${!phase[@]}"; do printf ' %s %d' "$p" "${phase[$p]}"; done); failed:${failed:- none}"
done
check "$trials jobs of 4 ranks killed at random instants end in the bits of an uninterrupted run, no window lost or repeated" test -z "$failed"
inside=${phase[checkpoint]:-0}
check "at least 5 % of them inside a checkpoint ($inside)" test $((inside * 20)) -ge $trials
