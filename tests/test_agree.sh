#!/usr/bin/env bash
# Ranks with different inputs are refused before the first step, by a line that names rank and host; nothing is written. What may differ is
# accepted.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
tiny=$root/tests/tiny.yaml here=$(hostname) rank='${OMPI_COMM_WORLD_RANK:-$PMI_RANK}'
export ASAN_OPTIONS=detect_leaks=0 FINDNA
mpi="mpirun --oversubscribe --bind-to none"
# two COMMAND...: rank 0 in node0, rank 1 in node1, as with node-local folders
cat >two <<END
#!/bin/sh
exec $mpi -n 1 -wdir "$PWD/node0" "$FINDNA" "\$@" : -n 1 -wdir "$PWD/node1" "$FINDNA" "\$@"
END
chmod +x two
# refused NAME CODE PATTERN COMMAND...: as expect; the line names rank 1 and its host; neither a run nor an output exists
refused() {
  expect "$1" "$2" "$3" "${@:4}"
  check "and names rank 1 and its host" grep -qE "rank 1( of 2)? \($here(, GPU 0)?\)" out.log
  check "and nothing was written" test -z "$(ls -d out[^.]* out.tsv run run? 2>/dev/null)"
  rm -rf run run?
}
"$FINDNA" pretrain "$tiny" run.folder=model >model.log 2>&1 || { cat model.log; exit 1; }
printf '>a\nACGTACGT\n' >part0.fa; printf '>b\nTTGACCA\n' >part1.fa

# The command line.
refused "srun tasks with different inputs" 64 "same command line: .*'part1.fa'.*'part0.fa'.*srun -n 1 --mpi=none" $mpi -n 2 bash -c "\$FINDNA embed model part$rank.fa --output out$rank.tsv"
refused "different overrides" 64 "'aug.mask_rate=0.31', .*'aug.mask_rate=0.30'" $mpi -n 2 bash -c "\$FINDNA pretrain $tiny run.folder=run aug.mask_rate=0.3$rank"
refused "an extra word" 64 "has 'run.seed=7', .* nothing more" $mpi -n 1 "$FINDNA" pretrain "$tiny" run.folder=run : -n 1 "$FINDNA" pretrain "$tiny" run.folder=run run.seed=7
refused "another command, unknown to one rank" 64 "has 'nosuch', .*'pretrain'" $mpi -n 1 "$FINDNA" pretrain "$tiny" run.folder=run : -n 1 "$FINDNA" nosuch "$tiny" run.folder=run
expect "the one of four ranks that differs is named" 64 "rank 2 \($here\) has 'run.seed=2', rank 0 " $mpi -n 4 bash -c "s=1; [ $rank != 2 ] || s=2; \$FINDNA pretrain $tiny run.folder=run run.seed=\$s"

# What ranks do (src/commands/commands.def): divide the work, or it takes one process, or only the root does it.
for command in merges knn clusters speed import trace; do
  expect "$command takes one process" 64 "error: findna $command: takes one process, not 2; start it without mpirun" $mpi -n 2 "$FINDNA" $command
  check "which is said once" test "$(grep -c 'takes one process' out.log)" = 1
  expect "$command --help does not" 0 "^usage: findna $command" $mpi -n 2 "$FINDNA" $command --help
  check "which is shown once" test "$(grep -c '^usage' out.log)" = 1
done
for command in "export model weights" "inspect model" "config demo" "report model" doctor; do
  "$FINDNA" $command >alone.log 2>/dev/null; code=$?; rm -rf weights
  expect "the root's: $command" $code "" $mpi -n 2 "$FINDNA" $command
  $mpi -n 2 "$FINDNA" help ${command%% *} >out.log 2>&1
  check "its help is shown once" test "$(grep -c '^usage' out.log)" = 1
  rm -rf weights
done
$mpi -n 2 "$FINDNA" inspect model >out.log 2>/dev/null; "$FINDNA" inspect model >alone.log 2>/dev/null
check "the root's output is that of one process" cmp out.log alone.log

# The program, its environment and its kernels (the mixed kernels themselves: tests/test_comm.c).
cp "$FINDNA" other && printf x >>other
refused "another build of this version" 78 "same program: .*build" $mpi -n 1 "$FINDNA" pretrain "$tiny" run.folder=run : -n 1 ./other pretrain "$tiny" run.folder=run
refused "another environment" 78 "same environment variable FINDNA_PRODUCTS: .*'plain'" $mpi -n 2 bash -c "[ $rank = 0 ] || export FINDNA_PRODUCTS=plain; \$FINDNA pretrain $tiny run.folder=run"

for name in FINDNA_SIMD FINDNA_BLAS; do
  refused "another $name" 78 "same environment variable $name: .*'other'" $mpi -n 2 bash -c "[ $rank = 0 ] || export $name=other; \$FINDNA pretrain $tiny run.folder=run"
done
refused "another plugin" 78 "same environment variable FINDNA_PLUGIN: .*'/nowhere.so'" $mpi -n 2 bash -c "[ $rank = 0 ] || export FINDNA_PLUGIN=/nowhere.so; \$FINDNA pretrain $tiny run.folder=run"

emulated=$(dirname "$FINDNA")/libfindna_emulated.so
if [ -e "$emulated" ]; then
  refused "GPUs of another kind" 78 "same kernels: .*compute capability 9.0.*compute capability 8.0" $mpi -x FINDNA_PLUGIN="$emulated" -n 2 bash -c "[ $rank = 0 ] || export FINDNA_EMULATED_CAPABILITY=90; \$FINDNA pretrain $tiny run.folder=run device.kind=cuda comm.share_gpu=true"
else echo "skipped - GPUs of another kind: no emulated GPU (make emulated)"; fi

# A flipped bit: from the sixth step on, rank 0 does not get what rank 1 sends.
if ldd "$FINDNA" | grep -q asan; then echo "skipped - a flipped bit: the fault library does not work with AddressSanitizer"
else
  ${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl
  for every in 0 1; do
    expect "a flipped bit, with comm.check_every=$every" 76 "step $((every ? 6 : 8)): the ranks' states are not the same: rank 1 .* in student, .* no majority" $mpi -n 2 -x LD_PRELOAD="$PWD/fault.so" -x FAULT_RANK=1 -x FAULT=message:11+:flip "$FINDNA" pretrain "$tiny" run.folder=flip$every comm.check_every=$every
    check "it is in no checkpoint" test -d flip$every/ckpt -a -z "$(ls flip$every/ckpt | grep -v step_000000004)" # that one may be unfinished
  done
fi

# Node-local data.
mkdir node0 node1 && cp -r shards node0/ && cp -r shards node1/
"$FINDNA" prepare --window 61 --count 512 --val-count 64 --max-n 0 --seed 2 --shard-windows 200 --bed "$root/datasets/human_chr20_slice.bed" other_shards "$root/datasets/human_chr20_slice.2bit" >/dev/null 2>&1
expect "the same data in two places" 0 "finished" ./two pretrain "$tiny" run.folder="$PWD/whole"
check "gives the bits of one place" same whole model
rm -r node1/shards && cp -r other_shards node1/shards
refused "another dataset" 65 "same dataset_id: " ./two pretrain "$tiny" run.folder="$PWD/run"
refused "prepare --verify: another dataset" 65 "same dataset_id: " ./two prepare --verify shards
rm -r node1/shards && cp -r shards node1/ && cp other_shards/train-00001.h5 node1/shards/
refused "one stale shard" 65 "shards/train-00001.h5: .*(replaced since the manifest|has [0-9]+ bytes)" ./two pretrain "$tiny" run.folder="$PWD/run"
rm node1/shards/train-00001.h5
refused "one absent shard" 66 "cannot open shards/train-00001.h5" ./two pretrain "$tiny" run.folder="$PWD/run"
cp shards/train-00001.h5 node1/shards/
expect "node-local run folders" 78 "same run.folder .*rank 1 \($here\) has ''" ./two pretrain "$tiny" run.folder=run
check "no step was made" test ! -e node0/run/metrics.jsonl
rm -rf node0/run; cp -r whole node0/run
mkdir -p node1/run; rm -f node1/run/run.lock; mkfifo node1/run/run.lock
expect "a pipe in place of the lock" 65 "run/run.lock: is not a regular file" ./two pretrain "$tiny" run.folder=run
rm -rf node0/run node1/run; cp -r whole node0/run
expect "also with --restart" 78 "same run.folder" ./two pretrain "$tiny" run.folder=run --restart
check "nothing is moved aside" test -e node0/run/metrics.jsonl -a ! -e node0/run/before-restart-1
rm -rf node0/run

rows() { xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | awk -F'\t' -v from="$1" -v to="$2" 'NR > from && NR <= to { print $1 "," $2 }' | sed '1i sequence,label'; }
for n in 0 1; do rows 1 81 >node$n/train.csv; rows 81 121 >node$n/test.csv; done
sed -i '5s/^[ACGT]/N/' node1/test.csv
tune="finetune $PWD/model --train train.csv --test test.csv train.batch=16 train.virtual_ranks=4 train.epochs=1 device.threads=1"
refused "finetune: one different nucleotide in a row" 65 "same rows of train.csv: .*80, 0 and 40 rows" ./two $tune run.folder="$PWD/run"
refused "probe: one different nucleotide in a row" 65 "same rows of train.csv" ./two probe "$PWD/model" --train train.csv --test test.csv --seeds 1 --output "$PWD/out.json"
rows 1 82 >node1/train.csv
refused "finetune: an extra row" 65 "81, 0 and 40 rows" ./two $tune run.folder="$PWD/run"

for n in 0 1; do (echo ">s"; awk 'BEGIN { srand(1 + ENVIRON["DRAWS"]); for (i = 0; i < 2000; i++) printf "%s", substr("ACGT", 1 + int(4 * rand()), 1) }') >node$n/g.fa; printf 's\t0\t1500\ttrain\n' >node$n/g.bed; done
expect "prepare: the same files in two places" 0 "1 shards" ./two prepare --window 50 --count 9 --bed g.bed "$PWD/out0" g.fa
rm -rf out0; printf 's\t0\t1400\ttrain\n' >node1/g.bed
refused "prepare: different intervals" 65 "same source files: .*g.bed" ./two prepare --window 50 --count 9 --bed g.bed "$PWD/out1" g.fa
sed -i '2s/^./N/' node1/g.fa
refused "prepare: another genome of the same length" 65 "same source files: .*g.fa" ./two prepare --window 50 --count 9 "$PWD/out1" g.fa

# The bytes that were hashed are the bytes that are used: a shard is opened once.
if command -v strace >/dev/null; then
  strace -f -e trace=open,openat -o opens "$FINDNA" pretrain "$tiny" run.folder=run >/dev/null 2>&1
  check "a shard is opened once" test "$(grep -c 'shards/train-00000.h5' opens)" = 1
else echo "skipped - a shard is opened once: no strace"; fi
