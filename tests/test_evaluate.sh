#!/usr/bin/env bash
# findna evaluate: each suite end to end on small copies in the official layouts; resuming; single pieces; ranks.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
rows() { xz -dc "$root/datasets/prom_core_notata.$1.tsv.xz" | awk -F'\t' -v from="$2" -v to="$3" 'NR > from && NR <= to { print $1 "," $2 }' | sed '1i sequence,label'; }
small="train.batch=16 train.virtual_ranks=4 train.epochs=1 optim.lr=3e-3 device.threads=1"

# GUE: folders of train.csv, dev.csv, test.csv.
for task in EMP/H3 EMP/H4 virus/covid; do mkdir -p gue/$task; rows train 1 121 >gue/$task/train.csv; rows train 121 161 >gue/$task/dev.csv; rows test 1 101 >gue/$task/test.csv; done
expect "gue" 0 "fine-tuned untrained +[0-9.]+ ± [0-9.]+ +\(2 seeds\)" "$FINDNA" evaluate gue run --data gue --seeds 2 --output e1 $small
check "has the tasks with rows, with the paper's numbers" test "$(grep -cE '^(H3|H4|covid): ' out.log) $(grep -cE '^  fine-tuned  .*paper: (77.81|78.93|74.09)' out.log)" = "3 3"
check "and lists the tasks without rows" grep -q "H3K14ac: its rows are not in gue" out.log
for row in "probe teacher" "probe student" "probe untrained" "probe kmer" "fine-tuned "; do check "$row: a row" test "$(grep -c "^  $row" out.log)" -ge 3; done
check "one result file" grep -q '"task": "covid"' e1/results.json
check "with one list per line" grep -qE '"values": \[0\.[0-9]+, 0\.[0-9]+\]|"values": \[-?[0-9.]+, -?[0-9.]+\]' e1/results.json
page() { # FILE PATTERN: whether a page is complete and has the pattern
  grep -q "$2" "$1" && tail -c 30 "$1" | grep -q '</html>' && ! grep -qE '[ ">ML]-?(nan|inf)' "$1"
}
check "one page" page e1/report.html 'the same network without pretraining'
check "with the paper's number" page e1/report.html '>77.81 ± 0.38<'
check "and a bar per method and paper's number" test "$(grep -o '<rect class="b' e1/report.html | wc -l)" = 21
cp e1/report.html first.html && expect "the page can be made again" 0 "wrote e1/report.html" "$FINDNA" report e1
check "the same" cmp first.html e1/report.html
stamp=$(stat -c %Y e1/H3-finetune-0/finetune.json)
expect "started again, nothing is done twice" 0 "^H3: mcc" "$FINDNA" evaluate gue run --data gue --seeds 2 --output e1 $small
check "the files are unchanged" test "$(stat -c %Y e1/H3-finetune-0/finetune.json)" = "$stamp"
expect "other threads are not other settings" 0 "^H3: mcc" "$FINDNA" evaluate gue run --data gue --seeds 2 --output e1 $small device.threads=2
rm -r e1/H4-untrained-1 && expect "a missing piece is done" 0 "^H4: mcc" "$FINDNA" evaluate gue run --data gue --seeds 2 --output e1 $small
check "and exists again" test -f e1/H4-untrained-1/finetune.json
ranks 2 evaluate gue run --data gue --seeds 2 --output e2 --tasks H3,covid $small >e2.log 2>&1
check "2 ranks give the numbers of one" diff <(grep -A3 '"mean"\|"sd"' e2/results.json | grep -E 'mean|sd|name') <(awk '/"task": "H4"/ { skip = 1 } /"task": "covid"/ { skip = 0 } !skip' e1/results.json | grep -A3 '"mean"\|"sd"' | grep -E 'mean|sd|name')

"$FINDNA" evaluate gue run --data gue --seeds 2 --list >list.txt 2>/dev/null
check "--list numbers the pieces" test "$(wc -l <list.txt) $(tail -1 list.txt | awk '{ print $1 }')" = "66 66"
piece=$(awk '/H4-untrained-1/ { print $1 }' list.txt)
expect "a single piece" 0 "H4: untrained" "$FINDNA" evaluate gue run --data gue --seeds 2 --output e3 --job "$piece" $small
check "is the only one" test "$(ls e3)" = H4-untrained-1
check "and has the result of the whole suite" diff <(grep -v version e3/H4-untrained-1/finetune.json) <(grep -v version e1/H4-untrained-1/finetune.json)

# GenomicBenchmarks: one folder per class, one file per sequence; and intervals with a genome.
for split in train test; do for class in 0 1; do mkdir -p gb/human_nontata_promoters/$split/class$class; rows $split 1 101 | awk -F, -v c=$class -v d="gb/human_nontata_promoters/$split/class$class" 'NR > 1 && $2 == c { f = d "/" NR ".txt"; print $1 >f; close(f) }'; done; done
expect "genomic-benchmarks" 0 "probe teacher .*paper: 83.55" "$FINDNA" evaluate genomic-benchmarks run --data gb --seeds 1 --output e4 $small task.dropout=0
check "reports how the numbers of rows differ from the paper's" grep -q "100 training and 100 test rows; the paper counts 27097 and 9034" out.log
check "the page, too" page e4/report.html "100 training and 100 test rows; the paper counts 27097 and 9034"
mkdir small && for s in train test; do rows $s 1 121 | tr , '\t' | xz >small/prom_core_notata.$s.tsv.xz; done
mkdir -p half && printf '{"suite": "<b>", "tasks": [{"task": "t", "measure": "mcc", "results": [{"name": "probe teacher", "mean": 0.5, "sd": 0.1}]}]}' >half/results.json
expect "a page of one number" 0 "wrote half/report.html" "$FINDNA" report half
check "has the absent baselines" test "$(grep -o '>absent<' half/report.html | wc -l) $(grep -c '&lt;b&gt;' half/report.html)" = "3 2"
expect "local" 0 "prom_core_notata: accuracy" "$FINDNA" evaluate local run --data small --seeds 1 --output e5 $small --methods probe,finetune
check "only the requested methods" test "$(ls e5)" = "$(printf 'prom_core_notata-finetune-0\nprom_core_notata-kmer-seeds-1\nprom_core_notata-probe-seeds-1\nreport.html\nresults.json')"

# MTcDNA: FASTA files and folders of classes without a split; three lengths; more blocks than in pretraining. Every fifth sequence occurs twice.
cdna() { awk -v seed="$1" -v rich="$2" -v count="$3" 'BEGIN { srand(seed + ENVIRON["DRAWS"]); for (i = 0; i < count; i++) { n = 200 + int(rand() * rand() * 9000); s = ""; for (j = 0; j < n; j++) s = s substr(rand() < rich ? "GC" : "AT", 1 + int(2 * rand()), 1); for (k = 0; k < 1 + (i % 5 == 0); k++) printf ">%s.%d.%d cdna gene:x\n%s\n", seed, i, k, s } }'; }
mkdir -p mt/mtcdna/turtle && cdna 1 0.6 70 | gzip >mt/mtcdna/mouse.fa.gz && cdna 2 0.4 20 >mt/mtcdna/turtle/abingdonii.fa && cdna 3 0.4 20 >mt/mtcdna/turtle/agassizii.fasta && echo notes >mt/mtcdna/README.txt
expect "mtcdna" 0 "^  fine-tuned .*paper: 98.82" "$FINDNA" evaluate mtcdna run --data mt --seeds 1 --output m1 $small --methods probe,finetune task.dropout=0
check "at three lengths, with k-mers" test "$(grep -cE '^  probe kmer' out.log) $(grep -cE 'up to (1024|4096|[4-8][0-9]{3}) nucleotides' out.log)" = "3 3"
check "with blocks for their length" grep -qE '2 tensors taken|[0-9]+ new besides the head' out.log
rows_of() { grep -oE "\"(train|valid|test)_rows\": [0-9]+" "m1/mtcdna_$1-finetune-0/finetune.json" | tr -dc '0-9\n' | tr '\n' ' '; }
check "the same split at each of them, of all rows" test "$(rows_of 1024)" = "$(rows_of 8192)" -a $(($(rows_of 1024 | tr ' ' '+')0)) = 132
check "equal sequences are in the same split" grep -q '"test_rows_in_train": 0' m1/mtcdna_1024-finetune-0/finetune.json
mkdir one && { echo sequence,label; for c in 0 1; do cdna $c 0.$((3 + 3 * c)) 40 | awk -v c=$c '!/^>/ { print $1 "," c }'; done; } >one/all.csv
expect "one table without a split" 0 "^kmer " "$FINDNA" probe --encoder none --task one --cut 500 --kmer 2
mkdir few && head -5 one/all.csv >few/all.csv && expect "too few for a split" 65 "few: 4 sequences are too few: its split" "$FINDNA" probe --encoder none --task few
mkdir many && for i in {1..1024}; do printf '>s\nACGTACGTACGT\n' >many/c$i.fa; done && echo notes >many/notes.txt
expect "as many classes as there may be, and notes" 65 "many: 1024 sequences are too few: its split" "$FINDNA" probe --encoder none --task many
cp many/c1.fa many/d.fa && expect "a class more" 65 "many: more than 1024 classes" "$FINDNA" probe --encoder none --task many
mkdir empty && expect "a folder without rows" 66 "nor a FASTA file for each class, nor one table" "$FINDNA" probe --encoder none --task empty

# Ablations: six models of the same shape, pretrained by the script, in one table; k-mers and the untrained network are evaluated once.
expect "launch/ablations" 0 "^findna evaluate SUITE --checkpoint FinDNA=ablations/FinDNA .*--checkpoint MDT\+NR=ablations/MDT\+NR " env ASAN_OPTIONS=detect_leaks=0 FINDNA="$FINDNA" "$root/launch/ablations" -n 1 ablations "$root/tests/tiny.yaml" train.steps=4
check "the views of student and teacher" test "$(cat ablations/{CM-MNM,M+NoAug,MDT+DIT}/ckpt/step_*/config.yaml | grep -E '^  (student|teacher):' | tr -d ' \n"')" = student:DITMteacher:student:Mteacher:student:DTMteacher:DIT
expect "finished runs are not done again" 0 "the run in ablations/CM-MNM is finished" env ASAN_OPTIONS=detect_leaks=0 FINDNA="$FINDNA" "$root/launch/ablations" -n 1 -o CM-MNM ablations "$root/tests/tiny.yaml" train.steps=4
expect "no such ablation" 64 "no model 'M\+X'" "$root/launch/ablations" -o M+X ablations "$root/tests/tiny.yaml"
several="--checkpoint FinDNA=ablations/FinDNA --checkpoint CM-MNM=ablations/CM-MNM --checkpoint M+DIT=ablations/M+DIT"
expect "several checkpoints in one table" 0 "^ +kmer|^ +probe kmer " "$FINDNA" evaluate genomic-benchmarks $several --data gb --seeds 1 --output e9 $small task.dropout=0
check "the teacher's and the student's probe, and fine-tuning, of each" test "$(grep -cE '^  (FinDNA|M\+DIT) +probe (teacher|student) |^  CM-MNM +probe student |^  (FinDNA|CM-MNM|M\+DIT) +fine-tuned  ' out.log)" = 8
check "next to the paper's numbers" test "$(grep -cE 'FinDNA +probe teacher .*paper: 83.55|FinDNA +probe student .*paper: 65.24 \(table 9|CM-MNM +fine-tuned .*paper: 97.13|M\+DIT +probe teacher .*paper: 83.17' out.log)" = 4
check "k-mers and the untrained network once" test "$(grep -cE '^ +probe kmer' out.log) $(grep -cE '^  [^ ]+ +(probe untrained|fine-tuned untrained)' out.log)" = "2 2" # k-mers also in the last table
check "one line each with the mean over the tasks" grep -qE '^M\+DIT +probe teacher +([0-9.]+) +\1$' out.log
check "the page, too: bars, the paper's numbers and pictures of each checkpoint" page e9/report.html 'linear probe, teacher · M+DIT'
check "of the right checkpoint" test "$(grep -oE '>(83.55 ± 0.17|65.24|97.13 ± 0.17|83.17|97.39 ± 0.04)</text>' e9/report.html | sort -u | wc -l)" = 5
check "one bar each, k-mers and the untrained network once" test "$(grep -o '<rect class="b' e9/report.html | wc -l) $(grep -o '<details>' e9/report.html | wc -l)" = "16 3"
check "with the note on a number" grep -q 'table 9, where the teacher has 65.34' e9/report.html
check "results.json has the names" grep -q '"model": "M+DIT"' e9/results.json
numbers() { grep -oE 'probe (teacher|student|untrained|kmer) +[0-9.]+ +\(1 seed\)' | sort; }
check "a single checkpoint has the same numbers" test "$(grep -E '^  (FinDNA| ) ' out.log | numbers)" = "$("$FINDNA" evaluate genomic-benchmarks ablations/FinDNA --data gb --seeds 1 --output e10 --methods probe 2>/dev/null | numbers)"
expect "k-mers without being requested" 0 "probe kmer" "$FINDNA" evaluate genomic-benchmarks ablations/FinDNA --data gb --seeds 1 --output e11 --methods untrained $small
expect "a checkpoint without a name" 64 "expected NAME=PATH" "$FINDNA" evaluate gue --checkpoint run
expect "a name that is a path" 64 "expected NAME=PATH" "$FINDNA" evaluate gue --checkpoint a/b=run
expect "the same name twice" 64 "the name is there twice" "$FINDNA" evaluate gue --checkpoint a=run --checkpoint a=second
expect "one without and one with a name" 64 "unexpected argument 'run'" "$FINDNA" evaluate gue run --checkpoint a=second
expect "a missing second checkpoint" 66 "nowhere" "$FINDNA" evaluate gue --checkpoint a=run --checkpoint b=nowhere --data gue

"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=second run.seed=9 >/dev/null 2>&1
expect "results of another checkpoint are not reported as this one's" 73 "run is another checkpoint now|second is another checkpoint now" "$FINDNA" evaluate gue second --data gue --seeds 2 --output e1 $small
expect "nor those of other settings" 73 "optim.lr=3e-3. then, .optim.lr=1. now|without .optim.lr=1" "$FINDNA" evaluate gue run --data gue --seeds 2 --output e1 $small optim.lr=1
# A damaged signature: cut off within a line, at the end of one, empty, or something else.
mkdir damaged && cp -r e1/H3-finetune-0 damaged/; sign=damaged/H3-finetune-0/command.txt; damaged() { expect "$1" 73 "$2" "$FINDNA" evaluate gue run --data gue --seeds 1 --output damaged --tasks H3 --methods finetune $small; }
for bytes in 0 5 13 60; do head -c $bytes e1/H3-finetune-0/command.txt >$sign; damaged "command.txt of $bytes bytes is damaged" "H3-finetune-0/command.txt: is damaged, so of which weights, settings and rows damaged/H3-finetune-0/finetune.json is"; done
echo other >$sign; damaged "so is another text" "is damaged"; printf 'findna-unit 1\nfinetune\n' >$sign; damaged "one of an earlier version is not" "by an earlier version"
head -n 2 e1/H3-finetune-0/command.txt >$sign; damaged "lines that are gone are said to be" "was made otherwise .it is cut off before finetune run"
rm damaged/H3-finetune-0/finetune.json; rm -r damaged/H3-finetune-0/ckpt; expect "without results it is written anew" 0 "^H3: mcc" "$FINDNA" evaluate gue run --data gue --seeds 1 --output damaged --tasks H3 --methods finetune $small
check "and is that of the others" cmp $sign e1/H3-finetune-0/command.txt

# Results without a signature, as of commands by hand: finished ones and begun ones, those of fine-tuning and of probes.
mkdir unsigned && cp -r e1/H3-finetune-0 unsigned/ && rm unsigned/H3-finetune-0/command.txt
expect "results without command.txt are not adopted" 73 "unsigned/H3-finetune-0/finetune.json: is there, but no command.txt.* give another --output, or remove unsigned/H3-finetune-0 " "$FINDNA" evaluate gue run --data gue --seeds 1 --output unsigned --tasks H3 --methods finetune $small
expect "nor put into the table" 0 "unsigned/H3-finetune-0/finetune.json: was made otherwise .not by findna evaluate: it has no command.txt.: left out" "$FINDNA" evaluate gue run --data gue --seeds 1 --output unsigned --tasks H4 --methods probe
rm unsigned/H3-finetune-0/finetune.json; expect "nor checkpoints" 73 "unsigned/H3-finetune-0/ckpt: is there, but no command.txt" "$FINDNA" evaluate gue run --data gue --seeds 1 --output unsigned --tasks H3 --methods finetune $small
check "nothing is signed" test ! -e unsigned/H3-finetune-0/command.txt
rm unsigned/H4-probe-seeds-1/command.txt; expect "nor probes" 73 "H4-probe-seeds-1/probe.json: is there, but no command.txt" "$FINDNA" evaluate gue run --data gue --seeds 1 --output unsigned --tasks H4 --methods probe
expect "seeds are set by evaluate" 64 "seeds are 0" "$FINDNA" evaluate gue run --data gue run.seed=3
expect "folders, too" 64 "run folders are made in --output" "$FINDNA" evaluate gue run --data gue run.folder=x
printf 'a\t--task {data}/EMP/H3\temp.yaml\taccurracy\t\t\t\n' >measure.tsv; expect "an unknown measure" 65 "measure.tsv:1: measure 'accurracy'" "$FINDNA" evaluate ./measure.tsv run --data gue
printf 'a\t--task {data}/EMP/H3\temp.yaml\taccuracy\t\t\t\tmany\n' >rows.tsv; expect "numbers of rows of the paper that are not numbers" 65 "rows.tsv:1: the paper's rows 'many'" "$FINDNA" evaluate ./rows.tsv run --data gue
printf 'a\t--task {data}/EMP/H3\temp.yaml\tmcc\t\t\t\t\tA/fine-tuned=12.5 ± 0.5\n' >nine.tsv; cp "$root/configs/suites/emp.yaml" .; expect "numbers of other models without rows" 0 "--init-untrained run.seed=0" "$FINDNA" evaluate ./nine.tsv --checkpoint A=run --data gue --seeds 1 --list
printf 'task\trows\tconfig\tmeasure\tp\tf\tnote\n' >header.tsv; expect "a header without #" 65 "header.tsv:1: rows 'rows'" "$FINDNA" evaluate ./header.tsv run --data gue
printf 'a\t--task {data}/EMP/H3\tnone.yaml\taccuracy\t\t\t\n' >config.tsv; expect "missing settings" 66 "none.yaml: no such settings" "$FINDNA" evaluate ./config.tsv run --data gue --output e8 --methods finetune
expect "no such suite" 66 "no suite 'glue': expected a .tsv file by its path, or one of bakeoff, .*gue, .*nt-revised, nt$" "$FINDNA" evaluate glue run
suites=$(cd "$root/configs/suites" && LC_ALL=C ls ./*.tsv | sed 's|./||; s/.tsv//' | paste -sd, | sed 's/,/, /g')
expect "--help names all suites" 0 "^$suites\.$" "$FINDNA" evaluate --help
mkdir -p configs/suites && cp "$root/configs/suites/gue.tsv" configs/suites/ && cp "$root/configs/suites/gue.tsv" configs/suites/own.tsv
expect "those of ./configs, too, once" 0 "^gue, own, bakeoff, [^g]*genomic-benchmarks, its, " "$FINDNA" evaluate --help
rm -r configs
expect "no rows at all" 66 "none of the tasks' rows is in nowhere" "$FINDNA" evaluate gue run --data nowhere
expect "no such task" 64 "the suite has no such task" "$FINDNA" evaluate gue run --data gue --tasks H5
expect "no such method" 64 "expected probe, finetune, untrained, knn" "$FINDNA" evaluate gue run --data gue --methods nearest
expect "no such piece" 64 "there are 66" "$FINDNA" evaluate gue run --data gue --seeds 2 --output e6 --job 67
printf 'a\tb\n' >bad.tsv && expect "a suite of too few columns" 65 "bad.tsv:1: 2 columns" "$FINDNA" evaluate ./bad.tsv run
expect "no such checkpoint" 66 "absent" "$FINDNA" evaluate gue absent --data gue --output e7
for config in "$root"/configs/suites/*.yaml; do expect "${config##*/} is read" 0 "outputs: 2" "$FINDNA" config "$config" task.outputs=2; done

# Seeds of pretraining: contestants, whose features are joined with k-mers, over two tasks.
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run-1 run.seed=4 >/dev/null 2>&1
printf 'all\t--train {data}/prom_core_notata.train.tsv.xz --test {data}/prom_core_notata.test.tsv.xz --joined\tprobe\taccuracy\t\t\t\nfew\t--train {data}/prom_core_notata.train.tsv.xz --test {data}/prom_core_notata.test.tsv.xz --joined --limit 60\tprobe\tmcc\t\t\t\n' >contest.tsv
expect "contestants" 0 "^A +probe teacher\+kmer +[0-9.]+ ± [0-9.]+ +\(2 seeds\) +[+-][0-9.]+ \([+-][0-9.]+ to [+-][0-9.]+\), better in [0-2] of 2 tasks" "$FINDNA" evaluate ./contest.tsv --checkpoint A-0=run --checkpoint A-1=run-1 --checkpoint B-0=run --data small --seeds 1 --output c1
check "one seed has neither deviation nor interval" grep -qE '^B +probe teacher +[0-9.]+ +\(1 seed\) +[+-][0-9.]+, better' out.log
check "nor in the file: only means over two seeds have one" test "$(grep -c '"sd"' c1/results.json)" = "$(grep -cE '^A +probe .*\(2 seeds\)' out.log)"

check "in results.json, too, with the pairs" test "$(grep -c '"above_kmers"' c1/results.json) $(grep -c '"gain"' c1/results.json)" = "$(grep -cE '^[AB] +probe (teacher|student|untrained)(.kmer)? .*better in' out.log) 4"
check "and on the page" page c1/report.html 'Contestants</h2>'
check "checkpoints without seeds are none" bash -c '! "$0" evaluate ./contest.tsv --checkpoint A=run --checkpoint B=run-1 --data small --seeds 1 --output c2 | grep -q contestants' "$FINDNA"
check "what each seed's pretraining cost, in results.json and as a figure" test "$(grep -c '"core_hours": \[' c1/results.json) $(grep -c 'Cost against accuracy' c1/report.html)" = "$(grep -cE '^[AB] +probe (teacher|student)(.kmer)? .*better in' out.log) 4"
cp -r run moved && rm moved/metrics.jsonl
check "a run without metrics: no cost" bash -c '"$0" evaluate ./contest.tsv --checkpoint A-0=moved --checkpoint A-1=moved --data small --seeds 1 --output c4 && ! grep -q core_hours c4/results.json' "$FINDNA"

# Evaluations of one suite, made apart, in one table.
apart() { "$FINDNA" evaluate ./contest.tsv "${@:2}" --data small --seeds 1 --output "$1" >/dev/null 2>&1; }
apart j1 --checkpoint A-0=run --tasks all; apart j2 --checkpoint A-0=run --checkpoint A-1=run-1 --tasks few; apart j3 --checkpoint A-0=run --checkpoint A-1=run-1 --checkpoint B-0=run --tasks all; apart j4 --checkpoint A-0=run --checkpoint B-0=run --tasks few
joined="--join j1/results.json --join j2/results.json --join j3/results.json --join j4/results.json"
expect "results of several evaluations in one table" 0 "^A +probe teacher\+kmer .*\(2 seeds\) .*, better in [0-2] of 2 tasks" "$FINDNA" evaluate ./contest.tsv $joined --output c5
check "the page has lines for joined features" page c5/report.html '>linear probe, teacher + k-mers<'
check "and intervals beside the bars, the deviation in the table" bash -c 'grep -qE "class=\"t v\"[^>]*>[0-9.]+ \([0-9.-]+ to [0-9.]+\)" c5/report.html && grep -q "± standard deviation" c5/report.html'
plain() { sed -n '/"version"/!p' "$1" | grep -vE '"(checkpoint|file)"|^ *"model": "[^"]*"$|^ *[][{}]*,?$|"files"'; }
check "with the rows, contestants and costs of a single evaluation" diff <(plain c1/results.json) <(plain c5/results.json)
check "and its page" page c5/report.html 'Contestants</h2>'
sed '/"probe kmer"/,/"values"/s/"values": .*/"values": [0.125],/' j1/results.json >other.json
expect "other numbers in the same row" 65 "j3/results.json: all: 'probe kmer' differs from a file before it" "$FINDNA" evaluate ./contest.tsv --join other.json --join j3/results.json --output c6
sed 's/"train_rows": 120/"train_rows": 119/' j1/results.json >other.json
expect "other rows" 65 "j3/results.json: all has other rows than in a file before it: 120 for training and 120 for testing, not 119" "$FINDNA" evaluate ./contest.tsv --join other.json --join j3/results.json --output c6
sed 's/"state_id": "./"state_id": "x/' j1/results.json >other.json
expect "another checkpoint of the same name" 65 "j3/results.json: 'A-0' is another checkpoint there" "$FINDNA" evaluate ./contest.tsv --join other.json --join j3/results.json --output c6
expect "a task that the suite lacks" 65 "j1/results.json: the suite has no task 'all'" "$FINDNA" evaluate ./nine.tsv --join j1/results.json --output c6
expect "no such results" 66 "absent.json: there is no such file" "$FINDNA" evaluate ./contest.tsv --join absent.json --output c6
expect "checkpoints, too" 64 "it goes with SUITE and --output only" "$FINDNA" evaluate ./contest.tsv --join j1/results.json --checkpoint A=run
check "nothing was written" test ! -e c6
printf 'one\t--train {data}/prom_core_notata.train.tsv.xz --test {data}/prom_core_notata.test.tsv.xz\tprobe\taccuracy\t\t\t\ntwo\t--train {data}/prom_core_notata.train.tsv.xz --test {data}/prom_core_notata.test.tsv.xz --joined optim.lr=1\tprobe\tauprc\t\t\t\n' >alike.tsv
expect "tasks of the same rows" 0 "^  probe kmer" "$FINDNA" evaluate ./alike.tsv run --data small --seeds 1 --output c3
check "k-mers are counted once for both, and shown in both" test "$(find c3 -name '*-kmer-*') $(grep -c '^  probe kmer' out.log)" = "c3/one-kmer-seeds-1 2"
check "each by its own measure" bash -c 'grep -q "^two: auprc" out.log && grep -qE "\"mean\": 0\.[0-9]+" c3/results.json'
expect "a joined table over one of its parts" 73 "would be overwritten" "$FINDNA" evaluate ./contest.tsv --join j1/results.json --join j2/results.json --output ./j1
expect "another suite's folder" 73 "has results of the suite" "$FINDNA" evaluate gue run --data gue --output j1
expect "a page of an evaluation and a run" 64 "j1: is an evaluation" "$FINDNA" report run j1
printf 'k\t--train {data}/train=1.csv --test {data}/test.csv\tknn\taccuracy\t\t\t\nt\t--train {data}/train=1.csv --test {data}/other.csv train.batch=8\tmine.yaml\taccuracy\t\t\t\n' >mine.tsv
for area in auroc auprc; do
  sed "s/knn\taccuracy/knn\t$area/" mine.tsv >area.tsv; expect "a measure that a search lacks" 65 "area.tsv:1: measure '$area'" "$FINDNA" evaluate ./area.tsv run --data gue
done

# Results are those of the rows, settings and weights that are there, wherever they lie.
cp "$root/configs/suites/emp.yaml" mine.yaml; mkdir own; rows train 1 81 >own/train=1.csv; rows test 1 61 >own/test.csv; rows test 61 121 >own/other.csv
set -- --seeds 1 $small
expect "rows in a file with = in its name" 0 "^  probe kmer" "$FINDNA" evaluate ./mine.tsv run --data own --output o "$@"
cp -r o elsewhere; cp -r run run_elsewhere; cp -r own own_elsewhere; stamps() { (cd "$1" && find . -name '*.json' -path './*/*' -printf '%P %T@\n' | sort); }; stamps o >before
expect "folders under other names" 0 "^  probe kmer" "$FINDNA" evaluate ./mine.tsv ./run_elsewhere --data own_elsewhere/ --output "$PWD/o/" "$@"
check "nothing is done again" diff before <(stamps o)
check "and results.json names the files" bash -c 'for f in $(grep -o "\"file\": \"[^\"]*" o/results.json | cut -d\" -f4); do test -f "o/$f" || exit 1; done'
expect "moved results" 0 "^  probe kmer" "$FINDNA" evaluate ./mine.tsv run --data own --output elsewhere "$@"
awk -F, 'NR > 1 { $2 = 1 - $2 } 1' OFS=, own/test.csv >flipped.csv; cp own/test.csv kept.csv; cp flipped.csv own/test.csv
expect "other rows" 73 "k-knn/command.txt: was made otherwise .--test own/test.csv has other content now" "$FINDNA" evaluate ./mine.tsv run --data own --output o "$@"
expect "of a task that is not asked for" 0 "k-knn/knn.json: was made otherwise .--test own/test.csv has other content now.: left out of the table" "$FINDNA" evaluate ./mine.tsv run --data own --output o --tasks t "$@"
cp kept.csv own/test.csv; sed -i 's/dropout: .*/dropout: 0.5/' mine.yaml
expect "other settings in the suite's file" 73 "t-finetune-0/command.txt: was made otherwise .--config ./mine.yaml has other content now" "$FINDNA" evaluate ./mine.tsv run --data own --output o "$@"
expect "numbers of other models whose names contain this one" 0 "^  DIT" "$FINDNA" evaluate genomic-benchmarks --checkpoint DIT=run --checkpoint MNM=run --data gb --seeds 1 --methods probe --output paper
check "are not this one's" bash -c '[ -s out.log ] && ! grep -E "(DIT|MNM).*paper" out.log'

# What leaves results as they are: comments in the suite's settings, notes in a task's folder, rows that are gone; and what does not.
printf 'f\t--task {data}/H\tmine.yaml\taccuracy\t\t\t\ng\t--task {data}/G\tmine.yaml\taccuracy\t\t\t\n' >folder.tsv; mkdir -p own/H; rows train 1 81 >own/H/train.csv; rows test 1 61 >own/H/test.csv; cp -r own/H own/G
folder() { "$FINDNA" evaluate ./folder.tsv run --data own --output of --seeds 1 $small "$@" >folder.log 2>&1; }
folder; cp of/results.json first.json
echo '# a comment' >>mine.yaml; echo notes >own/H/notes.txt; ln -s nowhere own/H/README; mkfifo own/H/pipe
check "comments, notes, a dangling link and a pipe change nothing" folder
mv own/G away; expect "rows that are gone leave the results in the table" 0 "^g: accuracy" "$FINDNA" evaluate ./folder.tsv run --data own --output of "$@"
check "all of them" test "$(grep -c '"values"' of/results.json)" = "$(grep -c '"values"' first.json)"
mv away own/G
expect "another interval of evaluations is another training" 73 "f-finetune-0/command.txt: was made otherwise .*eval.every=3" "$FINDNA" evaluate ./folder.tsv run --data own --output of "$@" eval.every=3
constants() { tr -d ' \n' <"$1" | grep -oE '"constant":\{[^}]*\}' | head -1 | grep -oE '"(accuracy|balanced_accuracy|mcc|auroc|auprc)":-?[0-9.e+-]+' | sort; }
check "all five scores of a constant answer" eval 'test "$(constants of/results.json | wc -l)" = 5 && test "$(constants of/results.json)" = "$(constants of/f-finetune-0/finetune.json)"'
# One of two seeds is gone, and its rows, too: a row without all seeds is compared with no other.
printf 'f\t--task {data}/H\tmine.yaml\taccuracy\t\t\t\ng\t--task {data}/G\tmine.yaml\taccuracy\t\t\t\t\t\tf\n' >versus.tsv
versus() { expect "$1" 0 "^  fine-tuned .*$2 seeds?\)" "$FINDNA" evaluate ./versus.tsv run --data own --output ov --methods finetune --seeds 2 $small; }
versus "two tasks, compared seed by seed" 2; check "with both seeds there are differences" bash -c 'grep -q "\"above\"" ov/results.json && grep -q "\"with\": \"f\"" ov/results.json'
rm ov/g-finetune-1/finetune.json; mv own/G away; versus "one seed of the second task is gone" 1; mv away own/G
check "and without it none" bash -c 'test $(grep -c "\"values\"" ov/results.json) -gt 4 && ! grep -qE "\"(above|with)\"" ov/results.json'
cp own/H/train.csv good.csv; printf 'ACGT!,1\n' >>own/H/train.csv
expect "rows with an error" 65 "train.csv:82" "$FINDNA" evaluate ./folder.tsv run --data own --output og "$@"
cp good.csv own/H/train.csv; expect "may be corrected, and the same command repeated" 0 "^  fine-tuned" "$FINDNA" evaluate ./folder.tsv run --data own --output og "$@"
echo '{' >og/results.json; expect "a damaged results.json is written anew" 0 "og/results.json is damaged" "$FINDNA" evaluate ./folder.tsv run --data own --output og "$@"
expect "two checkpoints with one seed" 64 "has the seed of A-0" "$FINDNA" evaluate ./folder.tsv --checkpoint A-0=run --checkpoint A-00=second --data own
expect "a search among other tasks on two ranks" 0 "k: a nearest-neighbour search takes one process: left out" env ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" evaluate ./mine.tsv run --data own --output o2 --seeds 1 --methods probe,knn
