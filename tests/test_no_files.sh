#!/usr/bin/env bash
# Tests that a pipe, a device or a folder instead of any file that a command reads is refused at once: no wait for a writer, no endless read.
source "$(dirname "$0")/lib.sh"
tiny_shards shards
"$FINDNA" pretrain "$root/tests/tiny.yaml" train.steps=4 checkpoint.every=4 run.folder=run >log 2>&1 && "$FINDNA" export run export >log 2>&1 || { tail -3 log; not_ok "making the files"; exit 1; }
printf '>a\nACGTNACGTTGCAACGTACGATCGACTAGCATCGACTACGACTACGACTCAGCATCAGCATCAGCATCAGC\n' >x.fa
printf 'sequence,label\nACGTACGT,0\nGGTTGGTT,1\nACGAACGT,0\nGGTTGGAT,1\n' >rows.csv
mkfifo pipe; ln -s /dev/zero zeros; mkdir empty
# try FILE COMMAND...: an exit code for bad input within 20 s, for each of the three in the place of FILE, plain and as FILE.gz
try() {
  local what=$1 bad="" code
  shift
  for kind in pipe zeros empty; do
    for at in "$what" "$what.gz"; do
      rm -rf "$what" "$what.gz"
      case $kind in pipe) mkfifo "$at" ;; zeros) ln -s /dev/zero "$at" ;; empty) mkdir -p "$at" ;; esac
      [ "$at" = "$what" ] || { rm -rf "$what"; ln -s "$at" "$what"; }
      code=0
      timeout -s KILL 20 "$FINDNA" "$@" >log 2>&1 </dev/null || code=$?
      case $code in 64 | 65 | 66 | 73 | 74 | 77 | 78) ;; *) bad="$bad $kind:$code" ;; esac
    done
  done
  rm -rf "$what" "$what.gz" out out.h5
  check "$1 of $what${bad:+ (${bad# })}" test -z "$bad"
}
try g.fa prepare --window 20 --count 2 out g.fa
try g.2bit prepare --window 20 --count 2 out g.2bit
try s.bed prepare --window 20 --count 2 --bed s.bed out x.fa
try c.yaml pretrain c.yaml
try t.csv probe run --train t.csv --test rows.csv
try e.csv finetune run --train rows.csv --test e.csv run.folder=out
try g.fa embed run g.fa --output out.h5
try t.tsv embed run t.tsv --output out.h5
try i.bed embed run i.bed --genome x.fa --output out.h5
try g.fa embed run "$root/datasets/human_chr20_slice.bed" --genome g.fa --output out.h5
try v.vcf score run v.vcf --genome x.fa --output out.vcf
try suite.tsv evaluate ./suite.tsv run --output out
try f.h5 inspect f.h5
try f.npy inspect f.npy
try f.safetensors inspect f.safetensors
try in.safetensors trace "$root/tests/tiny.yaml" --input in.safetensors --output out
mkdir task
try task/train.csv finetune run --task task run.folder=out
for name in MANIFEST config.yaml student-00.safetensors; do
  cp -r "$(ls -d run/ckpt/step_*)" step
  try step/$name inspect step
  try step/$name export step out
  rm -rf step
done
for name in manifest.json train-00000.h5; do
  rm -rf s && cp -r shards s
  try s/$name inspect s
  try s/$name pretrain "$root/tests/tiny.yaml" data.shards=s run.folder=out
done
for name in config.json model.safetensors; do
  rm -rf x && cp -r export x
  try x/$name import x out
done
for name in metrics.jsonl config.used.yaml environment.json probe.json finetune.json; do
  rm -rf r && mkdir r && cp run/*.* r
  try r/$name report r --output out.html
done
mkdir results && try results/results.json report results --output out.html
