#!/usr/bin/env bash
# The barcode suites its and bioscan-5m, on synthetic files in the official layouts; probes of hundreds of species, other columns, and
# labels that no training row has.
source "$(dirname "$0")/lib.sh"
# 300 species of 60 genera: a species is the sequence of its genus with mutations of its own, a row that of its species with a few more.
awk 'BEGIN { srand(6 + ENVIRON["DRAWS"]); OFS = ","
  print "processid,phylum,class,order,family,genus,species,dna_bin,dna_barcode,split"
  split("pretrain train train train val test key_unseen val_unseen test_unseen other_heldout", part, " ")
  for (g = 0; g < 60; g++) { base = ""; for (k = 0; k < 72; k++) base = base substr("ACGT", 1 + int(rand() * 4), 1)
    for (s = 0; s < 6; s++) { own = ""; for (k = 1; k <= 72; k++) own = own (rand() < 0.1 ? substr("ACGT", 1 + int(rand() * 4), 1) : substr(base, k, 1))
      for (i = 0; i < 6; i++) { row = ""; for (k = 1; k <= 72; k++) row = row (rand() < 0.06 ? substr("ACGT", 1 + int(rand() * 4), 1) : substr(own, k, 1))
        n++; print "P" n, "Arthropoda", "Insecta", "Diptera", "F" g % 7, "G" g, "G" g " s" s, "BOLD:" g * 6 + s, row, s == 5 ? part[7 + i % 4] : part[1 + i] } } } }' >bioscan.csv
"$FINDNA" prepare --table bioscan.csv --split split --train pretrain,other_heldout --val train bioscan >log 2>&1 || { cat log; exit 1; }
awk -F, 'NR > 1 { print ">" $1 "\n" $9 }' bioscan.csv >its.fasta
awk -F, 'BEGIN { OFS = "\t" } { print NR == 1 ? "id" : $1, $2, $3, $4, $5, $6, $7 }' bioscan.csv >its.classification
mkdir its
"$FINDNA" prepare --table its.classification --require genus,species --known species --test-share 0.2 its/closed its.fasta >log 2>&1 &&
  "$FINDNA" prepare --table its.classification --require genus,species --by species --val-share 0 --test-share 0.2 its/open its.fasta >log 2>&1 || { cat log; exit 1; }
"$FINDNA" pretrain mae-small data.shards=bioscan run.folder=mae model.channels=24 model.hidden=20 model.layers=2 model.heads=3 model.kmer=4 model.vocabulary=258 model.decoder_layers=1 \
  train.steps=150 train.batch=32 train.virtual_ranks=4 optim.lr=3e-3 >log 2>&1 || { tail -3 log; exit 1; }

expect "bioscan-5m" 0 "^species_closed: accuracy" "$FINDNA" evaluate bioscan-5m mae --data bioscan --seeds 1 --methods probe,knn --output b
check "a probe with its baselines" bash -c 'for r in "probe student" "probe untrained" "probe kmer"; do grep -q "^  $r " out.log || exit 1; done'
check "a search with its baselines" bash -c 'for r in "knn student" "knn untrained" "knn kmer"; do grep -q "^  $r " out.log || exit 1; done'
check "published results are listed with them" grep -q "BarcodeBERT 47.03" out.log
check "no fine-tuning unless requested" bash -c '[ -s out.log ] && ! grep -q "fine-tuned " out.log'
check "results.json and the report contain them" bash -c 'grep -q "knn untrained" b/results.json && grep -q "genus_open_1nn" b/report.html'
# The task's row in the table of all tasks: searches stand in the columns of the probes.
row() { tr -d '\n' <b/report.html | sed 's/<tr>/\n/g' | grep "^<td class=\"name\">$1<" | head -1 | sed 's/<[^>]*>/ /g'; }
check "a column for probes and searches" grep -q '>linear probe or knn, student<' b/report.html
check "the page has the scores of the search" bash -c 'for s in $1; do case $2 in *" $s "*) ;; *) exit 1 ;; esac; done' - "$(awk '/^genus_open_1nn/ { on = 1 } on && /^  knn/ { print $3 }' out.log | sort -u)" "$(row genus_open_1nn)"
check "and bars of it" grep -q '>knn, student<' b/report.html
check "genera of unseen species are found by their k-mers" awk '/^genus_open_1nn/ { on = 1 } on && /knn kmer/ { exit !($3 > 90) }' out.log
expect "the same command again does nothing" 0 "^genus_open_1nn: accuracy" "$FINDNA" evaluate bioscan-5m mae --data bioscan --seeds 1 --methods probe,knn --output b
check "without computing anything again" bash -c '[ -s out.log ] && ! grep -q "nearest keys\|k-mers: seed" out.log'
expect "its, two checkpoints" 0 "^species_closed_1nn: accuracy" "$FINDNA" evaluate its --checkpoint A=mae --checkpoint B=mae --data its --seeds 1 --methods knn --output i
check "k-mer and untrained rows once for both" test "$(grep -c '^  *A  *knn untrained\|^  *knn kmer' out.log)" = 5
check "a line per checkpoint and method in the table of all" grep -qE "^B +knn student" out.log
check "k-mer baselines are present, requested or not" bash -c 'test -e i/species_closed-kmer-seeds-1/probe.json && test -e i/genus_open-kmer-seeds-1/probe.json'
expect "fine-tuning to 300 species" 0 "^  fine-tuned " "$FINDNA" evaluate bioscan-5m mae --data bioscan --seeds 1 --methods finetune --tasks species_closed --output f train.epochs=1
expect "one method" 0 "knn" "$FINDNA" evaluate its mae --data its --seeds 1 --methods knn --tasks genus_open_1nn --list

# The probe of many classes.
one="--train bioscan/train.tsv --seeds 1 --baseline none"
expect "300 species" 0 "300 classes are fitted in up to 30 epochs; 0.1 MB" "$FINDNA" probe mae $one --test bioscan/test.tsv --label species --output p1.json
"$FINDNA" probe mae $one --test bioscan/test.tsv --label species --threads 2 --output p2.json >/dev/null 2>&1
check "the same with any number of threads" cmp p1.json p2.json
ranks 2 probe mae $one --test bioscan/test.tsv --label species --output p3.json >/dev/null 2>&1
check "the same on two ranks" cmp p1.json p3.json
check "more than chance" awk -F'[ ,]*' '/"mean"/ && !seen++ { exit !($0 ~ /0\.[1-9]/) }' p1.json
expect "species that no training row has are refused" 65 "is none that a training row has" "$FINDNA" probe mae $one --test bioscan/test_unseen.tsv --label species
expect "or counted" 0 "60 test rows have a label that no training row has: they count as wrong" "$FINDNA" probe mae $one --test bioscan/test_unseen.tsv --label species --count-unknown --output u.json
check "and are wrong" bash -c 'grep -q "\"test_rows_of_unknown_label\": 60" u.json && grep -q "\"mean\": 0.0" u.json'
printf 'sequence,genus\nACGTACGTAA,A\nACGTTCGTAA,A\nGGGTTCCCAA,B\nGGGTTCCGAA,B\nACGAACGTAA,A\nGGGTTCCCAT,B\n' >few.csv
printf 'sequence,genus\nACGTACGTAT,A\nCCCTTTCCAA,C\n' >some.csv
expect "the same with few classes" 0 "1 test rows have a label that no training row has" "$FINDNA" probe --encoder none --baseline kmer --kmer 2 --seeds 1 --selection 0.4 --train few.csv --test some.csv --label genus --count-unknown
small="train.batch=4 train.virtual_ranks=2 train.epochs=1 task.selection=0.4 device.threads=1"
expect "fine-tuning refuses them" 65 "some.csv:3: the label 'C' is none that a training row has" "$FINDNA" finetune mae --train few.csv --test some.csv --label genus run.folder=u1 $small
expect "or counts them" 0 "1 rows have a label that no training row has: they count as wrong" "$FINDNA" finetune mae --train few.csv --test some.csv --label genus --count-unknown run.folder=u1 $small
expect "in further rows, too" 0 "1 rows have a label that no training row has: they count as wrong" "$FINDNA" finetune mae --train few.csv --also some.csv --label genus --count-unknown run.folder=u4 $small
check "and in the results" grep -q '"test_rows_of_unknown_label": 1' u4/finetune.json
expect "which is refused otherwise" 65 "the label .* is none that a training row has" "$FINDNA" finetune mae --train few.csv --also some.csv --label genus run.folder=u5 $small
check "with a loss of the others, and no figure" bash -c 'grep -q "\"test_rows_of_unknown_label\": 1" u1/finetune.json && grep -A1 "\"test_scores\"" u1/finetune.json | grep -q "\"loss\": [0-9]" && ! grep -q figures u1/finetune.json'
expect "300 species" 0 "60 rows have a label that no training row has" "$FINDNA" finetune mae --train bioscan/train.tsv --test bioscan/test_unseen.tsv --label species --count-unknown run.folder=u2 train.batch=32 train.virtual_ranks=2 train.epochs=1
check "all of them wrong, so that there is no loss" bash -c 'grep -A1 "\"test_scores\"" u2/finetune.json | grep -q "\"accuracy\": 0.0"'
printf 'sequence,genus\nACGTACGTAT,A\nCCCTTTCCAA,C\n' >other.csv
expect "validation rows may have none" 65 "other.csv:3: the label 'C'" "$FINDNA" finetune mae --train few.csv --valid other.csv --test some.csv --label genus --count-unknown run.folder=u3 $small
expect "beside values" 64 "no effect beside --values" "$FINDNA" finetune mae --train few.csv --values --count-unknown
expect "no such column" 65 "no column 'tribus'" "$FINDNA" probe mae $one --test bioscan/test.tsv --label tribus
expect "a column along with a folder" 64 "no effect beside --task" "$FINDNA" probe mae --task x --label species
expect "knn without baselines" 0 "student" "$FINDNA" knn mae --train bioscan/train.tsv --test bioscan/test_unseen.tsv --label genus --baseline none
check "has one row" test "$(grep -cE '^(untrained|kmer) ' out.log)" = 0
expect "knn with an unknown baseline" 64 "expected untrained, kmer, both, or none" "$FINDNA" knn mae --train bioscan/train.tsv --test bioscan/test.tsv --label genus --baseline blast

# Clusters of embeddings against BINs.
if ! ${PYTHON:-python3} -c 'import numpy, sklearn' 2>/dev/null; then echo "skipped - launch/bins.py: no numpy and scikit-learn for ${PYTHON:-python3} (PYTHON=...)"
else
  "$FINDNA" embed mae bioscan/test.tsv --output t.npy >/dev/null 2>&1
  expect "bins.py" 0 "^60 clusters of" ${PYTHON:-python3} "$root/launch/bins.py" t.npy bioscan/test.tsv bins.tsv --label genus --no-umap
  expect "clusters of the embeddings" 0 "^clusters  60 of 'cluster'" "$FINDNA" clusters bins.tsv --label genus --output bins.json
  check "are those of scikit-learn" ${PYTHON:-python3} -c '
import csv, json
from sklearn.metrics import adjusted_mutual_info_score
rows = list(csv.DictReader(open("bins.tsv"), delimiter="\t"))
ami = adjusted_mutual_info_score([r["genus"] for r in rows], [r["cluster"] for r in rows])
assert abs(ami - json.load(open("bins.json"))["ami"]) < 1e-8 and ami > 0.05, ami'
fi

# MAE against MLM, at a size without significance.
tiny="model.channels=24 model.hidden=20 model.layers=1 model.heads=3 model.kmer=4 model.vocabulary=258 train.steps=3 train.batch=8 train.virtual_ranks=2"
evidence="env ASAN_OPTIONS=detect_leaks=0 FINDNA=$FINDNA $root/launch/barcodes -n 1 -s 1"
head -800 its.fasta >few.fasta
expect "launch/barcodes" 0 "^MLM-0 +knn student" $evidence e its.classification few.fasta $tiny
check "open world also by a classifier" grep -q "^genus_open: accuracy" out.log
check "they differ only in the encoder's input" bash -c 'for o in channels hidden layers heads kmer; do test "$(grep -h "^  $o:" e/MAE-0/ckpt/step_*/config.yaml)" = "$(grep -h "^  $o:" e/MLM-0/ckpt/step_*/config.yaml)" || exit 1; done'
expect "other files in the same folder" 73 "e was begun with 'its.classification of [0-9]+ bytes, few.fasta of [0-9]+ bytes', not '.*, its.fasta of" $evidence e its.classification its.fasta $tiny
expect "the same files again" 0 "^MLM-0 +knn student" $evidence e its.classification few.fasta $tiny
expect "no such model" 64 "no model 'MAE50'" $evidence -o MAE50 e its.classification its.fasta $tiny
