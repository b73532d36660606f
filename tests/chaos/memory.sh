#!/usr/bin/env bash
# The n-th allocation of a command, in the program or in a library, finds no memory: the exit code is 71 and no output is there, or it is 0
# and the output is that of an undisturbed run. STRIDE (29) takes every so many n from FIRST (1) on; ONLY names the commands to try.
source "$(dirname "$0")/../lib.sh"
stride=${STRIDE:-29} first=${FIRST:-1}
if ldd "$FINDNA" | grep -q asan; then echo "skipped - lack of memory: the fault library does not go with AddressSanitizer"; exit 0; fi
${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl || exit 1
tiny_shards shards
tiny="$root/tests/tiny.yaml data.shards=shards train.batch=16 eval.every=0 eval.monitor_windows=0 model.networks=1 device.threads=1"
$FINDNA pretrain $tiny train.steps=2 run.folder=run >/dev/null 2>&1 || exit 1
$FINDNA export run model >/dev/null 2>&1 || exit 1
sequences() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) { s = ""; for (k = 0; k < 61; k++) s = s substr("ACGT", 1 + (i * 5 + k * k + k * (i % 7)) % 4, 1); print i, s } }'; }
sequences 6 | sed 's/^/>s/; s/ /\n/' >s.fa
(echo sequence,label; sequences 24 | awk '{ print $2 "," $1 % 2 }') >t.csv
$FINDNA embed run s.fa --output e.h5 >/dev/null 2>&1 && $FINDNA embed run s.fa --output e.npy >/dev/null 2>&1 || exit 1

# each writes `out`, `out.*`, or prints; a run folder may stay
declare -A line=(
  [report]="report run --output out.html" [export]="export run out" [import]="import model out"
  [tsv]="embed run s.fa --output out.tsv" [gz]="embed run s.fa --output out.tsv.gz" [npy]="embed run s.fa --output out.npy"
  [h5]="embed run s.fa --output out.h5 --pool positions" [show_h5]="inspect e.h5" [show_npy]="inspect e.npy" [show_run]="inspect run"
  [prepare]="prepare --window 20 --count 30 --shard-windows 20 out s.fa" [pretrain]="pretrain $tiny train.steps=2 run.folder=out"
  [probe]="probe run --train t.csv --test t.csv --seeds 1 --output out.json"
  [finetune]="finetune run --train t.csv --test t.csv run.folder=out train.steps=2 train.batch=8 train.virtual_ranks=4 device.threads=1")
inputs="shards run model s.fa t.csv e.h5 e.npy e.npy.ids.txt"

attempt() { # point, command line...: in the folder try
  local n=$1
  shift
  rm -rf try; mkdir try
  (cd try && for f in $inputs; do ln -s "../$f" .; done
    timeout 60 env LD_PRELOAD="$PWD/../fault.so" FAULT=alloc:$n:12 FAULT_COUNT="$PWD/count" "$FINDNA" "$@" >printed 2>log </dev/null)
} 2>/dev/null
# what was made, without what differs between equal runs: clocks, process numbers
made() { (cd try && find out* -type f ! -name '*.lock' ! -name environment.json ! -name metrics.jsonl 2>/dev/null | sort | xargs -r sha256sum; sed -E 's/[0-9.]+ s\b//g' printed); }
total=0 bad=0
sweep() { # name
  local words="${line[$1]}" n code points=0 wrong=0 all left
  attempt 1000000000 $words || { not_ok "$1: does not run undisturbed: $(tail -1 try/log)"; return; }
  all=$(tail -1 try/count) left=
  [ $1 = show_h5 ] && all=8000 # its work is done by a child, whose calls are not counted
  [[ $1 = pretrain || $1 = finetune ]] && left=out
  made >whole
  for ((n = first; n <= all; n += stride)); do
    attempt $n $words
    code=$?
    points=$((points + 1))
    if [ $code = 0 ]; then made | cmp -s - whole && continue; echo "$1: allocation $n: exit code 0 and another output"
    elif [ $code != 71 ]; then echo "$1: allocation $n: exit code $code: $(tail -1 try/log)"
    elif [ "$(cd try && ls -d out* 2>/dev/null)" != "$left" ] && [ -e try/out.tmp* -o "$left" = "" ]; then echo "$1: allocation $n: exit code 71, and left $(cd try && ls -d out* | tr '\n' ' ')"
    else continue; fi
    wrong=$((wrong + 1))
  done
  total=$((total + points)) bad=$((bad + wrong))
  check "$1: $points of $all allocations fail, one by one: 71 and nothing, or all of it" test $wrong = 0
}
for name in ${ONLY:-report export import tsv gz npy h5 show_h5 show_npy show_run prepare pretrain probe finetune}; do sweep $name; done
echo "$total points, $bad wrong"
