#!/usr/bin/env bash
# A rank that stops, or that keeps the others waiting, ends the job in time with one line that names the rank; a slow disk does not.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
endless="$root/tests/tiny.yaml train.steps=1000000 checkpoint.every=100 eval.every=0 comm.limit=2"
now() { date +%s%N | cut -c1-13; }

# stopped RANK: stops one of four ranks in the middle of training; the job must end within the limit of 2 s plus a margin for mpirun
stopped() {
  local victim="" start took code=0
  ASAN_OPTIONS=detect_leaks=0 timeout 60 mpirun -n 4 --oversubscribe --bind-to none "$FINDNA" pretrain $endless run.folder=stopped$1 >stopped$1.log 2>&1 &
  local job=$!
  until ls stopped$1/ckpt/step_* >/dev/null 2>&1 || ! kill -0 $job; do sleep 0.1; done
  sleep 1.2 # two heartbeats
  for pid in $(processes findna run.folder=stopped$1); do
    grep -qz "^OMPI_COMM_WORLD_RANK=$1$" /proc/$pid/environ 2>/dev/null && victim=$pid
  done
  start=$(now); kill -STOP "$victim"
  wait $job || code=$?
  took=$(($(now) - start))
  if [ $code = 76 ] && [ $took -lt 6000 ]; then ok "rank $1 stopped: the job ends with 76 within the limit"
  else not_ok "rank $1 stopped: code $code after $took ms"; tail -5 stopped$1.log | sed 's/^/    /'; fi
  check "and the line names rank $1, its host, step and phase, and says how to go on" grep -qE "no sign of life for 2 s.*last heard of: rank $1 \($(hostname)\) at step [0-9]+ in [^;]*; the job ends with code 76: the same command goes on from the last checkpoint" stopped$1.log
  check "and only one rank prints it" test "$(grep -c 'no sign of life' stopped$1.log)" = 1
}
if [ "$(ranks 2 doctor 2>/dev/null | grep -c 'no watchdog')" != 0 ]; then echo "skipped - watchdog: this MPI has no MPI_THREAD_MULTIPLE"; exit 0; fi
stopped 2
stopped 0
kill -KILL $(processes findna run.folder=stopped2) $(processes findna run.folder=stopped0) 2>/dev/null

# orphaned NAME COMMAND...: kills mpirun in the middle of a training; its ranks must end by themselves
orphaned() {
  local name=$1 start took
  shift
  rm -rf orphans
  setsid mpirun -n 2 --oversubscribe --bind-to none "$@" >orphans.log 2>&1 & local job=$!
  until ls orphans/ckpt/step_* >/dev/null 2>&1 || ! kill -0 $job; do sleep 0.1; done
  kill -KILL $job; start=$(now)
  wait $job 2>/dev/null
  while ps -s $job -o stat= | grep -q '^[^ZX]' && [ $(($(now) - start)) -lt 20000 ]; do sleep 0.05; done
  took=$(($(now) - start))
  if [ $took -lt 6000 ]; then ok "mpirun is killed, $name: its ranks are gone after $took ms"; else not_ok "mpirun is killed, $name: a rank lives after $took ms"; fi
  pkill -KILL -s $job
}
export ASAN_OPTIONS=detect_leaks=0
orphaned "direct ranks" "$FINDNA" pretrain $endless comm.limit=30 run.folder=orphans
orphaned "ranks behind a shell" bash -c "'$FINDNA' pretrain $endless comm.limit=30 run.folder=orphans; exit \$?"

check "working ranks are not disturbed by short limits" ranks 4 pretrain "$root/tests/tiny.yaml" run.folder=fine comm.limit=2 comm.stall=2
check "nor without a limit" ranks 2 pretrain "$root/tests/tiny.yaml" run.folder=no_limit comm.limit=0
code=0; ranks 2 pretrain $endless run.folder=timed run.minutes=0.02 >timed.log 2>&1 || code=$?
check "run.minutes stops with 75" test $code = 75
check "and with a checkpoint to resume from" test -n "$(state_of timed)"

if ldd "$FINDNA" | grep -q asan; then echo "skipped - slow disks: the fault library does not work with AddressSanitizer"; exit 0; fi
${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl
# faulty FAULT FOLDER ARGUMENTS...: four ranks, with the fault on the root rank (or VICTIM)
faulty() { local fault=$1 folder=$2; shift 2; timeout 60 mpirun -n 4 --oversubscribe --bind-to none -x LD_PRELOAD="$PWD/fault.so" -x FAULT_RANK="${VICTIM-0}" -x FAULT="$fault" "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder="$folder" "$@" >"$folder.log" 2>&1; }
code=0; faulty fsync:1:sleep=40:config.used stalled comm.limit=2 comm.stall=3 || code=$?
check "a rank that is alive but keeps the others waiting: 76 after comm.stall" test $code = 76
check "and its line names rank and phase" grep -qE 'the others have waited [0-9]+ s for: rank 0 .* in setting up the run' stalled.log
check "after one warning" test "$(grep -c 'the other ranks have waited' stalled.log)" = 1
faulty fsync:1+:sleep=4:student slow train.steps=60 checkpoint.every=20 checkpoint.limit=1 comm.limit=3
check "a slow disk: checkpoints are dropped, with a message" grep -q 'checkpoint of step 60 .* within 1 s\|checkpoint of step 40 dropped: the one before it is still being written after 1 s' slow.log
check "and nothing else ends the training" grep -q 'step 60/60' slow.log
# A rank that spins; a thread that spins.
code=0; VICTIM=0 faulty open:1:spin:run.lock spinning comm.limit=2 comm.stall=3 || code=$?
check "a rank that spins: 76 after comm.stall" test $code = 76
check "and its line names rank and phase" grep -qE 'the others have waited [0-9]+ s for: rank 0 .* in setting up the run for [0-9]+ s; there is no sign of progress' spinning.log
# adam_v is written by rank 3
code=0; VICTIM=3 faulty write:1:spin:adam_v spun comm.limit=2 comm.stall=3 checkpoint.limit=1 || code=$?
check "a writer of checkpoints that spins only drops them" grep -q 'step 12/12' spun.log
check "until the last one, which is said to be missing" bash -c "test $code = 74 && grep -q 'the checkpoint of step 12 could not be written to spun within 1 s' spun.log"
code=0; VICTIM=3 faulty write:1:spin:adam_v unlimited comm.limit=2 comm.stall=3 checkpoint.limit=0 || code=$?
check "without checkpoint.limit, comm.stall ends the job" test $code = 76

# --- in the sources: only mpi/world.c waits for other ranks, where the watchdog sees it; the others do at the start, or for what is there
waits='MPI_(Barrier|Bcast|Allreduce|Allgather|Sendrecv|Comm_dup|Comm_split[a-z_]*|Wait[a-z]*|Recv|Send|Ssend|Reduce|Gather[a-z]*|Scatter[a-z]*|Alltoall[a-z]*|Probe)\('
check "no call of MPI waits unseen" test "$(cd "$root" && grep -rlE "$waits" --include=*.c src mpi | sort | tr '\n' ' ')$(cd "$root" && grep -ohE "$waits" mpi/link.c mpi/watchdog.c | sort | tr '\n' ' ')" = "mpi/link.c mpi/watchdog.c mpi/world.c MPI_Comm_dup( MPI_Comm_dup( MPI_Recv( MPI_Wait( "
