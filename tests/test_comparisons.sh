#!/usr/bin/env bash
# launch/bakeoff, launch/barcodes and launch/ablations with a stand-in for mpirun: what they run, in which order, and what they refuse.
source "$(dirname "$0")/lib.sh"
export FINDNA
unset LAUNCHER SRUN_MPI RESTARTS "${!SLURM_@}"
stand_in mpirun '[ "$1" = --version ] && echo "mpirun (Open MPI) 4.1.4"; true'

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
