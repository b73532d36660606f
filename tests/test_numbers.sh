#!/usr/bin/env bash
# Tests numbers that are not finite, in every array of a checkpoint and in results of finite weights: exit code 79, a message with the place,
# nothing written. test_numbers.c tests the functions.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
tiny=$root/tests/tiny.yaml
last=ckpt/step_000000008
nan='\0\0\300\177' inf='\0\0\200\177' minus_inf='\0\0\200\377' huge='\377\377\177\177'

# put FILE INDEX FLOAT [COUNT]: overwrites floats in the data of a safetensors file; FLOAT is given as bytes
put() {
  local at=$((8 + $(od -An -tu8 -N8 "$1") + 4 * $2)) bytes='' k
  for ((k = 0; k < ${4:-1}; k++)); do bytes+=$3; done
  printf "$bytes" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
# seal CHECKPOINT: recomputes all hashes in MANIFEST, including state_id and its own
seal() {
  local line name rest text='' hash
  while read -r line; do
    read -r name rest <<<"$line"
    case $name in
      file) set -- "$1" $rest; hash=$(sha256sum "$1/$2"); line="file $2 $(stat -c %s "$1/$2") ${hash%% *}" ;;
      state_id) hash=$(printf %s "$text" | sha256sum); line="state_id ${hash%% *}" ;;
      sha256) hash=$(printf %s "$text" | sha256sum); line="sha256 ${hash%% *}" ;;
    esac
    text+=$line$'\n'
  done <"$1/MANIFEST"
  printf %s "$text" >"$1/MANIFEST"
}
# edited FILE INDEX FLOAT [COUNT]: makes `run` a copy of `half` with these floats in its last checkpoint
edited() { rm -rf run; cp -a half run; put "run/$last/$1" "${@:2}"; seal "run/$last"; }
printf '#!/bin/sh\nexec "%s" pretrain "%s" "$@"\n' "$FINDNA" "$tiny" >pretrain
printf '#!/bin/sh\nn=$1; shift; [ $n = 1 ] && exec "%s" "$@"\nASAN_OPTIONS=detect_leaks=0 exec mpirun -n $n --oversubscribe --bind-to none "%s" "$@"\n' "$FINDNA" "$FINDNA" >ranks
chmod +x pretrain ranks

code=0; ./pretrain run.folder=half checkpoint.every=1 checkpoint.keep=9 run.minutes=0 train.max_bad_steps=100 >/dev/null 2>&1 || code=$?
check "a run finishes" test $code = 0
rm -rf half/ckpt/step_0000000{09,10,11,12}
awk 'BEGIN { srand(2 + ENVIRON["DRAWS"]); print "sequence,label"; for (s = 0; s < 60; s++) { t = ""; for (i = 0; i < 30 + s % 9; i++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t "," s % 2 } }' >rows.csv
awk -F, 'NR > 1 { print ">seq" NR - 1 "\n" $1 }' rows.csv >seqs.fa
awk 'BEGIN { srand(3 + ENVIRON["DRAWS"]); print ">chr1"; for (i = 0; i < 40; i++) { t = ""; for (j = 0; j < 50; j++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t } }' >genome.fa
awk '/^>/ { next } { s = s $0 } END { print "chrom,pos,ref,alt"; for (p = 100; p < 140; p++) { r = substr(s, p, 1); print "chr1," p "," r "," (r == "A" ? "C" : "A") } }' genome.fa >v.csv

# --- in a checkpoint with correct hashes -----------------------------------------------------------------------------------------
edited student-00.safetensors 0 '\0\0\0\0'
check "the editor of checkpoints makes valid ones" bash -c '"$0" inspect run/ckpt/step_000000008 2>&1 | grep -q step && ! cmp -s run/ckpt/step_000000008/MANIFEST half/ckpt/step_000000008/MANIFEST' "$FINDNA"
index=0
for array in student-00 teacher-00 adam_m-00 adam_v-00 centre; do
  for value in nan inf minus_inf; do
    index=$(((index * 7 + 3) % 15)) # the centre has 15
    edited $array.safetensors $index ${!value}
    expect "$value in $array: a resume is refused" 79 "$last/$array.safetensors: tensor '[a-z.0-9]+', element $index is not finite.*older checkpoint" ./pretrain run.folder=run
    check "$value in $array: nothing was changed" diff -rq --exclude="${last#*/}" --exclude='*.lock' run half
  done
  expect "inspect reports that a resume is refused" 79 "a resume is refused until" "$FINDNA" inspect run
done
mv run/$last aside
expect "without it the run resumes from the previous checkpoint" 0 "resuming from run/ckpt/step_000000007" ./pretrain run.folder=run
code=0; ./ranks 2 pretrain "$tiny" run.folder=two >/dev/null 2>&1 || code=$?
check "and ends in the state of an undisturbed run" same run two

# uses NAME CODE PATTERN ENCODER: runs every command on `run`
uses() {
  local name=$1 code=$2 pattern=$3 encoder=$4 rest="--train rows.csv --test rows.csv"
  expect "$name: embed" $code "$pattern" "$FINDNA" embed run seqs.fa --encoder $encoder --output out.tsv
  expect "$name: embed, on 2 ranks into HDF5" $code "$pattern" ./ranks 2 embed run seqs.fa --encoder $encoder --pool positions --output out.h5
  expect "$name: score" $code "$pattern" "$FINDNA" score run v.csv --genome genome.fa --encoder $encoder --output out.tsv
  expect "$name: a track" $code "$pattern" "$FINDNA" score run seqs.fa --encoder $encoder --output out.bedgraph
  expect "$name: probe" $code "$pattern" "$FINDNA" probe run $rest --encoder $encoder --baseline none --output out.json
  expect "$name: finetune" $code "$pattern" "$FINDNA" finetune run $rest --encoder $encoder run.folder=out train.batch=8 train.virtual_ranks=1 train.steps=3
}
nothing() { check "$1: nothing was written" test -z "$(ls -d out* 2>/dev/null | grep -v '^out.log$')"; rm -rf out out.[^l]*; }
for array in student teacher; do
  edited $array-00.safetensors 2 $nan
  uses "NaN in the $array" 79 "$array-00.safetensors: tensor .* is not finite" $array
  expect "NaN in the $array: export" 79 "$array-00.safetensors: tensor" "$FINDNA" export run out
  expect "NaN in the $array: --init-from" 79 "$array-00.safetensors: tensor" ./pretrain run.folder=out --init-from run
  nothing "NaN in the $array"
done
edited adam_m-00.safetensors 2 $nan
expect "NaN in a moment: its weights can be used" 0 "wrote the teacher" "$FINDNA" export run exported
cp -r exported bad; put bad/model.safetensors 7 $inf
expect "import of an infinite weight" 79 "bad/model.safetensors: tensor '[a-z.0-9]+', element 7 is not finite" "$FINDNA" import bad out
nothing "import"

# --- results of finite numbers ---------------------------------------------------------------------------------------------------
edited teacher-00.safetensors 0 $huge 200
for file in $(ls half/$last | grep student); do cp half/$last/$file run/$last/; done
put run/$last/student-00.safetensors 0 $huge 200; seal run/$last
expect "huge weights: embed" 79 "seq1: value [0-9]+ of its embedding is not finite: the weights of the teacher" "$FINDNA" embed run seqs.fa --output out.tsv
expect "huge weights: embed, positions on 2 ranks" 79 "seq1: value [0-9]+ of its embedding is not finite" ./ranks 2 embed run seqs.fa --pool positions --output out.h5
expect "huge weights: score" 79 "v.csv:2: a score of allele 1 is not finite" "$FINDNA" score run v.csv --genome genome.fa --output out.tsv
expect "huge weights: a distance" 79 "v.csv:2: a score of allele 1 is not finite" ./ranks 2 score run v.csv --genome genome.fa --scores distance --output out.tsv
expect "huge weights: a track" 79 "seq1:1: a probability is not finite" "$FINDNA" score run seqs.fa --output out.bedgraph
expect "huge weights: probe" 79 "row 1: feature 0 of the teacher encoder is not finite" "$FINDNA" probe run --train rows.csv --test rows.csv --baseline none --output out.json
expect "huge weights: finetune" 79 "step 0: the validation rows cannot be scored" "$FINDNA" finetune run --train rows.csv run.folder=tuned train.steps=3 train.batch=8 train.virtual_ranks=1
nothing "huge weights"
expect "huge weights: pretraining ends with 79" 79 "steps in a row without finite gradients|held-out loss of the student is not finite" ./pretrain run.folder=run

# A run without evaluation, whose last steps are all skipped
"$FINDNA" prepare --window 61 --count 300 --max-n 0 --seed 9 unseen "$root/datasets/human_chr20_slice.2bit" >/dev/null 2>&1
./pretrain data.shards=unseen run.folder=half checkpoint.every=1 checkpoint.keep=9 --restart >/dev/null 2>&1
rm -rf half/ckpt/step_0000000{09,10,11,12}
edited teacher-00.safetensors 0 $huge 200
expect "the last steps were all skipped: not finished" 79 "run: its last 4 of 12 steps gave no finite numbers" ./pretrain data.shards=unseen run.folder=run checkpoint.every=1 checkpoint.keep=3
check "no periodic checkpoint replaced the earlier ones" test "$(echo $(ls run/ckpt))" = "step_000000007 step_000000008 step_000000012"
check "the counter is in the checkpoint" grep -q '^bad_in_row 4$' run/ckpt/step_000000012/MANIFEST
expect "started again, it is still not finished" 79 "its last 4 of 12 steps" ./pretrain data.shards=unseen run.folder=run
expect "nor on 2 ranks" 79 "its last 4 of 12 steps" ./ranks 2 pretrain "$tiny" data.shards=unseen run.folder=run
expect "its report is written" 0 "wrote" "$FINDNA" report run --output page.html
check "and reports its gaps" grep -q '4 of 12 recorded training steps changed nothing' page.html
edited teacher-00.safetensors 0 $huge 200
expect "max_bad_steps ends it" 79 "step 9: 2 steps in a row without finite gradients" ./pretrain data.shards=unseen run.folder=run train.max_bad_steps=2
edited teacher-00.safetensors 0 $huge 200
expect "on 4 ranks, too" 79 "step 9: 2 steps in a row without finite gradients" ./ranks 4 pretrain "$tiny" data.shards=unseen run.folder=run train.max_bad_steps=2

# --- learning rates with which training diverges ---------------------------------------------------------------------------------
expect "pretraining with a huge learning rate" 79 "older checkpoint" ./pretrain run.folder=wild optim.lr=100 optim.warmup=0 train.steps=200 checkpoint.every=1
check "its checkpoints are finite" bash -c 'for f in wild/ckpt/*/*.safetensors; do "$0" inspect $f | tail -n 1 | grep -q " 0 not finite" || exit 1; done' "$FINDNA"
./pretrain run.folder=good >/dev/null 2>&1
for n in 1 2; do
  expect "fine-tuning with a huge learning rate, $n ranks" 79 "step [0-9]+: .*diverged.*smaller optim.lr" ./ranks $n finetune good --train rows.csv --test rows.csv run.folder=ft$n train.batch=8 train.virtual_ranks=2 train.steps=40 optim.lr=100 optim.warmup=0 eval.every=10
  check "gives no scores" test ! -e ft$n/finetune.json
  expect "started again: the same" 79 "diverged" ./ranks $n finetune good --train rows.csv --test rows.csv run.folder=ft$n train.batch=8 train.virtual_ranks=2 train.steps=40 optim.lr=100 optim.warmup=0 eval.every=10
  expect "its best weights can be used" 0 "wrote" "$FINDNA" embed ft$n seqs.fa --output best$n.tsv
done
check "are the same on 2 ranks" cmp best1.tsv best2.tsv
for n in 1 2; do # the end of the last step, in whose evaluation it is found
  expect "found at the last step, start $n" 79 "diverged" "$FINDNA" finetune good --train rows.csv --test rows.csv run.folder=ftl train.batch=8 train.virtual_ranks=2 train.steps=2 optim.lr=100 optim.warmup=0 eval.every=2 train.max_bad_steps=1000
done
expect "a regression, too" 79 "diverged" "$FINDNA" finetune good --values --train rows.csv run.folder=ftv train.batch=8 train.virtual_ranks=2 train.steps=40 optim.lr=100 optim.warmup=0 eval.every=10
expect "with patience, too" 79 "diverged" "$FINDNA" finetune good --train rows.csv run.folder=ftp task.patience=30 task.select=mcc train.batch=8 train.virtual_ranks=2 train.steps=40 optim.lr=100 optim.warmup=0 eval.every=1

# --- scores that are 0 / 0 are left out, and the others are written --------------------------------------------------------------
for v in 7 0.1; do
  awk -F, -v v=$v 'NR == 1 { print; next } { print $1 "," v }' rows.csv >same.csv
  expect "a regression whose test rows have one value, $v" 0 "^test .* - +-" "$FINDNA" finetune good --values --train rows.csv --test same.csv run.folder=same$v train.batch=8 train.virtual_ranks=2 train.steps=4
  check "writes its error, and no R2" bash -c "tr -d ' \n' <same$v/finetune.json | grep -qE '\"test_scores\":\{\"loss\":[0-9.e+]+\}' && ! grep -qE 'nan|inf' same$v/finetune.json"
done
awk -F, 'NR == 1 || $2 == 1' rows.csv >one.csv
"$FINDNA" probe good --train rows.csv --test one.csv --seeds 1 --output one.json >one.log 2>&1; check "a probe of test rows of one class has no areas" bash -c '! grep -qi "nan" one.log one.json && ! grep -qE "auroc|auprc" one.json && grep -q "results" one.json'

# --- findna trace ------------------------------------------------------------------------------------------------------------------
cat >trace_of <<T
#!/bin/sh
exec "$FINDNA" trace "$root/configs/findna.yaml" optim.schedule=constant train.steps=100 model.channels=27 model.hidden=48 model.track=3 model.networks=1 --prefix paper --steps 1 --input \$1 --output out.safetensors
T
chmod +x trace_of
exact=$root/tests/golden/exact_d27_L120.safetensors
place_of() { grep -aoE "\"$1\":\{[^}]*data_offsets\":\[[0-9]+" "$exact" | grep -oE '[0-9]+$'; } # in bytes of the data
for name in student0.embedding.weight teacher0.embedding.weight paper.center0 in0.student_view; do
  cp "$exact" input.safetensors; chmod u+w input.safetensors
  put input.safetensors $(($(place_of $name) / 4 + 3)) $nan
  expect "trace: NaN in $name" 79 "input tensor '$name', element 3 is not finite" ./trace_of input.safetensors
done
nothing "trace"
