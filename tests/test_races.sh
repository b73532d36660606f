#!/usr/bin/env bash
# Data races: threads that log while another one shows its progress, under ThreadSanitizer.
source "$(dirname "$0")/lib.sh"
cat >log.c <<'C'
#include <pthread.h>

#include "base/log.h"

static void *other(void *unused) {
  for (int i = 0; i < 1000; i++) fd_warn("warning %d", i), fd_info("information %d", i);
  return unused;
}

int main(void) {
  pthread_t thread;
  if (pthread_create(&thread, 0, other, 0)) return 1;
  fd_log_set_rank(0, 2); /* the guard exists before the ranks do */
  for (int i = 0; i < 1000; i++) fd_progress(i % 10 == 0, "step %d", i);
  return pthread_join(thread, 0);
}
C
compiler=${CC:-gcc}
echo 'int main(void) { return 0; }' >try.c
if ! $compiler -fsanitize=thread -o try try.c 2>/dev/null || ! ./try 2>/dev/null; then echo "skipped - data races: no ThreadSanitizer here"; exit 0; fi
$compiler -std=c11 -D_GNU_SOURCE -O1 -g -pthread -fsanitize=thread -I"$root/src" -o log log.c "$root"/src/base/{log,printable,clock}.c >cc.log 2>&1 || { not_ok "the program compiles"; cat cc.log; exit 1; }
# on_terminal COMMAND: where progress lines stay open
on_terminal() { script -qec "$1" /dev/null; }
for how in sh on_terminal; do
  code=0
  if [ $how = sh ]; then ./log >log.out 2>&1 || code=$?
  elif command -v script >/dev/null; then on_terminal ./log >log.out 2>&1 </dev/null || code=$?
  else echo "skipped - data races on a terminal: no script here"; continue; fi
  check "no data race in log lines ($how)" test $code = 0 -a "$(grep -c 'data race' log.out)" = 0
  check "and all lines are there" test "$(grep -c 'warning: warning' log.out)" = 1000
done
