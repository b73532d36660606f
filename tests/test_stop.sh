#!/usr/bin/env bash
# TERM takes effect within a second, whatever a command is doing: it exits with 75 and leaves no output. A training first finishes its
# step and writes a checkpoint.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
tiny=$root/tests/tiny.yaml
export ASAN_OPTIONS=detect_leaks=0
ms() { date +%s%N | cut -c1-13; }
allowed=2500 # ms: a second, and a margin for a busy machine
if ldd "$FINDNA" | grep -q asan; then allowed=6000; fi
# gone PID: waits until the process has ended
gone() { while grep -qs '^State:.[^Z]' "/proc/${1-}/status"; do sleep 0.01; done; }
# started N ARGUMENT: waits until N ranks with this argument catch TERM, or the job has ended, and prints their pids
started() {
  local pid pids catching
  while :; do
    pids=$(processes findna "$2") catching=0
    for pid in $pids; do
      (($(sed -n 's/^SigCgt:[[:space:]]*/0x/p' "/proc/$pid/status" 2>/dev/null || echo 0) & 0x4000)) && catching=$((catching + 1))
    done
    [ $catching -lt "$1" ] && kill -0 $job 2>/dev/null || break
    sleep 0.02
  done
  echo $pids
}
# stops NAME RANKS SECONDS COMMAND...: sends TERM to every rank, SECONDS after all have started: the first rank ends in time
# (mpirun is slow to end the others once one rank has ended with 75), the exit code is 75, and no out* is left
stops() {
  local name=$1 n=$2 wait=$3 code=0 start took pids launch=""
  shift 3
  [ "$n" = 1 ] || launch="mpirun -n $n --oversubscribe --bind-to none"
  timeout 60 $launch "$FINDNA" "$@" >stop.log 2>&1 & local job=$!
  pids=$(started $n $1)
  sleep "$wait"
  start=$(ms)
  kill -TERM $pids 2>/dev/null || pids=""
  gone "${pids%%[!0-9]*}"
  took=$(($(ms) - start))
  wait $job || code=$?
  if [ -z "$pids" ]; then not_ok "$name: the command ended before the signal"; tail -3 stop.log | sed 's/^/    /'
  elif [ $code != 75 ] || [ $took -gt $allowed ]; then not_ok "$name: code $code after $took ms"; tail -5 stop.log | sed 's/^/    /'
  else ok "$name: 75 after $took ms"; fi
  check "  with a message, and nothing is left" test -z "$(ls -d out* 2>/dev/null)" -a "$(grep -cE 'stopped by a signal|asked to stop by signal 15' stop.log)" -ge 1
  rm -rf out*
}

"$FINDNA" pretrain "$tiny" run.folder=model >model.log 2>&1 || { cat model.log; exit 1; }
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" >train.tsv
(head -1 train.tsv; for i in $(seq 60); do tail -n +2 train.tsv; done) >rows.tsv
awk 'BEGIN { srand(1 + ENVIRON["DRAWS"]); for (r = 0; r < 300; r++) { printf ">r%d\n", r; for (i = 0; i < 1000; i++) printf "%s", substr("ACGT", 1 + int(4 * rand()), 1); print "" } }' >long.fa
sed '/^>/!s/.\{50\}/&N/g' long.fa >ns.fa # few windows without N
for n in 1 2; do
  stops "embed on $n" $n 0.7 embed model long.fa --output out.h5 --window 200 --stride 1
  stops "score of nucleotides on $n" $n 0.7 score model long.fa --output out.bedgraph --window 400 --mask-every 400
  stops "prepare on $n, placing windows" $n 0.7 prepare --window 50 --max-n 0 --count 3000000 out ns.fa
done
stops "prepare, writing shards" 1 0.7 prepare --window 900 --count 400000 --shard-windows 500 out long.fa
stops "fine-tuning, the rows of the test" 1 0.7 finetune model --train train.tsv --test rows.tsv run.folder=tuned train.steps=1 eval.every=1000 --restart
rm -rf tuned

# A phase that never checks for stops: the guard ends it. The fault library makes a call take long.
if ldd "$FINDNA" | grep -q asan; then echo "skipped - stuck phases: the fault library does not work with AddressSanitizer"
else
  ${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl
  for n in 1 2; do
    export LD_PRELOAD=$PWD/fault.so FAULT=open:1:sleep=30:run.lock
    stops "stuck in taking the run folder, $n" $n 1 pretrain "$tiny" run.folder=run
    export FAULT=fsync:1:spin:config.used
    stops "spinning in setting up the run, $n" $n 1 pretrain "$tiny" run.folder=run
    unset LD_PRELOAD FAULT
  done
fi

# TERM to one rank of four: the others learn of it with the next heartbeats of the watchdog.
code=0
mpirun -n 4 --oversubscribe --bind-to none "$FINDNA" embed model long.fa --output out.h5 --window 200 --stride 1 >one.log 2>&1 & job=$!
victim=$(started 4 embed | sed 's/.* //')
sleep 0.5
start=$(ms); kill -TERM "$victim"
gone "$victim"
took=$(($(ms) - start))
wait $job || code=$?
if [ $code = 75 ] && [ $took -lt $((2 * allowed)) ]; then ok "TERM to one rank of four: all stop with 75"; else not_ok "TERM to one rank of four: code $code after $took ms"; tail -5 one.log; fi
check "and nothing is left" test -z "$(ls -d out* 2>/dev/null)"

# A training finishes its step.
"$FINDNA" pretrain "$tiny" run.folder=trained train.steps=100000 checkpoint.every=0 eval.every=0 >trained.log 2>&1 & job=$!
until grep -qs '"step": *20[,}]' trained/metrics.jsonl || ! kill -0 $job; do sleep 0.1; done
code=0 start=$(ms); kill -TERM $job; wait $job || code=$?
took=$(($(ms) - start))
if [ $code = 75 ] && [ $took -lt $allowed ]; then ok "a training: 75 after its step"; else not_ok "a training: code $code after $took ms"; fi
check "with a checkpoint" test -n "$(state_of trained)"

# An evaluation is skipped in favour of the checkpoint, and repeated on resume: in the middle of a run and at its end, on one rank and on
# two.
"$FINDNA" prepare --window 61 --count 512 --val-count 10000 --max-n 0 --seed 1 --bed "$root/datasets/human_chr20_slice.bed" held "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1 || { cat prepare.log; exit 1; }
long="data.shards=held train.steps=6 eval.every=3 eval.windows=10000 checkpoint.every=0 comm.check_every=0"
lines() { grep -v '"resume"' "$1/metrics.jsonl" | sed 's/"seconds":.*//'; }
"$FINDNA" pretrain "$tiny" run.folder=whole $long >whole.log 2>&1
# struck RANKS STEP: TERM during the evaluation of step STEP
struck() {
  local n=$1 step=$2 name="TERM in the evaluation of step $2, ranks: $1" code=0 job pids launch=""
  [ "$n" = 1 ] || launch="mpirun -n $n --oversubscribe --bind-to none"
  rm -rf given
  $launch "$FINDNA" pretrain "$tiny" run.folder=given $long >given.log 2>&1 & job=$!
  pids=$(started $n run.folder=given)
  until grep -qs "\"kind\":\"step\",\"step\":$((step - 1))," given/metrics.jsonl || ! kill -0 $job 2>/dev/null; do sleep 0.01; done
  sleep 0.1 # a step takes some milliseconds, the evaluation more than 0.3 s
  start=$(ms); [ -n "$pids" ] && kill -TERM $pids
  gone "${pids%%[!0-9]*}"
  took=$(($(ms) - start))
  wait $job || code=$?
  if [ $code = 75 ] && [ $took -lt $allowed ]; then ok "$name: 75 after $took ms"; else not_ok "$name: code $code after $took ms"; tail -5 given.log | sed 's/^/    /'; fi
  check "  it is postponed, with a checkpoint of that step" test -n "$(grep "step $step: the evaluation waits for the resumed run" given.log)" -a -d given/ckpt/step_00000000$step
  check "  and nothing of it is written" test "$(grep -cE "\"(eval|monitor)\",\"step\":$step," given/metrics.jsonl)" = 0
  expect "  the resumed run finishes" 0 "finished" "$FINDNA" pretrain "$tiny" run.folder=given $long
  check "  in the state of an undisturbed run" same given whole
  check "  with its metrics" diff <(lines whole) <(lines given)
  expect "  and then nothing remains to do" 0 "is finished .step 6." "$FINDNA" pretrain "$tiny" run.folder=given $long
}
for n in 1 2; do struck $n 3; struck $n 6; done
mkdir asked && touch asked/stop
expect "a stop file: a due evaluation is not started" 85 "step 1: the evaluation waits for the resumed run" "$FINDNA" pretrain "$tiny" run.folder=asked $long eval.every=1 eval.windows=64
