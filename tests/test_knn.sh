#!/usr/bin/env bash
# findna knn: predicted labels, known and unknown, as names and as numbers, and refused input.
source "$(dirname "$0")/lib.sh"
small="train.steps=4 train.batch=8 model.channels=6 model.hidden=8 model.track=2"
"$FINDNA" prepare --window 61 --count 60 --val-count 20 --max-n 0 --seed 1 --bed "$root/datasets/human_chr20_slice.bed" shards "$root/datasets/human_chr20_slice.2bit" >log 2>&1 &&
  "$FINDNA" pretrain "$root/tests/tiny.yaml" data.shards=shards $small run.folder=run >log 2>&1 || { tail -3 log; not_ok "making a run"; exit 1; }
# Keys of four genera; queries are keys with one letter changed, two of them from a genus that no key has.
awk 'BEGIN { srand(4 + ENVIRON["DRAWS"]); print "id\tsequence\tgenus\tlabel"; split("Apis Bombus Culex Danaus", g, " ")
  for (i = 0; i < 40; i++) { s = ""; for (k = 0; k < 60; k++) s = s substr("ACGT", 1 + int(rand() * 4), 1); print "key" i "\t" s "\t" g[1 + i % 4] "\t" i % 4 } }' >keys.tsv
awk -F'\t' 'NR == 1 { print; next } NR % 3 == 0 { s = $2; sub(/^./, substr(s, 1, 1) == "A" ? "C" : "A", s); n++; print "q" n "\t" s "\t" (n > 11 ? "Esox" : $3) "\t" (n > 11 ? 7 : $4) }' keys.tsv >queries.tsv
expect "named labels" 0 "2 queries have a label that no key has" "$FINDNA" knn run --train keys.tsv --test queries.tsv --label genus --output k.json --predictions k.tsv
check "three rows: the encoder, the untrained encoder, k-mers" test "$(awk '/^encoder/ { on = 1; next } on { printf "%s ", $1 }' out.log)" = "teacher untrained kmer "
check "k-mers find the key of every query that has one" test "$(awk '$1 == "kmer" { print $3 }' out.log)" = 84.62
check "the JSON file has the same numbers" bash -c 'grep -q "\"queries_without_key\": 2" k.json && grep -q "\"balanced_accuracy\"" k.json && grep -q "\"accuracy\": 0.846153846" k.json'
check "one row per query" bash -c 'test "$(wc -l <k.tsv)" = 14 && head -1 k.tsv | grep -q "^query.label.predicted.nearest.cosine$" && grep -q "^q1.Bombus.*key" k.tsv'
# A plain search in the embeddings: the predicted genus and the nearest key of each query, by the votes of K keys; of equal numbers of votes
# the nearest decides.
plain() { # K POOL
  for f in keys queries; do "$FINDNA" embed run $f.tsv --pool "$2" --output $f.e.tsv >/dev/null 2>&1; done
  awk -F'\t' -v k="$1" 'FNR == 1 { file++; next } file == 1 { genus[$1] = $3; next }
    file == 2 { n++; id[n] = $1; for (i = 2; i <= NF; i++) { x[n, i] = $i; xx[n] += $i * $i } next }
    { split("", used); split("", votes); most = 0
      for (j = 1; j <= n; j++) { c[j] = 0; for (i = 2; i <= NF; i++) c[j] += $i * x[j, i] / sqrt(xx[j]) }
      for (r = 1; r <= k; r++) { top = 0; for (j = 1; j <= n; j++) if (!used[j] && (!top || c[j] > c[top])) top = j; used[top] = 1; list[r] = top; votes[genus[id[top]]]++ }
      for (r = 1; r <= k; r++) if (votes[genus[id[list[r]]]] > most) { most = votes[genus[id[list[r]]]]; winner = genus[id[list[r]]] }
      print winner "\t" id[list[1]] }' keys.tsv keys.e.tsv queries.e.tsv
}
for how in "1 tokens" "3 both" "5 cls"; do
  set -- $how
  "$FINDNA" knn run --train keys.tsv --test queries.tsv --label genus --neighbours $1 --features $2 --predictions p.tsv >/dev/null 2>&1
  check "$1 neighbours, $2: a plain search finds the same" test -n "$(plain $how)" -a "$(plain $how)" = "$(tail -n +2 p.tsv | cut -f3,4)"
done
"$FINDNA" knn run --train keys.tsv --test queries.tsv --label genus --kmer 5 --output five.json >/dev/null 2>&1
check "k-mers are of five letters without --kmer" cmp k.json five.json
# The untrained network of a run has the weights that it began with, which a run with a learning rate of 0 keeps.
for lr in 0 0.3; do
  "$FINDNA" pretrain "$root/tests/tiny.yaml" data.shards=shards $small train.steps=20 optim.lr=$lr optim.clip=0 run.folder=lr_$lr >/dev/null 2>&1
  "$FINDNA" knn lr_$lr --encoder student --train keys.tsv --test queries.tsv --label genus --output lr_$lr.json >/dev/null 2>&1
done
numbers() { grep -A6 "\"name\": \"$2\"" lr_$1.json | grep -E '"(accuracy|f1|mcc)"'; }
check "the untrained network has the weights that a run began with" test -n "$(numbers 0 student)" -a "$(numbers 0.3 untrained)" = "$(numbers 0 student)"
for lr in 0 0.3; do "$FINDNA" embed lr_$lr --encoder student queries.tsv --output lr_$lr.tsv >/dev/null 2>&1; done
check "which training changed" test -s lr_0.tsv -a -s lr_0.3.tsv -a "$(cat lr_0.tsv)" != "$(cat lr_0.3.tsv)"
expect "numbers" 0 "2 queries have a label that no key has" "$FINDNA" knn run --train keys.tsv --test queries.tsv --output n.json
check "the same scores" test "$(grep -A4 '"kmer"' k.json | grep accuracy)" = "$(grep -A4 '"kmer"' n.json | grep accuracy)"
"$FINDNA" knn run --train keys.tsv --test queries.tsv --threads 2 --output n2.json >/dev/null 2>&1
check "two threads write the same file" cmp n.json n2.json
expect "three neighbours" 0 "kmer" "$FINDNA" knn run --train keys.tsv --test queries.tsv --label genus --neighbours 3 --encoder student --features both
expect "more neighbours than keys" 64 "keys.tsv has 40 rows" "$FINDNA" knn run --train keys.tsv --test queries.tsv --neighbours 41
expect "no such column" 65 "no column 'species' in the header" "$FINDNA" knn run --train keys.tsv --test queries.tsv --label species
cut -f1,2,4 queries.tsv | sed '1s/label/genus/' >numbers.tsv
expect "names and numbers" 65 "expected the same kind in both" "$FINDNA" knn run --train keys.tsv --test numbers.tsv --label genus
awk -F'\t' -v OFS='\t' 'NR > 1 { $3 = "Apis" } 1' keys.tsv >one.tsv
expect "keys of one class" 65 "one.tsv: its rows have a single class" "$FINDNA" knn run --train one.tsv --test queries.tsv --label genus
expect "no keys" 64 "give CHECKPOINT, --train FILE and --test FILE" "$FINDNA" knn run --test queries.tsv
expect "an output over an input" 73 "keys.tsv" "$FINDNA" knn run --train keys.tsv --test queries.tsv --output keys.tsv
check "the keys are still there" test "$(wc -l <keys.tsv)" = 41
expect "one file for both outputs" 64 "are the same file" "$FINDNA" knn run --train keys.tsv --test queries.tsv --output x --predictions x
expect "under another name" 64 "are the same file" "$FINDNA" knn run --train keys.tsv --test queries.tsv --output x --predictions "$PWD/../${PWD##*/}/./x"
awk -F'\t' -v OFS='\t' 'NR > 1 && NR != 3 { $1 = "" } 1' queries.tsv >nameless.tsv
expect "queries and keys without ids" 0 "^kmer" "$FINDNA" knn run --train nameless.tsv --test nameless.tsv --label genus --predictions nameless.out
check "have the numbers of their rows" test "$(cut -f1,4 nameless.out | sed -n '2,4p' | tr '\t\n' '  ')" = "1 1 q2 q2 3 3 "
"$FINDNA" embed run nameless.tsv --output nameless.npy >/dev/null 2>&1
check "as in embeddings" test "$(head -3 nameless.npy.ids.txt | tr '\n' ' ')" = "1 q2 3 "
