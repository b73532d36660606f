#!/usr/bin/env bash
# findna prepare --table: records from tables and from FASTA files with a classification; what is cut, left out and counted; the splits,
# the tables next to the shards, and what is refused.
source "$(dirname "$0")/lib.sh"
prepare="$FINDNA prepare --table"
said() { grep -qE "$1" out.log; }

# The layout of BIOSCAN-5M's metadata, with the irregularities of real files: trailing N, gaps, other letters, duplicates, empty cells.
awk 'BEGIN { srand(5 + ENVIRON["DRAWS"]); OFS = ","
  print "processid,sampleid,taxon,phylum,class,order,family,subfamily,genus,species,dna_bin,dna_barcode,country,province_state,coord-lat,coord-lon,image_measurement_value,area_fraction,scale_factor,inferred_ranks,split,index_bioscan_1M_insect,chunk"
  split("pretrain train val test key_unseen val_unseen test_unseen other_heldout", part, " ")
  for (i = 0; i < 160; i++) {
    s = ""; n = 40 + i % 30; for (k = 0; k < n; k++) s = s substr("ACGT", 1 + int(rand() * 4), 1)
    if (i == 7) s = s "NNN"; if (i == 8) s = "--" s; if (i == 9) s = "RY" s; if (i == 10) s = twin; if (i == 11) s = "ACGTA"; if (i == 12) s = "NNNNNNNNNNNNNNNN"
    if (i == 3) twin = s
    g = i % 16 == 5 ? "" : "Genus" int(i % 24 / 2)
    print "P" i, "S" i, "x", "Arthropoda", "Insecta", "\"Dip, tera\"", "F" i % 5, i % 3 ? "nan" : "Sub", g, g == "" ? "" : g " sp" i % 24, "BOLD:" i % 24, s, "Canada", "Ontario", 1.5, 2.5, 3, 0.5, 1, "0", part[1 + i % 8], "", 1
  } }' >bioscan.csv
parts="--split split --train pretrain,other_heldout --val train"
expect "BIOSCAN-5M's layout" 0 "^written    60 records in 2 shards" $prepare bioscan.csv $parts --limit 60 b
check "rows and columns are counted" said '^read       160 rows; 157 sequences of [0-9]+ letters are kept, with 8 columns of names'
check "letters that are not nucleotides" said '^read       2 letters that are no nucleotides became N'
check "IUPAC letters" said '^read       2 IUPAC letters'
check "trailing N" said '^cut        2 sequences had N after their last nucleotide'
check "long sequences" test "$(grep -oE '^cut +[0-9]+ sequences were longer' out.log | grep -oE '[0-9]+')" = "$(awk -F, 'NR > 1 { s = $13; sub(/N+$/, "", s); n += length(s) > 60 } END { print n }' bioscan.csv)"
check "duplicates" said '^left out   1 sequences that are equal to an earlier one'
check "duplicates with another name" said '^left out   1 of these have another name than the earlier one'
check "short sequences" said '^left out   1 sequences shorter than --shortest'
check "empty sequences" said '^left out   1 sequences without A, C, G and T'
check "records of no split" said '^note       97 records of no split'
check "the split of each value" bash -c 'for p in pretrain:20 other_heldout:20 train:20 val:19 test:19 key_unseen:19; do test "$(($(wc -l <b/${p%:*}.tsv) - 1))" = ${p#*:} || exit 1; done'
check "a table has the names, and the letters of the shards" bash -c 'head -1 b/train.tsv | grep -qx "id.split.sequence.phylum.class.order.family.subfamily.genus.species.dna_bin" && grep -qP "^P1\tval\t[ACGT]{41}\tArthropoda\tInsecta\tDip, tera\tF1\t\tGenus0\tGenus0 sp1\tBOLD:1$" b/train.tsv'
check "the shards are intact" bash -c '"$0" prepare --verify b | grep -q "2 shards with 60 records of up to 60, and the tables, are whole"' "$FINDNA"
cp -r b cut_b && head -n -1 b/test.tsv >cut_b/test.tsv && rm cut_b/train.tsv
expect "tables that are cut off or missing are no whole set" 65 "cut_b/test.tsv: has [0-9]+ bytes .the manifest says" "$FINDNA" prepare --verify cut_b
check "each is named" grep -q "cut_b/train.tsv: No such file" out.log
check "inspect describes them" bash -c '"$0" inspect b | grep -q "records of up to 60 nucleotides" && "$0" inspect b/train-00000.h5 | grep -qE "records +[0-9]+ of up to 60 nucleotides"' "$FINDNA"
ranks 2 prepare --table bioscan.csv $parts --limit 60 b2 >/dev/null 2>&1
check "2 ranks write the same bytes" diff -r b b2
gzip -k bioscan.csv
$prepare bioscan.csv.gz $parts --limit 60 --shard-windows 7 bz >/dev/null 2>&1
check "gzip input, smaller shards: the same tables" bash -c 'for t in b/*.tsv; do cmp $t b${t/b\//z/} || exit 1; done; test $(ls bz/train-*.h5 | wc -l) -gt 4'

# FASTA files with a classification.
awk -F, 'NR > 20 { print ">" $1 " more\n" $13 }' bioscan.csv >a.fasta
awk -F, 'NR > 12 && NR <= 20 { print ">" $1 "\n" substr($13, 1, 20) "\n" substr($13, 21) }' bioscan.csv >>a.fasta
printf '>unknown\nACGTACGTACGTACGTTT\n' >>a.fasta
awk -F, 'BEGIN { OFS = "\t"; print "id", "family", "genus", "species", "strain" } NR > 1 && NR != 30 { print $1, $8, $10, $11, "x" }' bioscan.csv >a.classification
expect "FASTA and classification" 0 "^written    148 records" $prepare a.classification --val-share 0.2 --test-share 0.1 f a.fasta
check "records without a name, rows without a record" bash -c 'grep -q "^note       2 records of FASTA files that the table does not name" out.log && grep -q "^note       11 rows of the table without a record" out.log'
check "records without a name have empty columns" grep -qP '^unknown\t\w+\tACGTACGTACGTACGTTT\t\t\t$' <(cat f/*.tsv)
expect "rows without a genus are left out" 0 "^left out   [0-9]+ rows lack what --require names" $prepare a.classification --require genus g a.fasta
check "and the others have a genus" bash -c 'cat g/*.tsv | grep -v "^id" | awk -F"\t" "\$5 == \"\" { bad = 1 } END { exit bad }"'
check "the validation share is near the requested one" awk 'BEGIN { getline n <"f/val.tsv"; while ((getline l <"f/val.tsv") > 0) v++; exit !(v > 15 && v < 45) }'
expect "held-out genera" 0 "^written" $prepare a.classification --by genus --val-share 0 --test-share 0.4 --require genus o a.fasta
check "no genus is in two splits" test -z "$(comm -12 <(cut -f5 o/train.tsv | tail -n +2 | sort -u) <(cut -f5 o/test.tsv | tail -n +2 | sort -u))"
expect "held-out genera, with records that have none" 0 "^written" $prepare a.classification --by genus --val-share 0.3 --test-share 0.4 n a.fasta
check "these are all to train on" bash -c 'test $(awk -F"\t" "\$5 == \"\"" n/train.tsv | wc -l) = 11 && ! tail -qn +2 n/val.tsv n/test.tsv | awk -F"\t" "\$5 == \"\"" | grep -q .'
expect "known species" 0 "^written" $prepare a.classification --known species --val-share 0.2 --test-share 0.6 --require species k a.fasta
check "each species has a row to train on" test -z "$(comm -13 <(cut -f6 k/train.tsv | sort -u) <(cat k/val.tsv k/test.tsv | cut -f6 | sort -u))"
$prepare a.classification --known species --val-share 0.2 --test-share 0.6 --require species --seed 1 k1 a.fasta >/dev/null 2>&1
check "another seed, other splits" bash -c '! cmp -s k/test.tsv k1/test.tsv'

printf 'id,sequence,genus,species\na,ACGTACGTACGTACGTAA,Apis,Apis one\nb,ACGTACGTACGTACGTAA,Apis,Apis one\nc,ACGTACGTACGTACGTAA,Apis,\nd,ACGTACGTACGTACGTAA,Apis,Apis two\n' >equal.csv
expect "equal sequences" 0 "^left out   3 sequences that are equal to an earlier one" $prepare equal.csv --val-share 0 --test-share 0 equal
check "of which those are counted that have another name, but not those with the same or none" said '^left out   1 of these have another name than the earlier one'

expect "no table" 66 "cannot open none.csv" $prepare none.csv x
expect "no sequences in the table" 65 "a.classification:1: no column 'sequence' in the header" $prepare a.classification x
cut -f2- a.classification >noid.tsv
expect "no ids for the records" 65 "no column 'id' in the header" $prepare noid.tsv x a.fasta
expect "a missing column" 65 "no column 'tribus' in the header" $prepare bioscan.csv --columns genus,tribus x
expect "a split that no row has" 65 "val nowhere: no record has this in its column 'split'" $prepare bioscan.csv --split split --val nowhere x
expect "a column that names no files" 65 "cannot name a file" $prepare bioscan.csv --split order x
expect "values without their column" 64 "say which with --split COLUMN" $prepare bioscan.csv --val train x
expect "a share along with the column" 64 "has no effect beside --split" $prepare bioscan.csv --split split --val-share 0.1 x
expect "two rules" 64 "exclude each other" $prepare bioscan.csv --by genus --known genus x
expect "nothing to train on" 64 "leave nothing to train on" $prepare bioscan.csv --val-share 0.6 --test-share 0.4 x
cat a.classification <(grep -P '^P3\t' a.classification) >twice.tsv
expect "an id twice" 65 "twice.tsv:$(wc -l <twice.tsv): the id 'P3' is there twice" $prepare twice.tsv x a.fasta
sed '4s/^[^\t]*//' a.classification >missing.tsv
expect "a row without an id" 65 "missing.tsv:4: the row has no id; expected the name of its sequence" $prepare missing.tsv x a.fasta
printf 'sequence,genus\n,Apis\nNNN,Apis\nACG,Apis\n' >empty.csv
expect "empty sequences only" 65 "no sequence is left of 3 rows: 0 lack a required column, 2 have no A, C, G or T, 1 are shorter than 12" $prepare empty.csv x
printf 'sequence,genus\n' >header.csv
expect "no rows" 65 "has a header but no rows" $prepare header.csv x
expect "OUT exists" 73 "exists already" $prepare bioscan.csv b
check "refused commands leave nothing behind" bash -c '! ls -d x* 2>/dev/null'
expect "a value in two lists" 64 "the value 'train' is in --train and in --val" $prepare bioscan.csv --split split --train pretrain,train --val train x
expect "a value twice in one" 64 "the value 'train' is in --val and again in --val" $prepare bioscan.csv --split split --val train,train x
expect "a column twice" 64 "the column 'Genus' is twice in --columns" $prepare bioscan.csv --columns genus,Genus x
expect "a column of the tables" 64 "the tables have a column 'split' of their own" $prepare bioscan.csv --columns genus,split x
check "none of these left anything" test ! -e x
awk 'BEGIN { srand(2 + ENVIRON["DRAWS"]); print "processid\tsequence\tgenus"; split("Apis NULL N/A <NA> None nan Bombus", g, " "); for (i = 0; i < 70; i++) { s = ""; for (k = 0; k < 40; k++) s = s substr("ACGT", 1 + int(rand() * 4), 1); print (i % 5 == 1 ? "" : "P" int(i / 2)) "\t" s "\t" g[1 + i % 7] } }' >words.tsv
expect "words for missing values" 0 "^left out   50 rows lack what --require names" $prepare words.tsv --require genus words
check "are no names" test "$(cut -f4 words/*.tsv | sort -u | tr '\n' ' ')" = "Apis Bombus genus "
expect "records without ids, and with repeated ones" 0 "^note       14 records have no id" $prepare words.tsv none
check "are counted" said '^note       21 records have the id of an earlier one'
check "in the manifest, too" grep -qE '"repeated_ids": 21,' none/manifest.json

# The limits of lengths, letters in lower case, and N behind the cut.
printf 'id,seq,genus\na,ACGTACGTACGT,A\nb,ACGTACGTACG,A\nc,acgtnnacgtacgnnn,A\nd,TTGTACGTACGTNNNNACGT,A\ne,GTGTACGTACGTACGT,A\n' >lengths.csv
expect "lengths" 0 "^left out   1 sequences shorter than --shortest" $prepare lengths.csv --limit 16 --val-share 0 --test-share 0 lengths
check "of the shortest, the longest, and one whose cut ends with N" test "$(cut -f3 lengths/train.tsv | tail -n +2 | sort | paste -sd' ')" = "ACGTACGTACGT ACGTNNACGTACG GTGTACGTACGTACGT TTGTACGTACGT"
check "one is longer, and n is N, no other letter" bash -c '[ "$(grep -oE "[0-9]+ sequences were longer" out.log)" = "1 sequences were longer" ] && ! grep -q IUPAC out.log'
# More records than the first table of seen sequences holds: later duplicates are still found.
awk 'BEGIN { srand(7 + ENVIRON["DRAWS"]); print "sequence,genus"; for (i = 0; i < 70000; i++) { s = ""; for (k = 0; k < 24; k++) s = s substr("ACGT", 1 + int(rand() * 4), 1); if (i % 700 == 0) first[n++] = s; print s ",G" }; for (i = 0; i < n; i++) print first[i] ",G" }' >seventy.csv
expect "70,000 records" 0 "^left out   100 sequences that are equal to an earlier one" $prepare seventy.csv --val-share 0 --test-share 0 seventy
# Columns by their names: the first name of a kind, the ranks from the largest on, whatever the order in the table.
printf 'species,tribe,name,nucraw,subfamily,sampleid\ns,t,n,ACGTACGTACGT,u,i\n' >order.csv
expect "the names of columns" 0 "^written" $prepare order.csv --val-share 0 --test-share 0 order
check "and their order" test "$(tr '\t\n' ',;' <order/train.tsv)" = "id,split,sequence,subfamily,tribe,species;i,train,ACGTACGTACGT,u,t,s;"
printf 'sequence,Split,ID\nACGTACGTACGT,a,b\n' >own.csv
for own in Split ID; do expect "$own, which the tables have" 64 "a column '${own,,}' of their own" $prepare own.csv --columns $own x; done
for name in seq dna_barcode nucleotides nucraw; do
  sed "1s/sequence/$name/" own.csv >named.csv
  expect "sequences in a column $name" 0 "^written" $prepare named.csv --val-share 0 --test-share 0 named_$name
done
wide() { awk -v n="$1" 'BEGIN { for (i = 1; i <= n; i++) printf "c%d,", i; print "sequence"; for (i = 1; i <= n; i++) printf "v,"; print "ACGTACGTACGT" }'; }
columns() { seq -f c%g -s , "$1"; }
wide 65 >wide.csv
for option in columns require; do
  expect "64 columns: --$option" 0 "^written" $prepare wide.csv --$option "$(columns 64)" --val-share 0 --test-share 0 wide_$option
  expect "one more" 64 "more than 64 columns" $prepare wide.csv --$option "$(columns 65)" x
done
# Several FASTA files, with other letters, and the split of their records from the classification.
printf '>p1\nACGTACGTACGTRY\n>p2\nACGTACGTACGTAK\n' >first.fa; printf '>p3\nGGGTACGTACGTA\n>p4\nTTTTACGTACGT\n' >second.fa
printf 'id,genus,part\np1,A,one\np2,B,two\np3,C,one\np4,D,two\n' >parts.csv
expect "several FASTA files" 0 "^read       3 IUPAC letters" $prepare parts.csv --split part --train one --test two parts first.fa second.fa
check "each record in the split of its row" test "$(cut -f1,2,4 parts/one.tsv parts/two.tsv | tr '\t\n' ' ;')" = "id split genus;p1 train A;p3 train C;id split genus;p2 test B;p4 test D;"
