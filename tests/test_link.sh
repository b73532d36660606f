#!/usr/bin/env bash
# Gradients that are reduced while the backward pass goes on: late messages, many small buckets, failures, lost messages.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
tiny=$root/tests/tiny.yaml
small="train.virtual_ranks=8 train.steps=4 checkpoint.every=4 eval.every=0 eval.monitor_windows=0 comm.bucket=0.002"
train() { local n=$1 folder=$2; shift 2; ranks "$n" pretrain "$tiny" run.folder="$folder" $small "$@" >"$folder.log" 2>&1; }

train 1 one || { cat one.log; not_ok "a run finishes"; exit 1; }
for n in 2 4 8; do
  FINDNA_LINK_DELAY=3 train $n late$n
  check "$n ranks, each message up to 3 ms late: the bits of 1 rank" same one late$n
done
train 4 whole comm.bucket=100
check "4 ranks, all in one bucket: the same bits" same one whole
FINDNA_LINK_DELAY=2 train 4 fast comm.reduction=fast
check "comm.reduction=fast finishes, too" grep -q 'finished' fast.log
check "and its losses are close" test "$(grep -o '"loss": *[0-9.]*' one/metrics.jsonl | cut -c1-13)" = "$(grep -o '"loss": *[0-9.]*' fast/metrics.jsonl | cut -c1-13)"

export FINDNA_LINK_FAULT=1:20
train 4 failed; code=$?
check "a message that fails ends the job with 76" test $code = 76
check "and is reported with its rank" grep -q 'rank 1.*the sum of gradients: an injected failure' failed.log
export FINDNA_LINK_FAULT=2:31:lost
start=$SECONDS
train 4 lost comm.limit=3 comm.stall=6; code=$?
check "a message that never arrives ends the job with 76" test $code = 76
check "within the limit" test $((SECONDS - start)) -lt 30
check "and the error names the operation" grep -q 'the sum of gradients' lost.log
unset FINDNA_LINK_FAULT
for run in failed lost; do
  train 2 $run
  check "$run: resumed on 2 ranks, the same bits" same one $run
done

export FINDNA_PLUGIN=$(dirname "$FINDNA")/libfindna_emulated.so
gpu="device.kind=cuda comm.share_gpu=true train.steps=2 train.batch=16 model.blocks=2 eval.windows=4"
train 1 gpu1 $gpu
FINDNA_LINK_DELAY=3 train 4 gpu4 $gpu
check "4 ranks that share a GPU, through host memory, messages late: the bits of 1" same gpu1 gpu4
FINDNA_EMULATED_GPUS=2 FINDNA_LINK_FAULT=1:3:lost train 2 silent ${gpu/share_gpu=true/share_gpu=false} comm.limit=3 comm.stall=5; code=$?
check "the error of a job that hangs names rank, host and GPU" grep -qE 'rank 1 \([^ ]+, GPU 1\) at step' silent.log

# A stand-in for NCCL on top of MPI: all code that uses NCCL runs, but not on a GPU.
export FINDNA_EMULATED_GPUS=4
nccl() { local n=$1 folder=$2; shift 2; LD_LIBRARY_PATH=$(dirname "$FINDNA")/fake_nccl${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} train "$n" "$folder" ${gpu/share_gpu=true/share_gpu=false} comm.transport=nccl "$@"; }
# ends RUN HOW N: N of its ranks have ended NCCL in this way, and none has broken a rule
ends() { [ "$(grep -c "fake NCCL: $2\$" "$1.log")" = "$3" ] && ! grep -qE "fake NCCL: (finalized|destroyed before|aborted in)" "$1.log"; }
for n in 2 4; do
  nccl $n nccl$n
  check "NCCL between $n GPUs: the bits of 1" same gpu1 nccl$n
  check "whose communicators are finalized and destroyed, not aborted" ends nccl$n destroyed $n
done
FINDNA_GRAPH=1 nccl 2 nccl_graph
check "passes captured as CUDA graphs with NCCL: the same bits" same gpu1 nccl_graph
check "and all passes were" grep -q "graphs: 7 of 7 forward and backward passes" nccl_graph.log
nccl 2 nccl_whole comm.bucket=100 train.virtual_ranks=2
train 1 gpu1_whole $gpu train.virtual_ranks=2
check "NCCL, one bucket, one micro-batch per rank: the bits of 1" same gpu1_whole nccl_whole
nccl 2 nccl_fast comm.reduction=fast
check "NCCL's own all-reduce finishes, too" grep -q finished nccl_fast.log
# Warpgroup kernels leave NCCL's multiprocessors alone: the emulated GPU refuses clusters that would have to wait for one of them.
wide="model.channels=170 model.track=15 model.hidden=70"
staying() { FINDNA_PRODUCTS=warpgroup FINDNA_EMULATED_CAPABILITY=90 FINDNA_EMULATED_MULTIPROCESSORS=8 "$@" $wide; }
staying train 1 staying $gpu
staying nccl 2 staying2
check "warpgroup kernels beside NCCL's: the bits of 1 GPU" same staying staying2
FINDNA_EMULATED_DELAY=800 nccl 2 nccl_slow comm.limit=4 train.steps=1; code=$?
check "a network that takes longer than comm.limit for all sums of a step: each of them is progress" test $code = 0
check "in a step of more than 4 s" awk -F'"seconds":' '/"kind":"step"/ { found = $2 + 0 > 4 } END { exit !found }' nccl_slow/metrics.jsonl
FAKE_NCCL_FAULT=1:5 nccl 2 nccl_failed; code=$?
check "an asynchronous error of NCCL ends the job with 76" test $code = 76
check "and is said" grep -q 'rank 1.*the sum of gradients: NCCL, a .*: a remote process failed' nccl_failed.log
check "NCCL is aborted there, outside of a group" ends nccl_failed aborted 1
FAKE_NCCL_FAULT=1:0:end nccl 2 nccl_end; code=$?
check "a finalization that does not end is aborted, and the run succeeds" test $code = 0
check "one of two" ends nccl_end aborted 1
FAKE_NCCL_FAULT=0:5:lost nccl 2 nccl_lost comm.limit=3 comm.stall=8; code=$?
check "an exchange that NCCL never completes ends the job with 76" test $code = 76
check "and is reported: not taken within the limit" grep -q 'NCCL, a message: not taken within 3 s' nccl_lost.log
expect "NCCL without its library is refused" 69 "comm.transport: nccl: libfake_nccl.so.2 is not there" env LD_LIBRARY_PATH= mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" pretrain "$tiny" run.folder=none $small ${gpu/share_gpu=true/share_gpu=false} comm.transport=nccl
