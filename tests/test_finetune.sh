#!/usr/bin/env bash
# findna finetune: the laws of pretraining hold, the selected weights are used, and refused inputs.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
# Promoters cut to different lengths, so that sequences are not aligned.
cut_rows() { awk -F'\t' 'NR == 1 { print "sequence,label"; next } { print substr($1, 1 + NR % 5, 40 + NR * 7 % 26) "," $2 }'; }
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | head -401 | cut_rows >train.csv
xz -dc "$root/datasets/prom_core_notata.test.tsv.xz" | head -301 | cut_rows >test.csv
small="task.dropout=0.1 train.batch=16 train.virtual_ranks=4 train.epochs=2 optim.lr=3e-3 device.threads=1"
ft() { local n=$1 folder=$2; shift 2; ranks "$n" finetune run --train train.csv --test test.csv $small run.folder="$folder" "$@" >"$folder.log" 2>&1; }

ft 1 one || { not_ok "it finishes"; tail -3 one.log; }
for n in 2 4; do ft $n r$n; check "$n ranks end in the state of one" same r$n one; done
check "and give the same scores" diff <(grep -v version one/finetune.json) <(grep -v version r4/finetune.json)
ft 1 threads device.threads=3; check "3 threads, too" same threads one
ft 1 again model.recompute=true; check "recomputed activations, too" same again one
ft 2 seed run.seed=4; check "another seed ends in another state" other seed one
check "with the data for a report's figures" grep -q '"confusion"' one/finetune.json
check "evaluations by epochs" test "$(grep -c '"kind":"select"' one/metrics.jsonl)" = 3
code=0; ft 2 stopped run.minutes=0.000001 || code=$?
check "stopped after a step: 75" test $code = 75
for try in 1 2 3; do ft 1 stopped checkpoint.every=7 && break; done
check "and resumed, it ends in the state of an uninterrupted run" same stopped one
check "it selects the same step" test "$(grep best_step stopped/finetune.json)" = "$(grep best_step one/finetune.json)"

for kind in cls both; do ft 1 $kind task.features=$kind task.hidden=10 task.balance=true || tail -2 $kind.log; check "features $kind, a hidden layer, balanced classes" grep -q '"test_scores"' $kind/finetune.json; done
ft 1 untrained --init-untrained; check "the untrained baseline" grep -q '"untrained": true' untrained/finetune.json
ft 1 patient task.patience=1 optim.lr=0 train.epochs=9; check "early stopping by task.patience ends the training" grep -q "no improvement for 1 evaluations: early stopping" patient.log
ft 1 patient task.patience=1 optim.lr=0 train.epochs=9; check "and a restart does not continue it" grep -q "is finished" patient.log
for patience in 1 2; do
  expect "patience $patience: its last step" 0 "^best weights: step 0 of $((3 * patience)) " "$FINDNA" finetune run --train train.csv $small task.patience=$patience optim.lr=0 train.steps=20 eval.every=3 run.folder=patience$patience
done

# The weights that score best by task.select are those of the results, on validation rows of which few are of class 0.
awk -F, 'NR == 1 || $2 == 1 || !(n++ % 3)' test.csv | head -61 >picked.csv
column() { grep '"kind":"select"' "$1/metrics.jsonl" | sed "s/.*\"step\":\([0-9]*\).*\"$2\":\([-0-9.e+]*\).*/\1 \2/"; }
of_results() { tr -d ' \n' <"$1/finetune.json" | sed "s/.*\"$2\":[{]*\([^,}]*\).*/\1/"; }
for by in loss accuracy f1 mcc; do
  ft 1 by_$by --valid picked.csv optim.lr=0.02 optim.schedule=constant optim.warmup=0 task.dropout=0 train.steps=16 eval.every=1 run.seed=1 task.select=$by
  best=$(column by_$by $by | awk -v sign=$([ $by = loss ] && echo -1 || echo 1) '{ v = sign * $2 } NR == 1 || v > top { top = v; step = $1 } END { print step }')
  check "task.select=$by: the best step" test "$(of_results by_$by best_step)" = "$best"
  check "and its scores" awk "BEGIN { d = $(of_results by_$by valid_scores | sed 's/"loss"://') - $(column by_$by loss | awk -v step="$best" '$1 == step { print $2 }'); exit !(d * d < 1e-12) }"
done
check "some of them are before the last step" awk 'BEGIN { exit !('"$(of_results by_loss best_step)"' < 16) }'

# Classes of 3:1.
awk -F, 'NR == 1 || ($2 == 0 && zeros++ < 60) || ($2 == 1 && ones++ < 20)' train.csv >uneven.csv
for balance in false true; do "$FINDNA" finetune run --train uneven.csv --valid picked.csv $small train.steps=2 task.balance=$balance run.folder=balance_$balance >/dev/null 2>&1; done
check "balanced classes are another run" other balance_true balance_false

# Further test rows, cut as the others.
awk -F, 'NR == 1 { print; next } { print substr($1, 1, 30) "," $2 }' picked.csv >precut.csv
for also in picked precut; do ft 1 also_$also --also $also.csv --cut 30 train.steps=2; done
further() { tr -d ' \n' <"$1/finetune.json" | sed 's/.*"also":\[{"test":"[a-z]*.csv"//'; }
check "--also with --cut: the scores of a file that was cut before" eval 'further also_picked | grep -q "\"loss\":[0-9]" && test "$(further also_picked)" = "$(further also_precut)"'
sed '3s/,[01]$/,2/' picked.csv >third.csv
expect "--also with a label that training lacks" 65 "third.csv: has the label 2, which no training row has" "$FINDNA" finetune run --train train.csv --also third.csv $small run.folder=bad
expect "--also of the validation rows" 65 "the validation rows .* are the test rows .picked.csv." "$FINDNA" finetune run --train train.csv --valid picked.csv --also picked.csv $small run.folder=bad

sed 's/,\([01]\)$/,0.\1/; 1!s/$/5/' train.csv >values.csv
head -101 values.csv >valued.csv
expect "a regression" 0 "R2" "$FINDNA" finetune run --train values.csv --valid values.csv --test valued.csv --values $small run.folder=values
mkdir task && cp train.csv task/train.csv && head -301 train.csv >task/dev.csv && cp test.csv task/test.csv
expect "a folder in GUE's layout" 0 "400 training, 300 validation, 300 test rows" "$FINDNA" finetune run --task task $small run.folder=gue
expect "further blocks for longer inputs" 0 "taken from the teacher of .*, 8 new besides the head" "$FINDNA" finetune run --train train.csv $small model.blocks=8 run.folder=longer
expect "fewer blocks" 0 "0 new besides the head" "$FINDNA" finetune run --train train.csv $small model.blocks=3 run.folder=shorter

# Learned [CLS] tokens are part of the checkpoint, whether the task uses them or not; a projection is not.
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=plus model.cls_tokens=learned objective.cl_space=projection objective.cl_axis=D >/dev/null 2>&1
for kind in tokens both; do
  expect "learned [CLS] tokens, features $kind" 0 "taken from the teacher of .*, 0 new besides the head" "$FINDNA" finetune plus --train train.csv --test test.csv $small run.folder=plus-$kind task.features=$kind
done
ranks 2 finetune plus --train train.csv --test test.csv $small run.folder=plus-2 task.features=both >plus-2.log 2>&1
check "2 ranks end in the state of one" same plus-2 plus-both
check "a projection belongs to pretraining only" bash -c 'grep -aq "\"embedding.cls\"" plus-both/ckpt/step_*/student-00.safetensors && ! grep -aq projection plus-both/ckpt/step_*/student-00.safetensors'

# A fine-tuned run is a model like others, with the selected weights as its best ones.
awk -F, 'NR > 1 { print ">" NR "\n" $1 }' test.csv | head -20 >x.fa
expect "embed" 0 "best encoder of one" "$FINDNA" embed one x.fa --output e.tsv
expect "predict" 0 "the head's prediction" "$FINDNA" embed both x.fa --pool task --both-strands --output p.tsv
check "probabilities add up to 1" awk 'NR > 1 { d = $2 + $3 - 1; if (NF != 3 || d * d > 1e-10) bad++ } END { exit bad || NR < 5 }' p.tsv
expect "a checkpoint without a task predicts nothing" 64 "has no task's head" "$FINDNA" embed run x.fa --pool task --output p.tsv
"$FINDNA" export both exported >/dev/null 2>&1 && "$FINDNA" import exported imported >/dev/null 2>&1
"$FINDNA" embed both x.fa --pool task --window 0 --output p1.tsv >/dev/null 2>&1; "$FINDNA" embed imported x.fa --pool task --window 0 --output p2.tsv >/dev/null 2>&1
check "after export and import, the same predictions" cmp p1.tsv p2.tsv
if ${PYTHON:-python3} -c 'import torch' 2>/dev/null; then
  grep -v '>' x.fa | ${PYTHON:-python3} "$root/launch/torch/findna_torch.py" exported predict >theirs.tsv 2>&1
  check "and the same in PyTorch" bash -c 'paste <(tail -n +2 p1.tsv | cut -f2-) theirs.tsv | awk "{ for (i = 1; i <= 2; i++) { d = \$i - \$(i + 2); if (d * d > 1e-10) bad++ } rows++ } END { exit bad || rows != 10 }"'
fi
expect "probe" 0 "^best " "$FINDNA" probe one --train train.csv --test test.csv --baseline none --seeds 1
expect "fine-tuned once more" 0 "taken from the best of one" "$FINDNA" finetune one --train train.csv $small run.folder=twice
expect "report" 0 "wrote one/report.html" "$FINDNA" report one
check "the report shows the scores, and nothing of pretraining" bash -c 'grep -q "FinDNA fine-tuning" one/report.html && grep -qE "AUROC 0[.0-9]*, AUPRC 0" one/report.html && ! grep -q "self-distillation" one/report.html'
expect "report of a regression" 0 "wrote" "$FINDNA" report values
expect "inspect" 0 "a resume takes this one" "$FINDNA" inspect one

# GenomicBenchmarks: one file per sequence, and intervals of a genome.
awk -F, 'NR > 1 { d = sprintf("gb/%s/%s", NR % 4 ? "train" : "test", $2 ? "promoter" : "other"); if (!made[d]++) system("mkdir -p " d); f = d "/" NR ".txt"; print $1 >f; close(f) }' train.csv
expect "GenomicBenchmarks, sequences" 0 "270 training, 30 validation, 100 test rows" "$FINDNA" finetune run --task gb $small run.folder=gb1
awk 'BEGIN { srand(1 + ENVIRON["DRAWS"]); for (k = 1; k <= 3; k++) { print ">chr" k; t = ""; for (i = 0; i < 3000; i++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t } }' >genome.fa
mkdir -p iv/train iv/test
for split in train test; do for class in a b; do awk -v class=$class 'BEGIN { srand((class == "a" ? 2 : 3) + ENVIRON["DRAWS"]); print "id,region,start,end,strand"; for (i = 0; i < 40; i++) { s = int(rand() * 2900); print i ",chr" 1 + i % 3 "," s "," s + 30 + i "," (i % 2 ? "+" : "-") } }' | gzip >iv/$split/$class.csv.gz; done; done
expect "GenomicBenchmarks, intervals" 0 "72 training, 8 validation, 80 test rows; up to 69 nucleotides" "$FINDNA" finetune run --task iv --genome genome.fa $small run.folder=iv1
# The same rows from a table give the same run.
rows_of() { for class in a b; do zcat iv/$1/$class.csv.gz | awk -F, -v label=$([ $class = b ]; echo $((1 - $?))) 'NR == FNR { if (/^>/) c = substr($0, 2); else g[c] = $0; next } FNR > 1 { q = substr(g[$2], $3 + 1, $4 - $3); if ($5 == "-") { r = ""; for (i = length(q); i; i--) r = r substr("TGCA", index("ACGT", substr(q, i, 1)), 1); q = r } print q "," label }' genome.fa -; done | sed '1i sequence,label'; }
rows_of train >iv_train.csv; rows_of test >iv_test.csv
"$FINDNA" finetune run --train iv_train.csv --test iv_test.csv $small run.folder=iv2 >/dev/null 2>&1
check "the intervals' sequences in a table give the same run" same iv1 iv2
expect "intervals without a genome" 64 "give the genome" "$FINDNA" finetune run --task iv $small run.folder=bad
grep -A1 'chr[12]' genome.fa | grep -v '^--' >part.fa
expect "a contig that the genome lacks" 65 "has no sequence 'chr3'" "$FINDNA" finetune run --task iv --genome part.fa $small run.folder=bad
expect "left out on request" 0 "52 rows left out" "$FINDNA" finetune run --task iv --genome part.fa --partial $small run.folder=partial
mkdir -p gb/test/third && cp gb/test/other/4.txt gb/test/third/ 2>/dev/null || cp "$(find gb/test/other -name '*.txt' | head -1)" gb/test/third/
expect "a class folder that train lacks" 65 "the class 'third' is not in gb/train" "$FINDNA" finetune run --task gb $small run.folder=bad
# Every entry of a task's folder is used, reported as passed over, or refused.
folder() { rm -rf odd; mkdir odd; }
tuned() { expect "$1" 0 "$2" "$FINDNA" finetune run --task odd $small run.folder=odd_run; rm -rf odd_run; }
refused() { expect "$1" "$2" "$3" "$FINDNA" finetune run --task odd $small run.folder=odd_run; check "$1: nothing is left behind" test ! -e odd_run; }
folder; for f in train dev test; do gzip -c task/$f.csv >odd/$f.csv.gz; done; tuned "compressed tables" "400 training, 300 validation, 300 test rows"
folder; for f in train dev test; do tr , '\t' <task/$f.csv >odd/${f^}.TSV; done; tuned "tables with tabs, in capitals" "400 training, 300 validation, 300 test rows"
for name in valid val validation; do folder; cp task/train.csv odd; cp task/dev.csv odd/$name.csv; tuned "$name.csv selects" "400 training, 300 validation"; done
cp task/dev.csv odd; refused "two tables of validation rows" 65 "has 'dev.csv' and 'validation.csv' for the same rows"
rm odd/dev.csv; cp task/test.csv odd/more.csv; refused "another table next to them" 65 "odd/more.csv: would be left out; expected train.csv, dev.csv and test.csv"
mv odd/more.csv odd/README.md; touch odd/.DS_Store; tuned "a README" "README.md: is passed over"
folder; cp task/test.csv odd; refused "test rows without training rows" 66 "has 'test.csv', but no train.csv"
fasta() { awk -F, -v want=$1 'NR > 1 && $NF == want { for (i = 1; i < NF; i++) if ($i ~ /^[ACGTN]+$/) print ">r" NR "\n" $i }' task/train.csv; }
folder; for c in 0 1; do fasta $c >odd/$c.fa; done; touch odd/0.fa.fai; tuned "one file per class, and an index" "0.fa.fai: is passed over"
for name in 2.fas 2.fa.bz2 2.fq table.csv; do cp odd/0.fa odd/$name; refused "$name next to classes" 65 "odd/$name: would be left out; expected a FASTA file"; rm odd/$name; done
mkdir odd/2 odd/2/deep; cp odd/0.fa odd/2; refused "a folder in a class" 65 "odd/2/deep: would be left out; expected FASTA files"
cp -r gb odd/gb; mv odd/gb g2; rm -rf odd; mv g2 odd; rm -rf odd/test/third; cp -r odd/test odd/valid; refused "a folder next to train and test" 65 "odd/valid: would be left out; expected the folders train and test"
rm -r odd/valid; touch odd/train/README; tuned "a README among the classes" "train/README: is passed over"; rm -rf odd
mkdir nothing; expect "a folder with no task" 66 "has neither train.csv" "$FINDNA" finetune run --task nothing $small run.folder=bad

expect "no rows" 64 "which rows" "$FINDNA" finetune run
expect "no such file" 66 "absent.csv" "$FINDNA" finetune run --train absent.csv
expect "no such run" 66 "nowhere" "$FINDNA" finetune nowhere --train train.csv
# Labels that are names: numbered in alphabetical order, stored with the head, shown with predictions.
named() { sed 's/,0$/,other/; s/,1$/,promoter/; 2s/other$/"other"/' "$1" >"named_$1"; }
named train.csv; named test.csv
ranks 2 finetune run --train named_train.csv --test named_test.csv $small run.folder=named >named.log 2>&1
check "names of classes: the same weights and scores as with numbers" diff <(sed '/"labels": \[/,/^  \]/d' named/finetune.json | grep -vE 'version|"(train|test)"' | tr -d ',') <(grep -vE 'version|"(train|test)"' one/finetune.json | tr -d ',')
check "names are reported, and in finetune.json" test "$(grep -c 'classes: other,promoter' named.log) $(tr -d ' \n' <named/finetune.json | grep -c '"labels":\["other","promoter"\]')" = "1 1"
"$FINDNA" embed named test.csv --pool task --output named.tsv >/dev/null 2>&1; "$FINDNA" embed one test.csv --pool task --output numbers.tsv >/dev/null 2>&1
check "predictions have the names as columns" test "$(head -1 named.tsv)" = "$(printf 'id\tother\tpromoter')" -a "$(head -1 numbers.tsv)" = "$(printf 'id\te0\te1')"
check "and the same values as with numbers" diff <(tail -n +2 named.tsv) <(tail -n +2 numbers.tsv)
check "after export and import, the names are kept" bash -c '"$0" export named names_out && "$0" import names_out names_in && "$0" embed names_in test.csv --pool task --output again.tsv && cmp named.tsv again.tsv' "$FINDNA" >/dev/null 2>&1
expect "the probe reports the names" 0 "classes: other, promoter" "$FINDNA" probe --encoder none --train named_train.csv --test named_test.csv --kmer 2 --output named_probe.json
check "and writes them" grep -q '"promoter"' named_probe.json
sed '5s/,[a-z]*$/,enhancer/' named_test.csv >unknown.csv; expect "a name that training lacks" 65 "unknown.csv:5: the label 'enhancer' is none that a training row has; expected other,promoter" "$FINDNA" finetune run --train named_train.csv --test unknown.csv run.folder=bad
sed '7s/,[a-z]*$/,1/' named_train.csv >mixed.csv; expect "a number among names" 65 "mixed.csv:7: the label '1' is no name, as that of line 2 is" "$FINDNA" finetune run --train mixed.csv run.folder=bad
sed '7s/,[01]$/,one/' train.csv >mixed.csv; expect "a name among numbers" 65 "mixed.csv:7: the label 'one' is not a whole number" "$FINDNA" finetune run --train mixed.csv run.folder=bad
expect "numbers for training, names for testing" 65 "named_test.csv:2: the label 'other' is not a whole number" "$FINDNA" finetune run --train train.csv --test named_test.csv run.folder=bad
printf 'sequence,label\nACGT,"a,b"\nACGA,c\n' >comma.csv; expect "a name with a comma" 65 "the label 'a,b' has a comma" "$FINDNA" finetune run --train comma.csv run.folder=bad
printf 'sequence,label\nACGT,\377\nACGA,c\n' >bytes.csv; expect "a name that is not UTF-8" 65 "bytes.csv:2: a label is no UTF-8" "$FINDNA" finetune run --train bytes.csv run.folder=bad
printf 'sequence,label\nACGT,a\0b\nACGA,c\n' >nul.csv; expect "a NUL in a name" 65 "nul.csv:2: has a NUL byte" "$FINDNA" finetune run --train nul.csv run.folder=bad
printf 'sequence,label\nACGT,NaN\nACGA,c\n' >nan.csv; expect "a missing label is no name" 65 "nan.csv:2: the label 'NaN' is not a whole number" "$FINDNA" finetune run --train nan.csv run.folder=bad
for missing in NA '<NA>' N/A NULL; do printf "sequence,label\nACGT,a\nACGA,c\nACGG,$missing\n" >missing.csv; expect "a missing label: $missing" 65 "missing.csv:4: the label '$missing' is no name" "$FINDNA" finetune run --train missing.csv run.folder=bad; done
expect "the names are the rows'" 78 "task.classes and task.kind follow from the training rows" "$FINDNA" finetune run --train named_train.csv run.folder=bad task.names=a,b
# Names of hundreds of classes, more than a config holds: a file next to the weights.
awk -F, 'NR == 1 { print "sequence,label"; next } { printf "%s,Genus number_%03d of a rather long name\n", $1, NR % 300 }' train.csv >species.csv; head -101 species.csv >species_test.csv
many="$small train.steps=3 task.selection=0.2"
for n in 1 2; do ranks $n finetune run --train species.csv --test species_test.csv $many run.folder=many$n >many$n.log 2>&1; done
check "hundreds of named classes" grep -q "classes: Genus number_000 of a rather long name.*(300)" many1.log
check "the same on 2 ranks" eval 'same many1 many2 && test "$(grep -v version many1/finetune.json)" = "$(grep -v version many2/finetune.json)"'
check "classes.txt has the names, next to the weights" test "$(wc -l <"$(ls -d many1/ckpt/step_* | tail -1)/classes.txt") $(grep -c 'file classes.txt' many1/ckpt/step_000000003/MANIFEST)" = "300 1"
expect "inspect verifies it" 0 "classes.txt .* ok" "$FINDNA" inspect many1/ckpt/step_000000003
expect "and a finished run is found again" 0 "is finished" "$FINDNA" finetune run --train species.csv --test species_test.csv $many run.folder=many1
sed 's/number_007/number_7/' species.csv >renamed.csv
expect "a class of another name at resume" 78 "its classes were others: class [0-9]* is 'Genus number_[0-9]* of a rather long name', not 'Genus number_007" "$FINDNA" finetune run --train renamed.csv $many run.folder=many1
"$FINDNA" embed many1 species_test.csv --pool task --output many.tsv >/dev/null 2>&1
check "predictions have all names as columns" test "$(head -1 many.tsv | tr '\t' '\n' | wc -l) $(head -1 many.tsv | cut -f 9)" = "301 Genus number_007 of a rather long name"
"$FINDNA" embed many1 species_test.csv --pool task --output many.h5 >/dev/null 2>&1; check "and a dataset of an .h5" grep -qa "Genus number_299 of a rather long name" many.h5
check "after export and import, the names are kept" bash -c '"$0" export many1 many_out && "$0" import many_out many_in && "$0" embed many_in species_test.csv --pool task --output many2.tsv && cmp many.tsv many2.tsv' "$FINDNA" >/dev/null 2>&1
ranks 2 finetune run --train species.csv --teacher many1 $many run.folder=taught >taught.log 2>&1; check "a teacher with these classes" grep -q "teacher: the best of many1" taught.log
expect "a teacher with other classes" 78 "its classes are others than those of the training rows: class [0-9]* is" "$FINDNA" finetune run --train renamed.csv --teacher many1 $many run.folder=bad
# 131,072 nucleotides, with further blocks and recomputed activations.
for part in train test; do mkdir -p far/$part; for c in 0 1; do { echo id,region,start,end,strand; for i in 0 1; do at=$((10000000 + (c * 4 + i * 2 + $([ $part = test ]; echo $?)) * 131072)); echo "$i,chr20,$at,$((at + 131072)),+"; done; } | gzip >far/$part/$c.csv.gz; done; done
expect "131,072 nucleotides with recompute" 0 "^test +4 " "$FINDNA" finetune run --task far --genome "$root/datasets/human_chr20_slice.2bit" run.folder=far_run model.blocks=0 model.recompute=true train.batch=2 train.virtual_ranks=2 train.steps=2 task.selection=0.3
check "blocks for their length" grep -q "48 new besides the head" out.log
printf 'sequence,label\nACGT,0\nACGA,0\n' >one.csv
expect "selection by the test rows" 65 "the validation rows .* are the test rows" "$FINDNA" finetune run --train train.csv --valid test.csv --test test.csv run.folder=bad
{ head -1 test.csv; tail -n +2 test.csv | tac; } >turned.csv
expect "in another order" 65 "the validation rows .* are the test rows .test.csv." "$FINDNA" finetune run --train train.csv --valid turned.csv --test test.csv run.folder=bad
{ head -4 test.csv; tail -n +2 train.csv | head -3; } >mixed.csv
expect "single ones are counted" 0 "3 of the [0-9]+ test sequences in test.csv are also validation sequences" "$FINDNA" finetune run --train train.csv --valid mixed.csv --test test.csv $small run.folder=mixed
check "validation rows that are training rows, too" grep -q "3 of the 6 validation sequences are also training sequences" out.log
expect "one class only" 65 "one.csv: its training rows have one class" "$FINDNA" finetune run --train one.csv run.folder=bad
printf 'sequence,label\nACGT,0\nACGA,1\nACGG,2\n' >three.csv
expect "a class in test that training lacks" 65 "three.csv: has the label 2, which no training row has" "$FINDNA" finetune run --train train.csv --test three.csv run.folder=bad
printf 'sequence\nACGT\n' >nolabel.csv
expect "two files of training rows" 64 "--train is given twice" "$FINDNA" finetune run --train train.csv --train test.csv run.folder=bad
expect "a genome for files" 64 "is for a --task of intervals" "$FINDNA" finetune run --train train.csv --genome genome.fa run.folder=bad
expect "--partial without a genome" 64 "no effect without --genome" "$FINDNA" finetune run --train train.csv --partial run.folder=bad
expect "labels missing" 65 "no column 'label'" "$FINDNA" finetune run --train nolabel.csv run.folder=bad
printf 'sequence,label\nACGT,high\n' >words.csv
expect "values that are words" 65 "words.csv:2: the label 'high' is not a finite number" "$FINDNA" finetune run --train words.csv --values run.folder=bad
awk -F, -v OFS=, 'NR > 1 { $2 = 0.5 } 1' values.csv >same.csv
expect "values that are all the same" 65 "same.csv: its training rows all have the value 0.5" "$FINDNA" finetune run --train same.csv --values run.folder=bad
expect "test values that are all the same: no R2" 0 "^test +[0-9]+ +[0-9.e+-]+ +- +-" "$FINDNA" finetune run --train values.csv --valid valued.csv --test same.csv --values $small run.folder=same
printf 'sequence,label\n,0\nACGT,1\n' >empty.csv
expect "an empty sequence" 65 "empty.csv:2: the sequence is empty" "$FINDNA" finetune run --train empty.csv run.folder=bad
expect "an unknown key" 78 "task.feature" "$FINDNA" finetune run --train train.csv task.feature=cls run.folder=bad
expect "a key that follows from the rows" 78 "follow from the training rows" "$FINDNA" finetune run --train train.csv task.outputs=5 run.folder=bad
expect "too few rows" 78 "give no step" "$FINDNA" finetune run --train train.csv train.batch=100000 train.virtual_ranks=1 train.epochs=1 run.folder=bad
check "and no folder was created" bash -c '! [ -e bad ]'
expect "sizes that are not the checkpoint's" 78 "the checkpoint.s model has model.channels=[0-9]*, and its weights fit no other" "$FINDNA" finetune run --train train.csv $small model.channels=12 run.folder=bad
expect "a run folder that is the CHECKPOINT's" 78 "is that of the CHECKPOINT" "$FINDNA" finetune run --train train.csv $small run.folder=run
expect "another interval of evaluations at resume" 78 "or with another eval.every" "$FINDNA" finetune run --train train.csv --test test.csv $small run.folder=one eval.every=5
printf 'sequence,label\nACGTACGT,0\nACGTACGA,2\n' >hole.csv; sed 's/,1$/,2/; 3s/,[02]$/,1/' train.csv >three_classes.csv
expect "a class that the test rows lack" 0 "^test" "$FINDNA" finetune run --train three_classes.csv --test hole.csv $small run.folder=hole
expect "a class that the training rows lack" 65 "hole.csv: labels reach 2 but none is 1" "$FINDNA" finetune run --train hole.csv run.folder=bad
mkdir -p twice/train twice/test; for s in train test; do cp iv/$s/*.csv.gz twice/$s/; done; zcat twice/train/a.csv.gz >twice/train/a.csv
expect "a class that occurs twice" 65 "the class 'a' is there twice" "$FINDNA" finetune run --task twice --genome genome.fa run.folder=bad
mkdir -p prefix/train prefix/test; for s in train test; do cp iv/$s/a.csv.gz prefix/$s/pos.csv.gz; zcat iv/$s/b.csv.gz | head -11 >prefix/$s/pos-weak.csv; done
expect "a class whose name begins with another's" 0 "^test" "$FINDNA" finetune run --task prefix --genome genome.fa $small run.folder=prefixed
check "has its own rows" bash -c 'tr -d " \n" <prefixed/finetune.json | grep -q "\"labels\":\[\"pos\",\"pos-weak\"\]" && tr -d " \n" <prefixed/finetune.json | grep -q "\"constant\":{\"class\":0,"'
rm twice/train/a.csv; printf 'id,region,start,end,strand\n2,chr1,,30,x\n' | gzip >twice/train/a.csv.gz
expect "an interval without a start" 65 "a.csv.gz:2: expected id,region,start,end,strand" "$FINDNA" finetune run --task twice --genome genome.fa run.folder=bad
head -5 train.csv >leak_test.csv
expect "test rows that are training rows" 0 "4 of the test sequences are also training sequences" "$FINDNA" finetune run --train train.csv --test leak_test.csv $small run.folder=leak
expect "a pretraining begins with the encoder of a fine-tuned run" 0 "weights taken from one" "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=from_tuned train.steps=2 --init-from one
echo x >afile; expect "a run folder that is a file" 73 "afile: exists and is not a folder" "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=afile
expect "other rows at resume" 78 "made from other rows" "$FINDNA" finetune run --train test.csv --test test.csv $small run.folder=one
expect "other start weights at resume" 78 "made from other rows" "$FINDNA" finetune run --train train.csv --test test.csv $small run.folder=one --encoder student
expect "another learning rate at resume" 78 "optim.lr" "$FINDNA" finetune run --train train.csv --test test.csv $small run.folder=one optim.lr=1e-3

# Lengths: of test rows that come later, and of k-mers.
head -40 train.csv >short.csv; (cat short.csv; printf '%s,0\n' "$(printf 'ACGTTGCAAC%.0s' $(seq 40))") >longer.csv
expect "a fine-tuning whose blocks follow from its rows" 0 "^test" "$FINDNA" finetune run --train short.csv --test short.csv $small train.batch=8 model.blocks=0 run.folder=blocks
expect "does not resume with longer ones" 78 "the longest sequence had [0-9]+ nucleotides, for which model.blocks: 0 makes [0-9]+ blocks; now it has 400" "$FINDNA" finetune run --train short.csv --test longer.csv $small train.batch=8 model.blocks=0 run.folder=blocks
cat >threes.yaml <<'YAML'
run: {folder: threes}
data: {shards: shards}
model: {encoder: mae, channels: 16, hidden: 20, layers: 1, heads: 2, decoder_layers: 1, tokenizer: kmer, kmer: 3, vocabulary: 66, positions: 40}
aug: {student: M, mask_rate: 0.5}
objective: {mnm_weight: 0, cl_weight: 0}
teacher: {kind: none}
train: {batch: 16, virtual_ranks: 4, steps: 2}
YAML
"$FINDNA" pretrain threes.yaml >threes.log 2>&1; awk -F, 'NR > 1 { $1 = substr($1 $1, 1, 71) } 1' OFS=, short.csv >odd.csv
expect "rows that are no whole number of k-mers" 0 "^test" "$FINDNA" finetune threes --train odd.csv --test odd.csv $small train.batch=8 run.folder=odd
expect "are predicted whole by default" 0 "wrote odd.tsv" "$FINDNA" embed odd odd.csv --output odd.tsv --pool task
check "one prediction each" test "$(wc -l <odd.tsv)" = 40
(head -1 train.csv; head -4 train.csv | tail -3) >few.csv
expect "too few rows to select on" 65 "too few to hold out a share of 0.1" "$FINDNA" finetune run --train few.csv $small train.batch=2 train.virtual_ranks=1 run.folder=bad
