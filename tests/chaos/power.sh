#!/usr/bin/env bash
# make test-chaos, sixth part: power loss. The file operations of real starts are recorded (strace), and the states that a power loss may
# leave after each operation are tried: power.h defines these states, power.c which are good. From some of the states the program is
# started again. STATES (600): largest number of states per operation, all if there are fewer, else random ones by SEED (1); AGAIN (20):
# number of states per command from which the program is started; COMMANDS: regular expression for names of commands; POWER: the built
# tests/chaos/power.
source "$(dirname "$0")/../lib.sh"
source "$root/tests/chaos/points.sh"
POWER=${POWER:-$(dirname "$FINDNA")/tests/chaos/power}
states=${STATES:-600} seed=${SEED:-1} again=${AGAIN:-20}

# The judge must find the errors of known wrong methods, given as logs of strace; otherwise its verdicts mean nothing.
self_test() { # NAME VERDICT, lines from standard input: a new version of x is written
  { echo '1 openat(AT_FDCWD, "x.tmp", O_WRONLY|O_CREAT, 0644) = 3'; echo '1 write(3, "\x6e\x65\x77\x21", 4) = 4'; cat; echo '1 +++ exited with 0 +++'; } >bad.log
  { echo '1 openat(AT_FDCWD, "x", O_WRONLY|O_CREAT, 0644) = 3'; printf '%s\n' '1 write(3, "\x6f\x6c\x64", 3) = 3' '1 fsync(3) = 0' '1 openat(AT_FDCWD, ".", O_RDONLY|O_DIRECTORY) = 4' '1 fsync(4) = 0' '1 +++ exited with 0 +++'; } >old.log
  "$POWER" files x /nowhere 1000 1 none 0 old.log bad.log >out.log 2>&1
  local code=$?
  # The old version was written in place, which is wrong itself: only states of the second start count here.
  local wrong; wrong=$(grep -c 'start [0-9]* of 2 was acknowledged' out.log)
  if [ "$2" = good ]; then check "self-test: $1" test "$wrong" = 0 -a $code -le 1; else check "self-test: $1 is found" test "$wrong" -gt 0; fi
}
sync_folder='1 openat(AT_FDCWD, ".", O_RDONLY|O_DIRECTORY) = 5
1 fsync(5) = 0'
self_test "fsync, rename, fsync of the folder" good <<<"1 fsync(3) = 0
1 rename(\"x.tmp\", \"x\") = 0
$sync_folder"
self_test "no fsync before the rename" bad <<<"1 rename(\"x.tmp\", \"x\") = 0
$sync_folder"
self_test "no fsync of the folder before success is reported" bad <<<'1 fsync(3) = 0
1 rename("x.tmp", "x") = 0'
self_test "a file written in place" bad <<<"1 openat(AT_FDCWD, \"x\", O_WRONLY|O_TRUNC) = 6
1 write(6, \"\\x6e\\x65\\x77\\x21\", 4) = 4
1 fsync(6) = 0
1 unlink(\"x.tmp\") = 0
$sync_folder"

command -v strace >/dev/null || { echo "skipped - power loss: no strace here"; exit 0; }
strace -f -qq -o /dev/null true 2>/dev/null || { echo "skipped - power loss: strace may not trace here"; exit 0; }
if ldd "$FINDNA" | grep -q asan; then echo "skipped - power loss: AddressSanitizer does not work with strace"; exit 0; fi
make_inputs
(cd "$in" && sed '1,4d' some.fa >other.fa && sed '$d' some.vcf >other.vcf)
calls=openat,?open,?creat,write,writev,pwrite64,ftruncate,fsync,fdatasync,?rename,renameat,renameat2,?mkdir,mkdirat,?unlink,unlinkat,?rmdir,?link,linkat,?symlink,symlinkat,lseek,dup,?dup2,dup3,fcntl,close,copy_file_range
m=$in/model slice=$root/datasets/human_chr20_slice

# name | kind and outputs | first start; with "KILL n:" it is killed in its n-th fsync | second start, which resumes or replaces
table="
pretrain|run out|KILL 43: pretrain $tiny train.steps=8 checkpoint.every=1 checkpoint.keep=2 run.folder=out|pretrain $tiny train.steps=8 checkpoint.every=1 checkpoint.keep=2 run.folder=out
finetune|run out|finetune $m --train $in/rows.csv --test $in/rows.csv train.steps=4 train.batch=8 train.virtual_ranks=1 device.threads=1 checkpoint.every=1 run.folder=out|
finetune|files out/finetune.json|finetune $m --train $in/rows.csv --test $in/rows.csv train.steps=4 train.batch=8 train.virtual_ranks=1 device.threads=1 checkpoint.every=1 run.folder=out|
prepare|folder out|prepare --window 61 --count 48 --val-count 16 --shard-windows 40 --max-n 0 --seed 1 --bed $slice.bed out $slice.2bit|
embed-h5|files out.h5|embed $m $in/other.fa --output out.h5|embed $m $in/some.fa --output out.h5
embed-npy|files out.npy.ids.txt,out.npy|embed $m $in/other.fa --output out.npy|embed $m $in/some.fa --output out.npy
embed-tsv|files out.tsv|embed $m $in/other.fa --output out.tsv|embed $m $in/some.fa --output out.tsv
embed-tsv.gz|files out.tsv.gz|embed $m $in/other.fa --output out.tsv.gz|embed $m $in/some.fa --output out.tsv.gz
score|files out.vcf|score $m $in/other.vcf --genome $in/genome.fa --output out.vcf|score $m $in/some.vcf --genome $in/genome.fa --output out.vcf
probe|files out.json|probe $m --train $in/rows.csv --test $in/rows.csv --kmer 1 --seeds 1 --output out.json|probe $m --train $in/rows.csv --test $in/rows.csv --kmer 1,2 --seeds 1 --output out.json
report|files out.html|report $in/half --output out.html|report $m --output out.html
export|folder out|export $m out|
import|folder out|import $in/exported out|
"

# record LOG ARGUMENTS...: records a start in the current folder
record() {
  local log=$1 kill=()
  shift
  if [ "$1" = KILL ]; then kill=(-e inject="fsync:signal=SIGKILL:when=${2%:}"); shift 2; fi
  { strace -f --seccomp-bpf -xx -s 100000000 -e trace=$calls "${kill[@]}" -o "$log" "$FINDNA" "$@" || [ ${#kill[@]} -gt 0 ]; } >"$log.out" 2>&1 </dev/null
}

# start_from STATE ARGUMENTS...: whether the program, started from a state, ends as without a power loss
start_from() {
  local state=$1 code=0
  shift
  (cd "$state" && timeout "$limit" "$FINDNA" "$@") >again.log 2>&1 </dev/null || code=$?
  if [ $code != 0 ] && ! { [ $code = 73 ] && [ "$kind" = folder ]; }; then echo "  from $state: exit code $code: $(tail -1 again.log)"; return 1; fi
  (cd "$state" && digest) | cmp -s - want || { echo "  from $state: another result"; return 1; }
  if [ "$kind" = run ] && ! "$FINDNA" report "$state/out" --output report.html >again.log 2>&1; then echo "  from $state: no report: $(tail -1 again.log)"; return 1; fi
}

total=0 distinct=0 wrong=0 starts=0 failed=0
while IFS='|' read -r name what first second; do
  [[ -n $name && $name =~ ${COMMANDS:-.} ]] || continue
  kind=${what%% *} outputs=${what#* } logs=(first.log)
  rm -rf place samples && mkdir place samples && cd place || exit 1
  record ../first.log $first || { not_ok "$name: is recorded"; tail -3 ../first.log.out; exit 1; }
  [ -z "$second" ] || { logs+=(second.log); record ../second.log $second || { not_ok "$name: the second start is recorded"; tail -3 ../second.log.out; exit 1; }; }
  begin=$SECONDS
  cd .. && "$POWER" $kind "$outputs" "$PWD/place" $states $seed samples $again "${logs[@]}" >power.log 2>&1 || wrong=$((wrong + 1))
  sed "\$s/^/$name: /; \$!s/^/  /" power.log
  read -r all new < <(tail -1 power.log | sed 's/.*operations, \([0-9]*\) states, \([0-9]*\) .*/\1 \2/')
  total=$((total + all)) distinct=$((distinct + new))
  outputs=${outputs//,/ }
  (cd place && digest) >want
  for state in samples/*/; do
    [ -d "$state" ] || continue
    starts=$((starts + 1))
    start_from "$state" ${second:-$first} || failed=$((failed + 1))
  done
  echo "  $((SECONDS - begin)) s"
done <<<"$table"
check "power loss: $total states ($distinct distinct), nothing acknowledged is lost, nothing is loaded or visible in part" test $wrong = 0 -a $total -gt 0
check "power loss: started from $starts of them, the program ends as without a loss" test $failed = 0
