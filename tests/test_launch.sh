#!/usr/bin/env bash
# launch/run and slurm/pretrain.sbatch with stand-ins for mpirun, srun and Slurm: which line is run, and what is put back into the queue.
source "$(dirname "$0")/lib.sh"
mkdir bin
export PATH=$scratch/bin:$PATH FINDNA
unset LAUNCHER SRUN_MPI RESTARTS "${!SLURM_@}"
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"; chmod +x "bin/$1"; }
stand_in mpirun '[ "$1" = --version ] && echo "mpirun (Open MPI) 4.1.4"; true'
stand_in srun '[ "$1" = --mpi=list ] && echo "	pmix"; true'

# --- launch/run
run="$root/launch/run"
job="env SLURM_JOB_ID=1 SLURM_NTASKS=6 SLURM_JOB_NUM_NODES=2"
expect "outside Slurm: mpirun" 0 "^\+ mpirun -n 2 --bind-to none .*pretrain demo device.threads=3$" "$run" -n 2 -t 3 pretrain demo
check "without keepalive" bash -c '! grep -q keepalive out.log'
gpus="env FINDNA_PLUGIN=$(dirname "$FINDNA")/libfindna_emulated.so FINDNA_EMULATED_GPUS=3"
expect "a rank a GPU" 0 "^\+ mpirun -n 3 .*pretrain demo device.kind=cuda " $gpus "$run" pretrain demo device.kind=cuda
printf 'device: {kind: cuda}\ndata: {shards: x}\n' >on_gpus.yaml
expect "a rank a GPU, from the config" 0 "^\+ mpirun -n 3 " $gpus "$run" pretrain on_gpus.yaml
expect "a rank a GPU, for an encoder" 0 "^\+ mpirun -n 3 " $gpus "$run" embed runs/first x.fa --device cuda
expect "-n says how many of them" 0 "^\+ mpirun -n 2 " $gpus "$run" -n 2 pretrain on_gpus.yaml
expect "GPUs that are not asked for do not count" 0 "^\+ mpirun -n $(nproc) " $gpus "$run" pretrain demo
expect "-b cores" 0 "^\+ mpirun -n 2 --map-by slot:PE=3 --bind-to core " "$run" -n 2 -t 3 -b cores pretrain demo
expect "in a job: srun, a rank a task" 0 "^\+ srun -n 6 --mpi=pmix --wait=10 --kill-on-bad-exit=0 --cpu-bind=cores /.*pretrain demo device.threads=1$" $job "$run" pretrain demo
expect "the CPUs of a task are its threads" 0 "^\+ srun -n 6 .*--cpus-per-task=4 .*probe x --threads=4$" $job SLURM_CPUS_PER_TASK=4 "$run" probe x
expect "-n, -t and -b in a job" 0 "^\+ srun -n 2 .*--cpu-bind=none --cpus-per-task=3 .*device.threads=3$" $job "$run" -n 2 -t 3 -b none pretrain demo
expect "fine-tuning's threads" 0 "^\+ srun -n 6 .*finetune runs/first device.threads=[0-9]+$" $job "$run" finetune runs/first
expect "threads of embed" 0 "^\+ srun -n 6 .*embed runs/first x.fa --threads=[0-9]+$" $job "$run" embed runs/first x.fa
expect "the user's own threads" 0 "^\+ srun -n 6 .*--cpu-bind=cores /.*pretrain demo device.threads=7$" $job "$run" pretrain demo device.threads=7
expect "an allocation without tasks: a rank a node" 0 "^\+ srun -n 2 " env SLURM_JOB_ID=1 SLURM_JOB_NUM_NODES=2 "$run" pretrain demo
expect "in a step" 0 "^\+ srun -n 6 .*--overlap " $job SLURM_STEP_ID=0 "$run" pretrain demo
expect "LAUNCHER=mpirun in a job, with keepalive" 0 "^\+ mpirun -n 6 .*--mca oob_tcp_keepalive_time 5 .*pretrain" $job LAUNCHER=mpirun "$run" pretrain demo
expect "started by srun itself" 64 "srun started this script 6 times" $job SLURM_STEP_NUM_TASKS=6 "$run" pretrain demo
expect "LAUNCHER=srun outside a job" 64 "works in a Slurm job" env LAUNCHER=srun "$run" pretrain demo
expect "another LAUNCHER" 64 "expected srun or mpirun" env LAUNCHER=mpiexec "$run" pretrain demo
expect "another binding" 64 "-b needs cores or none, not 'socket'" "$run" -b socket pretrain demo
stand_in srun '[ "$1" = --mpi=list ] && echo "	pmi2"; true'
expect "srun without PMIx: mpirun" 0 "^\+ mpirun -n 6 " $job "$run" pretrain demo
expect "SRUN_MPI=pmi2" 0 "^\+ srun -n 6 --mpi=pmi2 " $job SRUN_MPI=pmi2 "$run" pretrain demo
stand_in mpirun '[ "$1" = --version ] && echo "HYDRA build details"; true'
expect "MPICH" 0 "^\+ mpirun -n 2 /.*pretrain demo device.threads=3$" "$run" -n 2 -t 3 pretrain demo
expect "MPICH, -b cores" 0 "^\+ mpirun -n 2 -bind-to core:3 /" "$run" -n 2 -t 3 -b cores pretrain demo
stand_in mpirun '[ "$1" = --version ] || { trap "exit 75" USR1; while :; do sleep 0.05; done; }'
for signal in TERM INT USR1 USR2; do
  : >out.log
  timeout 20 env --default-signal=INT "$run" -n 2 pretrain demo >out.log 2>&1 & pid=$!
  until grep -q '^+' out.log; do sleep 0.05; done
  kill -$signal "$(pgrep -P $pid)"
  code=0; wait $pid || code=$?
  check "$signal right after the start reaches mpirun as USR1, and its code comes back" test $code = 75
done

# --- pretrain.sbatch: a home with another launch/run, which makes a checkpoint where NEWER says so and ends with CODE
mkdir -p home/launch home/slurm
printf '#!/bin/sh\n[ -z "$NEWER" ] || mkdir -p run/ckpt/step_$NEWER\nexit $CODE\n' >home/launch/run
chmod +x home/launch/run
stand_in squeue 'echo "${STATE:-RUNNING}"'
stand_in scontrol 'echo "scontrol $*"; kill -KILL $PPID'
mkdir -p run/ckpt/step_000000100
script="env SLURM_JOB_ID=7 SLURM_SUBMIT_DIR=$scratch/home SLURM_JOB_NODELIST=n1 bash $root/slurm/pretrain.sbatch"
# job NAME EXIT-CODE PATTERN VARIABLE=...: 137 is what a requeue looks like here
job() { local name=$1 code=$2 pattern=$3; shift 3; expect "job: $name" "$code" "$pattern" env "$@" $script "$root/tests/tiny.yaml"; rm -rf run/ckpt/step_000000200; }
job "finished" 0 "the run is finished" CODE=0
job "75 with a newer checkpoint" 137 "^scontrol requeue 7$" CODE=75 NEWER=000000200
job "76 with a newer checkpoint" 137 "^scontrol requeue 7$" CODE=76 NEWER=000000200
job "killed, with a newer checkpoint" 137 "^scontrol requeue 7$" CODE=139 NEWER=000000200
job "an array requeues its own task" 137 "^scontrol requeue 5_3$" CODE=75 NEWER=000000200 SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3
job "76 without a newer checkpoint" 76 "no checkpoint is newer than at the start \(run/ckpt/step_000000100\): not put back" CODE=76
job "killed without a newer checkpoint" 137 "no checkpoint is newer" CODE=137
job "often enough" 75 "this was restart 2 of at most 2 \(RESTARTS\)" CODE=75 NEWER=000000200 SLURM_RESTART_COUNT=2 RESTARTS=2
job "too often" 75 "too many restarts" CODE=0 SLURM_RESTART_COUNT=3 RESTARTS=2
job "cancelled" 75 "Slurm is ending this job \(state COMPLETING\)" CODE=75 NEWER=000000200 STATE=COMPLETING
job "a stop file" 85 "not put back in the queue" CODE=85 NEWER=000000200
for code in 1 64 65 66 70 71 73 74 77 78 79; do job "exit code $code" $code "exit code $code .*not put back" CODE=$code NEWER=000000200; done
expect "job: a configuration that is not right" 78 "nothing was started" env CODE=0 $script "$root/tests/tiny.yaml" train.steps=some
expect "job: --restart" 64 "would begin anew after every requeue" env CODE=0 $script "$root/tests/tiny.yaml" --restart
expect "job: no CONFIG" 64 "which CONFIG" env CODE=0 $script
expect "job: not submitted" 64 "use: sbatch" bash "$root/slurm/pretrain.sbatch" demo
expect "job: not findna's folder" 66 "is not findna's folder" env SLURM_JOB_ID=7 SLURM_SUBMIT_DIR="$scratch" bash "$root/slurm/pretrain.sbatch" demo
expect "job: a run folder with odd letters" 0 'run folder a "b" \\ c, newest' env CODE=0 $script "$root/tests/tiny.yaml" 'run.folder=a "b" \ c'
expect "job: %a is the index" 0 'run folder seed3, ' env CODE=0 SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3 $script "$root/tests/tiny.yaml" run.folder=seed%a
echo 'RESTARTS=1 # unset: $NOT_SET' >home/slurm/site.env
echo 'false; echo "site: $NOT_SET"' >>home/slurm/site.env
job "site.env is read, whatever it does" 75 "at most 1 " CODE=75 NEWER=000000200 SLURM_RESTART_COUNT=1
