# Helpers of the shell tests, to be sourced: a scratch folder, tiny shards, runs on several ranks, and checks.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
FINDNA=${FINDNA:-$root/findna}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
# Random data depend on SEED (1), as in tests/draws.h: awk adds DRAWS to a seed of its own.
export DRAWS=$((1000 * (${SEED:-1} - 1)))
RANDOM=${SEED:-1}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

ok() { echo "ok - $*"; }
not_ok() { echo "not ok - $*"; }
# check NAME COMMAND...: ok if the command succeeds
check() { local name=$1; shift; if "$@"; then ok "$name"; else not_ok "$name"; fi; }
# expect NAME CODE PATTERN COMMAND...: ok if the exit code is CODE and a line of the output matches PATTERN
expect() {
  local name=$1 code=$2 pattern=$3 got=0
  shift 3
  timeout 120 "$@" >out.log 2>&1 </dev/null || got=$?
  if [ $got -ne "$code" ]; then not_ok "$name: exit code $got, expected $code"; sed 's/^/    /' out.log | tail -5
  elif ! grep -qE -- "$pattern" out.log; then not_ok "$name: no line matches '$pattern'"; sed 's/^/    /' out.log | tail -5
  else ok "$name"; fi
}
# ranks N ARGUMENTS...: findna on N ranks of this machine; one rank runs without mpirun. Open MPI leaks, so leaks are detected on one rank
# only.
ranks() {
  local n=$1 code=0; shift
  if [ "$n" = 1 ]; then timeout 300 "$FINDNA" "$@" || code=$?
  else ASAN_OPTIONS=detect_leaks=0 timeout -s TERM 300 mpirun -n "$n" --oversubscribe --bind-to none "$FINDNA" "$@" || code=$?; fi
  [ $code != 124 ] || echo "stopped after 300 s: findna $*" >&2
  return $code
}
# stand_in NAME TEXT: a shell script NAME with this text, found before other programs of this name
stand_in() {
  mkdir -p "$scratch/bin"
  [[ :$PATH: == *":$scratch/bin:"* ]] || export PATH=$scratch/bin:$PATH
  printf '#!/bin/sh\n%s\n' "$2" >"$scratch/bin/$1" && chmod +x "$scratch/bin/$1"
}
# processes NAME ARGUMENT: the pids of this test's processes with this name (findna, mpirun, or "findna|mpirun") and this argument, oldest first.
# They are known by their folder: another test, perhaps of another checkout, may have processes with the same arguments.
processes() {
  local pid
  for pid in $(pgrep -x -- "$1"); do
    [ "/proc/$pid/cwd" -ef "$scratch" ] && grep -qzxF -- "$2" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
  done
  return 0
}
# tiny_shards FOLDER: 512 training and 64 held-out windows of 61 nucleotides of the shipped human slice
tiny_shards() { "$FINDNA" prepare --window 61 --count 512 --val-count 64 --max-n 0 --seed 1 --shard-windows 200 --bed "$root/datasets/human_chr20_slice.bed" "$1" "$root/datasets/human_chr20_slice.2bit" >prepare.log 2>&1 || { cat prepare.log; exit 1; }; }
# state_of RUN: the state_id of the run's newest checkpoint
state_of() { grep -h '^state_id' "$(ls -d "$1"/ckpt/step_* | sort | tail -1)/MANIFEST"; }
# same RUN RUN, other RUN RUN: whether both runs exist and end in the same state, or in different ones; same_lines: whether both have metrics,
# which are the same, regardless of interruptions
same() { local a b; a=$(state_of "$1") && b=$(state_of "$2") && [ -n "$a" ] && [ "$a" = "$b" ]; }
other() { local a b; a=$(state_of "$1") && b=$(state_of "$2") && [ -n "$a" ] && [ -n "$b" ] && [ "$a" != "$b" ]; }
same_lines() { [ -s "$1/metrics.jsonl" ] && [ -s "$2/metrics.jsonl" ] && diff <(sed 's/"seconds":.*//' "$1/metrics.jsonl") <(grep -v '"resume"' "$2/metrics.jsonl" | sed 's/"seconds":.*//'); }
# near RUN RUN BOUND: whether the losses of all steps are equal up to the relative error BOUND
losses() { grep -o '"loss": *[0-9.e+-]*' "$1/metrics.jsonl" | grep -o '[0-9][0-9.e+-]*$'; }
near() { paste <(losses "$1") <(losses "$2") | awk -v bound="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > bound * $2) bad = 1; n++ } END { exit bad || n < 2 }'; }
# killed TIMES FOLDER ARGUMENTS...: pretrains, is killed TIMES times, first after the checkpoint of step 7, then at random, and finishes on 2 ranks; log: FOLDER.log
killed() {
  local times=$1 folder=$2 pid; shift 2
  for i in $(seq "$times"); do
    "$FINDNA" pretrain "$@" run.folder="$folder" >>"$folder.log" 2>&1 & pid=$!
    for _ in $(seq 400); do [ ! -d "$folder/ckpt/step_000000007" ] && [ "$i" = 1 ] && kill -0 $pid 2>/dev/null || break; sleep 0.05; done
    sleep 0.$((RANDOM % 3))
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
  done
  ranks 2 pretrain "$@" run.folder="$folder" >>"$folder.log" 2>&1
}
# bpe_json MERGES: DNABERT-2's tokenizer.json with the merges of the file MERGES (one "left right" per line)
bpe_json() {
  printf '{"version":"1.0","added_tokens":['
  n=0; for t in UNK CLS SEP PAD MASK; do [ $n -eq 0 ] || printf ,; printf '{"id":%d,"content":"[%s]","special":true}' $n $t; n=$((n + 1)); done
  printf '],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}},"model":{"type":"BPE","unk_token":"[UNK]","fuse_unk":false,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"[PAD]":3,"[MASK]":4,"A":5,"C":6,"G":7,"T":8'
  awk 'NF == 2 && !($1 $2 in seen) { seen[$1 $2] = 1; printf ",\"%s\":%d", $1 $2, 8 + NR }' "$1"
  printf '},"merges":['
  awk 'NF == 2 { printf "%s\"%s %s\"", (NR > 1 ? "," : ""), $1, $2 }' "$1"
  printf ']}}\n'
}
