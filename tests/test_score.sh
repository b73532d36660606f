#!/usr/bin/env bash
# findna score: VCF and tables in and out, the same bytes on any number of ranks, and what it refuses. test_score.c has the values.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
awk 'BEGIN { srand(3 + ENVIRON["DRAWS"]); for (k = 1; k <= 3; k++) { print ">chr" k; for (i = 0; i < 40; i++) { t = ""; for (j = 0; j < 50; j++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t } } }' >genome.fa

# variants [PREFIX]: SNVs, an indel, two ALTs, a symbolic allele, unsorted; contigs are named PREFIX1, ...
variants() {
  printf '##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n'
  awk -v prefix="$1" '/^>/ { k++; next } { s[k] = s[k] $0 } END { srand(5 + ENVIRON["DRAWS"]); split("T A C G", to, " "); for (i = 0; i < 60; i++) { c = 1 + i % 3; p = 1 + int(rand() * 1990); r = substr(s[c], p, 1); n = 1 + int(rand() * 4); a = to[n] == r ? to[n % 4 + 1] : to[n]; info = i % 4 ? "DP=" i ";X" : "."
    if (i == 7) a = a r; if (i == 8) a = "<DEL>"; if (i == 9) a = "*," a; if (i == 10) { r = substr(s[c], p, 3); a = "A" }
    print prefix c "\t" p "\trs" i "\t" (i % 2 ? tolower(r) : r) "\t" a "\t50\tPASS\t" info "\tGT\t0/1\t1|1" } }' genome.fa
}
variants chr >v.vcf
score() { local n=$1; shift; ranks "$n" score run "$@" >out.log 2>&1 || { tail -2 out.log; return 1; }; }
for n in 1 2 4; do score $n v.vcf --genome genome.fa --output o$n.vcf; done
check "2 ranks write the bytes of one" cmp o1.vcf o2.vcf
check "so do 4 ranks" cmp o1.vcf o4.vcf
check "all variants in order, the other columns unchanged" diff <(grep -v '^#' v.vcf | cut -f1-7,9-) <(grep -v '^#' o1.vcf | cut -f1-7,9-)
check "INFO is kept and extended" test "$(grep -v '^#' o1.vcf | cut -f8 | sed -n 2p | grep -cE '^DP=1;X;FINDNA_LLR=-?[0-9.e-]+;FINDNA_DIST=[0-9.e-]+$')" = 1
check "an INFO of '.' is replaced" test "$(grep -v '^#' o1.vcf | cut -f8 | sed -n 1p | grep -cE '^FINDNA_LLR=')" = 1
check "the header describes the scores" test "$(grep -cE '^##INFO=<ID=FINDNA_(LLR|DIST),Number=A' o1.vcf)" = 2
check "an insertion has a distance but no ratio" grep -qE 'rs7.*FINDNA_LLR=\.;FINDNA_DIST=[0-9]' o1.vcf
check "a symbolic allele has neither" grep -qE 'rs8.*FINDNA_LLR=\.;FINDNA_DIST=\.' o1.vcf
check "two ALTs have separate scores" grep -qE 'rs9.*FINDNA_LLR=\.,-?[0-9.e-]+;FINDNA_DIST=\.,[0-9]' o1.vcf
variants "" | gzip >bare.vcf.gz; score 1 bare.vcf.gz --genome genome.fa --output bare.tsv && score 1 v.vcf --genome genome.fa --output v.tsv
check "contigs without chr are the same contigs" diff <(cut -f2- bare.tsv) <(cut -f2- v.tsv)
check "a table has a line for each ALT" test "$(wc -l <v.tsv)" = 62
awk 'BEGIN { print "id,alt,note,ref,pos,chrom" } !/^#/ { split($5, a, ","); for (i in a) print $3 "," a[i] ",x," $4 "," $2 "," $1 }' v.vcf >v.csv
score 1 v.csv --genome genome.fa --output csv.tsv
check "a table of variants yields the scores of the VCF" diff <(sort v.tsv) <(sort csv.tsv)
score 1 v.vcf --genome genome.fa --output llr.tsv --scores llr --one-strand
check "a single score" test "$(head -1 llr.tsv)" = "$(printf 'chrom\tpos\tid\tref\talt\tllr')"
"$FINDNA" score run v.vcf --genome genome.fa --output t3.vcf --threads 3 >/dev/null 2>&1
check "3 threads give the bytes of one" cmp t3.vcf o1.vcf

printf 'chr2\t10\t400\nchr1\t100\t260\tname\t0\t-\n' >r.bed
for n in 1 2; do score $n r.bed --genome genome.fa --output t$n.bedgraph; done
check "a track: 2 ranks write the bytes of one" cmp t1.bedgraph t2.bedgraph
check "every nucleotide of the intervals, at its position" test "$(grep -v track t1.bedgraph | awk '{ n++; if ($3 != $2 + 1 || $4 >= 0) bad++ } END { print n, bad + 0 }')" = "550 0"
printf 'chr1\t100\t160\n' >plus.bed && score 1 plus.bed --genome genome.fa --output plus.bedgraph --mask-every 60 && printf 'chr1\t100\t160\tx\t0\t-\n' >minus.bed && score 1 minus.bed --genome genome.fa --output minus.bedgraph --mask-every 60
check "the strand of an interval changes no value" bash -c 'paste plus.bedgraph minus.bedgraph | awk "!/track/ { n++; d = \$4 - \$8; if (\$2 != \$6 || d * d > 1e-10) bad++ } END { exit bad || n != 60 }"'
score 1 plus.bed --genome genome.fa --output entropy.bedgraph --track entropy
check "an entropy is between 0 and ln 4" awk '!/track/ { n++; if ($4 < 0 || $4 > 1.38630) bad++ } END { exit bad || n != 60 }' entropy.bedgraph

# A temperature divides the logits: with equal weights, those of the first step, half of it doubles their differences.
for tau in 1 0.5; do
  "$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=tau_$tau objective.mnm_tau=$tau optim.lr=0 train.steps=1 eval.every=0 >/dev/null 2>&1
  "$FINDNA" score tau_$tau v.vcf --genome genome.fa --output tau_$tau.tsv --scores llr >/dev/null 2>&1; "$FINDNA" score tau_$tau plus.bed --genome genome.fa --output tau_$tau.bedgraph --track entropy >/dev/null 2>&1
done
check "with a temperature of 0.5 a ratio is twice the difference of the logits" bash -c 'paste tau_1.tsv tau_0.5.tsv | awk -F"\t" "NR > 1 && \$6 ~ /[0-9]/ { n++; d = 2 * \$6 - \$12; if (d * d > 1e-10) bad++ } END { exit bad || n < 50 }"'
check "and the nucleotides of a track have less entropy" bash -c 'paste tau_1.bedgraph tau_0.5.bedgraph | awk "!/track/ { n++; less += \$8 < \$4 } END { exit n != 60 || less < 50 }"'

printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t0\tstart\tN\t<DEL>\t.\t.\t.\nchr1\t2001\tend\tN\t.\t.\t.\t.\n' >ends.vcf
grep -v '^#' v.vcf | head -1 | cut -f1-8 >>ends.vcf
expect "variants at a contig's ends get no score" 0 "1 of 3 alleles scored" "$FINDNA" score run ends.vcf --genome genome.fa --output ends.out.vcf --mismatches 0
check "and stay in place" test "$(grep -v '^#' ends.out.vcf | cut -f2,3,8 | head -2 | tr '\t\n' '  ')" = "0 start FINDNA_LLR=.;FINDNA_DIST=. 2001 end FINDNA_LLR=.;FINDNA_DIST=. "
sed 's/\t2001\t/\t2002\t/' ends.vcf >beyond.vcf
expect "positions beyond the ends are refused" 65 "beyond.vcf:4: the genome has no chr1:2002" "$FINDNA" score run beyond.vcf --genome genome.fa --output w.vcf --mismatches 0
for at in 0 2001; do
  sed "s/^\(chr1\t$at\t[a-z]*\)\t.*/\1\tA\tC\t.\t.\t./" ends.vcf >point.vcf
  expect "at a telomere there are structural variants only: $at" 65 "the genome has no chr1:$at" "$FINDNA" score run point.vcf --genome genome.fa --output w.vcf --mismatches 0
done
# Alleles of half a window are scored, longer ones are not, also near an end of the contig, where the window would hold them.
letters() { awk 'NR > 1 && NR < 22 { printf "%s", $0 }' genome.fa | cut -c"$1"; }
{ printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'
  for n in 20 21; do printf 'chr1\t6\tdel%s\t%s\t%s\t.\t.\t.\n' $n "$(letters 6-$((5 + n)))" "$(letters 6)"; printf 'chr1\t8\tins%s\t%s\t%s\t.\t.\t.\n' $n "$(letters 8)" "$(letters 8)$(letters 701-$((699 + n)))"; done; } >lengths.vcf
score 1 lengths.vcf --genome genome.fa --window 40 --output lengths.out.vcf
check "alleles longer than half a window get no score" test "$(grep -v '^#' lengths.out.vcf | sed -E 's/FINDNA_LLR=\.;FINDNA_DIST=(\.?).*/\1/; s/FINDNA.*/x/' | awk '{ printf "%s:%s ", $3, ($8 == "." ? "none" : "scored") }')" = "del20:scored ins20:scored del21:none ins21:none "
cat v.vcf v.vcf >joined.vcf
expect "VCF files joined by cat" 65 "joined.vcf:64: a header line behind variants" "$FINDNA" score run joined.vcf --genome genome.fa --output w.vcf
sed 's/^chr1/chr9/' v.vcf >wrong.vcf
expect "a contig that the genome lacks" 65 "wrong.vcf:4: genome.fa has no sequence 'chr9'" "$FINDNA" score run wrong.vcf --genome genome.fa --output w.vcf --mismatches 1
awk '/^>/ { print; next } { print substr($0, 2) substr($0, 1, 1) }' genome.fa >other.fa
expect "another genome" 65 "REF is [ACGTacgt]+, the genome has [ACGT]+ at chr.*another assembly" "$FINDNA" score run v.vcf --genome other.fa --output w.vcf
check "and nothing is written" bash -c '! ls | grep -qE "^w.vcf|tmp-"'
expect "--partial scores the variants on known contigs" 0 "20 of 60 variants lie on contigs that the genome lacks" "$FINDNA" score run wrong.vcf --genome genome.fa --output w.vcf --partial
check "and the others are '.'" test "$(grep -cE '^chr9.*FINDNA_LLR=[.,]+;FINDNA_DIST=[.,]+' w.vcf)" = 20
expect "a scored file" 65 "has FINDNA_LLR already" "$FINDNA" score run o1.vcf --genome genome.fa --output again.vcf
expect "no genome" 64 "give --genome" "$FINDNA" score run v.vcf --output w.vcf
expect "a table as VCF" 64 "is no VCF file" "$FINDNA" score run v.csv --genome genome.fa --output w.vcf
expect "an unknown output" 64 "expected NAME.vcf or NAME.tsv" "$FINDNA" score run v.vcf --genome genome.fa --output w.txt
expect "the output is the genome" 64 "expected NAME.vcf" "$FINDNA" score run v.vcf --genome genome.fa --output genome.fa
expect "the output is the input" 73 "would be overwritten" "$FINDNA" score run v.vcf --genome genome.fa --output ./v.vcf
printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t5\t.\tQ\tA\t.\t.\t.\n' >q.vcf
expect "a REF that is not a nucleotide" 65 "q.vcf:3: REF 'Q'" "$FINDNA" score run q.vcf --genome genome.fa --output w2.vcf
printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\tx\t.\tA\tA\t.\t.\t.\n' >q.vcf
expect "a position that is not a number" 65 "q.vcf:3: position 'x'" "$FINDNA" score run q.vcf --genome genome.fa --output w2.vcf
printf '##fileformat=VCFv4.2\nchr1\t5\t.\tA\tA\t.\t.\t.\n' >q.vcf
expect "a VCF without its header line" 65 "q.vcf:2: no line '#CHROM" "$FINDNA" score run q.vcf --genome genome.fa --output w2.vcf
printf 'chrom,pos,alt\n1,5,A\n' >q.csv
for alt in Q A,Q - A/T '<DEL' A.C "''"; do
  printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t5\t.\tA\t%s\t.\t.\t.\n' "$alt" >q.vcf
  expect "ALT $alt is no allele" 65 "q.vcf:3: ALT '.*': expected nucleotides, or what VCF allows" "$FINDNA" score run q.vcf --genome genome.fa --output w2.vcf
done
printf 'chrom,pos,ref,alt\nchr1,5,A,-\n' >dash.csv
expect "a deletion in another style" 65 "dash.csv:2: ALT '-': .*deletions are written with the base before them" "$FINDNA" score run dash.csv --genome genome.fa --output w2.tsv
for row in 'chr1\t5\t.\tA\tC\t.\t.\t.' 'chr1\t5\t.\tA\tC\t.\t.\t.\tGT\t0' 'chr1\t5\t.\tA\tC\t.\t.\t.\tGT\t0\t1\t1'; do
  printf "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n$row\n" >q.vcf
  expect "a line without a column for each sample" 65 "q.vcf:3: [0-9]+ columns; the line #CHROM has 11" "$FINDNA" score run q.vcf --genome genome.fa --output w2.vcf
done
expect "a table without ref" 65 "no column 'ref'" "$FINDNA" score run q.csv --genome genome.fa --output w2.tsv
# Tables in every style yield the same rows as the plain table. Contradictory columns and alleles are refused.
base=$(awk 'NR == 2 { print substr($0, 5, 1); exit }' genome.fa); other=$([ "$base" = A ] && echo C || echo A)
contig=$(head -1 genome.fa | sed 's/>\([^ ]*\).*/\1/')
printf 'chrom,pos,id,ref,alt\n%s,5,"a;b",%s,"%s,%s"\n' $contig $base $other N >plain.csv
"$FINDNA" score run plain.csv --genome genome.fa --output plain.tsv >/dev/null 2>&1; check "quoted alleles: one row each" test "$(wc -l <plain.tsv)" = 3
styled() { "$FINDNA" score run "$2" --genome genome.fa --output styled.tsv >out.log 2>&1; check "$1" cmp plain.tsv styled.tsv; rm -f styled.tsv; }
printf 'chrom;pos;id;ref;alt\r\n%s;5;"a;b";%s;%s,%s\r\n' $contig $base $other N >s.csv; styled "semicolons" s.csv
printf 'chrom, pos, id, ref, alt\n%s, 5,a;b, %s, "%s,%s"\n' $contig $base $other N >s.csv; styled "blanks after commas" s.csv
printf 'name\t"#CHROM"\tPOS\tID\tREF\tALT\nx\t%s\t5\ta;b\t%s\t%s,%s\n' $contig $base $other N >s.tsv; styled "a name in addition to an id, tab-separated" s.tsv
for header in contig,position,rsid,reference,alternative CHR,Pos,name,Ref,Alt; do
  printf '%s\n%s,5,"a;b",%s,"%s,%s"\n' $header $contig $base $other N >s.csv; styled "columns named $header" s.csv
done
printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n%s\t5\tall\tn\t.A,A.,<X>,*,]%s:9]C,C]%s:9],.,%s\t.\t.\t.\n' $contig $contig $contig $other >kinds.vcf
expect "every kind of allele" 0 "alleles scored" "$FINDNA" score run kinds.vcf --genome genome.fa --output kinds.tsv --mismatches 0
check "a row each" test "$(wc -l <kinds.tsv) $(cut -f3 kinds.tsv | sort | uniq -c | awk '$2 == "all" { print $1 }')" = "9 8"
printf 'chrom,pos,id,ref,alt\n%s,5,"a""b",%s,%s\n' $contig $base $other >s.csv; "$FINDNA" score run s.csv --genome genome.fa --output quote.tsv >/dev/null 2>&1; check "a quote in an id" grep -q 'a"b' quote.tsv
printf 'chrom,pos,pos,ref,alt\n%s,5,6,%s,%s\n' $contig $base $other >s.csv; expect "a column twice" 65 "s.csv:1: the column 'pos' is there twice" "$FINDNA" score run s.csv --genome genome.fa --output w2.tsv
printf 'chrom,pos,ref,alt\n1,%s,5,%s,%s\n' $contig $base $other >s.csv; expect "names of rows" 65 "s.csv:2: 5 fields; the header has 4 columns .names of rows" "$FINDNA" score run s.csv --genome genome.fa --output w2.tsv
for alt in "$other," ",$other" "$other,,$other" ""; do printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n%s\t5\t.\t%s\t%s\t.\t.\t.\n' $contig $base "$alt" >q.vcf; expect "ALT '$alt'" 65 "q.vcf:3: ALT '.*': an allele is empty" "$FINDNA" score run q.vcf --genome genome.fa --output w2.vcf; done
printf 'id,sequence\n"a b\tc",ACGTACGTACGTACGTACGT\n' >blank.csv; "$FINDNA" score run blank.csv --output blank.bedgraph >/dev/null 2>&1
check "names with blanks and tabs leave a track its four columns" test "$(tail -n +2 blank.bedgraph | awk '{ print NF, $1 }' | sort -u)" = "4 a_b_c"
printf 'BCF\2\2\0\0\0\0' | gzip >b.vcf.gz; expect "BCF" 65 "b.vcf.gz: is BCF, which is not read; write it as text" "$FINDNA" score run b.vcf.gz --genome genome.fa --output w2.vcf
head -c 400 bare.vcf.gz >cut.vcf.gz
expect "a truncated gzip" 65 "cut.vcf.gz" "$FINDNA" score run cut.vcf.gz --genome genome.fa --output w2.vcf
# At a contig's end, and beyond the range of numbers.
printf '>c1\n%s\n' "$(awk 'NR > 1 && NR < 6 { printf "%s", $0 }' genome.fa)" >short.fa
last=$(tail -1 short.fa | tail -c 2)
printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc1\t200\t.\t%s\t%sACGTACGTACGTACGTACGT\t.\t.\t.\n' "$last" "$last" >end.vcf
expect "an insertion at a contig's last base" 0 "wrote end.out.vcf" "$FINDNA" score run end.vcf --genome short.fa --output end.out.vcf
check "it has a distance" grep -qE 'FINDNA_DIST=[0-9]' end.out.vcf
printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc1\t9223372036854775807\t.\tACG\tA\t.\t.\t.\n' >huge.vcf
expect "a position beyond all contigs" 65 "huge.vcf:3: position '9223372036854775807'" "$FINDNA" score run huge.vcf --genome short.fa --output w2.vcf
printf '"chrom","pos","ref","alt"\n"chr1","5","%s","%s"\n' "$(sed -n 2p genome.fa | cut -c5)" "$(sed -n 2p genome.fa | cut -c5 | tr ACGT TGCA)" >quoted.csv
expect "a table with quotes" 0 "wrote" "$FINDNA" score run quoted.csv --genome genome.fa --output quoted.tsv
: >empty.vcf; expect "an empty file" 65 "empty.vcf: is empty" "$FINDNA" score run empty.vcf --genome genome.fa --output w2.vcf
expect "intervals as VCF" 64 "intervals give a track" "$FINDNA" score run r.bed --genome genome.fa --output w2.vcf
expect "variants as a track" 64 "variants give NAME.vcf" "$FINDNA" score run v.vcf --genome genome.fa --output w2.bedgraph
expect "a missing folder" 66 "mkdir -p nodir" "$FINDNA" score run v.vcf --genome genome.fa --output nodir/w.vcf
mkdir dir.vcf; expect "an output that is a folder" 73 "dir.vcf: is a folder" "$FINDNA" score run v.vcf --genome genome.fa --output dir.vcf
expect "a window longer than any contig" 0 "wrote" "$FINDNA" score run v.vcf --genome genome.fa --output w3.vcf --window 100000000 --scores llr
printf 'chr1\t10\t20\nchr1\t15\t30\n' >over.bed; expect "intervals that overlap" 0 "overlap or go backwards" "$FINDNA" score run over.bed --genome genome.fa --output over.bedgraph
score 1 plus.bed --genome genome.fa --output many.bedgraph --mask-every 1000000
check "more phases than nucleotides are one per nucleotide" cmp many.bedgraph plus.bedgraph
# Compressed outputs.
score 1 v.vcf --genome genome.fa --output p.vcf.gz && score 1 v.vcf --genome genome.fa --output p.tsv.gz && score 2 r.bed --genome genome.fa --output p.bedgraph.gz
check "NAME.vcf.gz, .tsv.gz and .bedgraph.gz are those files, compressed" bash -c 'gzip -t p.vcf.gz && cmp <(zcat p.vcf.gz) o1.vcf && cmp <(zcat p.tsv.gz) v.tsv && cmp <(zcat p.bedgraph.gz) t1.bedgraph'
expect "a compressed output of an unknown kind" 64 "expected NAME.vcf or NAME.tsv" "$FINDNA" score run v.vcf --genome genome.fa --output w.txt.gz
expect "a compressed output over its input" 73 "would be overwritten" "$FINDNA" score run bare.vcf.gz --genome genome.fa --output ./bare.vcf.gz
# Options without effect are refused.
expect "a track's option for variants" 64 "--track is for nucleotides" "$FINDNA" score run v.vcf --genome genome.fa --output w2.vcf --track entropy
expect "even at its default value" 64 "--mask-every is for nucleotides" "$FINDNA" score run v.vcf --genome genome.fa --output w2.tsv.gz --mask-every=8
expect "an option of variants for a track" 64 "--scores is for variants" "$FINDNA" score run r.bed --genome genome.fa --output w2.bedgraph --scores both
expect "--mismatches for a track" 64 "--mismatches is for variants" "$FINDNA" score run r.bed --genome genome.fa --output w2.bedgraph.gz --mismatches 0.5
expect "an option twice" 64 "--genome is given twice" "$FINDNA" score run v.vcf --genome genome.fa --output w2.vcf --genome other.fa
# A stop in the middle leaves nothing half-written.
for i in 1 2 3 4 5 6 7 8; do grep -v '^#' v.vcf; done | cat <(grep '^#' v.vcf) - >long.vcf
for i in 1 2 3 4; do grep -v '^#' long.vcf; done >more && for i in 1 2 3 4 5 6; do cat more; done >>long.vcf
"$FINDNA" score run long.vcf --genome genome.fa --output stopped.vcf >stopped.log 2>&1 & pid=$!
until grep -q 'MB of memory' stopped.log || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -TERM $pid; code=0; wait $pid || code=$?
check "TERM: code 75, no file, and a message" bash -c "[ $code = 75 ] && ! ls | grep -q stopped.vcf && grep -q 'stopped by a signal: stopped.vcf was not written' stopped.log"
(cat v.vcf; printf 'chr1\t0200\tsv\tN\t<DUP>\t.\t.\tSVTYPE=DUP\tGT\t0/1\t0/0\n') >sv.vcf
expect "a structural variant with REF N" 0 "alleles scored" "$FINDNA" score run sv.vcf --genome genome.fa --output sv.out.vcf --mismatches 0
check "is no mismatch, and its position is kept as it is written" grep -qP '^chr1\t0200\tsv\tN\t<DUP>\t.*FINDNA_LLR=\.' sv.out.vcf
awk -F'\t' -v OFS='\t' '!/^#/ && !done && length($4) == 1 { $4 = "R"; done = 1 } { print }' v.vcf >iupac.vcf
expect "another IUPAC letter in REF matches no genome" 65 "REF is R" "$FINDNA" score run iupac.vcf --genome genome.fa --output w.vcf --mismatches 0
sed 's/<DUP>/A/' sv.vcf >unknown.vcf; expect "REF N has no score" 0 "scored" "$FINDNA" score run unknown.vcf --genome genome.fa --output unknown.out.vcf --mismatches 0
check "with a plain ALT either" grep -qP '^chr1\t0200\tsv\tN\tA\t.*FINDNA_LLR=\.;FINDNA_DIST=\.' unknown.out.vcf
grep '^#' v.vcf >header.vcf; expect "a VCF without variants, which may have been cut off" 65 "header.vcf: has no variant" "$FINDNA" score run header.vcf --genome genome.fa --output w.vcf
(grep '^#' v.vcf; grep -v '^#' o1.vcf) >again.vcf; expect "scores in INFO without their header" 65 "again.vcf:[0-9]+: has FINDNA_LLR already" "$FINDNA" score run again.vcf --genome genome.fa --output w.vcf
# An input that is replaced while it is read: as the output is opened, once the inputs are being read.
if ldd "$FINDNA" | grep -q asan; then echo "skipped - replaced inputs: the fault library does not work with AddressSanitizer"
else
  ${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl
  for file in v.vcf genome.fa; do
    cp $file $file.new
    expect "$file is replaced while it is read" 65 "$file: was changed or replaced while it was read" env LD_PRELOAD="$PWD/fault.so" FAULT=open:1:replace=$file:replaced "$FINDNA" score run v.vcf --genome genome.fa --output replaced.vcf
    check "and nothing is written" test -z "$(ls -A | grep replaced)"
  done
fi
