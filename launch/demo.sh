#!/usr/bin/env bash
# make demo: makes shards of human DNA, pretrains on two ranks with a stop and a resume, probes on a real task, and writes the report.
set -eu
unset CDPATH # with it, cd prints a path
export LC_ALL=C # numbers have a point, and names one order
cd "$(dirname "$0")/.."
run=runs/demo shards=runs/demo-shards
export OMPI_MCA_mpi_yield_when_idle=1
say() { printf '\n=== %s\n' "$*"; }

say "1. Shards: windows of 246 nucleotides from 8 Mb of human chromosome 20, one megabase held out"
if [ -d $shards ] && ./findna prepare --verify $shards; then
  echo "$shards exists and is complete"
else
  rm -rf $shards && mkdir -p runs
  ./findna prepare --window 246 --count 16000 --val-count 1024 --max-n 0 --seed 1 --bed datasets/human_chr20_slice.bed $shards datasets/human_chr20_slice.2bit
fi

say "2. Pretraining on two ranks (FinDNA, 1,000 steps), until a stop is requested"
if [ -e $run ]; then kept=$run.before-$(date +%Y%m%d-%H%M%S); mv $run "$kept"; echo "the run in $run is kept as $kept"; fi
mkdir -p $run
launch/run -n 2 -t 1 pretrain configs/demo.yaml &
pid=$!
until grep -qs '"step": *400' $run/metrics.jsonl || ! kill -0 $pid 2>/dev/null; do sleep 0.5; done
touch $run/stop
code=0; wait $pid || code=$?
[ $code = 85 ] || { echo "expected a stop with exit code 85, got $code" >&2; exit 1; }
echo "(the notice above comes from mpirun: exit code 85 means that the run stopped on request)"

say "3. The same command resumes the run"
launch/run -n 2 -t 1 pretrain configs/demo.yaml

say "4. Linear probe: is a 70-nucleotide sequence a promoter? 8,000 training rows, the whole test set, 3 seeds"
launch/run -n 2 -t 1 probe $run --train datasets/prom_core_notata.train.tsv.xz --test datasets/prom_core_notata.test.tsv.xz \
  --features tokens --encoder student,teacher --baseline untrained,kmer --output $run/probe.json

say "5. What the model has learned"
# value LINE KEY: the number of KEY in a line of metrics.jsonl
value() { sed -n "s/.*\"$2\":\([-+.e0-9]*\).*/\1/p" <<<"$1"; }
row() { awk -v name="$1" -v loss="$2" -v accuracy="$3" 'BEGIN { printf "%-44s %8.4f %8.2f\n", name, loss, 100 * accuracy }'; }
last=$(grep '"kind":"eval"' $run/metrics.jsonl | tail -1)
first=$(grep '"kind":"eval"' $run/metrics.jsonl | head -1)
printf '%-44s %8s %8s\n' "masked nucleotides of the held-out megabase" nats "% correct"
for reach in 0 1 4; do
  line=$(grep "\"kind\":\"context\".*\"reach\":$reach," $run/metrics.jsonl)
  case $reach in 0) name="base composition" ;; 1) name="counts given the nearest neighbours" ;; *) name="counts given $reach neighbours on either side" ;; esac
  row "$name" "$(value "$line" loss)" "$(value "$line" accuracy)"
done
row "student, untrained" "$(value "$first" student_loss)" "$(value "$first" student_accuracy)"
row "student" "$(value "$last" student_loss)" "$(value "$last" student_accuracy)"
row "teacher" "$(value "$last" teacher_loss)" "$(value "$last" teacher_accuracy)"
echo
./findna report $run
latest=$(ls -d $run/ckpt/step_* | sort | tail -1)
cat <<EOF

checkpoint   $latest
metrics      $run/metrics.jsonl
probe        $run/probe.json
report       $run/report.html
EOF
