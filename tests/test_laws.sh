#!/usr/bin/env bash
# The laws: the same bits for any number of ranks and threads, after a resume, and after kill -9 at any instant. Compared by state_id.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
tiny=$root/tests/tiny.yaml
train() { local n=$1 folder=$2; shift 2; ranks "$n" pretrain "$tiny" run.folder="$folder" "$@" >"$folder.log" 2>&1; }

train 1 one || { cat one.log; not_ok "a run finishes"; exit 1; }
for n in 2 4; do
  train $n ranks$n
  check "$n ranks end in the bits of 1 rank" same one ranks$n
done
train 1 threads device.threads=2
check "2 threads end in the bits of 1 thread" same one threads
train 2 both device.threads=2
check "2 ranks of 2 threads end in the bits of 1" same one both
ASAN_OPTIONS=detect_leaks=0 FINDNA=$FINDNA timeout 120 "$root/launch/run" -n 4 pretrain "$tiny" run.folder=launched >launched.log 2>&1
check "launch/run, more ranks than cores: the bits of 1" same one launched
check "and prints the command that it runs" grep -q '^+ mpirun -n 4 .*pretrain' launched.log
for simd in generic avx2; do
  grep -qE "instructions .*\<$simd\>.*;" <("$FINDNA" doctor) || { echo "skipped - $simd: not on this processor"; continue; }
  train 1 one_$simd device.simd=$simd
  train 4 ranks_$simd device.simd=$simd device.threads=2
  check "$simd: 4 ranks of 2 threads end in the bits of 1" same one_$simd ranks_$simd
done
if grep -q avx512bf16 <("$FINDNA" doctor); then
  train 1 one_bf16 device.precision=bf16 device.simd=avx512 # auto keeps fp32 where that is faster
  train 4 ranks_bf16 device.precision=bf16 device.simd=avx512 device.threads=2
  check "bf16 operands: 4 ranks of 2 threads end in the bits of 1" same one_bf16 ranks_bf16
  check "and not in the bits of fp32" other one one_bf16
else echo "skipped - bf16 operands: not on this processor"; fi
# AMX: a software model of its tiles has the same bits, and is slow.
few="device.precision=bf16 train.steps=4 model.blocks=4"
train 1 one_amx device.simd=amx_model $few
train 4 ranks_amx device.simd=amx_model $few device.threads=2
check "AMX by its software model: 4 ranks of 2 threads end in the bits of 1" same one_amx ranks_amx
train 1 avx2_amx device.simd=generic $few
check "and not in the bits of fp32 kernels, whose use is reported" eval 'other one_amx avx2_amx && test "$(grep -c "operands stay fp32" avx2_amx.log)" = 1'
train 1 amx_again device.simd=amx_model $few train.virtual_ranks=4 checkpoint.every=2
rm -r amx_again/ckpt/step_000000004
code=0; train 1 amx_again $few train.virtual_ranks=4 checkpoint.every=2 || code=$?
check "a resume with other bf16 kernels is refused, and the error names the kernels" test $code = 78 -a "$(grep -c "was computed with the kernels 'amx_model'" amx_again.log)" = 1
train 1 amx_again device.simd=generic $few train.virtual_ranks=4 checkpoint.every=2
check "if device.simd names them, the run resumes with a warning" test "$(grep -c "it goes on with 'generic'" amx_again.log)" = 1
train 2 recomputed model.recompute=true
check "model.recompute: 2 ranks end in the bits of 1 without it" same one recomputed
check "metrics of 4 ranks equal those of 1" diff <(grep -v '"resume"' one/metrics.jsonl | sed 's/, *"seconds.*//; s/"seconds":.*//') <(sed 's/, *"seconds.*//; s/"seconds":.*//' ranks4/metrics.jsonl)

# Learned [CLS] tokens and a projection: parameters before and after those that every model has.
projected="model.cls_tokens=learned objective.cl_space=projection objective.cl_axis=D objective.prototypes=12"
train 1 projected1 $projected
train 4 projected4 $projected device.threads=2 comm.bucket=0.001
check "learned tokens and a projection: 4 ranks of 2 threads end in the bits of 1" same projected1 projected4
mkdir projected2 && touch projected2/stop
train 2 projected2 $projected; code=$?
train 1 projected2 $projected model.recompute=true
check "stopped on 2 ranks and resumed on 1: the same bits" eval 'test $code = 85 && same projected1 projected2'
for n in 1 4; do train $n mean$n $projected objective.projection_of=tokens; done
check "a projection of means: 4 ranks end in the bits of 1" same mean1 mean4
check "and not the bits without them" other one projected1

train 1 v64 train.virtual_ranks=64 train.steps=4
train 4 v64r4 train.virtual_ranks=64 train.steps=4
check "64 virtual ranks: 4 ranks end in the bits of 1" same v64 v64r4
train 1 changed run.seed=4
check "another seed ends elsewhere" other one changed

ranks 2 doctor --net "$tiny" --window 61 >net.log 2>&1
check "doctor --net: the bytes on the wire and the share of a step" grep -qE 'each rank sends 2 \(n-1\)/n of it, 0\.0 MB' net.log
check "and the speed of the all-reduce" grep -qE 'reproducible sum +[0-9.]+ ms, [0-9.]+ GB/s a rank' net.log
code=0; "$FINDNA" doctor --net >net1.log 2>&1 || code=$?
check "doctor --net on one rank is refused, with the command to run" test $code = 64 -a "$(grep -c 'mpirun -n 2 findna doctor --net' net1.log)" = 1

# A stop file after some steps, then a resume on another number of ranks.
mkdir stopped && touch stopped/stop
train 4 stopped; code=$?
check "a stop file ends the run with 85" test $code = 85
check "the stop file is gone" test ! -e stopped/stop
grep -q 'stopped by the file' stopped.log && ok "the stop is reported" || not_ok "the stop is reported"
train 2 stopped
check "stopped on 4 ranks, resumed on 2: the bits of an uninterrupted run" same one stopped
grep -q 'resuming from stopped/ckpt/step_' stopped.log && ok "the resume names its checkpoint" || not_ok "the resume names its checkpoint"
check "the metrics equal those of an uninterrupted run, including evaluations" diff <(sed 's/"seconds":.*//' one/metrics.jsonl) <(grep -v '"resume"' stopped/metrics.jsonl | sed 's/"seconds":.*//')
cp stopped/metrics.jsonl before.jsonl; train 1 stopped
check "a finished run is left as it is" cmp before.jsonl stopped/metrics.jsonl
check "the metrics have each step once" test "$(grep -c '"kind": *"step"' stopped/metrics.jsonl)" = 12

# Signals: TERM to one rank stops all ranks at the same step with 75.
longer="train.steps=400 checkpoint.every=50 eval.every=0"
train 1 long $longer
(train 2 signalled $longer) & pid=$!
until grep -qs '"step": *20[,}]' signalled/metrics.jsonl; do sleep 0.05; kill -0 $pid 2>/dev/null || break; done
kill -TERM $(processes findna run.folder=signalled | tail -1)
wait $pid; code=$?
check "a signal to one rank ends the job with 75" test $code = 75
train 4 signalled $longer
check "signalled and resumed on 4 ranks: same bits" same long signalled

# TERM to launch/run, as a scheduler or a terminal sends it. launch/run forwards the signal one second after the start at the earliest: late messages
# keep the ranks from finishing before.
(ASAN_OPTIONS=detect_leaks=0 FINDNA=$FINDNA FINDNA_LINK_DELAY=10 exec "$root/launch/run" -n 2 pretrain "$tiny" run.folder=termed $longer >termed.log 2>&1) & pid=$!
until grep -qs '"step": *20[,}]' termed/metrics.jsonl; do sleep 0.05; kill -0 $pid 2>/dev/null || break; done
kill -TERM $pid
wait $pid; code=$?
check "TERM to launch/run: a checkpoint and 75" test $code = 75
train 1 termed $longer
check "and resumed: same bits" same long termed

# kill -9 at random instants, during steps and checkpoints; at the end the same bits.
mkdir killed
for i in $(seq 1 12); do
  (train $((1 << (i % 3))) killed $longer checkpoint.every=7) & pid=$!
  sleep 0.$((RANDOM % 8 + 3))
  kill -KILL $(processes 'mpirun|findna' run.folder=killed) 2>/dev/null
  wait $pid 2>/dev/null
done
train 2 killed $longer checkpoint.every=7
check "killed 12 times at random instants, on 1, 2 and 4 ranks: same bits" same long killed
check "no unfinished checkpoint remains" test -z "$(ls -A killed/ckpt | grep '^\.')"
check "the metrics of the killed run have each step once" test "$(grep '"kind": *"step"' killed/metrics.jsonl | sed 's/.*"step": *\([0-9]*\).*/\1/' | sort -n | uniq -d | wc -l)" = 0

expect "3 ranks are refused, with what would be right" 78 "3 ranks do not divide train.virtual_ranks \(4\)" mpirun -n 3 --oversubscribe "$FINDNA" pretrain "$tiny" run.folder=three
train 2 fast comm.reduction=fast
check "the fast reduction is recorded in the checkpoint" grep -q '^reduction fast' fast/ckpt/step_000000012/MANIFEST

# Bytes on the wire: the volume of a ring all-reduce of the gradient, and little else.
parameters=$(sed 's/.*"parameters": *\([0-9]*\).*/\1/' ranks4/environment.json)
for n in 2 4; do
  sent=$(grep '"kind":"step"' ranks$n/metrics.jsonl | tail -1 | sed 's/.*"bytes_sent":\([0-9]*\).*/\1/')
  ring=$((2 * (n - 1) * parameters * 4 / n))
  check "$n ranks send the volume of a ring all-reduce per step: $sent bytes, of which the gradient is $ring" test "$sent" -ge "$ring" -a "$sent" -le $((ring + 8192))
done
