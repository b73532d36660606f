#!/usr/bin/env bash
# Bad input to a run: damaged checkpoints and shards, changed configurations, full disks, closed outputs. Checks the exit code, the message,
# and that nothing is lost or silently restarted.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
tiny=$root/tests/tiny.yaml
flip() { # flip FILE OFFSET: one bit
  local byte; byte=$(od -An -tu1 -j "$2" -N1 "$1" | tr -d ' ')
  printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
printf '#!/bin/sh\nexec "%s" pretrain "%s" "$@"\n' "$FINDNA" "$tiny" > pretrain && chmod +x pretrain
reset() { rm -rf run && cp -a whole run; }

./pretrain run.folder=whole checkpoint.keep=10 >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
reset
expect "a finished run is reported as finished" 0 "is finished" ./pretrain
for file in MANIFEST student-00.safetensors adam_v-00.safetensors centre.safetensors config.yaml; do
  reset; flip "run/ckpt/step_000000012/$file" 40
  expect "$file with a flipped bit: the previous checkpoint is used, both are named" 0 "step_000000012 is damaged; taking the older checkpoint run/ckpt/step_000000008" ./pretrain
  check "$file: ends in the same state" same run whole
  reset; truncate -s -1 "run/ckpt/step_000000012/$file"
  expect "$file truncated: the previous one is used" 0 "resuming from run/ckpt/step_000000008" ./pretrain
done
reset; rm run/ckpt/step_000000012/teacher-00.safetensors
expect "a missing file: the previous checkpoint is used" 0 "resuming from run/ckpt/step_000000008" ./pretrain
reset; flip run/ckpt/step_000000012/adam_m-00.safetensors 40
expect "a damaged moment does not matter where only weights are used" 0 "step_000000012" "$FINDNA" export run weights
rm -rf weights; flip run/ckpt/step_000000012/student-00.safetensors 40
expect "damaged weights: an older checkpoint with intact weights is used" 0 "step_000000012 is damaged; looking for an older one" "$FINDNA" export run weights
rm -rf weights; flip run/ckpt/step_000000008/teacher-00.safetensors 40; flip run/ckpt/step_000000004/MANIFEST 40
expect "no checkpoint with intact weights" 66 "holds no valid checkpoint" "$FINDNA" export run weights
check "the oldest is not said to have an older one" test "$(grep -c 'looking for an older one' out.log) $(grep -c 'damaged; there is no older one' out.log)" = "$(($(ls -d run/ckpt/step_* | wc -l) - 1)) 1"
check "then nothing is written" test ! -e weights
expect "inspect: a name with which those of its checkpoints are too long" 64 "path is longer than" "$FINDNA" inspect "$(printf './%.0s' {1..2038})run"
reset; cp run/ckpt/step_000000008/student-00.safetensors run/ckpt/step_000000012/
expect "a file of another step is detected" 0 "resuming from run/ckpt/step_000000008" ./pretrain
reset; mkdir run/ckpt/.tmp-step_000000099 && touch run/ckpt/.tmp-step_000000099/student-00.safetensors
expect "a half-written checkpoint is ignored" 0 "is finished" ./pretrain
check "and removed" test ! -e run/ckpt/.tmp-step_000000099
reset; for s in run/ckpt/step_*; do flip $s/MANIFEST 10; done
expect "no valid checkpoint: refused, never a silent start from scratch" 65 "none of its [0-9]+ checkpoints is valid; nothing was changed.*--restart" ./pretrain
check "nothing was overwritten" diff -r <(ls run/ckpt) <(ls whole/ckpt)
expect "--restart starts over and moves the old run aside" 0 "moved run/ckpt to run/before-restart-1/ckpt" ./pretrain --restart
check "the old checkpoints are kept" test -d run/before-restart-1/ckpt/step_000000012
check "the new run ends in the same state" same run whole

reset
expect "a frozen key changed at resume: refused with the difference" 78 "optim.lr: 0.003 \(checkpoint\) -> 0.001 \(now\)" ./pretrain optim.lr=1e-3
expect "a free key may change" 0 "is finished" ./pretrain log.every=5
"$FINDNA" prepare --window 61 --count 300 --max-n 0 --seed 9 other "$root/datasets/human_chr20_slice.2bit" >/dev/null 2>&1
expect "a task in pretraining" 78 "belongs to .findna finetune" ./pretrain task.outputs=2
expect "other shards at resume: refused" 78 "was made from other data" ./pretrain data.shards=other
expect "a missing folder of shards" 66 "there is no folder 'nowhere'; 'findna prepare' makes it" ./pretrain data.shards=nowhere run.folder=x
expect "a key of the config with dashes" 64 "without '--': data.shards=VALUE" "$FINDNA" pretrain "$tiny" --data.shards=x
expect "no shards given" 78 "data.shards" ./pretrain data.shards= run.folder=x
expect "unknown override" 78 "unknown option 'optim.lrr' \(did you mean 'optim.lr'" ./pretrain optim.lrr=1
expect "unknown config" 66 "no config 'nosuch'" "$FINDNA" pretrain nosuch
expect "a teacher is needed" 78 "teacher.kind: none, but objective.cl_weight" ./pretrain teacher.kind=none run.folder=x
expect "batch not a multiple of the virtual ranks" 78 "train.batch: 62 is not a multiple" ./pretrain train.batch=62 run.folder=x
expect "noise before masking" 78 "noise \(N\) comes after" ./pretrain aug.student=NM run.folder=x
expect "the authors' scrambled mask" 78 "only findna trace takes it" ./pretrain objective.mask_layout=scrambled objective.mnm=bce run.folder=x
lengths() { # of the 360 nucleotides of the input
  expect "$1" 78 "mask_layout: scrambled needs sequences of one length; $2" "$FINDNA" trace "$root/configs/findna-code.yaml" objective.mask_layout=scrambled --input "$root/tests/golden/exact_d27_L120.safetensors" --output x --lengths "$3"
}
lengths "trace: that mask of sequences of different lengths" "sequence 2 has 1 nucleotides, the first has 359" 359,1
lengths "trace: the first two are equal" "sequence 3 has 100 nucleotides, the first has 130" 130,130,100
expect "a missing CUDA plugin" 69 "the CUDA plugin cannot be loaded: .*nowhere.so" env FINDNA_PLUGIN=nowhere.so ./pretrain device.kind=cuda run.folder=x
check "a refused config creates no run folder" test ! -e x

reset; rm run/metrics.jsonl; mkfifo run/metrics.jsonl
expect "a pipe in place of the metrics, at a resume" 65 "metrics.jsonl: is not a regular file" ./pretrain

reset
expect "--init-from is ignored at resume" 0 "its own checkpoint is newer" ./pretrain train.steps=12 --init-from whole
expect "--init-from starts from the weights of another run" 0 "weights taken from whole" ./pretrain run.folder=from --init-from whole
rm -rf from
expect "--init-from with another shape" 78 "is not of the config's shape" ./pretrain run.folder=from --init-from whole model.channels=21
rm -rf from

reset; echo '{}' >run/probe-x.json; echo '{}' >run/speed.json; mkdir -p run/tensorboard; touch run/stop
expect "--restart takes what is derived from the old run along" 0 "moved run/probe-x.json to run/before-restart-1/probe-x.json" ./pretrain --restart train.steps=2
check "all of it" test -z "$(ls -d run/probe-x.json run/speed.json run/tensorboard run/stop 2>/dev/null)"
reset
expect "--init-from of a missing checkpoint, with --restart" 66 "nowhere" ./pretrain --restart --init-from nowhere
check "nothing was moved" test -d run/ckpt/step_000000012 -a ! -e run/before-restart-1
rm -r run/ckpt/step_000000012 run/metrics.jsonl; last=$(($(find run/ckpt -name 'step_*' | sort | tail -1 | tail -c 10 | sed 's/^0*//') - 1))
expect "metrics that are gone at a resume" 0 "warning: run/metrics.jsonl: the metrics of steps 0 to $last are missing" ./pretrain
check "no others" test "$(grep -c 'are missing' out.log)" = 1
rm -r run/ckpt/step_000000012
expect "are missing at the next one, too" 0 "steps 0 to $last are missing" ./pretrain
reset; rm -r run/ckpt/step_000000012; sed -i 2,99d run/metrics.jsonl
expect "metrics of an earlier state" 0 "warning: run/metrics.jsonl: the metrics of steps [0-9]+ to $last are missing" ./pretrain
reset; rm -r run/ckpt/step_000000012
check "whole ones are not reported" bash -c './pretrain >whole.log 2>&1 && ! grep -q "are missing" whole.log'
reset; rm -r run/ckpt
expect "metrics without checkpoints are moved aside, with a message" 0 "has metrics but no checkpoint" ./pretrain
check "they are kept" test -f run/before-restart-1/metrics.jsonl
printf 'train:\n  steps: 3\ntrain:\n  epochs: 4\n' > twice.yaml
expect "a section twice" 78 "twice.yaml:3:1: the section is given twice" "$FINDNA" config ./twice.yaml
expect "an empty run folder" 78 "run.folder: is empty" ./pretrain run.folder=
expect "launch/run: no number of ranks" 64 "needs a whole number" "$root/launch/run" -n 0 pretrain tiny.yaml

# One owner at a time.
mkdir -p busy
exec 9>busy/run.lock && flock -n 9
expect "a run folder has one owner" 73 "in use" ./pretrain run.folder=busy
exec 9>&-

# Shards are verified before the first step.
for s in truncated flipped missing; do
  rm -rf bad && cp -a shards bad
  case $s in
    truncated) truncate -s -100 bad/train-00001.h5; pattern="train-00001.h5" ;;
    flipped) flip bad/train-00001.h5 9000; pattern="train-00001.h5.*SHA-256|SHA-256.*train-00001.h5" ;;
    missing) rm bad/val-00000.h5; pattern="val-00000.h5" ;;
  esac
  expect "shard $s: refused before training" "$([ $s = missing ] && echo 66 || echo 65)" "$pattern" ./pretrain data.shards=bad run.folder=y
done
expect "on 2 ranks too" "66" "val-00000.h5" mpirun -n 2 --oversubscribe "$FINDNA" pretrain "$tiny" data.shards=bad run.folder=y
check "no step was made" test ! -e y/metrics.jsonl

# Full disk: training goes on, older checkpoints stay, and the last durable checkpoint is intact.
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=400k tmpfs small 2>/dev/null; then
  expect "a full disk is reported and is exit code 74" 74 "No space left on device" ./pretrain run.folder=small/run checkpoint.keep=100 checkpoint.every=1 train.steps=30
  check "the last durable checkpoint is intact" "$FINDNA" inspect "$(ls -d small/run/ckpt/step_* | sort | tail -1)"
  check "no unfinished checkpoint stays" test -z "$(ls -A small/run/ckpt | grep '^\.')"
  umount small
else
  echo "skipped - full disk: needs root and tmpfs"
fi
if [ "$(id -u)" = 0 ] && mkdir -p readonly && mount -t tmpfs -o ro tmpfs readonly 2>/dev/null; then
  expect "a read-only folder" 77 "readonly" ./pretrain run.folder=readonly/run
  umount readonly
else
  echo "skipped - read-only folder: needs root and tmpfs"
fi
rm -rf closed
"$FINDNA" pretrain "$tiny" run.folder=closed >&- 2>&- </dev/null
check "closed outputs do not stop a run" same closed whole
code=0; "$FINDNA" config >/dev/full 2>out.log || code=$?
check "a full standard output is exit code 74" test $code = 74

# Options that do nothing are said, and settings that leave nothing to learn are refused.
expect "an option of fine-tuning" 0 "warning: task.dropout has no effect on this run" ./pretrain run.folder=unused train.steps=1 task.dropout=0.5
check "changes nothing" bash -c '"$0" run.folder=used train.steps=1 >/dev/null 2>&1; cmp unused/ckpt/step_000000001/student-00.safetensors used/ckpt/step_000000001/student-00.safetensors' ./pretrain
for config in "$root"/configs/*.yaml; do case $config in *finetune* | *kd-*) continue ;; esac; "$FINDNA" pretrain "$config" data.shards=nowhere run.folder=bad; done >out.log 2>&1
check "the configs have no such option" bash -c '[ -s out.log ] && ! grep "has no effect" out.log'
expect "nothing is masked" 78 "aug.mask_rate: 0, but objective.mnm_weight is 0.5: nothing is masked" ./pretrain run.folder=bad aug.mask_rate=0
expect "a small temperature" 0 "finished" ./pretrain run.folder=cold train.steps=2 objective.mnm_tau=1e-3
check "has finite losses" bash -c '[ -s cold/metrics.jsonl ] && ! grep -qE ":-?(nan|inf|null)" cold/metrics.jsonl'
