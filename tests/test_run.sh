#!/usr/bin/env bash
# tests/run.sh counts results and failures and says SEED, and all random values of tests depend on SEED.
source "$(dirname "$0")/lib.sh"
export TESTS=$PWD
unset SAN WITHOUT
test_program() { printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod +x "$1"; }
test_program test_good 'echo "1..1"; echo "ok 1 - good"'
test_program test_bad 'echo "ok 1 - good"; echo "not ok 2 - bad"; echo "SEED is $SEED"; exit 1'
test_program test_crash 'echo "ok 1 - good"; kill -SEGV $$'
test_program test_killed 'echo "ok 1 - good"; kill -KILL $PPID'
test_program test_nothing ':'
test_program test_skip 'echo "skipped - all: no device"'
run="$root/tests/run.sh"
expect "a test that passes" 0 "^1 passed, 0 failed$" "$run" test_good.c
expect "one that fails" 1 "^1 passed, 1 failed$" "$run" test_bad.c
check "its lines are shown" grep -q "not ok 2 - bad" out.log
expect "one that ends by a signal" 1 "^1 passed, 1 failed$" "$run" test_crash.c
expect "one that is killed with all of its processes" 1 "^1 passed, 1 failed$" "$run" test_killed.c
check "which is no error of the runner" bash -c '! grep -qE "syntax error|invalid number" out.log'
expect "one that runs nothing" 1 "^0 passed, 1 failed$" "$run" test_nothing.c
expect "one that is not there" 1 "^0 passed, 1 failed$" "$run" test_none.c
expect "one that says why it runs nothing" 0 "^1 skipped" "$run" test_skip.c
expect "several at a time" 1 "^3 passed, 3 failed$" "$run" test_good.c test_bad.c test_crash.c test_nothing.c test_skip.c
check "each is named" test "$(grep -cE '^test_[a-z]+\.c ' out.log)" = 5
expect "all but some" 0 "^1 passed, 0 failed$" env WITHOUT="test_bad.c test_crash.c" "$run" test_good.c test_bad.c test_crash.c

expect "a test that fails says SEED" 1 "exit code 1; SEED=7" env SEED=7 "$run" test_bad.c
check "which it is given" grep -q "SEED is 7" out.log
expect "1 by default" 1 "SEED=1\)" env -u SEED "$run" test_bad.c
for seed in 0 -1 x 1.5 1234567890; do expect "SEED=$seed is refused" 64 "SEED is a whole number .*not '$seed'" env SEED=$seed "$run" test_good.c; done
draws() { SEED=$1 bash -c 'source "$0/tests/lib.sh"; awk "BEGIN { srand(3 + ENVIRON[\"DRAWS\"]); print rand() }"' "$root"; }
check "data of shell tests depend on SEED" eval 'a=$(draws 1) && test "$a" = "$(draws 1)" && test "$a" != "$(draws 2)" && test "$a" != "$(draws 3)"'
cd "$root"
check "programs draw with seeds of tests/draws.h" test -z "$(grep -nE 'FD_RNG_TEST|\b(rand|random|drand48)\(\)' tests/*.c tests/*.h | grep -vE '^tests/(draws.h|test_random.c):')"
check "and shell tests with DRAWS" test -z "$(grep -n 'srand(' tests/test_*.sh | grep -v 'DRAWS')"
