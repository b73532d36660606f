#!/usr/bin/env bash
# Tests names chosen by others, of files, contigs, classes and sequences: they cannot add lines or terminal control sequences to messages and
# tables.
source "$(dirname "$0")/lib.sh"
evil=$'x\nfindna: finished\e[2J\xc2\x85\xe2\x80\xae\x9b' # with U+0085 and U+202E
# shown NAME CODE COMMAND...: checks the exit code, that there are no control characters except newlines and no forged line, and that the name is escaped
shown() {
  local name=$1 code=$2 got=0
  shift 2
  timeout 120 "$@" >out.log 2>&1 </dev/null || got=$?
  check "$name ends with $code ($got)" test $got = "$code"
  check "$name: no control characters" bash -c '! LC_ALL=C grep -qP "[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae|(?<![\xc2-\xf4\x80-\xbf])[\x80-\xbf]" out.log'
  check "$name: no forged line" bash -c '[ -s out.log ] && ! grep -q "^findna: finished.*[0-9\\\\]b" out.log && ! grep -qx "findna: finished.*202e.*" out.log'
  check "$name: the name is escaped" grep -qF 'x\nfindna: finished\x1b[2J\u0085\u202e\x9b' out.log
}
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
shown "a missing run" 66 "$FINDNA" inspect "$evil"
shown "an unknown command" 64 "$FINDNA" "$evil"
shown "an option" 64 "$FINDNA" embed "--$evil"
shown "a config" 66 "$FINDNA" pretrain "$evil"
cp -r run "$evil"
shown "a run" 0 "$FINDNA" inspect "$evil"
cp -r shards "s$evil"
shown "shards" 0 "$FINDNA" inspect "s$evil"
shown "shards that are verified" 0 "$FINDNA" prepare --verify "s$evil"
mkdir "d$evil"
shown "doctor in a folder" 0 bash -c 'cd "d$0" && "$1" doctor "$2" data.shards="$3"' "$evil" "$FINDNA" "$root/tests/tiny.yaml" "$scratch/shards"
label=$'x\e[2J'
for set in train test; do xz -dc "$root/datasets/prom_core_notata.$set.tsv.xz" | head -81 | awk -F'\t' -v OFS='\t' -v a="$label" 'NR > 1 { $2 = $2 ? a : "other" } 1' >$set.tsv; done
expect "a label" 65 "the label 'x\\\\x1b\[2J' has" "$FINDNA" probe --encoder none --train train.tsv --test test.tsv --kmer 1 --seeds 1
printf '>x\e[2J\nACGT\n' >evil.fa
expect "a contig" 65 "expected printable ASCII|x1b" "$FINDNA" prepare --window 61 --count 16 --val-count 0 evil evil.fa
check "no control characters" bash -c '! LC_ALL=C grep -qP "\x1b" out.log'

# Names that a spreadsheet would evaluate
printf 'id,sequence\n=HYPERLINK(1),ACGTACGTACGT\n+1,ACGTACGTACGT\n-cmd|x,ACGTACGTACGT\n@SUM(A1),ACGTACGTACGT\n＝1,ACGTACGTACGT\na=b,ACGTACGTACGT\n"""=1""",ACGTACGTACGT\n' >ids.csv
"$FINDNA" embed run ids.csv --output plain.tsv >/dev/null 2>&1
expect "--spreadsheet" 0 "wrote" "$FINDNA" embed run ids.csv --output safe.tsv --spreadsheet
check "names that would be evaluated get an apostrophe" test "$(cut -f1 safe.tsv | tr '\n' ' ')" = "id '=HYPERLINK(1) '+1 '-cmd|x '@SUM(A1) '＝1 a=b '\"=1\" "
check "without it they are unchanged" test "$(cut -f1 plain.tsv | tr '\n' ' ')" = "id =HYPERLINK(1) +1 -cmd|x @SUM(A1) ＝1 a=b \"=1\" "
check "numbers are the same" cmp <(cut -f2- plain.tsv) <(cut -f2- safe.tsv)
check "including negative ones" grep -q "$(printf '\t-')" safe.tsv
expect "for NAME.tsv only" 64 "no effect on e.npy; it is for NAME.tsv" "$FINDNA" embed run ids.csv --output e.npy --spreadsheet
{ printf '>chr1\n'; for ((i = 0; i < 40; i++)); do printf ACGTTGCAAC; done; echo; } >genome.fa
printf 'chrom,pos,ref,alt,id\nchr1,101,A,C,=1+1\nchr1,102,C,G,rs2\n' >v.csv
expect "score: --spreadsheet" 0 "wrote" "$FINDNA" score run v.csv --genome genome.fa --output s.tsv --spreadsheet
check "its names get it, too" test "$(cut -f3 s.tsv | tr '\n' ' ')" = "id '=1+1 rs2 "
"$FINDNA" score run v.csv --genome genome.fa --output p.tsv >/dev/null 2>&1
check "and only its names" cmp <(cut -f1,2,4- s.tsv) <(cut -f1,2,4- p.tsv)
expect "score: for NAME.tsv only" 64 "no effect on s.vcf" "$FINDNA" score run v.csv --genome genome.fa --output s.vcf --spreadsheet
