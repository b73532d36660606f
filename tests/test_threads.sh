#!/usr/bin/env bash
# Unrequested threads: on a node with many cores, or under an address space limit, no library starts a thread per core, and every command
# ends.
source "$(dirname "$0")/lib.sh"
if ldd "$FINDNA" | grep -q asan; then echo "skipped - threads: AddressSanitizer needs more address space than this test allows"; exit 0; fi
# Emulates a node with 64 cores, and reports each thread start on standard error.
cat >node.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
long sysconf(int name) {
  long (*real)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
  return name == _SC_NPROCESSORS_CONF || name == _SC_NPROCESSORS_ONLN ? 64 : real(name);
}
int sched_getaffinity(pid_t process, size_t bytes, cpu_set_t *set) {
  (void)process;
  memset(set, 0, bytes);
  for (int i = 0; i < 64; i++) CPU_SET_S(i, bytes, set);
  return 0;
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
      (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
  if (write(2, "a thread is started\n", 20) < 0) return 11;
  return real(thread, attributes, run, argument);
}
C
"${CC:-gcc}" -shared -fPIC -w -o node.so node.c -ldl || { not_ok "the emulated node compiles"; exit 1; }
tiny_shards shards
xz -dc "$root/datasets/prom_core_notata.train.tsv.xz" | head -201 >train.tsv
xz -dc "$root/datasets/prom_core_notata.test.tsv.xz" | head -101 >test.tsv
printf '>a\nACGTACGTACGTACGTACGTACGTACGT\n' >a.fa
"$FINDNA" pretrain "$root/tests/tiny.yaml" run.folder=run >/dev/null 2>&1 || { not_ok "a run finishes"; exit 1; }
probe=(probe run --train train.tsv --test test.tsv --kmer 1,2 --seeds 1 --threads 1)
"$FINDNA" "${probe[@]}" --output p1.json >/dev/null 2>&1

# --- 64 cores
export LD_PRELOAD=$scratch/node.so
expect "64 cores are emulated, and thread starts are reported" 0 "^a thread is started" "$FINDNA" embed run a.fa --output e64.npy
expect "a thread per core by default" 0 "with 64 threads a rank" "$FINDNA" doctor
# alone NAME ARGUMENTS...: succeeds with no additional thread except the guard (base/guard.h)
alone() { local name=$1; shift; expect "$name: succeeds" 0 "" "$FINDNA" "$@"; check "$name: only the guard's thread" test "$(grep -c "a thread is started" out.log)" = 1; }
alone version --version
alone help --help
alone inspect inspect run
alone config config demo
alone report report run
alone export export run out
alone embed embed run a.fa --output e1.npy --threads 1
alone probe "${probe[@]}" --output p64.json
unset LD_PRELOAD
check "the scores on 64 cores are those on this machine" cmp p1.json p64.json

# --- an address space limit, as set by batch systems (h_vmem)
# limited KB CODES NAME ARGUMENTS...: exits within 60 s with one of CODES
limited() {
  local kb=$1 codes=$2 name=$3 code=0
  shift 3
  (ulimit -v "$kb"; exec timeout -s KILL 60 "$FINDNA" "$@") >out.log 2>&1 || code=$?
  check "$name in $kb KB of address space ends with one of $codes" test -z "${codes##* $code *}"
}
for node in "" "$scratch/node.so"; do
  export LD_PRELOAD=$node
  for kb in 150000 1000000; do
    limited $kb " 0 " "version${node:+ on 64 cores}" --version
    limited $kb " 0 " "inspect${node:+ on 64 cores}" inspect run
    limited $kb " 0 " "pretrain${node:+ on 64 cores}" pretrain "$root/tests/tiny.yaml" device.threads=1 run.folder="run$kb${node:+n}"
    limited $kb " 0 " "embed${node:+ on 64 cores}" embed run a.fa --threads 1 --output "e$kb${node:+n}.npy"
  done
  for kb in 60000 110000 150000 190000 230000 260000; do limited $kb " 0 71 " "probe${node:+ on 64 cores}" "${probe[@]}"; done
done
unset LD_PRELOAD
limited 150000 " 71 " "probe without room for OpenBLAS" "${probe[@]}"
check "the message states the requirement" grep -q "OpenBLAS needs 176 MB of address space (ulimit -v, h_vmem)" out.log
