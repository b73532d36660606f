#!/usr/bin/env bash
# Runs all tests (or those named as arguments; without those named in WITHOUT) and ends with "N passed, N failed".
# Test programs speak TAP; a shell test is tests/test_*.sh and prints "ok - name" or "not ok - name" a case.
set -u
cd "$(dirname "$0")/.."
export CMOCKA_MESSAGE_OUTPUT=TAP OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
[ "${SAN:-0}" = 0 ] || export ASAN_OPTIONS=${ASAN_OPTIONS-allocator_may_return_null=1}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ $# -gt 0 ]; then names=("$@"); else names=($(ls tests/test_*.c tests/test_*.sh | sed 's|tests/||')); fi
for name in "${names[@]}"; do
  name=$(basename "$name")
  case " ${WITHOUT-} " in *" $name "*) continue ;; esac
  start=$SECONDS
  case $name in
    *.sh) command=(bash "tests/$name") ;;
    *) command=("$TESTS/${name%.c}") ;;
  esac
  timeout 900 "${command[@]}" </dev/null >"$log" 2>&1
  code=$?
  sed -i '/^not ok .*# SKIP/d' "$log" # how cmocka says it; the test has printed the reason
  good=$(grep -c '^ok ' "$log")
  bad=$(grep -c '^not ok ' "$log")
  skip=$(grep -c '^skipped - ' "$log")
  if [ $code -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  if [ $((good + bad + skip)) -eq 0 ]; then bad=1; echo "not ok - $name ran no test" >>"$log"; fi
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
  printf '%-28s %4d ok %3d failed  %4d s\n' "$name" "$good" "$bad" $((SECONDS - start))
  grep '^skipped - ' "$log"
  if [ "$bad" -gt 0 ]; then sed 's/^/    /' "$log" | grep -v '^    ok ' | tail -60; [ $code -ne 0 ] && echo "    (exit code $code)"; fi
done
[ $skipped -gt 0 ] && echo "$skipped skipped (reasons above)"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
