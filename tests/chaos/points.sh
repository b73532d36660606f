# Shared by the tests of failing calls and failing allocations: small inputs, one line for each command, and the verdict on one point.
# Sourced after tests/lib.sh.
#
# A point is one start of one command in which one call fails. It is good if the start ends within the limit with an exit code that this
# failure may have, if the output is that of an undisturbed start or absent, and if the same command started again succeeds with the
# undisturbed bytes and leaves no other files.
limit=${LIMIT:-20} # seconds after which a start counts as hanging
jobs=${JOBS:-2}    # points at once

# Makes the inputs of all commands, in $in.
make_inputs() {
  in=$scratch/in
  local slice=$root/datasets/human_chr20_slice
  mkdir -p "$in" && cd "$in" || exit 1
  awk 'BEGIN { srand(3 + ENVIRON["DRAWS"]); for (k = 1; k <= 2; k++) { print ">chr" k; for (i = 0; i < 30; i++) { t = ""; for (j = 0; j < 50; j++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t } } }' >genome.fa
  gzip -kn genome.fa
  awk 'BEGIN { srand(7 + ENVIRON["DRAWS"]); for (s = 0; s < 6; s++) { t = ""; for (i = 0; i < 40 + s * 5; i++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print ">s" s "\n" t } }' >some.fa
  awk 'BEGIN { srand(5 + ENVIRON["DRAWS"]); print "sequence,label"; for (i = 0; i < 32; i++) { t = ""; for (j = 0; j < 40; j++) t = t substr("ACGT", 1 + int(rand() * 4), 1); print t "," i % 2 } }' >rows.csv
  { printf '##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'; awk '/^>/ { c = substr($1, 2); row = 0; next } row++ % 9 == 4 { r = substr($0, 7, 1); print c "\t" (row - 1) * 50 + 7 "\tv" row "\t" r "\t" (r == "A" ? "G" : "A") "\t.\t.\tX" }' genome.fa; } >some.vcf
  printf 'chr1\t100\t160\nchr2\t10\t90\n' >some.bed
  "$FINDNA" prepare --window 61 --count 64 --val-count 16 --max-n 0 --seed 1 --bed "$slice.bed" shards "$slice.2bit" >log 2>&1 &&
    "$FINDNA" pretrain $tiny run.folder=model >>log 2>&1 && "$FINDNA" export model exported >>log 2>&1 &&
    "$FINDNA" embed model some.fa --output embedded.h5 >>log 2>&1 && "$FINDNA" embed model some.fa --output embedded.npy >>log 2>&1 &&
    "$FINDNA" pretrain $tiny run.folder=half checkpoint.every=1 run.minutes=0.0000001 >>log 2>&1
  [ -d exported ] && [ -d half/ckpt ] || { not_ok "the inputs are made"; tail -5 log; exit 1; }
  rm -f log half/run.lock
  cd "$scratch" || exit 1
}
tiny="$root/tests/tiny.yaml data.shards=$scratch/in/shards train.steps=4 checkpoint.every=2 checkpoint.keep=1 model.networks=1 eval.every=2 eval.windows=8 eval.monitor_windows=0"

# name | preparation | arguments | output: files, a folder, a run (whose checkpoints count), or what it prints | a further exit code
commands="
prepare-2bit|:|prepare --window 61 --count 48 --val-count 16 --shard-windows 40 --max-n 0 --seed 1 --bed $root/datasets/human_chr20_slice.bed out $root/datasets/human_chr20_slice.2bit|folder out
prepare-gz|:|prepare --window 61 --count 48 --val-count 16 --shard-windows 40 --seed 1 --holdout chr2 out $scratch/in/genome.fa.gz|folder out
pretrain|:|pretrain $tiny run.folder=out|run out
resume|cp -r $scratch/in/half out|pretrain $tiny run.folder=out|run out
finetune|:|finetune $scratch/in/model --train $scratch/in/rows.csv --test $scratch/in/rows.csv train.steps=3 train.batch=8 train.virtual_ranks=1 device.threads=1 run.folder=out|run out|66
embed-h5|:|embed $scratch/in/model $scratch/in/some.fa --output out.h5|files out.h5
embed-npy|:|embed $scratch/in/model $scratch/in/some.fa --output out.npy|files out.npy out.npy.ids.txt
embed-tsv|:|embed $scratch/in/model $scratch/in/some.fa --output out.tsv|files out.tsv
embed-tsv.gz|:|embed $scratch/in/model $scratch/in/some.fa --output out.tsv.gz|files out.tsv.gz
score-vcf|:|score $scratch/in/model $scratch/in/some.vcf --genome $scratch/in/genome.fa --output out.vcf|files out.vcf
score-bedgraph.gz|:|score $scratch/in/model $scratch/in/some.bed --genome $scratch/in/genome.fa.gz --output out.bedgraph.gz|files out.bedgraph.gz
probe|:|probe $scratch/in/model --train $scratch/in/rows.csv --test $scratch/in/rows.csv --kmer 1,2 --seeds 1 --output out.json|files out.json|66
report|:|report $scratch/in/model --output out.html|files out.html
export|:|export $scratch/in/model out|folder out
import|:|import $scratch/in/exported out|run out
inspect|:|inspect $scratch/in/model|prints
inspect-h5|:|inspect $scratch/in/embedded.h5|prints|65
inspect-npy|:|inspect $scratch/in/embedded.npy|prints
"

# take NAME: sets the variables before, arguments, kind, outputs and more (a further exit code that this command may have) from the line
# of a command. HDF5 does not report why it could not read: inspect reports damage. OpenBLAS is loaded when it is first needed; failure to
# load it is 66, with the loader's reason.
take() {
  local line
  line=$(grep "^$1|" <<<"$commands") || return 1
  IFS='|' read -r _ before arguments outputs more <<<"$line"
  kind=${outputs%% *} outputs=${outputs#* }
}

# digest: hash of the output without locks, or "absent". For a run: a line for each checkpoint, without its configuration, which has the number
# of checkpoints to keep.
digest() {
  case $kind in
    files) for f in $outputs; do if [ -e "$f" ]; then sha256sum <"$f"; else echo absent; fi; done ;;
    folder) if [ -e "$outputs" ]; then (cd "$outputs" && find . -type f ! -name '*.lock' | LC_ALL=C sort | xargs sha256sum); else echo absent; fi ;;
    run) for step in "$outputs"/ckpt/step_*; do [ -e "$step" ] && echo "${step##*/} $(cd "$step" && { sha256sum -- *.safetensors; grep '^state_id' MANIFEST; } 2>&1 | sha256sum)"; done ;;
    prints) sha256sum <.point.out ;;
  esac
}
# newest: for a run, the line of the newest checkpoint; a start that fails after its last one may also leave an older one
newest() { if [ "$kind" = run ]; then tail -1; else cat; fi; }
# remains: names of the files, without what the next start of a run without a checkpoint moves aside, and without checkpoints.
remains() { find . ! -path './.point*' ! -name '*.lock' | grep -vE '/before-restart-[0-9]+($|/[^/]*$|/ckpt/[.])|^./out/ckpt/step_' | LC_ALL=C sort; }
clear_place() { find . -mindepth 1 -delete; }

# undisturbed NAME: runs a command undisturbed; a run twice, to record all checkpoints that may exist, and the last one, which must.
undisturbed() {
  local name=$1
  take "$name" && mkdir -p "$scratch/want" "$scratch/place-$name" && cd "$scratch/place-$name" || return 1
  if [ "$kind" = run ] && [[ $arguments = *keep=* ]]; then
    clear_place; eval "$before"
    "$FINDNA" ${arguments/keep=1/keep=9} >.point.log 2>&1 </dev/null
    digest >"$scratch/want/$name.seen"
  fi
  clear_place; eval "$before"
  "$FINDNA" $arguments >.point.out 2>.point.log </dev/null || { not_ok "$name: undisturbed"; tail -3 .point.log; return 1; }
  digest | newest >"$scratch/want/$name"
  remains >"$scratch/want/$name.names"
  digest >>"$scratch/want/$name.seen"
  [ -z "$before" ] || [ "$kind" != run ] || { clear_place; eval "$before"; digest >>"$scratch/want/$name.seen"; }
  cd "$scratch" || return 1
}

# whole NAME: whether the output is that of an undisturbed start, or absent; of several files the first exists only with all others
whole() {
  case $kind in
    run) ! digest | grep -qvxFf "$scratch/want/$1.seen" ;;
    files) digest >.point.digest; cmp -s .point.digest "$scratch/want/$1" || { [ "$(head -1 .point.digest)" = absent ] && ! grep -vx absent .point.digest | grep -qvxFf "$scratch/want/$1"; } ;;
    prints) ;; # output printed before a failure is accepted
    *) digest >.point.digest; cmp -s .point.digest "$scratch/want/$1" || [ "$(cat .point.digest)" = absent ] ;;
  esac
}

# judge NAME CODES CODE: prints what is wrong with a disturbed start that ended with CODE (nothing if it is good). Starts it again.
judge() {
  local name=$1 codes=$2 code=$3 again=0
  case $code in 124) echo "hangs" ;; *) [[ " $codes $more " = *" $code "* ]] || echo "exit code $code" ;; esac
  [ "$code" = 0 ] || [ "$code" -ge 124 ] || grep -q 'findna: error' .point.log || echo "no error message"
  whole "$name" || echo "code $code with a wrong output"
  if [ "$code" = 0 ]; then
    [ "$kind" = run ] || { digest | cmp -s - "$scratch/want/$name" || echo "success without its output"; }
    if [ "$kind" != run ] && remains | cmp -s - "$scratch/want/$name.names"; then return; fi
  fi
  timeout -s KILL "$limit" "$FINDNA" $arguments >.point.out 2>.point.again </dev/null || again=$?
  if [ $again != 0 ] && ! { [ $again = 73 ] && [ "$code" = 0 -o "$code" -ge 124 -o "$kind" = folder -o "$kind" = run ]; }; then echo "started again: exit code $again ($(tail -1 .point.again | cut -c1-200))"; fi
  digest | newest | cmp -s - "$scratch/want/$name" || echo "started again: another output"
  remains | diff "$scratch/want/$name.names" - >.point.diff || echo "started again: remains $(grep '^[<>]' .point.diff | tr '\n' ' ')"
}

# point NAME CALL ACTION N CODES: one trial in the current folder; prints a line "good" or "bad", or "none" if no call failed
point() {
  local name=$1 call=$2 action=$3 n=$4 codes=$5 code=0 start=$SECONDS wrong
  take "$name"
  clear_place; eval "$before"
  { disturb "$call" "$action" "$n" "$FINDNA" $arguments; } >.point.out 2>.point.log </dev/null || code=$?
  [ $code != 137 ] || [ $((SECONDS - start)) -lt "$limit" ] || code=124
  if ! was_hit $code; then echo "none $name $call $action $n"; return; fi
  wrong=$(judge "$name" "$codes" "$code")
  if [ -z "$wrong" ]; then echo "good $name $call $action $n $code"
  else echo "bad $name $call $action $n $code: $(tr '\n' ';' <<<"$wrong") $(where) | $(tail -1 .point.log | cut -c1-200)"; fi
}

# run_points FILE: the points of a file (lines "NAME CALL ACTION N CODES..."), `jobs` at once; the verdicts go to $scratch/verdicts
run_points() {
  local j
  for ((j = 0; j < jobs; j++)); do
    mkdir -p "$scratch/job-$j"
    (cd "$scratch/job-$j" && awk -v j=$j -v jobs=$jobs 'NR % jobs == j' "$1" | while read -r name call action n codes; do point "$name" "$call" "$action" "$n" "$codes" 2>/dev/null; done) >"$scratch/verdicts-$j" &
  done
  wait
  cat "$scratch"/verdicts-[0-9]* >"$scratch/verdicts"
}

# sample MAX SEED: at most MAX of the numbers on standard input, evenly spaced from a start by SEED
sample() { awk -v most="$1" -v seed="$2" '{ line[NR] = $0 } END { step = NR > most ? NR / most : 1; srand(seed); for (at = step > 1 ? rand() * step : 0; at < NR; at += step) print line[int(at) + 1] }'; }

# tell_points WHAT: prints a table of the verdicts, then the bad ones, and checks that there are none
tell_points() {
  local good bad
  good=$(grep -c '^good' "$scratch/verdicts") bad=$(grep -c '^bad' "$scratch/verdicts")
  awk '$1 != "none" { n[$2]++; total++; codes[$6 + 0]++; b[$2] += $1 == "bad" } END { for (name in n) printf "%-20s %5d points, %d bad\n", name, n[name], b[name]; printf "exit codes:"; for (c in codes) printf "  %s x %d", c, codes[c]; print "" }' "$scratch/verdicts" | LC_ALL=C sort
  awk '$1 != "none" { n[$3 " " $4]++ } END { for (call in n) printf "%s: %d, ", call, n[call]; print "points each" }' "$scratch/verdicts"
  grep '^bad' "$scratch/verdicts"
  [ -z "${LOG-}" ] || cp "$scratch/verdicts" "$LOG"
  check "$1: $((good + bad)) points, no crash, no hang, no wrong output, no remains" test "$bad" = 0 -a "$good" -gt 0
}
