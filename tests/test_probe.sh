#!/usr/bin/env bash
# Tests findna probe, inspect, report, config and doctor on a small run, on any number of ranks, and what they refuse.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | head -601 > train.tsv
xz -dc "$root/datasets/prom_core_notata.test.tsv.xz" | head -301 | tr '\t' ',' | gzip > test.csv.gz

probe() { local n=$1 output=$2 kmer="--kmer 1,2,3"; shift 2; [[ "$*" != *none* ]] || kmer=""; ranks "$n" probe run --train train.tsv --test test.csv.gz $kmer --output "$output" "$@" >"$output.log" 2>&1; }
for n in 1 2 4; do probe $n p$n.json; done
check "2 ranks compute the scores of one, bit for bit" cmp p1.json p2.json
check "4 ranks, too" cmp p1.json p4.json
check "with the data of a report's figures" test "$(grep -c '"confusion"' p1.json) $(grep -c '"pca"' p1.json)" = "4 3"
check "rows and classes are reported" grep -q '(600 rows) -> test.csv.gz (300 rows), 2 classes' p1.json.log
for name in teacher student untrained kmer; do check "$name is scored" grep -qE "^$name +.* ± .*" p1.json.log; done
check "promoters are classified better than by chance" awk '/"name"/ { name = $2 } /"mean"/ && !(name in seen) { seen[name] = 1; if ($2 + 0 < 0.6) bad = 1 } END { exit bad || length(seen) != 4 }' p1.json
for kind in tokens cls both; do check "features: $kind" probe 1 $kind.json --features $kind --seeds 1 --baseline none; done
check "both is as wide as tokens and cls" grep -qE 'both .* 36 ' both.json.log
check "one encoder, no baseline" bash -c '[ $(grep -c "\"features\"" "$0") = 1 ]' <(probe 1 one.json --encoder student --baseline none; cat one.json)
expect "k-mers without an encoder need no checkpoint" 0 "^kmer " "$FINDNA" probe --encoder none --train train.tsv --test test.csv.gz --kmer 1,2,3 --output kmers.json
check "and have the same numbers as with an encoder" diff <(sed -n '/"name": "kmer"/,/^    }/p' kmers.json) <(sed -n '/"name": "kmer"/,/^    }/p' p1.json)
expect "the untrained network needs a checkpoint" 64 "which CHECKPOINT" "$FINDNA" probe --encoder none --baseline untrained --train train.tsv --test test.csv.gz
expect "k without k-mers" 64 "no effect without the baseline" "$FINDNA" probe run --baseline none --kmer 2 --train train.tsv --test test.csv.gz
expect "no checkpoint" 64 "which CHECKPOINT" "$FINDNA" probe --train train.tsv --test test.csv.gz
check "a limit takes rows at random, always the same" bash -c '[ "$0" = "$1" ]' "$(probe 1 l1.json --limit 200; cat l1.json)" "$(probe 2 l1.json --limit 200; cat l1.json)"
check "the limit holds" grep -q '"train_rows": 200' l1.json
check "a checkpoint folder, too" "$FINDNA" probe run/ckpt/step_000000008 --train train.tsv --test test.csv.gz --baseline none --seeds 1

for n in 1 2; do probe $n joined$n.json --joined --baseline untrained,kmer; done
check "features joined with k-mers: 2 ranks give the scores of one, bit for bit" cmp joined1.json joined2.json
for name in teacher student untrained; do check "$name joined with k-mers is scored, its k too" grep -qE "^$name\+kmer +joined .* ± .* \(k = [123]" joined1.json.log; done
check "and what stands beside it is as without" diff <(sed -n '/"name": "kmer"/,/^    }/p' joined1.json) <(sed -n '/"name": "kmer"/,/^    }/p' p1.json)
check "joined without the baseline" bash -c '[ $(grep -c "\"features\"" "$0") = 2 ]' <(probe 1 only.json --encoder student --joined --baseline none --seeds 1; cat only.json)
expect "nothing to join" 64 "no features to join" "$FINDNA" probe --encoder none --joined --train train.tsv --test test.csv.gz

# The numbers, and whose they are.
# of FILE NAME: the means of accuracy, F1, MCC and AUROC of an item of a JSON file
of() { awk -v name="\"$2\"," '/"name"/ { on = $2 == name } on && /: {$/ { key = $1 } on && /"mean"/ { n++; sub(",", "", $2); m[key] = $2 } END { if (n) printf "%.2f %.2f %.4f %.4f\n", 100 * m["\"accuracy\":"], 100 * m["\"f1\":"], m["\"mcc\":"], m["\"auroc\":"] }' "$1"; }
for name in teacher student untrained kmer; do
  check "$name: the table has the numbers of the JSON file" test "$(awk -v name=$name '$1 == name { print $3, $6, $9, $12 }' p1.json.log)" = "$(of p1.json $name)"
done
for which in teacher student; do
  "$FINDNA" export run out_$which --encoder $which >/dev/null 2>&1 && "$FINDNA" import out_$which only_$which >/dev/null 2>&1
  "$FINDNA" probe only_$which --train train.tsv --test test.csv.gz --baseline none --output only_$which.json >/dev/null 2>&1
  check "$which: its scores are those of its weights only" test -n "$(of p1.json $which)" -a "$(of only_$which.json student)" = "$(of p1.json $which)"
done
head -201 train.tsv >first.tsv
"$FINDNA" probe --encoder none --train first.tsv --test test.csv.gz --kmer 1,2,3 --output first.json >/dev/null 2>&1
check "a limit does not take the first rows" test -n "$(of first.json kmer)" -a "$(of first.json kmer)" != "$(of l1.json kmer)"
# Two classes that differ in the first and the last letter of a word of six: only together do they tell the class.
awk 'BEGIN { srand(6 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 240; i++) { s = ""; for (k = 0; k < 3; k++) { for (j = 0; j < 6; j++) s = s substr("ACGT", 1 + int(rand() * 4), 1); x = rand() < 0.5; s = s substr("CG", 1 + x, 1) "ATAC" substr("CG", 1 + (x == i % 2), 1) } print s "," i % 2 } }' >words.csv
expect "k = 6 is among those to choose from" 0 "^kmer .*\(k = 6\)" "$FINDNA" probe --encoder none --train words.csv --test words.csv

t="--train train.tsv --test test.csv.gz"
expect "no such run" 66 "nowhere" "$FINDNA" probe nowhere $t
expect "no such table" 66 "absent.csv" "$FINDNA" probe run --train absent.csv --test test.csv.gz
expect "no table" 64 "give CHECKPOINT, --train" "$FINDNA" probe run
expect "unknown features" 64 "expected tokens, cls or both" "$FINDNA" probe run $t --features token
expect "unknown baseline" 64 "expected untrained, kmer" "$FINDNA" probe run $t --baseline bert
expect "k too large" 64 "whole numbers from 1 to 8" "$FINDNA" probe run $t --kmer 9
expect "an output that is an input" 73 "would be overwritten" "$FINDNA" probe run $t --output ./train.tsv
check "and is unchanged" test "$(wc -l < train.tsv)" = 601
printf 'sequence,label\nACGT,0\nACGX!,1\n' > bad.csv
expect "a letter that is not DNA" 65 "bad.csv:3: '!' at letter 5" "$FINDNA" probe run --train bad.csv --test test.csv.gz
printf 'sequence,label\nACGT,0\nACGA,0\n' > one.csv
expect "one class only" 65 "one class" "$FINDNA" probe run --train one.csv --test one.csv
printf 'sequence,label\nACGT,0\nACGA,1\nACGG,2\n' > three.csv
expect "a label that training does not have" 65 "label 2, which no training row has" "$FINDNA" probe run --train train.tsv --test three.csv

# The other commands that read a run.
expect "inspect: a run" 0 "state_id" "$FINDNA" inspect run
expect "inspect: a checkpoint" 0 "its own hash is right" "$FINDNA" inspect run/ckpt/step_000000012
expect "inspect: shards" 0 "dataset_id" "$FINDNA" inspect shards
expect "inspect: a shard" 0 "windows" "$FINDNA" inspect shards/train-00000.h5
expect "inspect: something else" 65 "train.tsv" "$FINDNA" inspect train.tsv
expect "inspect: nothing" 66 "nowhere" "$FINDNA" inspect nowhere
cp p1.json run/probe.json
expect "report" 0 "wrote run/report.html" "$FINDNA" report run
check "the report is self-contained" bash -c '[ -s run/report.html ] && ! grep -qE "(src|href)=\"http|@import|url\(http" run/report.html'
check "the report shows the probe" grep -q "untrained" run/report.html
check "tags are closed" bash -c 'for t in svg section table; do [ $(grep -o "<$t[ >]" run/report.html | wc -l) = $(grep -o "</$t>" run/report.html | wc -l) ] || exit 1; done'
expect "report: no run" 66 "nowhere" "$FINDNA" report nowhere
expect "doctor" 0 "SIMD|simd" "$FINDNA" doctor
expect "version" 0 "findna" "$FINDNA" --version
expect "help" 0 "prepare" "$FINDNA" --help
expect "help of a command" 0 "usage: findna embed" "$FINDNA" help embed
expect "version, as a word" 0 "^findna " "$FINDNA" version
expect "an unknown command" 64 "did you mean" "$FINDNA" pretran
check "docs/options.md is up to date" diff <("$FINDNA" config --as markdown) "$root/docs/options.md"
for config in demo findna findna-code cm-mnm findna-plus recommended; do
  expect "configs/$config.yaml is read" 66 "nowhere" "$FINDNA" pretrain $config data.shards=nowhere
done
mkdir -p dest && check "make install" bash -c 'make -C "$0" -s install PREFIX=/usr DESTDIR="$PWD/dest" CC="${CC:-gcc}" >install.log 2>&1' "$root" # the build may be up to date
check "an installed program finds its configs" bash -c '[ -x dest/usr/bin/findna ] && [ -f dest/usr/share/findna/configs/findna.yaml ]'
[ -z "$(make -s -C "$root" --no-print-directory plugin 2>make.log | tail -1)" ] ||
  check "and its CUDA plugin" bash -c '[ -f dest/usr/lib/findna/libfindna_cuda.so ] && ! dest/usr/bin/findna doctor | grep "no CUDA plugin"'
