#!/usr/bin/env bash
# launch/run with stand-ins for mpirun and srun: the command lines that are run, signals and exit codes.
source "$(dirname "$0")/lib.sh"
export FINDNA
unset LAUNCHER SRUN_MPI RESTARTS "${!SLURM_@}"
stand_in mpirun '[ "$1" = --version ] && echo "mpirun (Open MPI) 4.1.4"; true'
stand_in srun '[ "$1" = --mpi=list ] && echo "	pmix"; true'

# --- launch/run
run="$root/launch/run"
job="env SLURM_JOB_ID=1 SLURM_NTASKS=6 SLURM_JOB_NUM_NODES=2"
expect "outside Slurm: mpirun" 0 "^\+ mpirun -n 2 --bind-to none .*pretrain demo device.threads=3$" "$run" -n 2 -t 3 pretrain demo
check "without keepalive" bash -c '[ -s out.log ] && ! grep -q keepalive out.log'
emulated=$(dirname "$FINDNA")/libfindna_emulated.so
gpus="env FINDNA_PLUGIN=$emulated FINDNA_EMULATED_GPUS=3"
printf 'device: {kind: cuda}\ndata: {shards: x}\n' >on_gpus.yaml
if [ -e "$emulated" ]; then
  expect "one rank per GPU" 0 "^\+ mpirun -n 3 .*pretrain demo device.kind=cuda " $gpus "$run" pretrain demo device.kind=cuda
  expect "one rank per GPU, from the config" 0 "^\+ mpirun -n 3 " $gpus "$run" pretrain on_gpus.yaml
  expect "one rank per GPU, for an encoder" 0 "^\+ mpirun -n 3 " $gpus "$run" embed runs/first x.fa --device cuda
else echo "skipped - one rank per GPU: no emulated GPU (make emulated)"; fi
expect "-n sets the number of ranks" 0 "^\+ mpirun -n 2 " $gpus "$run" -n 2 pretrain on_gpus.yaml
cores=$(taskset -cp $$ | awk '{ print $NF }' | tr , '\n' | awk -F- '{ for (i = $1; i <= (NF > 1 ? $2 : $1); i++) print i }' |
  while read -r cpu; do cat /sys/devices/system/cpu/cpu"$cpu"/topology/thread_siblings_list 2>/dev/null || echo "$cpu"; done | sort -u | wc -l)
expect "GPUs that the config does not use are ignored" 0 "^\+ mpirun -n $cores " $gpus "$run" pretrain demo
expect "OMP_NUM_THREADS is ignored" 0 "^\+ mpirun -n $cores " env OMP_NUM_THREADS=1 OMP_THREAD_LIMIT=1 "$run" pretrain demo
expect "a large OMP_NUM_THREADS is ignored" 0 "^\+ mpirun -n $cores " env OMP_NUM_THREADS=99 "$run" pretrain demo
expect "the CPU affinity counts" 0 "^\+ mpirun -n 1 .*device.threads=1$" taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" "$run" pretrain demo
expect "mpirun's own number of slots does not" 0 "^\+ mpirun -n 9 .*--oversubscribe" "$run" -n 9 pretrain demo
# doctored LIMIT: a machine of 8 cores with 16 hardware threads whose control group grants the CPU time of LIMIT
doctored() { printf '#!/bin/sh\n[ "$1" != doctor ] || echo "  cores            8 with 16 CPUs that this process may use, of 64%s"\n' "${1:+; its control group has the time of $1}" >bin/doctored; chmod +x bin/doctored; }
doctored ""
expect "hardware threads: one rank per core, with a thread for each hardware thread" 0 "^\+ mpirun -n 8 .*device.threads=2$" env FINDNA="$scratch/bin/doctored" "$run" pretrain demo
expect "bound ranks get whole cores" 0 "^\+ mpirun -n 4 --map-by slot:PE=2 .*device.threads=2$" env FINDNA="$scratch/bin/doctored" "$run" -n 4 -b cores pretrain demo
doctored 3
expect "a control group's limit" 0 "^\+ mpirun -n 3 .*device.threads=1$" env FINDNA="$scratch/bin/doctored" "$run" pretrain demo
expect "-b cores" 0 "^\+ mpirun -n 2 --map-by slot:PE=3 --bind-to core " "$run" -n 2 -t 3 -b cores pretrain demo
expect "in a job: srun, one rank per task" 0 "^\+ srun -n 6 --mpi=pmix --wait=10 --kill-on-bad-exit=0 --cpu-bind=cores /.*pretrain demo device.threads=1$" $job "$run" pretrain demo
expect "the CPUs of a task are its threads" 0 "^\+ srun -n 6 .*--cpus-per-task=4 .*probe x --threads=4$" $job SLURM_CPUS_PER_TASK=4 "$run" probe x
expect "-n, -t and -b in a job" 0 "^\+ srun -n 2 .*--cpu-bind=none --cpus-per-task=3 .*device.threads=3$" $job "$run" -n 2 -t 3 -b none pretrain demo
expect "fine-tuning's threads" 0 "^\+ srun -n 6 .*finetune runs/first device.threads=[0-9]+$" $job "$run" finetune runs/first
expect "threads of embed" 0 "^\+ srun -n 6 .*embed runs/first x.fa --threads=[0-9]+$" $job "$run" embed runs/first x.fa
expect "the user's own threads" 0 "^\+ srun -n 6 .*--cpu-bind=cores /.*pretrain demo device.threads=7$" $job "$run" pretrain demo device.threads=7
expect "an evaluation's threads" 0 "^\+ srun -n 6 .*evaluate its run device.threads=[0-9]+$" $job "$run" evaluate its run
expect "a table of results that exist has none" 0 "^\+ srun -n 6 .*evaluate its --join a.json --join b.json$" $job "$run" evaluate its --join a.json --join b.json
expect "however it is written" 0 "^\+ srun -n 6 .*evaluate its --join=a.json,b.json$" $job "$run" evaluate its --join=a.json,b.json
expect "an allocation without tasks: one rank per node" 0 "^\+ srun -n 2 " env SLURM_JOB_ID=1 SLURM_JOB_NUM_NODES=2 "$run" pretrain demo
expect "in a step" 0 "^\+ srun -n 6 .*--overlap " $job SLURM_STEP_ID=0 "$run" pretrain demo
expect "LAUNCHER=mpirun in a job, with keepalive" 0 "^\+ mpirun -n 6 .*--mca oob_tcp_keepalive_time 5 .*pretrain" $job LAUNCHER=mpirun "$run" pretrain demo
step="env SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=6 SLURM_PROCID=0"
expect "started by srun itself" 64 "srun started this script 6 times" $job $step setsid -w "$run" pretrain demo
check "the error says what to do in a shell" grep -q "env -u SLURM_STEP_NUM_TASKS launch/run" out.log
expect "in the shell of srun --pty, which has a terminal" 0 "^\+ srun -n 6 .*--overlap " $job $step script -qec "$run pretrain demo" /dev/null
expect "pretraining in that shell is a single process, with PMIx or not" 66 "there is no folder .nowhere." $job $step PMIX_RANK=0 PMIX_NAMESPACE=none script -qec "$FINDNA pretrain $root/tests/tiny.yaml data.shards=nowhere" /dev/null
expect "a task of srun is refused" 64 "use: srun --mpi=pmix findna .*env -u SLURM_STEP_NUM_TASKS findna" $job $step setsid -w "$FINDNA" pretrain demo
expect "a process of a batch script, which is no task, is not" 66 "there is no folder .nowhere." $job SLURM_STEP_NUM_TASKS=6 setsid -w "$FINDNA" pretrain "$root/tests/tiny.yaml" data.shards=nowhere
for command in --help "pretrain --help" --version "config demo" "inspect $root/datasets/README.md"; do
  expect "except commands of a single process: $command" "$([ "${command%% *}" = inspect ] && echo 65 || echo 0)" "" $job $step setsid -w "$FINDNA" $command
done
expect "LAUNCHER=srun outside a job" 64 "works in a Slurm job" env LAUNCHER=srun "$run" pretrain demo
expect "another LAUNCHER" 64 "expected srun or mpirun" env LAUNCHER=mpiexec "$run" pretrain demo
expect "another binding" 64 "-b needs cores or none, not 'socket'" "$run" -b socket pretrain demo
stand_in srun '[ "$1" = --mpi=list ] && echo "	pmi2"; true'
expect "srun without PMIx: mpirun" 0 "^\+ mpirun -n 6 " $job "$run" pretrain demo
expect "SRUN_MPI=pmi2" 0 "^\+ srun -n 6 --mpi=pmi2 " $job SRUN_MPI=pmi2 "$run" pretrain demo
# Slurm's variables without srun, as in a container or over ssh
mkdir bare && for tool in bash env sed awk cat grep dirname nproc setsid date sleep id ps pkill; do ln -s "$(command -v $tool)" bare/; done
cp bin/mpirun bare/
printf '[ "$1" = --version ] || env\n' >>bare/mpirun
bare="PATH=$scratch/bare PMIX_RANK=0"
expect "no srun: the ranks start on this machine" 0 "^\+ mpirun -n 6 .*device.threads=2$" env $bare SLURM_JOB_ID=7 SLURM_NTASKS=6 SLURM_CPUS_PER_TASK=2 SLURM_NNODES=1 "$run" pretrain demo
check "and a warning is printed" grep -q "no srun on PATH, though this is Slurm job 7" out.log
check "mpirun gets no variables of Slurm" bash -c '! grep -qE "^(SLURM|PMIX?)_" out.log && grep -q ^PATH= out.log'
expect "in a job on several nodes, as many ranks as this node has cores" 0 "^\+ mpirun -n $cores " env $bare LAUNCHER=mpirun SLURM_JOB_ID=7 SLURM_NTASKS=600 SLURM_JOB_NUM_NODES=2 "$run" pretrain demo
expect "LAUNCHER=srun without srun" 66 "no srun on PATH" env $bare SLURM_JOB_ID=7 LAUNCHER=srun "$run" pretrain demo
stand_in mpirun '[ "$1" = --version ] && echo "HYDRA build details"; true'
expect "MPICH" 0 "^\+ mpirun -n 2 /.*pretrain demo device.threads=3$" "$run" -n 2 -t 3 pretrain demo
expect "MPICH, -b cores" 0 "^\+ mpirun -n 2 -bind-to core:3 /" "$run" -n 2 -t 3 -b cores pretrain demo
stand_in mpirun '[ "$1" = --version ] || { trap "exit 75" USR1; while :; do sleep 0.05; done; }'
for signal in TERM INT HUP USR1 USR2; do
  : >out.log
  timeout 20 env --default-signal=INT,HUP "$run" -n 2 pretrain demo >out.log 2>&1 & pid=$!
  until grep -q '^+' out.log; do sleep 0.05; done
  kill -$signal "$(pgrep -P $pid)"
  code=0; wait $pid || code=$?
  check "$signal right after the start reaches mpirun as USR1, and its exit code is returned" test $code = 75
done

# hangs_up NAME CODE COMMAND...: checks the exit code after a HUP
hangs_up() {
  local name=$1 code=$2 got=0
  shift 2
  : >out.log
  timeout 60 "$@" >out.log 2>&1 & pid=$!
  until grep -qE '^\+|^step' out.log; do sleep 0.05; done
  kill -HUP "$(pgrep -P $pid)"
  wait $pid || got=$?
  check "$name: $got" test $got = "$code"
}
stand_in mpirun '[ "$1" = --version ] || { sleep 2; exit 5; }'
hangs_up "nohup: HUP reaches no rank" 5 env --ignore-signal=HUP "$run" -n 2 pretrain demo
stand_in mpirun '[ "$1" = --version ] || { (sleep 3; : >rank_has_ended) & kill -KILL $$; }'
expect "mpirun is killed: the launcher waits for the ranks" 137 "ended with 137 before its ranks" "$run" -n 2 pretrain demo
check "until the ranks have ended" test -e rank_has_ended
tiny_shards shards
export ASAN_OPTIONS=detect_leaks=0 # Open MPI leaks
few="train.steps=100 eval.every=0 checkpoint.every=0"
hangs_up "HUP ends a single process with a checkpoint" 75 env --default-signal=HUP "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=hup train.steps=1000000
check "which exists" state_of hup
hangs_up "an ignored HUP (nohup) does not" 0 env --ignore-signal=HUP "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=nohup $few
rm bin/mpirun
hangs_up "HUP to the launcher of two ranks: a checkpoint and the ranks' exit code" 75 env --default-signal=HUP "$run" -n 2 -t 1 pretrain "$root/tests/tiny.yaml" run.folder=two train.steps=1000000
check "and no rank keeps running" test -z "$(processes findna run.folder=two)"
few="run.folder=slots train.steps=2 eval.every=0"
expect "a core with two hardware threads, where mpirun counts one slot" 0 "finished" env HWLOC_SYNTHETIC="package:1 core:1 pu:2" HWLOC_THISSYSTEM=1 "$run" -n 2 -t 1 pretrain "$root/tests/tiny.yaml" $few
expect "more ranks than slots, and OMP_NUM_THREADS" 0 "finished" env OMP_NUM_THREADS=8 "$run" -n 4 pretrain "$root/tests/tiny.yaml" $few --restart

# --- Scripts do not depend on the user's locale: with a decimal comma, awk and sort misread numbers.
for script in $(grep -lE '^#!.*bash' -r "$root/launch" "$root/slurm" "$root/datasets"); do check "$(basename "$script"): LC_ALL" grep -q '^export LC_ALL=C\b' "$script"; done
