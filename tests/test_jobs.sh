#!/usr/bin/env bash
# The job scripts for Slurm, PBS and LSF with stand-ins for launch/run and the schedulers: what they run, and which jobs are requeued.
source "$(dirname "$0")/lib.sh"
export FINDNA
unset LAUNCHER SRUN_MPI RESTARTS "${!SLURM_@}"

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
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=model train.steps=2 eval.every=0 >model.log 2>&1 || { cat model.log; exit 1; }
expect "pretraining refuses it, too" 78 'run.folder a\\nb: contains control characters' "$FINDNA" pretrain "$root/tests/tiny.yaml" train.steps=2 "run.folder=a"$'\n'b
# finetune.sbatch finds the run folder in the list of units, whose words are quoted for a shell
tune="env SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3 SLURM_SUBMIT_DIR=$scratch/home SLURM_JOB_NODELIST=n1 bash $root/slurm/finetune.sbatch local model --data"
unit="o'f \$x run.folder=(1)/prom_core_notata-finetune-0"
"$FINDNA" evaluate local model --data "d * a" --output "${unit%/*}" --list 2>/dev/null >list.txt
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
expect "job: an evaluation that is no array" 64 "this is a script for a job array" env -u SLURM_ARRAY_TASK_ID bash "$root/slurm/finetune.sbatch" local model
expect "job: an evaluation of nothing" 64 "which SUITE and CHECKPOINT" ${tune% model --data}
expect "job: an evaluation in a folder that names cannot show" 78 'evaluate: --output a\\tb: contains control characters' $tune d --output "a"$'\t'b
printf '#!/bin/sh\n[ -z "$NEWER" ] || mkdir -p run/ckpt/step_$NEWER\nexit $CODE\n' >home/launch/run
expect "job: %a is the index" 0 'run folder seed3, ' env CODE=0 SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3 $script "$root/tests/tiny.yaml" run.folder=seed%a
echo 'RESTARTS=1 # unset: $NOT_SET' >home/slurm/site.env
echo 'false; echo "site: $NOT_SET"' >>home/slurm/site.env
job "site.env is read even if its commands fail" 75 "at most 1 " CODE=75 NEWER=000000200 SLURM_RESTART_COUNT=1

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
printf '#!/bin/sh\nn=0 i=0\ntrap "n=\\$((n + 1)); echo signal" USR1\necho started\nwhile [ $n -lt ${SIGNALS-2} ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done\n[ $i -lt 200 ] || exit 1\nmkdir -p run/ckpt/step_2000000000\nsleep 0.2\nexit 75\n' >ranks_that_stop && chmod +x ranks_that_stop
asked() {
  local name=$1 code=$2 got=0
  shift 2
  : >out.log
  timeout 30 "$@" >out.log 2>&1 & pid=$!
  until grep -q started out.log || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
  for signal in USR1 TERM; do
    before=$(grep -c '^signal' out.log)
    kill -$signal $(pgrep -P $pid)
    until [ "$(grep -c '^signal' out.log)" -gt "$before" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
  done
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
