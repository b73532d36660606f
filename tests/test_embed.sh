#!/usr/bin/env bash
# findna embed: the same bytes on any number of ranks, the same values from any kind of file, strands, windows, and refused inputs.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
genome=$root/datasets/human_chr20_slice.2bit
read -r contig first _ < <(grep -v '^#' "$root/datasets/human_chr20_slice.bed" | head -1)

embed() { "$FINDNA" embed run "$@" >out.log 2>&1 || { tail -3 out.log; return 1; }; }
# close A B: whether two tables hold the same numbers up to rounding, ignoring names
close() { paste <(tail -n +2 "$1" | cut -f2-) <(tail -n +2 "$2" | cut -f2-) | awk '{ n = NF / 2; for (i = 1; i <= n; i++) { d = $i - $(i + n); if (d < 0) d = -d; if (d > 2e-6) bad++ } rows++ } END { exit bad || !rows }'; }
turn() { rev | tr ACGT TGCA; }

awk 'BEGIN { srand(7 + ENVIRON["DRAWS"]); for (s = 0; s < 40; s++) { t = ""; for (i = 0; i < 20 + s * 7 % 90; i++) t = t substr("ACGTN", 1 + int(rand() * 4.1), 1); print ">s" s " a note\n" t } }' >x.fa
awk '/^>/ { id = substr($1, 2); next } { print id "," $0 }' x.fa | sed '1i id,sequence' | gzip >x.csv.gz
for kind in tsv npy h5; do
  for n in 1 2 4; do ranks $n embed run x.fa --output r$n.$kind >out.log 2>&1 || tail -3 out.log; done
  check "$kind: 2 ranks write the bytes of one" cmp r1.$kind r2.$kind
  check "$kind: 4 ranks, too" cmp r1.$kind r4.$kind
done
# The ranks share the pieces of one long sequence: pooled, by nucleotide, over both strands, and unevenly.
awk '/^>/ { next } { t = t $0 } END { print ">before\nACGT\n>long\n" t "\n>after\nGATTACA" }' x.fa >long.fa
for how in "--window 61 --stride 20" "--window 61 --stride 7 --both-strands" "--pool positions --window 61 --stride 25 --both-strands" "--pool positions --window 50" "--pool positions --window 0"; do
  rm -f long?.npy
  for n in 1 2 3 4; do ranks $n embed run long.fa --output long$n.npy $how >out.log 2>&1 || tail -3 out.log; done
  check "pieces of a long sequence, $how: 2, 3 and 4 ranks write the bytes of one" eval "cmp long1.npy long2.npy && cmp long1.npy long3.npy && cmp long1.npy long4.npy"
done
# More pieces than a round has (65,536), pooled and by nucleotide.
awk 'BEGIN { srand(3 + ENVIRON["DRAWS"]); print ">many"; for (i = 0; i < 1100; i++) { t = ""; for (k = 0; k < 60; k++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t } }' >rounds.fa
for how in "" "--pool positions"; do
  rm -f rounds?.npy
  for n in 1 3; do ranks $n embed run rounds.fa --output rounds$n.npy --window 6 --stride 1 $how >out.log 2>&1 || tail -3 out.log; done
  check "several rounds of pieces${how:+, $how}: 3 ranks write the bytes of one" cmp rounds1.npy rounds3.npy
done
check "ids are those of the input, in its order" diff <(grep '^>' x.fa | sed 's/>\([^ ]*\).*/\1/') <(tail -n +2 r1.tsv | cut -f1)
check "NumPy's ids, too" diff r1.npy.ids.txt <(tail -n +2 r1.tsv | cut -f1)
check "3 threads give the bytes of one" bash -c '"$0" embed run x.fa --output threads.tsv --threads 3 >/dev/null 2>&1 && cmp threads.tsv r1.tsv' "$FINDNA"
for n in 1 2; do ranks $n embed run x.fa --output bf16_$n.tsv --precision bf16 --simd amx_model >out.log 2>&1 || tail -3 out.log; done
check "operands in bf16: 2 ranks write the bytes of one" cmp bf16_1.tsv bf16_2.tsv
far() { paste <(tail -n +2 "$1" | cut -f2-) <(tail -n +2 "$2" | cut -f2-) | awk '{ n = NF / 2; for (i = 1; i <= n; i++) { d = $i - $(i + n); sum += d * d; all += $i * $i } } END { r = sqrt(sum / all); exit !(r > 1e-5 && r < 1e-2) }'; }
check "and the values are those of fp32 up to roundings in bf16" far r1.tsv bf16_1.tsv
embed x.csv.gz --output table.tsv && check "a table gives what FASTA gives" cmp table.tsv r1.tsv

embed x.fa --output packed.tsv.gz && check "NAME.tsv.gz is NAME.tsv, compressed" bash -c 'cmp <(zcat packed.tsv.gz) r1.tsv'
expect "NumPy is not compressed" 64 "ends with .h5, .npy, .tsv or .tsv.gz" "$FINDNA" embed run x.fa --output x.npy.gz

# The content of files of embeddings.
for kind in h5 npy; do
  expect "inspect: $kind" 0 "^  rows +40 of 18 values, float32" "$FINDNA" inspect r1.$kind
  check "its items, their names and values" test "$(grep -cE '^  items +40$|^  ids +s0, s1, s2, \.\.\.$|^  values +-?[0-9.e-]+ to [0-9.e-]+, mean .*; 0 not finite$' out.log)" = 3
  embed x.fa --output many.$kind --pool positions; expect "inspect: $kind, a row a nucleotide" 0 "^  rows +$(awk '!/^>/ { n += length($0) } END { print n }' x.fa) of 18 values" "$FINDNA" inspect many.$kind
  head -c 900 r1.$kind >cut.$kind; expect "inspect: a cut $kind" 65 "cut.$kind" "$FINDNA" inspect cut.$kind
done
"$FINDNA" inspect r1.h5 >shown.log 2>&1; check "inspect: what was done" test "$(grep -cE '^  (state_id +[0-9a-f]{64}|pooling +mean over the nucleotides|sequences +x.fa|encoder +teacher)$' shown.log)" = 4
cp r1.npy bare.npy; expect "inspect: missing names" 0 "ids.txt. is missing" "$FINDNA" inspect bare.npy
head -5 r1.npy.ids.txt >bare.npy.ids.txt; expect "inspect: names of another matrix" 65 "names of 5 rows, but the matrix has 40" "$FINDNA" inspect bare.npy
printf '\x93NUMPY\x01\x00\x10\x00{"nothing": 1}  ' >other.npy; expect "inspect: another NumPy file" 65 "not hold rows of float32" "$FINDNA" inspect other.npy
bytes=$(stat -c %s r1.h5); for i in $(seq 60); do cp r1.h5 hit.h5; printf '\377' | dd of=hit.h5 bs=1 seek=$((i * 7919 % (bytes < 4000 ? bytes : 4000))) conv=notrunc status=none; "$FINDNA" inspect hit.h5 >/dev/null 2>&1; echo $?; done | sort -u >codes
check "inspect: a byte changed anywhere is 65 or unseen, never a crash" bash -c '[ -s codes ] && ! grep -qvE "^(0|65)$" codes'
expect "inspect: a shard is still one" 0 "windows +[0-9]+ of 61 nucleotides" "$FINDNA" inspect "$(ls shards/*.h5 | head -1)"

# Strands: the reverse complement of an interval is its own '-' strand; --both-strands does not depend on the given strand.
printf '%s\t%d\t%d\tone\t0\t+\n%s\t%d\t%d\ttwo\t0\t-\n' $contig $((first + 1000)) $((first + 1090)) $contig $((first + 1000)) $((first + 1090)) >i.bed
embed i.bed --genome "$genome" --output i.tsv && embed i.bed --genome "$genome" --output both.tsv --both-strands
check "an interval has the name it is given" test "$(cut -f1 i.tsv | xargs)" = "id one two"
check "the strands of an interval differ" bash -c '! cmp -s <(sed -n 2p i.tsv | cut -f2-) <(sed -n 3p i.tsv | cut -f2-)'
sed -n '1,2p' both.tsv >b1 && sed -n '1p;3p' both.tsv >b2
check "--both-strands: the same for both" close b1 b2
# Also where sequences are cut into windows, the last of which is nearer to its predecessor than the others.
printf '%s\t%d\t%d\tlong\t0\t+\n%s\t%d\t%d\tlong\t0\t-\n' $contig $((first + 1000)) $((first + 1205)) $contig $((first + 1000)) $((first + 1205)) >long.bed
sed -n 1p long.bed >plus.bed && sed -n 2p long.bed >minus.bed
for how in "--pool tokens" "--pool max" "--pool cls" "--pool positions" "--pool positions --stride 7"; do
  for strand in plus minus; do embed $strand.bed --genome "$genome" --both-strands --window 61 $how --output $strand.tsv; done
  # Positions of the reverse complement are in the opposite order.
  case $how in *positions*) { head -1 minus.tsv; tail -n +2 minus.tsv | cut -f3- | tac | paste <(tail -n +2 plus.tsv | cut -f1,2) -; } >turned.tsv ;; *) cp minus.tsv turned.tsv ;; esac
  check "--both-strands $how: windows of the reverse complement are mirrored" close plus.tsv turned.tsv
done
awk -v CONVFMT=%.9g 'NR == 1 { print; next } NR == 2 { split($0, a) } NR == 3 { line = "m"; for (i = 2; i <= NF; i++) line = line "\t" (a[i] + $i) / 2; print line }' i.tsv >mean.tsv
check "--both-strands: the mean of both" close b1 mean.tsv
cut -f1-3 i.bed | head -1 >plain.bed && embed plain.bed --genome "$genome" --output plain.tsv
check "an interval without a name is named by its position" grep -q "^$contig:$((first + 1000))-$((first + 1090))" plain.tsv

# Intervals in any order, of any kind of file, from a compressed genome: the rows of sorted intervals from the uncompressed genome.
awk 'BEGIN { srand(11 + ENVIRON["DRAWS"]); for (k = 1; k <= 5; k++) { print ">chr" k; for (i = 0; i < 30; i++) { t = ""; for (j = 0; j < 60; j++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t } } }' >g.fa
gzip -k g.fa
awk 'BEGIN { srand(13 + ENVIRON["DRAWS"]); for (i = 0; i < 60; i++) { b = int(rand() * 1600); print "chr" 1 + int(rand() * 5) "\t" b "\t" b + 40 + i "\tp" i "\t0\t" (i % 3 ? "+" : "-") } }' >mixed.bed
sort -k1,1 -k2,2n mixed.bed >sorted.bed
sed 's/$/\t1\t2\t3\t4/' mixed.bed >mixed.narrowPeak && gzip -c mixed.bed >mixed.bed.gz && gzip -c mixed.bed >mixed.bed.bgz
embed sorted.bed --genome g.fa --output sorted.tsv
for f in mixed.bed mixed.narrowPeak mixed.bed.gz mixed.bed.bgz; do for g in g.fa g.fa.gz; do
  embed $f --genome $g --output mixed.tsv && check "$f on $g: the rows of the sorted intervals" cmp <(tail -n +2 sorted.tsv | sort) <(tail -n +2 mixed.tsv | sort)
done; done
long=$(printf 'n%.0s' $(seq 1500)); printf '>%s\nACGTACGTAC\n>chr1:4-14\nACGTACGTAC\n>empty\n' "$long" >names.fa
expect "a record without a sequence" 0 "1 of 3 records have no sequence and get no row" "$FINDNA" embed run names.fa --output names.tsv
check "names are unchanged, however long" cmp <(tail -n +2 names.tsv | cut -f1) <(printf '%s\nchr1:4-14\n' "$long")

# Positions: their mean is the pooled row.
embed x.fa --output pos.tsv --pool positions --window 0 && embed x.fa --output whole.tsv --window 0
awk -v CONVFMT=%.9g 'NR == 1 { next } { if ($1 != id) { flush(); id = $1; n = 0; split("", s) } n++; w = NF; for (i = 3; i <= NF; i++) s[i] += $i } function flush(  i, line) { if (n) { line = id; for (i = 3; i <= w; i++) line = line "\t" s[i] / n; print line } } BEGIN { print "id" } END { flush() }' pos.tsv >pooled.tsv
check "the mean of the positions is the pooled row" close pooled.tsv whole.tsv
check "positions are counted from 1, and complete" test "$(awk '$1 == "s0" { n++; if ($2 != n) bad = 1 } END { print n, bad + 0 }' pos.tsv)" = "$(awk 'f { print length($0), 0; exit } /^>s0 / { f = 1 }' x.fa)"
embed x.fa --output cls.tsv --pool cls && embed x.fa --output two.tsv --pool both
check "cls, and both as wide as cls and tokens together" test "$(awk 'NR == 1 { print NF }' cls.tsv) $(awk 'NR == 1 { print NF }' two.tsv)" = "19 37"

# Windows: the mean over windows is the mean over the same intervals.
printf '%s\t%d\t%d\n' $contig $((first + 5000)) $((first + 5150)) >long.bed
for from in 0 40 80 90; do printf '%s\t%d\t%d\n' $contig $((first + 5000 + from)) $((first + 5060 + from)); done >pieces.bed
embed long.bed --genome "$genome" --output long.tsv --window 60 --stride 40 && embed pieces.bed --genome "$genome" --output pieces.tsv
awk -v CONVFMT=%.9g 'NR == 1 { print; next } { for (i = 2; i <= NF; i++) s[i] += $i; w = NF } END { line = "m"; for (i = 2; i <= w; i++) line = line "\t" s[i] / 4; print line }' pieces.tsv >mean.tsv
check "a long sequence is the mean of its windows, the last one at its end" close long.tsv mean.tsv
embed long.bed --genome "$genome" --output longpos.tsv --window 60 --stride 40 --pool positions && embed pieces.bed --genome "$genome" --output piecepos.tsv --pool positions
awk -v CONVFMT=%.9g 'NR > 1 { split($1, a, "[:-]"); at = a[2] + $2 - 1; n[at]++; for (i = 3; i <= NF; i++) s[at, i] += $i; w = NF } END { print "id"; for (at = '$((first + 5000))'; at < '$((first + 5150))'; at++) { line = "m\t" ++k; for (i = 3; i <= w; i++) line = line "\t" s[at, i] / n[at]; print line } }' piecepos.tsv >meanpos.tsv
check "and a position the mean of the windows that hold it" close longpos.tsv meanpos.tsv
printf '%s\t%d\t%d\n' $contig $first $((first + 131072)) >huge.bed
expect "131,072 nucleotides at once, with the memory stated" 0 "about [0-9]+ MB of memory a rank" "$FINDNA" embed run huge.bed --genome "$genome" --window 0 --output huge.npy

printf 'old' >old.tsv
printf '>a\nACGT!\n' >bad.fa && expect "a letter that is none" 65 "bad.fa:2:5" "$FINDNA" embed run bad.fa --output old.tsv
check "and the output is unchanged" test "$(cat old.tsv)" = old
check "and no temporary file is left" bash -c '! ls | grep -q tmp-'
printf 'id\tsequence\na\tACGT\n' >rows.tsv
expect "an output that is the input" 73 "would be overwritten" "$FINDNA" embed run rows.tsv --output ./rows.tsv
expect "an unknown format" 64 "ends with .h5, .npy, .tsv or .tsv.gz" "$FINDNA" embed run x.fa --output out.pkl
expect "no genome" 64 "give the genome" "$FINDNA" embed run i.bed --output o.tsv
printf '%s\t10\t5\n' $contig >bad.bed && expect "an interval with start and end exchanged" 65 "bad.bed:1: interval 10 to 5" "$FINDNA" embed run bad.bed --genome "$genome" --output o.tsv
printf '%s\t%d\t%d\n' $contig $first 999999999 >far.bed && expect "an interval of another assembly" 65 "of another assembly" "$FINDNA" embed run far.bed --genome "$genome" --output o.tsv
printf 'chr99\t1\t5\n' >none.bed && expect "a missing contig" 65 "no sequence 'chr99'" "$FINDNA" embed run none.bed --genome "$genome" --output o.tsv
printf 'label\n1\n' >nosequence.csv && expect "a table without sequences" 65 "no column 'sequence'" "$FINDNA" embed run nosequence.csv --output o.tsv
printf 'id,sequence\n"a\tb",ACGT\n,ACGTA\n' >tab.csv; embed tab.csv --pool positions --output tab.npy && embed tab.csv --output tab.tsv
check "a name with a tab is one column, and the number stands for none" test "$(cut -f1 tab.npy.ids.txt tab.tsv | tr '\n' '|')" = "a b|2|id|a b|2|"
printf 'id,sequence\na,ACGT\nM\374ller,ACGT\n' >latin.csv; expect "a name in Latin-1" 65 "latin.csv: row 2: the name 'M.*ller' is no UTF-8" "$FINDNA" embed run latin.csv --output o.h5
printf 'chr1\t0\t30\tM\374ller\n' >latin.bed; expect "an interval with a name in Latin-1" 65 "latin.bed:1: the name 'M.*ller' is no UTF-8" "$FINDNA" embed run latin.bed --genome g.fa --output o.h5
expect "and what is written can be read" 0 "items +2" "$FINDNA" inspect tab.npy
printf 'chr1\t0\t30\n' >lone.bed; printf 'chr1\t0\t30\tn\t0\t\n' >ends.bed; embed lone.bed --genome g.fa --output lone.tsv && embed ends.bed --genome g.fa --output ends.tsv
check "an empty strand is no strand" cmp <(cut -f2- lone.tsv) <(cut -f2- ends.tsv)
printf 'chr1\t1e2\t2e2\n' >e.bed; expect "numbers in scientific notation" 65 "e.bed:1: expected contig, start and end .whole numbers.*1e2" "$FINDNA" embed run e.bed --genome g.fa --output o.tsv
printf '>a\0b\nACGT\n' >nul.fa; expect "a NUL in a name" 65 "nul.fa:1: has a NUL byte" "$FINDNA" embed run nul.fa --output o.tsv
expect "standard input" 65 "/dev/stdin: is not a regular file but .*: save it as a file" "$FINDNA" embed run /dev/stdin --output o.tsv
for end in '\n' '\r' '\r\n'; do awk -v end="$end" 'BEGIN { srand(5 + ENVIRON["DRAWS"]); for (i = 0; i < 6; i++) { t = ""; for (k = 0; k < 500 + i * 6; k++) t = t substr("ACGT", 1 + int(rand() * 4), 1); printf ">r%d%s%s%s%s%s", i, end, t, t, end, t end } }' >ends.fa; embed ends.fa --output ends.tsv && { [ "$end" = '\n' ] && cp ends.tsv lf.tsv; check "long lines that end with $end" cmp ends.tsv lf.tsv; }; done
expect "a stride that leaves gaps" 64 "would be left out" "$FINDNA" embed run x.fa --output o.tsv --window 50 --stride 51
expect "a stride without windows" 64 "no effect beside --window 0" "$FINDNA" embed run x.fa --output o.tsv --window 0 --stride 5
expect "unknown pooling" 64 "expected tokens, cls, both, max, positions or task" "$FINDNA" embed run x.fa --output o.tsv --pool median
expect "no checkpoint" 66 "nowhere" "$FINDNA" embed nowhere x.fa --output o.tsv
expect "a missing folder" 66 "mkdir -p nodir" "$FINDNA" embed run x.fa --output nodir/o.h5
printf 'track1\t1\t9\n' >t.bed; printf '>track1\nACGTACGTACGTAA\n' >t.fa
expect "a contig whose name begins with track" 0 "1 sequences of 8 nucleotides" "$FINDNA" embed run t.bed --genome t.fa --output o.tsv
