#!/usr/bin/env bash
# findna clusters: the agreement of two columns, rows that are left out, and bad input.
source "$(dirname "$0")/lib.sh"
printf 'id\tdna_bin\tcluster\n' >t.tsv
for i in 1 2 3 4 5 6; do printf "r$i\tB$((i % 2))\tc$((i % 2))\n"; done >>t.tsv
printf 'r7\t\tc1\nr8\tB1\t\n' >>t.tsv
expect "clusters that are the classes" 0 "^AMI       1.0000" "$FINDNA" clusters t.tsv --label dna_bin --output t.json
check "incomplete rows are counted" bash -c 'grep -q "^left out  2 rows" out.log && grep -q "\"rows_left_out\": 2" t.json && grep -q "\"rows\": 6" t.json'
expect "other clusters" 0 "^clusters  7 of 'id'" "$FINDNA" clusters t.tsv --label dna_bin --cluster id
check "each row a cluster: no better than chance" grep -qE "^AMI       -?0.0000" out.log
printf 'id\tdna_bin\tcluster\na\tB\t1\nb\tB\t2\nc\tB\t2\n' >one.tsv
expect "one class: no agreement to measure" 0 "^AMI       0.0000" "$FINDNA" clusters one.tsv --label dna_bin
expect "no such column" 65 "no column 'label' in the header" "$FINDNA" clusters t.tsv
head -1 t.tsv >empty.tsv
expect "no rows" 65 "no row has both" "$FINDNA" clusters empty.tsv --label dna_bin
expect "no table" 64 "give a TABLE" "$FINDNA" clusters
expect "an output over the input" 73 "t.tsv" "$FINDNA" clusters t.tsv --label dna_bin --output t.tsv
(cat t.tsv; printf 'r9\tNA\tc1\nr10\tNULL\tc1\nr11\tB1\tnan\nr12\tNone\tc0\nr13\tn/a\tc0\n') >missing.tsv
expect "the words of other programs for a missing value" 0 "^AMI       1.0000" "$FINDNA" clusters missing.tsv --label dna_bin
check "are no class" grep -q "^left out  7 rows" out.log
