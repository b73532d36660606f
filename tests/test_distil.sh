#!/usr/bin/env bash
# Distillation: the laws of training hold with a teacher, whose identity is checked and which is never trained; and refused inputs.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
cut_rows() { awk -F'\t' 'NR == 1 { print "sequence,label"; next } { print substr($1, 1 + NR % 5, 40 + NR * 7 % 26) "," $2 }'; }
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | head -161 | cut_rows >train.csv
xz -dc "$root/datasets/prom_core_notata.test.tsv.xz" | head -81 | cut_rows >test.csv
small="train.batch=16 train.virtual_ranks=4 train.epochs=2 optim.lr=3e-3 device.threads=1"
"$FINDNA" finetune run --train train.csv $small run.folder=teach task.features=both >/dev/null 2>&1 || { not_ok "a teacher finishes"; exit 1; }
ft() { local n=$1 folder=$2; shift 2; ranks "$n" finetune run --init-untrained --teacher teach --train train.csv --test test.csv $small run.folder="$folder" "$@" >"$folder.log" 2>&1; }

ft 1 one || { not_ok "it finishes"; tail -3 one.log; }
check "the teacher is named" grep -q "teacher: the best of teach" one.log
check "both terms are in the metrics" bash -c 'grep -q "\"task\":" one/metrics.jsonl && grep -q "\"soft\":" one/metrics.jsonl'
check "the MANIFEST has the teacher's hash, and the checkpoint no file of the teacher" bash -c 'm=$(ls -d one/ckpt/step_* | tail -1); grep -qE "^teacher [0-9a-f]{64}$" $m/MANIFEST && ! ls $m | grep -q teacher'
for n in 2 4; do ft $n r$n; check "$n ranks end in the state of one" same r$n one; done
ft 1 threads device.threads=3; check "3 threads, too" same threads one
ft 1 alone objective.kd_alpha=0; check "a run with only the teacher's loss ends in another state" other alone one
code=0; ft 2 stopped run.minutes=0.000001 || code=$?
check "stopped after a step: 75" test $code = 75
for try in 1 2 3; do ft 1 stopped checkpoint.every=7 && break; done
check "and resumed, it ends in the state of an uninterrupted run" same stopped one
again="finetune run --init-untrained --train train.csv --test test.csv $small"
"$FINDNA" finetune run --train train.csv $small run.folder=other run.seed=3 task.features=both >/dev/null 2>&1
expect "a resume with another teacher" 78 "its teacher was [0-9a-f]{12}\.\.\., now it is [0-9a-f]{12}" "$FINDNA" $again --teacher other run.folder=one
expect "a resume without a teacher" 78 "teacher.kind: frozen \(checkpoint\) -> none" "$FINDNA" $again run.folder=one
expect "the student is a model like others" 0 "best encoder of one" bash -c "awk -F, 'NR > 1 { print \">\" NR \"\n\" \$1 }' test.csv | head -20 >x.fa; '$FINDNA' embed one x.fa --pool task --output p.tsv"

# Models that cannot be teachers.
awk -F, -v OFS=, 'NR > 1 { $2 = NR % 3 } 1' train.csv >three.csv
awk -F, -v OFS=, 'NR > 1 { $2 = $2 ? "yes" : "no" } 1' train.csv >named.csv
awk -F, -v OFS=, 'NR > 1 { $2 = $2 ? "a" : "b" } 1' train.csv >turned.csv
"$FINDNA" finetune run --train named.csv $small train.epochs=1 run.folder=named >/dev/null 2>&1
expect "a teacher of other classes" 78 "has 2 classes, the training rows have 3" "$FINDNA" finetune run --train three.csv --teacher teach $small run.folder=bad
expect "classes with other names" 78 "its classes are others than those of the training rows: class 0 is 'no', not 'a'" "$FINDNA" finetune run --train turned.csv --teacher named $small run.folder=bad
expect "names on one side only" 0 "are numbers, those of the rows names" "$FINDNA" finetune run --train named.csv --teacher teach $small train.epochs=1 run.folder=mixed
expect "a run in the place of its teacher" 78 "run.folder teach is that of the --teacher" "$FINDNA" finetune run --train train.csv --teacher teach --restart $small run.folder=teach
expect "a label that is missing" 65 "gap.csv:3: the label is missing" bash -c "sed '3s/,.*/,/' train.csv >gap.csv; '$FINDNA' finetune run --train gap.csv $small run.folder=bad"
expect "a teacher without a head" 78 "is no classifier" "$FINDNA" finetune run --train train.csv --teacher run $small run.folder=bad
expect "a missing teacher" 66 "no such checkpoint" "$FINDNA" finetune run --train train.csv --teacher nowhere $small run.folder=bad
awk -F, -v OFS=, 'NR > 1 { $2 = NR % 7 } 1' train.csv >values.csv
expect "a regression" 64 "a regression .--values. cannot be distilled" "$FINDNA" finetune run --train values.csv --values --teacher teach $small run.folder=bad
for wrong in kd_alpha=-0.1 kd_alpha=1.5 kd_temperature=0 kd_temperature=100000; do
  expect "out of range: $wrong" 78 "objective.${wrong%=*}: '.*' is not a number from" "$FINDNA" finetune run --train train.csv --teacher teach $small objective.$wrong run.folder=bad
done
expect "a loss without the teacher's term" 78 "1 leaves nothing to the teacher" "$FINDNA" finetune run --train train.csv --teacher teach $small objective.kd_alpha=1 run.folder=bad
expect "a pretraining has no such teacher" 78 "belong to 'findna finetune'" "$FINDNA" pretrain "$root/tests/tiny.yaml" teacher.kind=frozen objective.cl_weight=0 run.folder=bad
expect "validation rows that are the test rows" 65 "are the test rows" "$FINDNA" finetune run --train train.csv --valid test.csv --test test.csv --teacher teach $small run.folder=bad
"$FINDNA" export named exported >/dev/null 2>&1 && sed -zi 's/"no",\([[:space:]]*\)"yes"/"yes",\1"no"/' exported/config.json && "$FINDNA" import exported swapped >/dev/null 2>&1
expect "the same classes in another order" 78 "its classes are others than those of the training rows: class 0 is 'yes', not 'no'" "$FINDNA" finetune run --train named.csv --teacher swapped $small run.folder=bad
"$FINDNA" export teach letters >/dev/null 2>&1 && sed -i 's/"ACGTN"/"AGCTN"/' letters/config.json
expect "a teacher of another alphabet" 65 "alphabet 'AGCTN' .expected 'ACGTN'" "$FINDNA" import letters letters.run
# The same weights with other heads are another function.
sed '/networks\|track/d; s/channels: 18/channels: 16/' "$root/tests/tiny.yaml" >t.yaml
"$FINDNA" pretrain ./t.yaml model.encoder=transformer model.heads=4 run.folder=trun >/dev/null 2>&1 && "$FINDNA" finetune trun --train train.csv $small train.epochs=1 run.folder=tteach >/dev/null 2>&1
"$FINDNA" export tteach four >/dev/null 2>&1; cp -r four two; sed -i 's/"heads": 4/"heads": 2/' two/config.json
for n in four two; do "$FINDNA" import $n heads_$n >/dev/null 2>&1; done
check "two imports with the same state_id" test "$(grep -h ^state_id heads_four/MANIFEST heads_two/MANIFEST heads_*/ckpt/*/MANIFEST 2>/dev/null | sort -u | wc -l)" = 1
expect "a run that stops" 75 "stopped at step 1" "$FINDNA" finetune trun --init-untrained --train train.csv $small --teacher heads_four run.folder=headed run.minutes=0.000001
expect "is not resumed with the other one" 78 "its teacher was [0-9a-f]{12}\.\.\., now it is [0-9a-f]{12}" "$FINDNA" finetune trun --init-untrained --train train.csv $small --teacher heads_two run.folder=headed
expect "but with the first" 0 "best weights" "$FINDNA" finetune trun --init-untrained --train train.csv $small --teacher heads_four run.folder=headed
mkdir of_heads; printf 'named\t--train {data}/train.csv --test {data}/test.csv\t\taccuracy\t\t\t\n' >of_heads/t.tsv; cp -r heads_four model_here
expect "an evaluation of one" 0 "probe" "$FINDNA" evaluate of_heads/t.tsv model_here --data . --methods probe --seeds 1 --output heads_table
rm -r model_here; cp -r heads_two model_here
expect "is not that of the other" 73 "is another checkpoint now" "$FINDNA" evaluate of_heads/t.tsv model_here --data . --methods probe --seeds 1 --output heads_table

check "refused runs leave no files" test ! -e bad -a ! -e letters.run

# Stored logits: rows are found by the hash of their sequence.
expect "logits of the training rows" 0 "wrote logits.tsv.gz" "$FINDNA" embed teach train.csv --pool task --logits --output logits.tsv.gz
"$FINDNA" embed teach train.csv --pool task --logits --output logits.tsv >/dev/null 2>&1
"$FINDNA" embed teach train.csv --pool task --window 0 --output p.tsv >/dev/null 2>&1
check "the name is the SHA-256 of the letters" test "$(sed -n 2p logits.tsv | cut -f1)" = "$(sed -n 2p train.csv | cut -d, -f1 | tr -d '\n' | sha256sum | cut -d' ' -f1)"
check "named by SHA-256, and their softmax is what the head predicts" bash -c 'paste <(tail -n +2 logits.tsv) <(tail -n +2 p.tsv) | awk -F"\t" "{ d = 1 / (1 + exp(\$2 - \$3)) - \$6; if (length(\$1) != 64 || d * d > 1e-10) bad++ } END { exit bad || NR != 160 }"'
st() { local n=$1 folder=$2; shift 2; ranks "$n" finetune run --init-untrained --train train.csv --test test.csv $small run.folder="$folder" "$@" >"$folder.log" 2>&1; }
st 1 stored --teacher-logits logits.tsv.gz || { not_ok "it finishes with stored logits"; tail -3 stored.log; }
st 4 stored4 --teacher-logits logits.tsv; check "4 ranks end in the state of one, from a plain file, too" same stored4 stored
first() { grep -o '"soft":[0-9.e-]*' "$1/metrics.jsonl" | head -1 | cut -d: -f2; }
check "the loss of the first step is that with the teacher itself" awk -v a="$(first stored)" -v b="$(first one)" 'BEGIN { d = a - b; exit !(a > 0 && d * d < 1e-10 * a * a) }'
again="$FINDNA finetune run --init-untrained --train train.csv $small"
(head -1 logits.tsv; tail -n +2 logits.tsv | sort) >sorted.tsv
st 1 sorted --teacher-logits sorted.tsv; check "their order does not matter" same sorted stored
"$FINDNA" embed other train.csv --pool task --logits --output others.tsv >/dev/null 2>&1
expect "a resume with other logits" 78 "its teacher was" $again --test test.csv --teacher-logits others.tsv run.folder=stored
"$FINDNA" embed teach test.csv --pool task --logits --output test.tsv >/dev/null 2>&1
expect "logits of other rows" 65 "test.tsv: has no logits of row [0-9]+ of train.csv" $again --teacher-logits test.tsv run.folder=bad
expect "logits of whole rows for cut ones" 65 "before --cut" $again --cut 20 --teacher-logits logits.tsv run.folder=bad
awk -F'\t' -v OFS='\t' 'NR == 5 { $3 = "nan" } 1' logits.tsv >nan.tsv
expect "a logit that is NaN" 65 "nan.tsv:5: the logit 'nan' is not a finite number" $again --teacher-logits nan.tsv run.folder=bad
awk -F'\t' -v OFS='\t' '{ print } NR == 5 { $3 = 0; print }' logits.tsv >twice.tsv
expect "a sequence with two sets of logits" 65 "lines 5 and 6 are of one sequence and have different logits" $again --teacher-logits twice.tsv run.folder=bad
cut -f1,2 logits.tsv >narrow.tsv
expect "too few classes" 78 "narrow.tsv: has 1 classes, the training rows have 2" $again --teacher-logits narrow.tsv run.folder=bad
expect "probabilities" 65 "is no SHA-256 of a sequence" $again --teacher-logits p.tsv run.folder=bad
head -c -4 logits.tsv >cut.tsv; expect "a file cut within its last number" 65 "cut.tsv: its last line has no end" $again --teacher-logits cut.tsv run.folder=bad
: >empty.tsv; expect "an empty file" 65 "empty.tsv: is empty" $again --teacher-logits empty.tsv run.folder=bad
expect "another table" 65 "expected a header 'id'" $again --teacher-logits train.csv run.folder=bad
"$FINDNA" embed named train.csv --pool task --logits --output named.tsv >/dev/null 2>&1
expect "logits of classes with other names" 78 "its class 0 is 'no', that of the training rows 'a'" "$FINDNA" finetune run --train turned.csv --teacher-logits named.tsv $small run.folder=bad
awk -F'\t' -v OFS='\t' '{ x = $2; $2 = $3; $3 = x; print }' named.tsv >order.tsv
sed '1s/.*/id\te0\tx/' named.tsv >half.tsv
expect "a class that is named e0 among others" 78 "its class 0 is 'e0', that of the training rows 'no'" "$FINDNA" finetune run --train named.csv --teacher-logits half.tsv $small run.folder=bad
expect "logits of the same classes in another order" 78 "its class 0 is 'yes', that of the training rows 'no'" "$FINDNA" finetune run --train named.csv --teacher-logits order.tsv $small run.folder=bad
expect "two teachers" 64 "a run has one teacher" $again --teacher teach --teacher-logits logits.tsv run.folder=bad
expect "logits of features" 64 "goes with --pool task" "$FINDNA" embed teach train.csv --logits --output l.tsv
expect "logits as HDF5" 64 "NAME.tsv" "$FINDNA" embed teach train.csv --pool task --logits --output l.h5
check "these leave no files" test ! -e bad

# Augmented rows: the teacher reads the student's augmented rows; stored logits are of the original rows.
ft 1 augmented task.augment=RSD aug.size=4; for n in 2 4; do ft $n augmented$n task.augment=RSD aug.size=4; check "augmented rows: $n ranks end in the state of one" same augmented$n augmented; done
check "which differs from that without augmentation" other augmented one
ft 1 asis task.augment=R aug.revcomp=0; ft 1 turned task.augment=R aug.revcomp=1
check "nothing reverse-complemented: the same first loss; everything: another" bash -c 'f() { grep "\"kind\":\"step\"" $1/metrics.jsonl | head -1 | grep -o "\"loss\":[0-9.e-]*"; }; test "$(f asis)" = "$(f one)" && test "$(f turned)" != "$(f one)"'
code=0; ft 2 augstop task.augment=RSD aug.size=4 run.minutes=0.000001 || code=$?
for try in 1 2 3; do ft 1 augstop task.augment=RSD aug.size=4 checkpoint.every=7 && break; done
check "a run that was stopped, too" eval 'test $code = 75 && same augstop augmented'
expect "augmentation with stored logits" 78 "stored logits are of the rows as they are" $again --teacher-logits logits.tsv task.augment=R run.folder=bad
expect "masking is not an augmentation of rows" 78 "task.augment: 'M': 'M' is no operation; they are DITRS" $again task.augment=M run.folder=bad

# A grid as a suite: students of the stored logits and one from scratch, compared seed by seed; models side by side.
mkdir data suites && cp train.csv test.csv logits.tsv data/
sed 's/^  epochs: .*/  epochs: 1/; s/^  channels: .*/  channels: 12/; s/^  hidden: .*/  hidden: 16/; s/^  track: .*/  track: 4/' "$root/configs/kd-chordmixer.yaml" >suites/small.yaml
{
  printf 'scratch\t--train {data}/train.csv --test {data}/test.csv --new-model\tsmall.yaml\taccuracy\t\t\t\n'
  printf 'taught\t--train {data}/train.csv --test {data}/test.csv --new-model --teacher-logits {data}/logits.tsv objective.kd_alpha=0.3\tsmall.yaml\taccuracy\t\t\t\t\t\tscratch\n'
} >suites/kd.tsv
expect "a grid is evaluated" 0 "above scratch, seed by seed: [+-][0-9.]+ ± [0-9.]+ \(2 pairs\)" "$FINDNA" evaluate suites/kd.tsv teach --data data --methods finetune --seeds 2 --output grid device.threads=1
check "with its pairs in results.json" bash -c 'grep -q "\"with\": \"scratch\"" grid/results.json && test $(grep -c "above scratch" out.log) = 1'
check "and balanced accuracy" grep -q '"balanced_accuracy"' grid/taught-finetune-0/finetune.json
check "scores of the test rows with their differences, and those of a constant answer" bash -c 'grep -qE "^    test rows: accuracy [0-9.]+ ± [0-9.]+ \([+-][0-9.]+ ± [0-9.]+\), balanced [0-9.]+ ± .*, MCC .*, AUROC .*; always the most frequent class: accuracy [0-9.]+$" out.log && grep -q "balanced accuracy %" grid/report.html && grep -q "always the most frequent class" grid/report.html'

# Further test rows, of other species: they are scored only.
awk -F, -v OFS=, 'NR > 1 { $2 = NR % 5 > 0 } 1' test.csv >data/mouse.csv
(head -1 test.csv; sed -n '2,30p' test.csv | awk -F, -v OFS=, '{ $2 = 1 } 1') >plant.csv
expect "further rows are scored" 0 "^data/mouse.csv +80 " "$FINDNA" finetune run --train train.csv --test test.csv --teacher teach --init-untrained $small run.folder=also --also data/mouse.csv --also plant.csv
check "with the scores of a constant answer" bash -c 'test $(grep -c "always predicting their most frequent class: accuracy" out.log) = 3 && grep -A1 "^data/mouse.csv" out.log | grep -q "accuracy 80.00"'
check "the run is the same without them" same also one
check "finetune.json has them" bash -c 'grep -q "\"test\": \"plant.csv\"" also/finetune.json && test $(grep -c "\"constant\"" also/finetune.json) = 3'
ranks 4 finetune run --train train.csv --test test.csv --teacher teach --init-untrained $small run.folder=also4 --also data/mouse.csv --also plant.csv >log 2>&1
check "4 ranks report the same scores" diff also4/finetune.json also/finetune.json
expect "further rows of another class" 65 "three.csv: has the label 2, which no training row has" "$FINDNA" finetune run --train train.csv $small run.folder=bad --also three.csv
expect "missing further rows" 66 "nowhere.csv" "$FINDNA" finetune run --train train.csv $small run.folder=bad --also nowhere.csv
expect "further rows that are validation rows" 65 "are the test rows" "$FINDNA" finetune run --train train.csv --valid plant.csv $small run.folder=bad --also plant.csv
check "these leave no files" test ! -e bad
sed 's|--new-model|--new-model --also {data}/mouse.csv --also {data}/plant.csv|' suites/kd.tsv >suites/species.tsv
expect "a suite scores further rows that exist" 0 "^    data/mouse.csv: accuracy .*; always the most frequent class: accuracy 80.00" "$FINDNA" evaluate suites/species.tsv teach --data data --methods finetune --seeds 2 --output species device.threads=1
check "and leaves out missing ones" bash -c '! grep -q plant species/results.json && grep -q "\"rows\": \"data/mouse.csv\"" species/results.json && grep -q "mouse.csv" species/report.html'
expect "also for a probe" 0 "probe student" "$FINDNA" evaluate suites/species.tsv teach --data data --tasks scratch --methods probe --seeds 1 --output probed
rm data/logits.tsv; expect "a task without its logits is left out" 0 "taught: its rows are not in data" "$FINDNA" evaluate suites/kd.tsv teach --data data --methods finetune --seeds 1 --output grid2 device.threads=1
sed -i 's/scratch$/nobody/' suites/kd.tsv; expect "a comparison with an unknown task" 65 "kd.tsv:2: compared with 'nobody'" "$FINDNA" evaluate suites/kd.tsv teach --data data --output grid3
expect "the grid that ships" 0 "^ *[0-9]+  findna finetune .* --teacher-logits data/prom_300_all.logits.tsv.gz objective.kd_alpha=0.7 objective.kd_temperature=5" "$FINDNA" evaluate kd teach --data data --methods finetune --seeds 5 --list
check "has 10 trainings of 5 seeds for each of 4 students" test "$(grep -c 'findna finetune .*--task data/prom_300_all' out.log)" = 200
check "and 10 of 5 seeds of five classes" test "$(grep -c 'findna finetune .*--task data/five_class' out.log)" = 50
expect "models side by side" 0 "^one +[0-9]+ +[0-9.]+ .* 1.0x" "$FINDNA" speed one teach --rows test.csv --seconds 0.05 --output speed.json --threads 1
check "as JSON" bash -c 'grep -q "\"sequences_per_second\"" speed.json && grep -q "\"nucleotides_per_second\"" speed.json && test $(grep -c "\"batch_16\"" speed.json) = 2'
cp speed.json one/ && cp speed.json grid/
expect "the report of a run has the speeds" 0 "wrote one/report.html" "$FINDNA" report one
check "as a table: parameters, latencies, how much smaller and faster" bash -c 'grep -q "Size and speed" one/report.html && test $(grep -c "<td class=\"name\">\(one\|teach\)</td>" one/report.html) = 2 && grep -qE "1\.0×" one/report.html'
"$FINDNA" report grid >/dev/null 2>&1; check "the report of a suite, too" grep -q "Size and speed" grid/report.html
echo '{"models": [{"checkpoint": "<b>", "parameters": "many"}, 3]}' >one/speed.json
expect "a table without values" 0 "wrote" "$FINDNA" report one
check "shows the values that exist" grep -q "&lt;b&gt;</td><td class=\"n\">–" one/report.html
echo '[' >one/speed.json; expect "a damaged table" 65 "speed.json:" "$FINDNA" report one
rm one/speed.json
expect "a page that would overwrite the numbers" 73 "speed.json" "$FINDNA" report grid --output grid/speed.json
expect "speed without arguments" 64 "give one CHECKPOINT or several, and --rows FILE" "$FINDNA" speed one

# Published teachers and students over words: a DNABERT-2 of three layers with a classifier teaches every student.
golden=$root/../shared/golden5
[ -d "$golden" ] || { echo "skipped - students over words: ../shared/golden5 is not here"; exit 0; }
cp -r "$golden/dnabert2_d48_hf" dnabert && chmod -R u+w dnabert
bpe_json "$golden/bpe_merges.txt" >dnabert/tokenizer.json
"$FINDNA" import dnabert words >out.log 2>&1 || { not_ok "a DNABERT-2 is imported"; tail -2 out.log; exit 1; }
kd() { local n=$1 folder=$2; shift 2; ranks "$n" finetune words --train train.csv --test test.csv train.batch=16 train.virtual_ranks=4 train.epochs=2 optim.lr=1e-3 device.threads=1 run.folder="$folder" "$@" >"$folder.log" 2>&1; }
few="model.channels=24 model.hidden=32"
student() {
  local name=$1; shift
  kd 1 $name --new-model --config kd-$name --teacher words "$@" || { not_ok "$name: it finishes"; tail -2 $name.log; return; }
  ok "$name: it finishes"
  kd 4 ${name}4 --new-model --config kd-$name --teacher words "$@"; check "$name: 4 ranks end in the state of one" same ${name}4 $name
  kd 1 ${name}s --new-model --config kd-$name --teacher words "$@" run.minutes=0.000001
  for try in 1 2 3; do kd 2 ${name}s --new-model --config kd-$name --teacher words "$@" checkpoint.every=7 && break; done
  check "$name: a run that was stopped, too" same ${name}s $name
  expect "$name: it predicts" 0 "best encoder of $name" "$FINDNA" embed $name test.csv --pool task --output $name.tsv
  rm -rf $name.out $name.in; "$FINDNA" export $name $name.out >/dev/null 2>&1 && "$FINDNA" import $name.out $name.in >/dev/null 2>&1
  "$FINDNA" embed $name.in test.csv --pool task --output $name.in.tsv >/dev/null 2>&1; check "$name: after export and import, the same predictions" cmp $name.tsv $name.in.tsv
}
student transformer $few model.heads=4 model.layers=2 task.hidden=24
student hybrid $few model.heads=4 model.layers=1 model.filters=10
student cnn model.channels=24 model.filters=10
student chordmixer model.channels=24 model.hidden=32 model.track=4
check "the CNN's running statistics are in its checkpoint" bash -c 'grep -aq "\"bn4.running_var\"" cnn/ckpt/step_*/best-00.safetensors'
kd 1 padded --new-model --config kd-cnn --teacher words model.channels=24 model.filters=10 model.padding=60
check "padded sequences are another run" other padded cnn
kd 1 taught --teacher padded; check "a padded student teaches, too" grep -q "teacher: the best of padded" taught.log
kd 1 wordy --teacher words task.augment=RSI aug.mutation=0.5 aug.size=5; kd 4 wordy4 --teacher words task.augment=RSI aug.mutation=0.5 aug.size=5
check "augmented words: 4 ranks end in the state of one" same wordy4 wordy
kd 1 first --first-layers 2 --teacher words
check "the first layers are copied from the teacher" grep -q "taken from the student of words.*, 0 new besides the head" first.log
check "and listed" bash -c 'grep -q "bert.encoder.layer.1.mlp.wo.weight" first/finetune.json && ! grep -q "layer.2" first/finetune.json'
expect "more layers than the teacher has" 78 "--first-layers 9: words.* has 3 layers" "$FINDNA" finetune words --train train.csv --first-layers 9 run.folder=bad
expect "layers of a ChordMixer" 78 "run/ckpt/[^ ]* is no model of layers with attention" "$FINDNA" finetune run --train train.csv --first-layers 1 run.folder=bad
expect "first layers of a new model" 64 "give one of them" "$FINDNA" finetune words --train train.csv --first-layers 1 --new-model run.folder=bad
expect "another vocabulary" 65 "makes a vocabulary of 521 tokens; the model has 100" "$FINDNA" finetune words --new-model --config kd-cnn --train train.csv model.vocabulary=100 run.folder=bad
expect "byte pairs of a model that has none" 66 "tokenizer.json" "$FINDNA" finetune run --new-model --config kd-cnn --train train.csv model.tokenizer=bpe run.folder=bad
expect "sequences longer than the padding" 65 "but the model pads to 8 .model.padding." "$FINDNA" finetune words --new-model --config kd-cnn --train train.csv model.padding=8 run.folder=bad
expect "invalid kernels" 78 "model.kernels: '4,3'; expected" "$FINDNA" finetune words --new-model --config kd-cnn --train train.csv model.kernels=4,3 run.folder=bad
expect "more padding than positions" 78 "learned positions of 512 tokens" "$FINDNA" finetune words --new-model --config kd-hybrid --train train.csv model.padding=600 run.folder=bad
check "these leave no files" test ! -e bad

cp -r words stranger && bpe_json <(head -100 "$golden/bpe_merges.txt") >stranger/tokenizer.json
expect "a teacher with other words than its own" 65 "stranger/tokenizer.json: makes a vocabulary of 109 tokens; the model has 521" "$FINDNA" finetune words --train train.csv --teacher stranger run.folder=bad

# Five classes on generated rows in GUE's layout: without augmentation from stored logits, with augmentation from the teacher itself.
mkdir -p data/five_class
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | awk -F'\t' 'NR == 1 { for (k = 0; k < 3; k++) print "sequence,label" >("data/five_class/" (k > 1 ? "test" : k ? "dev" : "train") ".csv"); next }
  NR < 140 { print $1 "," NR % 5 >("data/five_class/" (NR < 100 ? "train" : NR < 120 ? "dev" : "test") ".csv") }'
few5="$few model.heads=4 train.epochs=1 train.batch=16 train.virtual_ranks=4 device.threads=1"
"$FINDNA" finetune words --task data/five_class run.folder=data/five_class.teacher train.epochs=1 train.batch=16 train.virtual_ranks=4 device.threads=1 >out.log 2>&1 || { not_ok "a teacher of five classes"; tail -2 out.log; }
"$FINDNA" embed data/five_class.teacher data/five_class/train.csv --pool task --logits --output data/five_class.logits.tsv.gz >/dev/null 2>&1
expect "five classes" 0 "above five-augmented-hybrid-scratch, seed by seed: .* \(2 pairs\)" "$FINDNA" evaluate kd words --data data --methods finetune --seeds 2 --output five $few5 \
  --tasks five-hybrid-scratch,five-hybrid-a0.5-T3,five-augmented-hybrid-scratch,five-augmented-hybrid-a0.3-T5
check "with and without augmentation" bash -c 'test $(grep -c "^    test rows: accuracy" out.log) = 4 && grep -q "augment: .*TRS" five/five-augmented-hybrid-a0.3-T5-finetune-0/config.used.yaml'
check "refused runs leave no files" test ! -e bad

# On the emulated GPU, in both precisions.
export FINDNA_PLUGIN=${FINDNA_PLUGIN:-$(dirname "$FINDNA")/libfindna_emulated.so}
if [ ! -e "$FINDNA_PLUGIN" ] || [ "${SAN:-0}" != 0 ]; then echo "skipped - students on the emulated GPU: it is not built, or too slow with sanitizers"; exit 0; fi
head -41 train.csv >few.csv
for precision in fp32 bf16; do
  for n in 1 2; do
    ranks $n finetune words --new-model --config kd-hybrid --teacher words --train few.csv train.steps=2 train.batch=8 train.virtual_ranks=2 $few model.heads=4 model.layers=1 model.filters=10 \
      run.folder=gpu$precision$n device.kind=cuda device.precision=$precision comm.share_gpu=true >gpu.log 2>&1 || tail -2 gpu.log
  done
  check "GPU, $precision: 2 ranks end in the state of one" same gpu${precision}1 gpu${precision}2
done
