#!/usr/bin/env bash
# Tests findna prepare: the same bits on any number of ranks, options, verification, and every kind of bad input.
source "$(dirname "$0")/lib.sh"
slice=$root/datasets/human_chr20_slice.2bit bed=$root/datasets/human_chr20_slice.bed

# A small genome of two contigs, with N, lower case and CRLF.
dna() { awk -v seed="$1" -v n="$2" 'BEGIN { srand(seed + ENVIRON["DRAWS"]); for (i = 0; i < n; i++) printf "%s", substr("ACGTacgt", int(8 * rand()) + 1, 1) }'; }
{ echo '>chr1 first'; dna 1 30000 | fold -w 70; echo; echo '>chr2'; dna 2 9000 | fold -w 61 | sed 's/$/\r/'; printf 'NNNNNNNNNNNRYK\r\n'; } > small.fa

for n in 1 2 4; do
  ranks $n prepare --window 100 --count 3000 --val-count 200 --bed "$bed" --shard-windows 333 --max-n 0.1 --seed 5 bits$n "$slice" > bits$n.log 2>&1
  ranks $n prepare --window 64 --stride 7 --shard-windows 1000 --holdout chr2 stride$n small.fa > stride$n.log 2>&1
done
for n in 2 4; do
  check "$n ranks write the bits of one" diff -r bits1 bits$n
  check "$n ranks, strided: the bits of one" diff -r stride1 stride$n
done
check "the report is the same" diff <(grep -v written bits1.log | grep -v shard) <(grep -v written bits4.log | grep -v shard)
check "it reports what was read" grep -q '39014 bases in 2 sequences of 1 file; 14 N (3 of them other IUPAC letters)' stride1.log
check "and how much of it is in lower case" grep -q "; 14 N .*, $(grep -v '>' small.fa | tr -dc acgt | wc -c) in lower case\$" stride1.log
check "it reports what was written" grep -qE 'written +5556 windows in 7 shards' stride1.log
gzip -k small.fa
expect "gzip" 0 "39014 bases" "$FINDNA" prepare --window 64 --stride 7 --shard-windows 1000 --holdout chr2 packed small.fa.gz
check "gzip yields the windows of the plain file: shards differ only in the source's hash" test "$(cmp -l packed/train-00002.h5 stride1/train-00002.h5 | wc -l)" -lt 90
sed -n '/chr1/,/chr2/p' small.fa | grep -v chr2 > one.fa; sed -n '/chr2/,$p' small.fa > two.fa
ranks 2 prepare --window 64 --count 500 --holdout chr2 --val-count 20 files2 one.fa two.fa >/dev/null 2>&1
ranks 1 prepare --window 64 --count 500 --holdout chr2 --val-count 20 files1 one.fa two.fa >/dev/null 2>&1
check "several files, shared between ranks" diff -r files1 files2

expect "verify" 0 "windows of [0-9]+, and the tables, are whole; dataset_id" "$FINDNA" prepare --verify bits1
check "verify on 2 ranks" ranks 2 prepare --verify bits1
expect "an existing folder is not touched" 73 "exists already" "$FINDNA" prepare --window 100 --count 10 bits1 small.fa
check "and is unchanged" diff -r bits1 bits2
expect "a slash after OUT" 0 written "$FINDNA" prepare --window 100 --count 10 slash/ small.fa
check "makes OUT" test -f slash/manifest.json
expect "OUT that is not a name" 64 "not the name of a new folder" "$FINDNA" prepare --window 100 --count 10 slash/.. small.fa
mkdir mine.tmp-prepare && touch mine.tmp-prepare/file
expect "a folder that is in the way is not touched" 73 "is in the way" "$FINDNA" prepare --window 100 --count 10 mine small.fa
check "and is unchanged" test -f mine.tmp-prepare/file
mkdir early.tmp-prepare
expect "an empty one, left by a prepare that ended before it could lock, is used" 0 "written" "$FINDNA" prepare --window 100 --count 10 early small.fa
mkdir held.tmp-prepare && exec 9>held.tmp-prepare/prepare.lock && flock -n 9
expect "two at once" 73 "in use" "$FINDNA" prepare --window 100 --count 10 held small.fa
exec 9>&-
expect "after the other one has ended" 0 written "$FINDNA" prepare --window 100 --count 10 held small.fa
check "no lock stays" test -z "$(ls held | grep lock)"
expect "aliases: 1 is chr1" 0 "left out +chr2" "$FINDNA" prepare --window 100 --count 10 --contigs 1 alias small.fa
expect "another assembly is detected" 65 "chr1 has 30000 bases, but GRCh38's has 248956422" "$FINDNA" prepare --window 100 --count 10 --assembly GRCh38 no small.fa
printf '>foo\nACGTACGTACGT\n' > foo.fa
expect "hg38 is GRCh38" 65 "chr1 has 30000 bases" "$FINDNA" prepare --window 100 --count 10 --assembly hg38 no small.fa
expect "an assembly without a known name" 65 "no sequence has the name of a chromosome" "$FINDNA" prepare --window 5 --count 10 --assembly GRCh38 no foo.fa
printf '>chr20:1-12\nACGTACGTACGT\n' > begin.fa
expect "a region from the first base on" 0 written "$FINDNA" prepare --window 5 --count 10 --assembly GRCh38 begin begin.fa
expect "the slice has GRCh38's coordinates" 0 written "$FINDNA" prepare --window 100 --count 10 --assembly GRCh38 yes "$slice"

# Random windows of a contig of A and one of C, a tenth as long.
{ echo '>long'; printf 'A%.0s' {1..20000}; printf '\n>short\n'; printf 'C%.0s' {1..2000}; echo; } >ten.fa
of_short() { "$FINDNA" prepare --window 50 --count 2000 --seed 1 "${@:2}" "$1" ten.fa >/dev/null 2>&1; echo $(($(tr -dc '\001' <"$1/train-00000.h5" | wc -c) * 100 / (50 * 2000))); } # percent of symbols that are C
check "random windows are drawn by the lengths of contigs" eval 'share=$(of_short by_length) && test "$share" -ge 7 -a "$share" -le 11'
check "with --sampling uniform, the same number of each" eval 'share=$(of_short by_contig --sampling uniform) && test "$share" -ge 47 -a "$share" -le 54'

# Bad sequence files.
bad() { # name, exit code, pattern, file: refused, and nothing written
  expect "$1" "$2" "$3" "$FINDNA" prepare --window 10 --count 5 out "$4"
  check "$1: nothing is left behind" test -z "$(ls -d out out.tmp* 2>/dev/null)"
}
printf '' > empty.fa;                               bad "FASTA: empty" 65 "empty.fa: is empty" empty.fa
printf 'ACGTACGTACGT\n' > bare.fa;                  bad "FASTA: no header" 65 "bare.fa:1:1: expected '>'" bare.fa
printf '>a\n\n>b\n' > hollow.fa;                     bad "FASTA: no record with a sequence" 65 "hollow.fa: none of its 2 records has a sequence" hollow.fa
printf '>\nACGTACGTACGT\n' > nameless.fa;           bad "FASTA: no name" 65 "nameless.fa:1: the record has no name" nameless.fa
printf '>a\nACGTAC\nGTAQCGT\n' > letter.fa;         bad "FASTA: a letter that is not DNA" 65 "letter.fa:3:4: 'Q' is no letter of DNA" letter.fa
printf '>a\nACGT\0ACGTACGT\n' > nul.fa;             bad "FASTA: binary" 65 "nul.fa:2:5: byte 0x00" nul.fa
head -c 3000 "$FINDNA" > binary.fa;                 bad "FASTA: a program" 65 "binary.fa:1:1" binary.fa
printf '>a\nACGTACGTAACC\n>b\nACGTACGTAACC\n>a\nTTTTTTTTTTTTTT\n' > twice.fa; bad "FASTA: a name twice" 65 "'a' is there twice" twice.fa
printf '>chr1:1-12\nACGTACGTAACC\n>chr1:9-20\nACGTACGTAACC\n' > regions.fa; bad "FASTA: regions that overlap" 65 "bases of 'chr1' from 9 on are there twice: in chr1:1-12 of regions.fa and in chr1:9-20" regions.fa
expect "FASTA: a name in two files" 65 "'chr1' is there twice: in small.fa and in one.fa" "$FINDNA" prepare --window 10 --count 5 out small.fa one.fa
printf '>a\nACGTACGTACGT>b\nACGT\n' > joined.fa;     bad "FASTA: joined without a line end" 65 "joined.fa:2:13: '>' .*joined without a line end" joined.fa
{ cat small.fa.gz; printf '>x\nACGT\n'; } > tail.fa.gz; bad "gzip: trailing text" 65 "tail.fa.gz: from byte [0-9]+ on it is not gzip" tail.fa.gz
bzip2 --version >/dev/null 2>&1 </dev/null && { bzip2 -kc small.fa > small.fa.bz2; bad "bzip2" 65 "packed with bzip2; unpack it" small.fa.bz2; }
mkfifo pipe.fa;                                     bad "a pipe" 65 "pipe.fa: is not a regular file" pipe.fa
head -c 5000 small.fa.gz > cut.fa.gz;               bad "FASTA: truncated gzip" 65 "cut.fa.gz: the gzip file is cut off" cut.fa.gz
cp small.fa.gz flip.fa.gz; printf 'XYZ' | dd of=flip.fa.gz bs=1 seek=7000 conv=notrunc status=none
bad "FASTA: damaged gzip" 65 "flip.fa.gz" flip.fa.gz
bad "missing" 66 "No such file" absent.fa
bad "a folder" 65 "regular file" bits1
head -c 1000 "$slice" > cut.2bit;                   bad "2bit: cut off" 65 "cut.2bit.*cut off" cut.2bit
{ head -c 8 "$slice"; printf '\377\377\377\377'; tail -c +13 "$slice" | head -c 1000; } > count.2bit; bad "2bit: impossible count" 65 "count.2bit" count.2bit
expect "a window longer than every sequence" 65 "40000 is longer than every sequence" "$FINDNA" prepare --window 40000 --count 5 out small.fa
printf '>a\nNNNNNNNNNNNNNNNNNNNNNNNN\n' > n.fa
expect "nothing but N" 65 "found no place in .* had more N than --max-n 0.5" "$FINDNA" prepare --window 10 --count 5 --max-n 0.5 out n.fa

# Bad splits.
splits() { expect "$1" 65 "$2" "$FINDNA" prepare --window 10 --count 5 --val-count 2 --bed splits.bed out small.fa; }
printf 'chr1\t0\t100\ttrain\nchr1\t50\t200\tval\n' > splits.bed; splits "BED: splits that overlap" "train and val share bases of chr1 from 50 on .lines 1 and 2 of the BED"
printf 'chr1\t0\t100\n' > splits.bed;                             splits "BED: no split" "splits.bed:1: expected contig, start, end and split"
printf '# x\nchr1\t0\t100\ttrial\n' > splits.bed;                 splits "BED: unknown split" "splits.bed:2: split 'trial' is not one of"
printf 'chr1\t100\t100\ttrain\n' > splits.bed;                    splits "BED: empty interval" "splits.bed:1: interval 100 to 100"
printf 'chr1\t0\t99999\ttrain\n' > splits.bed;                    splits "BED: beyond the end" "splits.bed:1: chr1 has 30000 bases, but the interval ends at 99999"
printf 'chr9\t0\t100\ttrain\n' > splits.bed;                      splits "BED: other contigs" "splits.bed:1: small.fa has no sequence 'chr9'; its first one is 'chr1'"
printf 'chr1\t0\t100\ttrain\nchr1\t200\t300\tval\nchr1O\t0\t9\ttrain\n' > splits.bed; splits "BED: one row on a missing contig" "splits.bed:3: small.fa has no sequence 'chr1O'"
printf 'chr1\t0\t1e3\ttrain\n' > splits.bed;                    splits "BED: an invalid number, with its row" "splits.bed:1: .*'chr1.*0.*1e3.*train'"
printf 'chr1\t0\t99999999999999999999\ttrain\n' > splits.bed;   splits "BED: a number too large" "splits.bed:1: expected contig, start and end"
printf 'chr1\t0\t100\ttrain\n' > splits.bed;                      splits "BED: an empty split" "the split val has no sequence"

# Intervals that no window may overlap.
printf 'chr1\t1000\t2000\tname\t0\t+\nchr1\t1500\t2500\n' > exclude.bed
"$FINDNA" prepare --window 10 --stride 10 out small.fa | grep -oE '^train +[0-9]+' >without; rm -rf out
expect "--exclude says what it takes out" 0 "excluded +1500 bases of 2 intervals; 0 of these" "$FINDNA" prepare --window 10 --stride 10 --exclude exclude.bed out small.fa
check "150 windows of 10 less" grep -qE "^train +$(($(grep -oE '[0-9]+$' without) - 150)) windows" out.log
check "the manifest keeps that intervals were excluded" grep -q '"exclude": true' out/manifest.json; rm -rf out
printf 'chr9\t0\t100\n' > exclude.bed
expect "--exclude: a contig that is not there" 65 "exclude.bed:1: small.fa has no sequence 'chr9'" "$FINDNA" prepare --window 10 --stride 10 --exclude exclude.bed out small.fa
expect "unless --partial says so" 0 "excluded +0 bases of 1 intervals; 1 of these" "$FINDNA" prepare --window 10 --stride 10 --exclude exclude.bed --partial out small.fa
check "which is warned of" grep -q 'warning: exclude.bed: excludes nothing' out.log; rm -rf out
printf 'track name=none\n# no rows\n' > exclude.bed
expect "--exclude without rows" 65 "exclude.bed: has no interval to exclude" "$FINDNA" prepare --window 10 --stride 10 --exclude exclude.bed --partial out small.fa
printf 'chr1\t0\t30000\nchr2\t0\t9014\n' > exclude.bed
expect "nothing is left" 65 "no window was placed" "$FINDNA" prepare --window 10 --stride 10 --exclude exclude.bed out small.fa

# Rows and sequences that are left out only on request.
read_all() { # name, pattern, arguments: succeeds and reports it
  expect "$1" 0 "$2" "$FINDNA" prepare --window 10 "${@:3}"
  rm -rf out
}
printf 'chr1\t0\t100\ttrain\nchr1O\t0\t50\ttrain\nchr2\t0\t30\tval\n' > splits.bed
read_all "--partial leaves rows out and counts them" "left out +1 of 3 intervals: not in the files" --stride 10 --bed splits.bed --partial out small.fa
printf 'chr1\t0\t100\ttrain\nchr2\t0\t30\tval\n' > splits.bed
read_all "so does --contigs" "left out +1 of 2 intervals: in sequences that are not among" --stride 10 --bed splits.bed --contigs chr1 out small.fa
printf '>a\nACGTACGTACGT\n\n>b\n\n>c\nACGT\n' > hole.fa
read_all "a record without a sequence" "warning: hole.fa:4: the record 'b' has no sequence" --count 5 out hole.fa
printf '>chr1:11-30\nACGTACGTAACC\n>chr1:4-16\nACGTACGTAACC\n' > region.fa
read_all "names of bedtools" "2 records named contig:first-last have another length" --count 5 out region.fa
drawn=0
chromosomes() { for c in $(seq 1 22) X Y "$@"; do printf '>%s\n' "$c"; dna $((drawn += 1)) 40; echo; done; }
chromosomes 23 24 MT > sheep.fa
read_all "another species' chromosomes 1-22, X and Y" "not with the lengths of a human assembly" --count 5 out sheep.fa
chromosomes scaffold_1 > marmoset.fa
expect "its scaffolds are used" 0 "written +100 windows" "$FINDNA" prepare --window 10 --stride 10 out marmoset.fa; rm -rf out
expect "--holdout that --contigs leaves out" 64 "'24' is not among --contigs" "$FINDNA" prepare --window 10 --count 5 --contigs 1,2 --holdout 24 out sheep.fa
for i in $(seq 30000); do echo ">scaffold_$i"; echo ACGTTGCAACGT; done > many.fa
awk 'BEGIN { srand(1 + ENVIRON["DRAWS"]) } /^>/ { print rand() "\t" substr($0, 2) "\t0\t12\ttrain" }' many.fa | sort | cut -f2- > many.bed
expect "30,000 contigs and rows take seconds" 0 "written +30000 windows" timeout 20 "$FINDNA" prepare --window 12 --stride 12 --bed many.bed out many.fa
check "all sequences are listed, and the manifest stays small" test "$(tail -n +2 out/contigs.tsv | wc -l) $(($(stat -c %s out/manifest.json) < 5000))" = "30000 1"
rm -rf out many.fa many.bed

awk 'BEGIN { for (i = 0; i < 150000; i++) print ">chr1:" i * 12 + 1 "-" i * 12 + 12 "\nACGTTGCAACGT" }' >many.fa
awk 'BEGIN { for (i = 0; i < 150000; i++) { k = i * 7919 % 150000; print "chr1\t" k * 12 + (k % 2) "\t" k * 12 + 12 "\ttrain" } }' >many.bed
expect "150,000 pieces of one contig and rows, too" 0 "written +75000 windows" timeout 20 "$FINDNA" prepare --window 12 --stride 12 --bed many.bed out many.fa; rm -rf out many.fa many.bed

# Bad command lines.
expect "no windows requested" 64 "give --count N .* or --stride" "$FINDNA" prepare out small.fa
expect "a seed without random windows" 64 "seed is for random windows" "$FINDNA" prepare --stride 5 --seed 3 out small.fa
expect "options with --verify" 64 "window has no effect beside --verify" "$FINDNA" prepare --verify --window 5 out
expect "count and stride" 64 "exclude each other" "$FINDNA" prepare --count 5 --stride 5 out small.fa
expect "held-out windows without held-out sequences" 64 "val-count needs held-out" "$FINDNA" prepare --count 5 --val-count 5 out small.fa
for list in "" , ,,; do expect "--contigs '$list'" 64 "contigs has no item" "$FINDNA" prepare --window 10 --count 5 --contigs "$list" out small.fa; done
expect "more shards than readers accept" 64 "shard-windows 1 makes more than 262144 shards" "$FINDNA" prepare --window 10 --count 262144 --shard-windows 1 out small.fa
expect "a missing contig" 65 "no sequence is named 'chr3'" "$FINDNA" prepare --count 5 --holdout chr3 out small.fa
expect "everything held out" 65 "the split train has no sequence" "$FINDNA" prepare --window 10 --count 5 --holdout chr1,chr2 out small.fa
expect "an unknown option" 64 "did you mean --window" "$FINDNA" prepare --windw 10 out small.fa
check "nothing is left behind" test -z "$(ls -d out out.tmp* 2>/dev/null)"

# Shards: damage that verification finds.
shard() { # name, exit code, pattern: `broken` has been damaged
  expect "shards: $1" "$2" "$3" "$FINDNA" prepare --verify broken
  expect "shards: $1, on 2 ranks" "$2" "$3" mpirun -n 2 --oversubscribe "$FINDNA" prepare --verify broken
}
fresh() { rm -rf broken && cp -a bits1 broken; }
fresh; rm broken/contigs.tsv; shard "without contigs.tsv" 66 "broken/contigs.tsv: No such file"
fresh; head -c -3 bits1/contigs.tsv >broken/contigs.tsv; shard "contigs.tsv cut off" 65 "broken/contigs.tsv: has [0-9]+ bytes .the manifest says"
fresh; sed -i 's|"file": "contigs.tsv"|"file": "../bits1/contigs.tsv"|' broken/manifest.json; shard "a table elsewhere" 65 "file 0: '../bits1/contigs.tsv' is not a plain file name"
fresh; sed -i 's|"file": "contigs.tsv"|"file": "train-00001.h5"|' broken/manifest.json; shard "a table with the name of a shard" 65 "the file 'train-00001.h5' is there twice"
fresh; sed -zi 's/"files": \[[^]]*\]/"files": ['"$(printf '{},%.0s' {1..1024})"'{}]/' broken/manifest.json; shard "more tables than a folder has" 65 "files lists 1025 tables; a folder of shards has at most 1024"
fresh; sed -zi 's/"files": \[[^]]*\]/"files": {}/' broken/manifest.json; shard "files that are no list" 65 "files is no list"
fresh; awk '/"files": \[/ { skip = 1 } !skip { print } /\],/ { skip = 0 }' bits1/manifest.json >broken/manifest.json; rm broken/contigs.tsv
expect "shards of an earlier version" 0 "its manifest is of an earlier version, which did not list the tables" "$FINDNA" prepare --verify broken
check "on 2 ranks, too" ranks 2 prepare --verify broken
fresh; truncate -s -1 broken/train-00003.h5;      shard "cut off" 65 "train-00003.h5.*bytes"
fresh; printf x | dd of=broken/val-00000.h5 bs=1 seek=5000 conv=notrunc status=none; shard "a byte changed" 65 "val-00000.h5.*SHA-256"
fresh; rm broken/train-00001.h5;                  shard "missing" 66 "train-00001.h5"
fresh; cp broken/train-00001.h5 broken/train-00002.h5; shard "replaced since the manifest" 65 "train-00002.h5"
fresh; sed -i 's/"windows": 333/"windows": 334/' broken/manifest.json; shard "another manifest" 65 "manifest.json|dataset_id"
fresh; head -c 500 bits1/manifest.json > broken/manifest.json; shard "half a manifest" 65 "manifest.json"
fresh; sed -i 's|"train-00001.h5"|"../train-00001.h5"|' broken/manifest.json; shard "a path outside of the folder" 65 "plain file name"

# An input that is replaced while it is read: as the output is opened, once the inputs are being read.
if ldd "$FINDNA" | grep -q asan; then echo "skipped - replaced inputs: the fault library does not work with AddressSanitizer"
else
  ${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl
  cp small.fa small.fa.new
  expect "a file that is replaced while it is read" 65 "small.fa: was changed or replaced while it was read" env LD_PRELOAD="$PWD/fault.so" FAULT=open:1:replace=small.fa:train-00000 "$FINDNA" prepare --window 100 --count 10 replaced small.fa
  check "and nothing is written" test -z "$(ls -d replaced* 2>/dev/null)"
fi

# A killed run leaves no output, and the next run cleans up after it.
(timeout -s KILL 0.15 "$FINDNA" prepare --window 1000 --count 60000 --shard-windows 500 killed "$slice") >/dev/null 2>&1
check "killed: no folder" test ! -e killed
check "and the next run makes it" "$FINDNA" prepare --window 1000 --count 600 --shard-windows 500 killed "$slice"
check "without remains" test -z "$(ls -d killed.* 2>/dev/null)"
if [ "$(id -u)" = 0 ] && mkdir disk && mount -t tmpfs -o size=300k tmpfs disk 2>/dev/null; then
  expect "a full disk" 74 "No space left on device" "$FINDNA" prepare --window 1000 --count 6000 disk/out "$slice"
  check "a full disk: nothing is left behind" test -z "$(ls -A disk)"
  umount disk
else
  echo "skipped - full disk: needs root and tmpfs"
fi
