#!/usr/bin/env bash
# Tests where files go: links, umask, home folders, temporary files of killed processes, file systems without locks or without fsync of folders, full disks.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
tiny="$root/tests/tiny.yaml data.shards=shards model.networks=1 eval.every=0 eval.monitor_windows=0 device.threads=1 train.steps=8 checkpoint.every=2"
"$FINDNA" pretrain $tiny run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
cp -r run half; rm -r half/ckpt/step_000000008 # resumes from step 6
awk 'BEGIN { for (i = 0; i < 6; i++) { s = ""; for (k = 0; k < 70; k++) s = s substr("ACGT", 1 + (i * 5 + k * k) % 4, 1); print ">s" i "\n" s } }' >s.fa
printf 'sequence,label\nACGTACGTACGT,0\nTTTTACGTACGA,1\nACGTACGGACGT,0\nTTTGACGTACGA,1\n' >t.csv
printf '#!/bin/sh\nf=$1; shift; exec env LD_PRELOAD="%s/fault.so" FAULT="$f" "$@"\n' "$PWD" >fault; chmod +x fault
if ldd "$FINDNA" | grep -q asan; then faults=0; else faults=1; ${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl || exit 1; fi

# --- links given as outputs are kept; their targets are written, whether they exist or not -------------------------------------
mkdir scratch
for name in x.tsv x.tsv.gz x.npy x.h5; do
  ln -s scratch/$name $name; "$FINDNA" embed run s.fa --output plain.$name >/dev/null 2>&1; echo old >scratch/$name
  expect "embed through a link: $name" 0 "wrote $name" "$FINDNA" embed run s.fa --output $name
  check "the link is kept, and its target is the output: $name" bash -c "[ -L $name ] && [ ! -L scratch/$name ] && cmp scratch/$name plain.$name"
done
"$FINDNA" report run --output plain.html >/dev/null 2>&1; ln -s "$PWD/scratch/r.html" b; ln -s b a
expect "report through a chain of links to a new file" 0 "wrote a" "$FINDNA" report run --output a
check "the chain is kept" bash -c '[ -L a ] && [ -L b ] && cmp scratch/r.html plain.html'
ln -s scratch/p.json p.json
expect "probe through a link" 0 "" "$FINDNA" probe run --train t.csv --test t.csv --seeds 1 --output p.json
check "its target is JSON" bash -c '[ -L p.json ] && grep -q version scratch/p.json'
for name in run2 model export; do ln -s scratch/new/$name $name; done; mkdir scratch/new
expect "a run folder that is a link to none" 0 "finished" "$FINDNA" pretrain $tiny run.folder=run2
expect "an export through such a link" 0 "wrote" "$FINDNA" export run export
expect "an import" 0 "wrote" "$FINDNA" import export model
check "the links are kept" bash -c '[ -L run2 ] && [ -L export ] && [ -L model ] && [ -d scratch/new/run2/ckpt ] && [ -e scratch/new/export/config.json ] && [ -d scratch/new/model ]'
ln -s scratch/new/p p_link; expect "prepare" 0 "written" "$FINDNA" prepare --window 20 --count 5 p_link s.fa
check "is found through its link" bash -c '[ -L p_link ] && [ -e scratch/new/p/manifest.json ] && "$0" prepare --verify p_link' "$FINDNA"
expect "to what is there, it is refused" 73 "exists already" "$FINDNA" prepare --window 20 --count 5 p_link s.fa
ln -s loop.tsv loop.tsv; expect "a link to itself" 64 "chain of more than 40 links" "$FINDNA" embed run s.fa --output loop.tsv
ln -s nowhere/x.tsv far.tsv; expect "a link into a missing folder" 66 "the folder nowhere is not there" "$FINDNA" embed run s.fa --output far.tsv
for name in "run" "run half"; do expect "a report of $name into a missing folder" 66 "nofolder/x.html: the folder nofolder is not there; create it first" "$FINDNA" report $name --output nofolder/x.html; done
mkfifo pipe.tsv; expect "a pipe is not replaced" 73 "device or a pipe" "$FINDNA" embed run s.fa --output pipe.tsv
expect "nor by a report" 73 "device or a pipe" "$FINDNA" report run --output pipe.tsv
check "it is still there" test -p pipe.tsv
printf 'sequence,label\nACGTACGTAC,0\nACGTTCGTAC,1\n' >timed.csv; expect "a speed table over its rows" 73 "is an input" "$FINDNA" speed run --rows timed.csv --output ./timed.csv --seconds 0.1
mkdir -p inputs && cp timed.csv inputs/train.csv && cp timed.csv inputs/test.csv; expect "a probe among its inputs" 73 "is among the inputs" "$FINDNA" probe run --task inputs --output inputs/new.txt
ln -s s.fa same.tsv; expect "a link to the input" 73 "is an input" "$FINDNA" embed run s.fa --output same.tsv
cp s.fa in.npy.ids.txt; expect "the file of names of the output is the input" 73 "is an input" "$FINDNA" embed run in.npy.ids.txt --output in.npy
check "it stays" cmp s.fa in.npy.ids.txt
cp run/metrics.jsonl kept.jsonl; expect "a report over the run's metrics" 73 "is an input" "$FINDNA" report run --output run/metrics.jsonl
check "they stay" cmp kept.jsonl run/metrics.jsonl

echo x >file; for place in file file/x file/x/y; do expect "a run in $place, a file" 73 "file: exists and is not a folder" "$FINDNA" pretrain $tiny run.folder=$place; done
expect "an evaluation below a file" 73 "file: exists and is not a folder" "$FINDNA" evaluate local run --data "$root/datasets" --output file/x --methods probe --seeds 1

# --- nothing is removed or written through planted links ---------------------------------------------------------------------
mkdir -p precious/sub; echo x >precious/a; echo x >precious/sub/b
cp -r half linked; for n in .tmp-x .trash-7; do ln -s "$PWD/precious" linked/ckpt/$n; done; mkdir linked/ckpt/.tmp-y; ln -s "$PWD/precious" linked/ckpt/.tmp-y/in
expect "unfinished checkpoints that are links" 0 "finished" "$FINDNA" pretrain $tiny run.folder=linked
check "their targets stay; the links are gone" bash -c '[ "$(find precious -type f | wc -l)" = 2 ] && [ -z "$(find linked/ckpt -name ".t*")" ]'
ln -s "$PWD/precious" p.tmp-prepare; touch precious/prepare.lock
expect "a link in the place of prepare's folder" 73 "is in the way" "$FINDNA" prepare --window 20 --count 5 p s.fa
check "is not emptied" test -f precious/a
rm p.tmp-prepare
cp -r half locked; rm locked/run.lock; echo keep >target; ln -s "$PWD/target" locked/run.lock
expect "a lock that is a link" 77 "is a link" "$FINDNA" pretrain $tiny run.folder=locked
check "its target is not written to" grep -qx keep target
cp -r half piped; rm piped/run.lock; mkfifo piped/run.lock
expect "a lock that is a pipe" 77 "is a pipe" "$FINDNA" pretrain $tiny run.folder=piped
cp -r half logged; mkdir logged/windows; for rank in 0 1; do ln -s "$PWD/target" logged/windows/start-000$((2 - rank))-rank-$rank; done
if [ $faults = 1 ]; then expect "a log of windows that cannot be written" 74 "cannot write this rank's log of windows" bash -c 'ulimit -f 40; exec "$@"' - "$FINDNA" pretrain $tiny run.folder=limited log.windows=true train.steps=800 checkpoint.every=800 checkpoint.minutes=0 eval.windows=4; fi
expect "a log of windows that is a link" 73 "start-0001-rank-1: File exists" mpirun -n 2 --oversubscribe --bind-to none "$FINDNA" pretrain $tiny run.folder=logged log.windows=true
check "its target is not written to" grep -qx keep target
cp -r half halted; mkdir halted/stop
expect "a stop file that cannot be removed" 85 "halted/stop cannot be removed" "$FINDNA" pretrain $tiny run.folder=halted
if [ "$(id -u)" = 0 ]; then
  mkdir shared; chmod 1777 shared; ln -s "$PWD/target" shared/x.tsv; chown -h 12345 shared/x.tsv
  expect "an output that is another user's link" 77 "another user" "$FINDNA" embed run s.fa --output shared/x.tsv
  check "leads to nothing written" grep -qx keep target
  cp -r half foreign; mv foreign/metrics.jsonl target.jsonl; ln -s "$PWD/target.jsonl" foreign/metrics.jsonl; chown -h 12345 foreign/metrics.jsonl
  expect "a link of another user in a run folder" 77 "another user" "$FINDNA" pretrain $tiny run.folder=foreign
  cp -r half own; mv own/ckpt own-ckpt; ln -s ../own-ckpt own/ckpt
  expect "the user's own link is followed" 0 "finished" "$FINDNA" pretrain $tiny run.folder=own
else echo "skipped - links of other users: only root can make them"; fi
cp -r half open; chmod 777 open
expect "a world-writable folder" 0 "every user of this machine" "$FINDNA" pretrain $tiny run.folder=open
chmod 1777 open; "$FINDNA" pretrain $tiny run.folder=open >open.log 2>&1; check "with the sticky bit there is no warning" bash -c '[ -s open.log ] && ! grep -q "every user" open.log'

# --- a folder for checkpoints in which nothing can be written is noticed before the first step ---------------------------------
modest=() # root without the right to ignore modes
[ "$(id -u)" != 0 ] || modest=(setpriv "--bounding-set=-dac_override,-dac_read_search")
sed "s/A/C/" t.csv >t2.csv; cp -r half closed; chmod a-w closed/ckpt
expect "checkpoints that may not be written" 77 "closed/ckpt/.tmp-step_000000008: Permission denied" "${modest[@]}" "$FINDNA" pretrain $tiny run.folder=closed
check "are reported at once, and nothing is trained" bash -c '[ "$(grep -c error: out.log)" = 2 ] && grep -q "closed/ckpt, as the error above says: nothing was trained" out.log && ! grep -q "step 7/8" out.log'
expect "doctor reports it" 66 "missing: permission to write checkpoints at closed/ckpt: Permission denied" "${modest[@]}" "$FINDNA" doctor $tiny run.folder=closed
cp -r run whole; chmod a-w whole/ckpt; expect "a finished run writes none" 0 "is finished" "${modest[@]}" "$FINDNA" pretrain $tiny run.folder=whole
expect "fine-tuning, too" 77 "tuned/ckpt: Permission denied" bash -c 'mkdir -p tuned/ckpt && chmod a-w tuned/ckpt && exec "$@"' - "${modest[@]}" "$FINDNA" finetune run --train t.csv --valid t2.csv run.folder=tuned train.batch=2 train.virtual_ranks=1 train.steps=2
part=$(printf '%0200d' 0); deep=$(for _ in {1..20}; do printf '%s/' "$part"; done); deep=$PWD/${deep:0:$((4060 - ${#PWD}))}; deep=${deep%/}
expect "paths of checkpoints that are too long" 64 "path is longer than 4095 bytes" "$FINDNA" pretrain $tiny run.folder="$deep"
expect "doctor reports them" 66 "missing: room for the names of checkpoints: run.folder has 40[0-9]{2} bytes, of at most 39" "$FINDNA" doctor $tiny run.folder="$deep"
expect "and a name that no folder may have" 66 "one of its names has 300 bytes, of at most 255" "$FINDNA" doctor $tiny run.folder="x/$(printf '%0300d' 0)"
expect "a folder that is closed during the run" 77 "3 checkpoints in a row could not be written to later; allow this user to write there and resume" \
  bash -c '"$@" & pid=$!; until [ -d later/ckpt/step_000000002 ]; do sleep 0.02; kill -0 $pid || exit 1; done; chmod a-w later/ckpt; wait $pid' - "${modest[@]}" "$FINDNA" pretrain $tiny run.folder=later train.steps=4000 checkpoint.every=2
check "without an error for each file" bash -c '! grep -q "cannot create" out.log && grep -q "cannot make folder later/ckpt" out.log'
chmod u+w {closed,whole,tuned,later}/ckpt

# --- the umask determines the modes of all files and folders ------------------------------------------------------------------
for mask in 002 077; do
  (umask $mask; mkdir m$mask; cd m$mask
    ln -s ../shards shards
    "$FINDNA" pretrain $tiny log.windows=true run.folder=run; "$FINDNA" prepare --window 20 --count 5 p ../s.fa
    for o in x.tsv x.npy x.h5 x.tsv.gz; do "$FINDNA" embed run ../s.fa --output $o; done
    "$FINDNA" report run --tensorboard; "$FINDNA" export run model; "$FINDNA" import model back) >/dev/null 2>&1
  file=$(printf '%o' $((0666 & ~0$mask))) folder=$(printf '%o' $((0777 & ~0$mask)))
  odd=$(find m$mask \( -type f ! -perm $file -o -type d ! -perm $folder \) -printf '%m %p\n')
  [ -z "$odd" ] || echo "$odd"
  check "umask $mask: $(find m$mask -type f | wc -l) files of mode $file, folders of $folder" test -z "$odd" -a "$(find m$mask -type f | wc -l)" -gt 20
done

# --- homes -------------------------------------------------------------------------------------------------------------------
export HOME=$PWD/home; mkdir home
printf 'run:\n  folder: ~/runs/y\n' >home.yaml
expect "run.folder=~/runs/x" 0 "finished: $HOME/runs/x" "$FINDNA" pretrain $tiny "run.folder=~/runs/x"
check "is in the home folder, and no folder is named ~" bash -c '[ -d home/runs/x/ckpt ] && [ ! -e "~" ]'
expect "folder: ~/runs/y in a file" 0 "finished: $HOME/runs/y" "$FINDNA" pretrain ./home.yaml data.shards=shards model.channels=18 model.hidden=20 model.track=3 model.networks=1 train.steps=2 train.batch=8 train.virtual_ranks=4
expect "--output=~/x.tsv" 0 "wrote $HOME/x.tsv" "$FINDNA" embed "~/runs/x" s.fa "--output=~/x.tsv"
expect "data.shards=~/shards" 66 "there is no folder .$HOME/shards." "$FINDNA" pretrain $tiny "data.shards=~/shards" run.folder=none
expect "~user is refused" 64 "write the whole path" "$FINDNA" embed run s.fa "--output=~ada/x.tsv"
printf 'run:\n  folder: $SCRATCH/y\n' >scratch.yaml
expect "\$SCRATCH in a file is refused" 78 "on the command line" "$FINDNA" pretrain ./scratch.yaml data.shards=shards model.channels=18 model.hidden=20 model.track=3 train.steps=2 train.batch=8 train.virtual_ranks=4
expect "a folder that is named ~" 0 "finished: ./~/x" "$FINDNA" pretrain $tiny "run.folder=./~/x"
check "is one" test -d "./~/x/ckpt"
expect "one rank without HOME says so" 78 "rank 1.*HOME is not set" mpirun --oversubscribe --bind-to none -n 1 "$FINDNA" embed run s.fa "--output=~/x.tsv" : -n 1 env HOME= "$FINDNA" embed run s.fa "--output=~/x.tsv"
expect "ranks with other HOMEs" 64 "do not have the same command line.*/elsewhere/x.tsv" mpirun --oversubscribe --bind-to none -n 1 "$FINDNA" embed run s.fa "--output=~/x.tsv" : -n 1 env HOME=/elsewhere "$FINDNA" embed run s.fa "--output=~/x.tsv"
HOME= expect "without HOME" 78 "HOME is not set" "$FINDNA" embed run s.fa "--output=~/x.tsv"

# --- temporary files of killed processes -------------------------------------------------------------------------------------
if [ $faults = 1 ]; then
  for name in x.tsv x.npy x.h5; do
    mkdir k; echo mine >k/$name.tmp-notes; : >k/$name.tmp-deadbeef-1-00000001
    (./fault rename:1:kill "$FINDNA" embed run s.fa --output k/$name; true) >/dev/null 2>&1
    check "killed before its rename: no $name, only its temporary file" bash -c "[ ! -e k/$name ] && [ \$(ls k | grep -c 'tmp-.*-.*-') -ge 2 ]"
    expect "the next start" 0 "wrote k/$name" "$FINDNA" embed run s.fa --output k/$name
    check "removes it, and nothing else" bash -c "[ \"\$(ls k | grep tmp- | tr '\n' ' ')\" = '$name.tmp-deadbeef-1-00000001 $name.tmp-notes ' ]"
    touch -d '10 days ago' k/$name.tmp-deadbeef-1-00000001
    "$FINDNA" embed run s.fa --output k/$name >/dev/null 2>&1
    check "another host's is removed once it is old" test ! -e k/$name.tmp-deadbeef-1-00000001
    rm -r k
  done
  "$FINDNA" embed run s.fa --output pair.npy >/dev/null 2>&1; head -8 s.fa >few.fa
  (./fault rename:2:kill "$FINDNA" embed run few.fa --output pair.npy; true) >/dev/null 2>&1
  check "killed between a matrix and its names: no matrix with the names of another" test ! -e pair.npy
  expect "the next start makes both" 0 "wrote pair.npy" "$FINDNA" embed run few.fa --output pair.npy
  check "and they belong together" bash -c '[ "$(wc -l <pair.npy.ids.txt)" = 4 ] && ! ls | grep -q "pair.npy.*tmp-"'
  for n in 1 2 3; do
    for what in "export run e" "import plain-model e"; do
      [ -d plain-model ] || "$FINDNA" export run plain-model >/dev/null 2>&1
      rm -rf e; (./fault rename:$n:kill "$FINDNA" $what; true) >/dev/null 2>&1
      check "${what%% *} killed at rename $n: nothing, or all of it" bash -c '[ ! -e e ] || [ -e e/config.json -o -d e/ckpt/step_000000000 ]'
      [ -e e ] || expect "the next start" 0 "wrote" "$FINDNA" $what
      check "and leaves no temporary file" bash -c '! ls -d e.tmp-* 2>/dev/null'
    done
  done

  # --- file systems ---------------------------------------------------------------------------------------------------------
  for code in 38 37 95 22; do # ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL
    rm -rf l p
    expect "no flock (errno $code): fcntl's lock instead" 0 "finished" ./fault flock:1+:$code "$FINDNA" pretrain $tiny run.folder=l
    expect "prepare" 0 "written" ./fault flock:1+:$code "$FINDNA" prepare --window 20 --count 5 p s.fa
    expect "embed to HDF5" 0 "wrote l.h5" ./fault flock:1+:$code "$FINDNA" embed run s.fa --output l.h5
    [ $code = 37 ] && continue
    rm -rf q; expect "no fsync of folders (errno $code): pretrain" 0 "finished" ./fault syncfolder:1+:$code "$FINDNA" pretrain $tiny run.folder=q
    expect "embed" 0 "wrote q.tsv" ./fault syncfolder:1+:$code "$FINDNA" embed run s.fa --output q.tsv
  done
  expect "doctor reports the kind of locks" 0 "locks +fcntl at" ./fault flock:1+:38 "$FINDNA" doctor "$root/tests/tiny.yaml" data.shards=shards run.folder=l
  (exec 9>>l/run.lock; flock -n 9; expect "a lock that is held" 73 "in use by" "$FINDNA" pretrain $tiny run.folder=l)
  expect "an fsync of a folder that fails for other reasons" 74 "cannot sync" ./fault syncfolder:1+:5 "$FINDNA" embed run s.fa --output bad.tsv
  expect "a lock that fails for other reasons" 74 "cannot lock" ./fault flock:1+:5 "$FINDNA" pretrain $tiny run.folder=l

  # --- a full disk, at every write of HDF5 and at some of ours --------------------------------------------------------------
  bad=0
  for call in pwrite write; do
    for ((n = 1; n < 60; n++)); do
      rm -rf h count; mkdir h
      FAULT_COUNT=$PWD/count ./fault $call:$n:28 "$FINDNA" embed run s.fa --pool positions --output h/x.h5 >h.log 2>&1; code=$?
      [ "$n" -gt "$(tail -1 count)" ] && break
      [ $code = 74 ] && [ -z "$(ls h)" ] || { bad=$((bad + 1)); echo "$call $n: exit code $code, left: $(ls h)"; }
    done
    echo "$call: $((n - 1)) points"
  done
  check "a full disk at each write of an .h5 file: 74 and nothing" test $bad = 0
  for n in 1 2 3; do
    rm -rf h; expect "a full disk at write $n of prepare" 74 "No space left" ./fault write:$n:28:tmp-prepare "$FINDNA" prepare --window 20 --count 30 --shard-windows 20 h s.fa
    check "leaves nothing" bash -c '! ls -d h h.tmp* 2>/dev/null'
  done
  for file in student adam_v config.yaml MANIFEST; do # a bit that flips on its way to the disk is found before the checkpoint is committed
    rm -rf w; expect "a bit of $file is written wrong" 0 "checkpoint of step 2 failed" ./fault write:1:flip:$file "$FINDNA" pretrain $tiny checkpoint.keep=9 run.folder=w
    check "that checkpoint is missing, and the others are intact" bash -c '[ ! -e w/ckpt/step_000000002 ] && [ -e w/ckpt/step_000000004 ] && "$0" inspect w >/dev/null' "$FINDNA"
  done
  for ((n = 1; n < 30; n += 4)); do # a digest that fails: the checkpoint fails, and no older checkpoint is lost
    cp -r half d; ./fault digest:$n:12 "$FINDNA" pretrain $tiny checkpoint.keep=1 run.folder=d >d.log 2>&1; code=$?
    case $code in 0 | 71) ;; *) not_ok "digest $n fails: exit code $code" ;; esac
    "$FINDNA" inspect d >d.out 2>&1 || not_ok "digest $n fails: $(tail -1 d.out)"; rm -rf d
  done
  ok "digests that fail leave a checkpoint that verifies"
else echo "skipped - failing calls: the fault library does not work with AddressSanitizer"; fi
