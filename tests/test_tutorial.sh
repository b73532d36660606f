#!/usr/bin/env bash
# docs/tutorial.md: every block of the page is run, in order, with few steps; the results that the page promises exist.
source "$(dirname "$0")/lib.sh"
for name in datasets launch configs; do ln -s "$root/$name" "$name"; done
ln -s "$FINDNA" findna
export FINDNA STEPS=20 SEEDS=1 EPOCHS=1 ASAN_OPTIONS=detect_leaks=0
mkdir runs blocks
awk '/^```/ { inside = !inside; if (inside) n++; next } inside { print >sprintf("blocks/%02d", n) }' "$root/docs/tutorial.md"
check "the page has blocks" test "$(ls blocks | wc -l)" = 7
for block in blocks/*; do
  if timeout 120 bash -e "$block" >block.log 2>&1 </dev/null; then ok "$block: $(head -1 "$block" | cut -c1-60)"
  else not_ok "$block: $(head -1 "$block" | cut -c1-60)"; tail -5 block.log | sed 's/^/    /'; exit 1; fi
done
check "the report has curves, ROC curves and embeddings" bash -c '[ "$(grep -o "<svg" runs/tutorial/report.html | wc -l)" -ge 5 ] && grep -q ROC runs/tutorial/report.html'
check "the figure has its three charts" test "$(grep -c 'class="title"' runs/tutorial/figure.svg)" = 3
expect "a missing chart" 65 'has no chart "Loss"' launch/picture runs/tutorial/report.html Loss
check "200 rows of 72 values" bash -c './findna inspect runs/tutorial/my.npy | grep -qE "^  rows +200 of 72 values"'
check "a probability for each class of each sequence" test "$(wc -l <runs/tutorial/predicted.tsv)" = 201
check "both variants have both scores" test "$(grep -c 'FINDNA_LLR=.*FINDNA_DIST=\|FINDNA_DIST=.*FINDNA_LLR=' runs/tutorial/scored.vcf)" -ge 2
