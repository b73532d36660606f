#!/usr/bin/env bash
# The bits of training stay those of earlier versions, so that a run that is interrupted by an update continues as if there had been none:
# state_ids of two steps (tiny.yaml: all) of each architecture with each family of kernels, made by the version of 2026-11-28. A change that must
# change them says so in CHANGELOG.md.
. "$(dirname "$0")/lib.sh"
tiny_shards tiny
"$FINDNA" prepare --window 300 --count 64 --val-count 8 --max-n 0 --seed 1 --bed "$root/datasets/human_chr20_slice.bed" shards "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1 || cat prepare.log
"$FINDNA" doctor >doctor.log 2>&1

short="data.shards=shards train.steps=2 train.batch=4 train.virtual_ranks=2 eval.every=0 eval.windows=8"
settings() {
  case $1 in
    tiny) echo "$root/tests/tiny.yaml data.shards=tiny" ;;
    findna-t) echo "findna-t $short model.channels=96 model.hidden=200 model.layers=2 model.heads=3" ;;
    nt) echo "nt-small $short model.layers=2" ;;
    had) echo "had-small $short teacher.kind=none objective.distil_weight=0" ;;
    mae) echo "mae-small $short model.layers=1" ;;
  esac
}
# there KERNELS PRECISION: whether this processor has them; the model of AMX is plain C
there() {
  case $1-$2 in
    amx_model-bf16) ;;
    avx512-bf16) grep -qw avx512bf16 doctor.log ;;
    *) grep -qE "instructions .*\<$1\>.*;" doctor.log ;;
  esac
}
while read -r model kernels precision expected; do
  [ "$model" != "#" ] || continue
  there "$kernels" "$precision" || { echo "skipped - bits of $model, $kernels, $precision: not on this processor"; continue; }
  [ "$kernels" != amx_model ] || ! grep -qw "instructions .*\<amx\>" doctor.log || kernels=amx # the processor has the model's bits
  rm -rf run
  "$FINDNA" pretrain $(settings "$model") device.simd="$kernels" device.precision="$precision" run.folder=run >run.log 2>&1 || tail -3 run.log
  check "bits of $model, $kernels, $precision" test "$(state_of run | cut -c10-17)" = "$expected"
done <"$root/tests/bits.tsv"
