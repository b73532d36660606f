#!/usr/bin/env bash
# Tests the suites nt and nt-revised: their layout, in FASTA and in tables, on real rows if available; bad input is refused.
source "$(dirname "$0")/lib.sh"
real=$root/../shared/data/other/NT_downstream_sample_1500.tsv.xz
mkdir data
if [ -e "$real" ]; then # columns sequence, name, label, task; every fifth row is a test row
  xz -dc "$real" | awk -F'\t' 'NR > 1 { n[$4]++; part = n[$4] % 5 ? "train" : "test"; system("mkdir -p data/" $4)
    if ($4 ~ /^H/) print ">" $2 "\n" $1 > ("data/" $4 "/" part ".fna")
    else { f = "data/" $4 "/" part ".tsv"; if (!(f in begun)) { print "sequence\tlabel" > f; begun[f] = 1 }; print $1 "\t" $3 > f } }'
  tasks=H3K4me1,enhancers_types,splice_sites_all
else # synthetic rows of the same form, on which nothing is measured
  awk 'BEGIN { srand(4 + ENVIRON["DRAWS"]); split("H3K4me1 enhancers_types splice_sites_all", t); for (k = 1; k <= 3; k++) { system("mkdir -p data/" t[k])
    for (i = 0; i < 90; i++) { c = i % (k == 1 ? 2 : 3); s = ""; for (j = 0; j < 200; j++) s = s substr(c ? "ACGTCG" : "ACGTAT", 1 + int(rand() * 6), 1)
      f = "data/" t[k] "/" (i % 5 ? "train" : "test") ".fna"; print ">chr1:" i "|" c "\n" s > f } } }'
  tasks=H3K4me1,enhancers_types,splice_sites_all
  echo "skipped - real rows of the benchmark: they are not available"
fi
"$FINDNA" prepare --window 60 --max-n 0 --count 256 --val-count 16 --seed 1 --bed "$root/datasets/human_chr20_slice.bed" shards "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1
cat >had.yaml <<'YAML'
run: {folder: run, seed: 3}
data: {shards: shards}
model: {encoder: had, channels: 16, hidden: 20, layers: 1, heads: 2, tokenizer: letters, vocabulary: 7, delta_heads: 2, delta_keys: 6, delta_values: 10, decoder_hidden: 12}
aug: {student: RM, mask_rate: 0.15}
objective: {mnm_weight: 0, cl_weight: 0}
teacher: {kind: none}
optim: {lr: 3e-3}
train: {batch: 32, virtual_ranks: 4, steps: 20}
eval: {every: 0, windows: 8}
device: {threads: 1}
YAML
expect "a student to evaluate" 0 "finished" "$FINDNA" pretrain had.yaml
expect "nt-revised: three tasks, in FASTA and in tables" 0 "wrote out/report.html" "$FINDNA" evaluate nt-revised run --data data --tasks $tasks --seeds 1 --methods probe,finetune --output out train.epochs=1 train.batch=16 train.virtual_ranks=4
for task in H3K4me1 enhancers_types splice_sites_all; do check "$task is in the results" grep -q "\"$task\"" out/results.json; done
check "with Matthews' correlation" grep -q mcc out/results.json
for suite in nt nt-revised; do check "$suite has 18 tasks" test "$(grep -vc '^#' "$root/configs/suites/$suite.tsv")" = 18; done
mkdir -p bad/H3K4me1 && printf '>chr1:1-2\nACGT\n' >bad/H3K4me1/train.fna && printf '>x|0\nACGT\n' >bad/H3K4me1/test.fna
expect "a record without its class is refused" 65 "expected a name that ends with its class" "$FINDNA" probe run --task bad/H3K4me1
printf '>a|0\nACGT\n>b|1\n' >bad/H3K4me1/train.fna
expect "a record without a sequence is refused" 65 "has no sequence" "$FINDNA" probe run --task bad/H3K4me1
printf '>a|x\nACGT\n' >bad/H3K4me1/train.fna
expect "a class that is not a number is refused" 65 "ends with its class" "$FINDNA" probe run --task bad/H3K4me1
printf '>a|0\nACGT\n>b|1\nACGA\n' >bad/H3K4me1/train.fna && cp bad/H3K4me1/train.fna bad/H3K4me1/train.fa
expect "the same rows twice are refused" 65 "for the same rows" "$FINDNA" probe run --task bad/H3K4me1
