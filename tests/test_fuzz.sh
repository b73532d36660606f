#!/usr/bin/env bash
# Hostile files: the initial inputs of the fuzz targets and former findings, with the compiler that built the tests; then
# libFuzzer itself for FUZZ_SECONDS (20, over all targets; 0: skipped) if clang has it.
source "$(dirname "$0")/lib.sh"
seconds=${FUZZ_SECONDS:-20} replay=$(dirname "$FINDNA")/fuzz/replay corpus=$root/tests/fuzz/corpus
targets=$(sed -n 's/^TARGET(\([a-z0-9]*\),.*/\1/p' "$root/tests/fuzz/targets.def")
for target in $targets; do
  timeout 120 "$replay" "$target" "$corpus/$target"/* >replay.log 2>&1
  code=$?
  check "files for $target: no crash, no failed expectation" test $code = 0
  [ $code = 0 ] || tail -5 replay.log
done
if [ "$seconds" = 0 ]; then exit 0; fi
if ! printf 'int LLVMFuzzerTestOneInput(const void *d, long n) { return !d + !n & 0; }' | clang -x c -fsanitize=fuzzer,address - -o probe 2>/dev/null; then
  echo "skipped - libFuzzer: clang with libFuzzer (libclang-rt-dev) is not installed"
  exit 0
fi
minutes=$(awk -v s="$seconds" -v n="$(wc -w <<<"$targets")" 'BEGIN { print s / n / 60 }')
FOUND=$PWD/found make -s -C "$root" fuzz CC=clang MINUTES="$minutes" >fuzz.log 2>&1
code=$?
grep -a '^[a-z0-9]* *[0-9]* *[0-9]* *[0-9]* *[0-9]*$' fuzz.log
check "libFuzzer finds nothing in $(wc -w <<<"$targets") targets in $seconds s" test $code = 0
[ $code = 0 ] || { tail -20 fuzz.log; for f in found/*-*; do echo "$f: $(base64 -w 0 "$f" | head -c 2000)"; done; }
