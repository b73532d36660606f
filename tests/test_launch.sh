#!/usr/bin/env bash
# launch/run and the job scripts for Slurm, PBS and LSF with stand-ins for mpirun, srun and the schedulers: the command lines that are run, and which
# jobs are requeued.
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
check "and no rank keeps running" bash -c '! pgrep -f "[r]un.folder=two " >/dev/null'
few="run.folder=slots train.steps=2 eval.every=0"
expect "a core with two hardware threads, where mpirun counts one slot" 0 "finished" env HWLOC_SYNTHETIC="package:1 core:1 pu:2" HWLOC_THISSYSTEM=1 "$run" -n 2 -t 1 pretrain "$root/tests/tiny.yaml" $few
expect "more ranks than slots, and OMP_NUM_THREADS" 0 "finished" env OMP_NUM_THREADS=8 "$run" -n 4 pretrain "$root/tests/tiny.yaml" $few --restart

# --- pretrain.sbatch: a home with a stand-in for launch/run, which makes the checkpoint NEWER, if set, and ends with CODE
mkdir -p home/launch home/slurm
cp "$root/slurm/job.sh" home/slurm
printf '#!/bin/sh\n[ -z "$NEWER" ] || mkdir -p run/ckpt/step_$NEWER\nexit $CODE\n' >home/launch/run
chmod +x home/launch/run
stand_in squeue 'echo "${STATE:-RUNNING}"'
stand_in scontrol 'echo "scontrol $*"; kill -KILL $PPID'
mkdir -p run/ckpt/step_000000100
script="env SLURM_JOB_ID=7 SLURM_SUBMIT_DIR=$scratch/home SLURM_JOB_NODELIST=n1 bash $root/slurm/pretrain.sbatch"
# job NAME EXIT-CODE PATTERN VARIABLE=...: here a requeue ends the job with 137
job() { local name=$1 code=$2 pattern=$3; shift 3; expect "job: $name" "$code" "$pattern" env "$@" $script "$root/tests/tiny.yaml"; rm -rf run/ckpt/step_000000200; }
job "finished" 0 "the run is finished" CODE=0
job "75 with a newer checkpoint" 137 "^scontrol requeue 7$" CODE=75 NEWER=000000200
job "76 with a newer checkpoint" 137 "^scontrol requeue 7$" CODE=76 NEWER=000000200
job "killed, with a newer checkpoint" 137 "^scontrol requeue 7$" CODE=139 NEWER=000000200
job "an array requeues its own task" 137 "^scontrol requeue 5_3$" CODE=75 NEWER=000000200 SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3
job "76 without a newer checkpoint" 76 "no checkpoint is newer than at the start \(run/ckpt/step_000000100\): not put back" CODE=76
job "killed without a newer checkpoint" 137 "no checkpoint is newer" CODE=137
mkdir run/ckpt/step_999999999; job "one of ten digits is newer than one of nine" 137 "back in the queue, to continue from run/ckpt/step_1000000000$" CODE=75 NEWER=1000000000; rm -r run/ckpt/step_*999999999 run/ckpt/step_1000000000
job "the last restart allowed" 75 "this was restart 2 of at most 2 \(RESTARTS\)" CODE=75 NEWER=000000200 SLURM_RESTART_COUNT=2 RESTARTS=2
job "too often" 75 "too many restarts" CODE=0 SLURM_RESTART_COUNT=3 RESTARTS=2
stand_in sleep :; stand_in squeue '[ -e answers ] && echo RUNNING || { : >answers; exit 1; }'
job "a controller that does not answer at first" 137 "^scontrol requeue 7$" CODE=75 NEWER=000000200
check "job: which is said" grep -q "Slurm's controller does not answer; asking again" out.log
rm bin/sleep; stand_in squeue 'echo "${STATE:-RUNNING}"'; stand_in scontrol 'exit 1'
job "a requeue that Slurm refuses" 75 "Slurm refuses to requeue it: submit again to continue from run/ckpt/step_000000200" CODE=75 NEWER=000000200
stand_in scontrol 'echo "scontrol $*"; kill -KILL $PPID'
job "cancelled" 75 "Slurm is ending this job \(state COMPLETING\)" CODE=75 NEWER=000000200 STATE=COMPLETING
job "a stop file" 85 "not put back in the queue" CODE=85 NEWER=000000200
for code in 1 64 65 66 70 71 73 74 77 78 79; do job "exit code $code" $code "exit code $code .*not put back" CODE=$code NEWER=000000200; done
expect "job: an invalid configuration" 78 "nothing was started" env CODE=0 $script "$root/tests/tiny.yaml" train.steps=some
expect "job: --restart" 64 "would begin anew after every requeue" env CODE=0 $script "$root/tests/tiny.yaml" --restart
expect "job: no CONFIG" 64 "which CONFIG" env CODE=0 $script
expect "job: not submitted" 64 "use: sbatch" bash "$root/slurm/pretrain.sbatch" demo
expect "job: not findna's folder" 66 "is not findna's folder" env SLURM_JOB_ID=7 SLURM_SUBMIT_DIR="$scratch" bash "$root/slurm/pretrain.sbatch" demo
expect "job: a run folder with unusual characters" 0 'run folder a "b" \\ c, newest' env CODE=0 $script "$root/tests/tiny.yaml" 'run.folder=a "b" \ c'
expect "job: a run folder with a character that names cannot show" 78 'run.folder a\\tb: contains control characters' env CODE=0 $script "$root/tests/tiny.yaml" "run.folder=a"$'\t'b
check "job: then nothing is started" grep -q "nothing was started" out.log
expect "pretraining refuses it, too" 78 'run.folder a\\nb: contains control characters' "$FINDNA" pretrain "$root/tests/tiny.yaml" train.steps=2 "run.folder=a"$'\n'b
# finetune.sbatch finds the run folder in the list of units, whose words are quoted for a shell
tune="env SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3 SLURM_SUBMIT_DIR=$scratch/home SLURM_JOB_NODELIST=n1 bash $root/slurm/finetune.sbatch local slots --data"
unit="o'f \$x run.folder=(1)/prom_core_notata-finetune-0"
"$FINDNA" evaluate local slots --data "d * a" --output "${unit%/*}" --list 2>/dev/null >list.txt
eval "words=($(sed -n 's/^ *3  findna //p' list.txt))"
check "--list quotes its words for a shell" test "$(printf '%s\n' "${words[@]}" | grep -cxF -e "run.folder=$unit" -e "d * a/prom_core_notata.train.tsv.xz" -e run.seed=0)" = 3
mkdir -p "$unit/ckpt/step_000000100"; printf '#!/bin/sh\nmkdir "%s/ckpt/step_000000200"\nexit 75\n' "${unit//\$/\\$}" >home/launch/run
expect "job: a fine-tuning with a newer checkpoint" 137 "^scontrol requeue 5_3$" $tune "d * a" --output "${unit%/*}"
printf '#!/bin/sh\nexit 75\n' >home/launch/run
expect "job: without" 75 "no checkpoint is newer than at the start \(o'f .x run.folder=\(1\)/prom_core_notata-finetune-0/ckpt/step_000000200\)" $tune "d * a" --output "${unit%/*}"
printf '#!/bin/sh\nexit $CODE\n' >home/launch/run
expect "job: a piece that is done, with FINDNA_HOME" 0 "finetune.sbatch: done" env CODE=0 FINDNA_HOME="$scratch/home" ${tune/"DIR=$scratch/home"/"DIR=$scratch"} "d * a" --output "${unit%/*}"
expect "job: a probe keeps nothing to go on from" 75 "a probe or a search keeps nothing: not put back" env CODE=75 ${tune/TASK_ID=3/TASK_ID=1} "d * a" --output "${unit%/*}"
expect "job: a piece that was restarted too often" 75 "too many restarts" env CODE=0 SLURM_RESTART_COUNT=3 RESTARTS=2 $tune "d * a" --output "${unit%/*}"
expect "job: an evaluation that is no array" 64 "this is a script for a job array" env -u SLURM_ARRAY_TASK_ID bash "$root/slurm/finetune.sbatch" local slots
expect "job: an evaluation of nothing" 64 "which SUITE and CHECKPOINT" ${tune% slots --data}
expect "job: an evaluation in a folder that names cannot show" 78 'evaluate: --output a\\tb: contains control characters' $tune d --output "a"$'\t'b
printf '#!/bin/sh\n[ -z "$NEWER" ] || mkdir -p run/ckpt/step_$NEWER\nexit $CODE\n' >home/launch/run
expect "job: %a is the index" 0 'run folder seed3, ' env CODE=0 SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3 $script "$root/tests/tiny.yaml" run.folder=seed%a
echo 'RESTARTS=1 # unset: $NOT_SET' >home/slurm/site.env
echo 'false; echo "site: $NOT_SET"' >>home/slurm/site.env
job "site.env is read even if its commands fail" 75 "at most 1 " CODE=75 NEWER=000000200 SLURM_RESTART_COUNT=1

# --- Scripts do not depend on the user's locale: with a decimal comma, awk and sort misread numbers.
for script in $(grep -lE '^#!.*bash' -r "$root/launch" "$root/slurm" "$root/datasets"); do check "$(basename "$script"): LC_ALL" grep -q '^export LC_ALL=C\b' "$script"; done

# --- launch/jobs: PBS and LSF. Only the scripts' syntax and decisions can be tested here: neither scheduler is available.
for script in "$root"/launch/jobs/*; do check "syntax of $(basename "$script")" bash -n "$script"; done
for script in "$root"/slurm/*.sbatch "$root/slurm/job.sh"; do check "syntax of $(basename "$script")" bash -n "$script"; done
printf '#!/bin/sh\n[ -z "$NEWER" ] || mkdir -p run/ckpt/step_$NEWER\necho "ranks: $*"\nexit $CODE\n' >home/launch/run
printf 'n1\nn1\nn2\nn2\n' >nodes
pbs="env PBS_JOBID=7 PBS_O_WORKDIR=$scratch/home PBS_NODEFILE=$scratch/nodes NCPUS=8 bash $root/launch/jobs/pretrain.pbs"
expect "PBS: one rank per line of the node file, NCPUS threads" 0 "^ranks: -n 4 -t 8 pretrain demo data.shards=x run.minutes=9$" env CODE=0 "FINDNA_ARGS=demo data.shards=x run.minutes=9" $pbs
expect "PBS: stopped at the time limit" 75 "the same qsub line continues from it" env CODE=75 "FINDNA_ARGS=demo run.minutes=9" $pbs
expect "PBS: an error" 65 "exit code 65" env CODE=65 "FINDNA_ARGS=demo run.minutes=9" $pbs
expect "PBS: no limit below the walltime" 64 "run.minutes=N is missing" env CODE=0 FINDNA_ARGS=demo $pbs
expect "PBS: --restart" 64 "would begin anew in every job" env CODE=0 "FINDNA_ARGS=demo run.minutes=9 --restart" $pbs
expect "PBS: no CONFIG" 64 "which CONFIG" env CODE=0 FINDNA_ARGS= $pbs
expect "PBS: not submitted" 64 "use: qsub" bash "$root/launch/jobs/pretrain.pbs"
lsf="env LSB_JOBID=7 LS_SUBCWD=$scratch/home LSB_DJOB_NUMPROC=8 OMP_NUM_THREADS=3 bash $root/launch/jobs/pretrain.lsf"
lsf_job() { local name=$1 code=$2 pattern=$3; shift 3; rm -rf home/run; mkdir -p home/run/ckpt/step_000000100; expect "LSF: $name" "$code" "$pattern" env "FINDNA_ARGS=$root/tests/tiny.yaml run.seed=3" "$@" $lsf; }
lsf_job "one rank per slot" 0 "^ranks: -n 8 -t 3 pretrain .*tiny.yaml run.seed=3$" CODE=0
lsf_job "75 with a newer checkpoint is requeued" 75 "back into the queue, to go on from run/ckpt/step_000000200" CODE=75 NEWER=000000200
lsf_job "76, too" 76 "back into the queue" CODE=76 NEWER=000000200
lsf_job "75 without a newer checkpoint is not" 1 "no checkpoint is newer than at the start" CODE=75
lsf_job "nor is an error" 65 "not put back" CODE=65 NEWER=000000200
rm -rf home/run; mkdir -p home/run/ckpt/step_999999999; expect "LSF: one of ten digits is newer than one of nine" 75 "go on from run/ckpt/step_1000000000" env "FINDNA_ARGS=$root/tests/tiny.yaml" CODE=75 NEWER=1000000000 $lsf
expect "LSF: --restart" 64 "would begin anew after every requeue" env CODE=0 "FINDNA_ARGS=demo --restart" $lsf
expect "LSF: an invalid configuration" 78 "nothing was started" env CODE=0 "FINDNA_ARGS=$root/tests/tiny.yaml train.steps=some" $lsf
expect "LSF: not submitted" 64 "use: bsub" bash "$root/launch/jobs/pretrain.lsf"
expect "LSF: no CONFIG" 64 "which CONFIG" env FINDNA_ARGS= $lsf

# --- all job scripts: findna's folder, what the ranks are given, and signals
submitted() { in_job=(env SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n1 SLURM_SUBMIT_DIR="$1" PBS_JOBID=7 PBS_O_WORKDIR="$1" PBS_NODEFILE="$scratch/nodes" LSB_JOBID=7 LS_SUBCWD="$1" FINDNA_ARGS="$root/tests/tiny.yaml run.minutes=9"); }
echo LAUNCHER=mpirun >home/slurm/site.env
printf '#!/bin/sh\necho "in $PWD with ${LAUNCHER-srun} on ${OMPI_MCA_orte_default_hostfile-its hosts}"\n' >home/launch/run
# asked NAME CODE COMMAND...: a job is asked to stop twice; its ranks end after as many signals
printf '#!/bin/sh\nn=0 i=0\ntrap "n=\\$((n + 1))" USR1\necho started\nwhile [ $n -lt ${SIGNALS-2} ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done\n[ $i -lt 200 ] || exit 1\nmkdir -p run/ckpt/step_2000000000\nsleep 0.2\nexit 75\n' >ranks_that_stop && chmod +x ranks_that_stop
asked() {
  local name=$1 code=$2 got=0
  shift 2
  : >out.log
  timeout 30 "$@" >out.log 2>&1 & pid=$!
  until grep -q started out.log || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
  for signal in USR1 TERM; do kill -$signal $(pgrep -P $pid); sleep 0.3; done
  wait $pid || got=$?
  rm -rf run/ckpt/step_2000000000
  check "$name: $got" test $got = "$code"
}
for script in slurm/pretrain.sbatch launch/jobs/pretrain.pbs launch/jobs/pretrain.lsf; do
  name=${script##*.} stopped=75 where=$scratch/home hosts="its hosts"
  [ $name != sbatch ] || stopped=137 where=$scratch # the requeue ends it
  [ $name != pbs ] || hosts=$scratch/nodes
  submitted "$scratch"
  expect "$name: another folder than findna's" 66 "$scratch is not findna's folder" "${in_job[@]}" bash "$root/$script" "$root/tests/tiny.yaml"
  expect "$name: with FINDNA_HOME, and mpirun on the job's hosts" 0 "^in $where with mpirun on $hosts$" env FINDNA_HOME="$scratch/home" "${in_job[@]}" bash "$root/$script" "$root/tests/tiny.yaml"
  cp -r home stopping && cp ranks_that_stop stopping/launch/run
  submitted "$scratch/stopping"
  asked "$name: both signals reach the ranks, whose exit code counts" $stopped "${in_job[@]}" bash "$root/$script" "$root/tests/tiny.yaml"
  rm -r stopping
done
stand_in early '[ "$1" != config ] || kill -USR1 $JOB; exec '"$FINDNA"' "$@"'
cp ranks_that_stop home/launch/run
submitted "$scratch/home"
expect "sbatch: a signal before the ranks start reaches them" 137 "^scontrol requeue 7$" "${in_job[@]}" SIGNALS=1 FINDNA="$scratch/bin/early" bash -c 'export JOB=$$; exec bash "$@"' - "$root/slurm/pretrain.sbatch" "$root/tests/tiny.yaml"
rm -rf run/ckpt/step_2000000000

# --- probe.sbatch: each run on each task
printf '#!/bin/sh\nprintf "[%%s]" "$@"\n' >home/launch/run
printf '# tasks\n\nfirst a.csv b.csv\r\n  second\tc.csv d.csv\n  # no more\n' >tasks.txt
probes() { local name=$1 code=$2 pattern=$3 index=$4; shift 4; expect "probe.sbatch: $name" "$code" "$pattern" env SLURM_ARRAY_TASK_ID="$index" SLURM_SUBMIT_DIR="$scratch" FINDNA_HOME="$scratch/home" bash "$root/slurm/probe.sbatch" "$@"; }
index=0
for run_of in one two three; do
  for rows in first:a:b second:c:d; do
    IFS=: read -r task train test <<<"$rows"
    index=$((index + 1))
    probes "index $index" 0 "^\[probe\]\[$run_of\]\[--train\]\[$train.csv\]\[--test\]\[$test.csv\]\[--output\]\[$run_of/probe-$task.json\]\[--seeds\]\[1\]$" $index tasks.txt one two three -- --seeds 1
  done
done
for index in 0 7; do probes "no index $index" 64 "no index $index: 3 runs on 2 tasks are --array=1-6" $index tasks.txt one two three; done
echo 'third e.csv' >>tasks.txt; probes "a task without test rows" 65 "tasks.txt: a task is three words: .* not 'third e.csv  '" 3 tasks.txt one
sed -i '$s/$/ f.csv g.csv/' tasks.txt; probes "a task of four words" 65 "not 'third e.csv f.csv g.csv'" 3 tasks.txt one
probes "no list" 66 "cannot read the list of tasks none.txt" 1 none.txt one
probes "no run" 64 "no run or no task" 1 tasks.txt -- --seeds 1
expect "probe.sbatch: no array" 64 "this is a script for a job array" bash "$root/slurm/probe.sbatch" tasks.txt one

# The bake-off's units of work: those that others need come first.
units=$("$root/launch/bakeoff" -s 2 -l x y)
before() { test "$(grep -n " $1\$" <<<"$units" | cut -d: -f1)" -lt "$(grep -n " $2\$" <<<"$units" | cut -d: -f1)"; }
check "bakeoff: NT's runs come before HAD's pilots, and pilots before runs" eval 'before "of_samples NT 1" "pilot HAD 3e-4" && before "pilot HAD 3e-3" "of_samples HAD 0" && before "of_seconds NT 1" "of_seconds HAD 0"'
check "bakeoff: in stages, of which two are HAD's" eval 'awk "{ print \$2 }" <<<"$units" | sort -c && test "$(grep -c " 3 pilot HAD \| 4 of_[a-z]* HAD " <<<"$units") $(grep -c " HAD " <<<"$units")" = "7 9"'
check "bakeoff: three pilots for each contestant, and two budgets except for the reference" test "$(grep -c pilot <<<"$units") $(grep -c of_samples <<<"$units") $(grep -c of_seconds <<<"$units")" = "21 14 12"
check "bakeoff: results after all runs, of both budgets except for the reference" test "$(grep -c ' probed ' <<<"$units") $(grep -c ' tuned ' <<<"$units") $(sed -n '/ probed /,$p' <<<"$units" | grep -c ' of_')" = "13 7 0"
mkdir -p bo/shards bo/data/intervals bo/data/{EMP/GUE/EMP,prom/GUE/prom,splice/GUE/splice,tf/GUE/tf} bo/data/genomic_benchmarks/{nontata,enhancers_cohn,enhancers_ensembl,regulatory,ocr} && touch bo/data/genomic_benchmarks/{nontata,enhancers_cohn,enhancers_ensembl,regulatory,ocr}/test.csv && printf 'FinDNA\t%s\t%s\t0.5\n' 3e-4 0.9 1e-3 0.8 3e-3 0.95 >bo/pilots.tsv
expect "bakeoff: a run that its pilots do not precede" 66 "the pilot of MAE with 3e-4 is not finished" "$root/launch/bakeoff" -o MAE -j 4 bo nowhere
expect "bakeoff: results that the runs do not precede" 66 "FinDNA-0 is not finished" "$root/launch/bakeoff" -o FinDNA -j 7 bo nowhere
# A folder belongs to the settings, the source and, for pilots, the ranks and devices of its first use.
cp -r bo bo2; rm -r bo2/settings; mkdir -p from/{genome,genomic_benchmarks,gue} && echo ACGT >from/genome/chr20.fa
trained='[ "$1" = --version ] && echo "mpirun (Open MPI) 4.1.4"; for w; do case $w in run.folder=*) mkdir -p "${w#*=}"; printf "{\"kind\":\"step\",\"seconds\":0.5}\n{\"kind\":\"eval\",\"student_loss\":0.7}\n" >"${w#*=}/metrics.jsonl" ;; esac; printf "[%s]" "$w"; done; echo'
stand_in mpirun "$trained"
expect "bakeoff: a pilot of a trial" 0 "\[train.steps=2\]" "$root/launch/bakeoff" -n 1 -o MAE -j 1 bo2 from train.steps=2 device.threads=1
expect "bakeoff: another learning rate of it" 0 "\[optim.lr=1e-3\]" "$root/launch/bakeoff" -n 1 -o MAE -j 2 bo2 from train.steps=2 device.threads=1
expect "bakeoff: the units of a trial are not those of the real one" 73 "bo2/settings/MAE: .*then 'train.steps: 2', now ''; give the same, or another FOLDER" "$root/launch/bakeoff" -n 1 -o MAE -j 2 bo2 from
expect "bakeoff: nor those of other kernels" 73 "now 'train.steps: 2, device.simd: generic'" "$root/launch/bakeoff" -n 1 -o MAE -j 2 bo2 from device.simd=generic train.steps=2
check "bakeoff: a default and a free setting are no others" "$root/launch/bakeoff" -n 1 -o MAE -j 2 bo2 from device.threads=1 train.steps=9 train.steps=2 optim.beta1=0.9 checkpoint.minutes=5
expect "bakeoff: pilots of other ranks take other seconds" 73 "then '-n 1, device.threads=1', now '-n 2, device.threads=1'" "$root/launch/bakeoff" -n 2 -o MAE -j 3 bo2 from train.steps=2 device.threads=1
expect "bakeoff: a setting that is none" 78 "train.steps: .some. is not a whole number" "$root/launch/bakeoff" -n 1 -o MAE -j 3 bo2 from train.steps=some
cp -r from other; echo ACGTA >other/genome/chr20.fa
expect "bakeoff: another source" 73 "then 'chr20.fa of 5 bytes', now 'chr20.fa of 6 bytes'" "$root/launch/bakeoff" -n 1 -o MAE -j 3 bo2 other train.steps=2 device.threads=1
expect "bakeoff: a source that is gone is not needed" 0 "" "$root/launch/bakeoff" -n 1 -o MAE -j 3 bo2 gone train.steps=2 device.threads=1
cp -r bo "b o"; mkdir -p "b o"/{NT-0,NT@seconds-0}; touch "b o"/NT{,@seconds}-0/done; printf 'HAD\t%s\t%s\t%s\n' 1e-3 0.9 0.1 3e-3 0.6 0.8 >>"b o/pilots.tsv"; sed -i '1s/0.5$/0.7/' "b o/pilots.tsv" # seconds of a rate that is not chosen
while read -r number to of what; do
  expect "bakeoff: a blank in the folder, $to" 0 "\[train.steps=800\].*$what\[--teacher\]\[b o/$of\]\[run.folder=b o/$to\]" "$root/launch/bakeoff" -n 1 -s 1 -o HAD -j "$number" "b o" gone
done <<'END'
1 pilot/HAD-3e-4 NT-0 \[run.seed=100\]\[train.steps=100\]\[optim.lr=3e-4\]
4 HAD-0 NT-0 \[run.seed=0\]\[optim.lr=3e-3\]\[eval.contexts=0,1,2,3,4,5,6\]
5 HAD@seconds-0 NT@seconds-0 \[run.seed=0\]\[optim.lr=3e-3\]\[train.steps=500\]
END
expect "bakeoff: other seeds without the counts of contexts" 0 "\[run.seed=1\]\[optim.lr=1e-3\]\[eval.contexts=\]\[run.folder=bo2/FinDNA-1\]" "$root/launch/bakeoff" -n 1 -s 2 -o FinDNA -j 5 bo2 gone
check "bakeoff: and the pilots are there" test "$(cat bo2/pilots/*.tsv | grep -c MAE)" = 3
stand_in mpirun '[ "$1" = --version ] && echo "mpirun (Open MPI) 4.1.4"; true'
expect "bakeoff: a selection that needs the pilots of others" 66 "the pilot of FinDNA with 3e-4 is not finished: others need it: do the units of FinDNA first, with -o FinDNA" "$root/launch/bakeoff" -o MAE unmade nowhere
check "bakeoff: which is found before anything is made" test ! -e unmade
mkdir -p joined/pilots && head -2 bo/pilots.tsv >joined/pilots.tsv && tail -1 bo/pilots.tsv >joined/pilots/FinDNA-3e-3.tsv
expect "bakeoff: pilots of an earlier version and of this one are joined; HAD needs NT's runs" 66 "joined/NT-0 is not finished: others need it: do the units of NT first, with -o NT" "$root/launch/bakeoff" -o HAD joined nowhere
for rate in 3e-4 1e-3 3e-3; do mkdir -p bo/pilot/MAE-$rate && printf '{"kind":"step","seconds":9}\n{"kind":"step","seconds":0.25}\n{"kind":"eval","student_loss":1.5}\n{"kind":"step","seconds":1e-2}\n{"kind":"eval","student_loss":1.%s}\n' ${rate%e*} >bo/pilot/MAE-$rate/metrics.jsonl; done
mkdir quiet && printf '#!/bin/sh\n' >quiet/mpirun && chmod +x quiet/mpirun
pids=(); for unit in 1 2 3; do LAUNCHER=mpirun PATH=$PWD/quiet:$PATH "$root/launch/bakeoff" -o MAE -j $unit bo nowhere >pilot$unit.log 2>&1 & pids+=($!); done; wait "${pids[@]}"
check "bakeoff: pilots that finish at the same time have a file each, with the last loss and the median of the seconds" test "$(cat bo/pilots/*.tsv)" = "$(printf 'MAE\t%s\t%s\t0.25\n' 1e-3 1.1 3e-3 1.3 3e-4 1.3)"
check "bakeoff: nothing else is written" test "$(cut -f1 bo/pilots.tsv | sort -u)" = FinDNA
expect "bakeoff: an unknown contestant" 64 "no contestant 'BERT'" "$root/launch/bakeoff" -o BERT x y

# What the bake-off, the comparison on barcodes and the ablations run: findna shows evaluations and preparations instead.
stand_in shown 'case $1 in evaluate | prepare) printf "[%s]" "$@"; echo ;; *) exec '"$FINDNA"' "$@" ;; esac'
stand_in mpirun "$trained"
shown() { grep -oE '\[(evaluate|prepare|pretrain)\].*' out.log | sed 's/\[device.threads=[0-9]*\]$//'; }
gb=source/genomic_benchmarks
mkdir -p source/{genome,gue} $gb datasets/human_x/test GUE/{EMP,prom,splice,tf} && touch source/genome/{chr20,chrX}.fa
for table in human_nontata_promoters human_enhancers_cohn human_enhancers_ensembl human_ensembl_regulatory human_ocr_ensembl; do
  printf 'split\tclass\tid\tsequence\ntrain\tnegative\t1\tACGTAC\ntest\tpositive\t2\tACGTACG\ntrain\tpositive\t3\tACGTA\n' | xz >$gb/$table.chr20_22_X.tsv.xz
done
printf 'sequence,label\nACGTACC,1\nACGTAA,0\nACGTA,1\n' | xz | tee $gb/human_nontata_promoters.published_test.csv.xz >$gb/human_enhancers_cohn.published_test.csv.xz
for part in EMP prom splice tf; do tar -cJf source/gue/GUE_$part.tar.xz GUE/$part; done
printf 'id,region,start,end,strand\n1,chr20,5,9,+\n2,20,7,8,-\n3,X,1,70780000,+\n4,chrX,1,70780001,+\n5,chr1,1,2,+\n' | gzip >datasets/human_x/test/a.csv.gz && tar -cJf $gb/intervals.tar.xz datasets
expect "bakeoff: the data" 66 "^\[prepare\]\[--window\]\[300\].*\[--bed\]\[made/splits.bed\]\[--exclude\]\[made/exclude.bed\]\[made/shards\]\[source/genome/chr20.fa\]\[source/genome/chrX.fa\]" env FINDNA="$scratch/bin/shown" "$root/launch/bakeoff" -n 1 -o FinDNA -j 7 made source
rows_of() { paste -sd' ' made/data/genomic_benchmarks/"$1".csv; }
check "bakeoff: rows of at least a 6-mer" test "$(rows_of nontata/train)" = "sequence,label ACGTAC,negative"
check "bakeoff: the published test rows where they are there" test "$(rows_of nontata/test), $(rows_of ocr/test)" = "sequence,label ACGTACC,positive ACGTAA,negative, sequence,label ACGTACG,positive"
check "bakeoff: no window is in a test interval" test "$(paste -sd' ' made/exclude.bed)" = $'chr20\t5\t9 chr20\t7\t8 chrX\t1\t70780000'
check "bakeoff: folders of GUE" test -d made/data/GUE/EMP -a -d made/data/GUE/tf

cp -r bo whole; mkdir whole/{NT,NT@seconds,FinDNA}-{0,1}; touch whole/{NT,NT@seconds,FinDNA}-{0,1}/done; printf 'NT\t%s\t0.9\t0.5\n' 3e-4 1e-3 3e-3 >>whole/pilots.tsv
expect "bakeoff: results and tables" 0 "" env FINDNA="$scratch/bin/shown" "$root/launch/bakeoff" -n 1 -s 2 -o NT,FinDNA whole nowhere device.threads=1 optim.beta1=0.9
check "bakeoff: of all seeds, tasks and methods" diff <(shown | sed 's/\[nontata,.*,H3_1000\]/[probed]/') - <<'END'
[evaluate][bakeoff][--checkpoint][NT-0=whole/NT-0][--checkpoint][NT-1=whole/NT-1][--data][whole/data][--seeds][1][--tasks][probed][--methods][probe][device.threads=1][--output][whole/results/samples-NT]
[evaluate][bakeoff][--checkpoint][NT-0=whole/NT@seconds-0][--checkpoint][NT-1=whole/NT@seconds-1][--data][whole/data][--seeds][1][--tasks][probed][--methods][probe][device.threads=1][--output][whole/results/seconds-NT]
[evaluate][bakeoff][--checkpoint][NT-0=whole/NT-0][--checkpoint][NT-1=whole/NT-1][--data][whole/data][--seeds][1][--tasks][nontata_tuned,enhancers_cohn_tuned,prom_300_tata_tuned,splice_tuned,H3_tuned][--methods][finetune,untrained][device.threads=1][--output][whole/results/tuned-NT]
[evaluate][bakeoff][--checkpoint][FinDNA-0=whole/FinDNA-0][--checkpoint][FinDNA-1=whole/FinDNA-1][--data][whole/data][--seeds][1][--tasks][probed][--methods][probe][device.threads=1][--output][whole/results/samples-FinDNA]
[evaluate][bakeoff][--checkpoint][FinDNA-0=whole/FinDNA-0][--checkpoint][FinDNA-1=whole/FinDNA-1][--data][whole/data][--seeds][1][--tasks][nontata_tuned,enhancers_cohn_tuned,prom_300_tata_tuned,splice_tuned,H3_tuned][--methods][finetune,untrained][device.threads=1][--output][whole/results/tuned-FinDNA]
[evaluate][bakeoff][--join][whole/results/samples-NT/results.json][--join][whole/results/samples-FinDNA/results.json][--output][whole/evaluation-samples]
[evaluate][bakeoff][--join][whole/results/seconds-NT/results.json][--join][whole/results/samples-FinDNA/results.json][--output][whole/evaluation-seconds]
[evaluate][bakeoff][--join][whole/results/tuned-NT/results.json][--join][whole/results/tuned-FinDNA/results.json][--output][whole/evaluation-tuned]
END

expect "barcodes" 0 "^\[-n\]\[3\]" env FINDNA="$scratch/bin/shown" "$root/launch/barcodes" -n 3 -s 2 -f -o MAE75,MAE15,MLM bc t.classification x.fa y.fa train.steps=3
check "barcodes: preparations, models and the evaluation" diff <(shown) - <<'END'
[prepare][--table][t.classification][--require][genus,species][--test-share][0.2][--known][species][bc/its/closed][x.fa][y.fa]
[prepare][--table][t.classification][--require][genus,species][--test-share][0.2][--by][species][bc/its/open][x.fa][y.fa]
[pretrain][mae-small][aug.mask_rate=0.75][data.shards=bc/its/open][run.seed=0][train.steps=3][run.folder=bc/MAE75-0]
[pretrain][mae-small][aug.mask_rate=0.75][data.shards=bc/its/open][run.seed=1][train.steps=3][run.folder=bc/MAE75-1]
[pretrain][mae-small][aug.mask_rate=0.15][data.shards=bc/its/open][run.seed=0][train.steps=3][run.folder=bc/MAE15-0]
[pretrain][mae-small][aug.mask_rate=0.15][data.shards=bc/its/open][run.seed=1][train.steps=3][run.folder=bc/MAE15-1]
[pretrain][mlm][model.channels=128][model.hidden=512][model.layers=4][model.heads=4][model.positions=256][optim.lr=1e-3][data.shards=bc/its/open][run.seed=0][train.steps=3][run.folder=bc/MLM-0]
[pretrain][mlm][model.channels=128][model.hidden=512][model.layers=4][model.heads=4][model.positions=256][optim.lr=1e-3][data.shards=bc/its/open][run.seed=1][train.steps=3][run.folder=bc/MLM-1]
[evaluate][its][--checkpoint][MAE75-0=bc/MAE75-0][--checkpoint][MAE75-1=bc/MAE75-1][--checkpoint][MAE15-0=bc/MAE15-0][--checkpoint][MAE15-1=bc/MAE15-1][--checkpoint][MLM-0=bc/MLM-0][--checkpoint][MLM-1=bc/MLM-1][--data][bc/its][--seeds][1][--methods][probe,knn,finetune,untrained][--output][bc/evaluation]
END
for seeds in 0 two ""; do expect "barcodes: '$seeds' seeds" 64 "-s needs the number of seeds" "$root/launch/barcodes" -s "$seeds" unmade t.classification x.fa; done
for script in bakeoff barcodes ablations; do expect "$script: a number of ranks that is none" 64 "-n needs the number of ranks" "$root/launch/$script" -n two unmade demo x.fa; done
check "which is found before anything is made" test ! -e unmade

expect "ablations" 0 "^\[-n\]\[3\]" "$root/launch/ablations" -n 3 ab demo train.steps=4
check "ablations: the models of the paper" diff <(shown) - <<'END'
[pretrain][demo][aug.student=DITM][aug.teacher=NR][train.steps=4][run.folder=ab/FinDNA]
[pretrain][demo][aug.student=DITM][aug.teacher=][teacher.kind=none][objective.mnm_weight=1][objective.cl_weight=0][train.steps=4][run.folder=ab/CM-MNM]
[pretrain][demo][aug.student=M][aug.teacher=][train.steps=4][run.folder=ab/M+NoAug]
[pretrain][demo][aug.student=M][aug.teacher=DIT][train.steps=4][run.folder=ab/M+DIT]
[pretrain][demo][aug.student=DTM][aug.teacher=DIT][train.steps=4][run.folder=ab/MDT+DIT]
[pretrain][demo][aug.student=DTM][aug.teacher=NR][train.steps=4][run.folder=ab/MDT+NR]
END
