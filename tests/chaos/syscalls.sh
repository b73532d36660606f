#!/usr/bin/env bash
# make test-chaos, fourth part: the n-th system call of a kind fails, from main() on, in the program or in a library (stdio, zlib, HDF5,
# OpenSSL), in every command of points.sh, which defines a good point. MAX (12): largest number of points per command and fault, evenly
# spaced (SEED); COMMANDS, CALLS: regular expressions for names of commands and calls; JOBS (2): points at once; LOG: file for all verdicts.
source "$(dirname "$0")/../lib.sh"
source "$root/tests/chaos/points.sh"
command -v strace >/dev/null || { echo "skipped - failing system calls: no strace here"; exit 0; }
strace -f -qq -o /dev/null true 2>/dev/null || { echo "skipped - failing system calls: strace may not trace here"; exit 0; }
if ldd "$FINDNA" | grep -q asan; then echo "skipped - failing system calls: AddressSanitizer makes calls of its own"; exit 0; fi

# call, fault, exit codes that may follow. A slow or interrupted call is not a failure for the program, but a library may treat an
# interrupted one as a failure. 137 only where the program is killed. 66: of two stat calls for a name only the first fails.
faults="
write error=ENOSPC 0 74
write error=EIO 0 74
write error=EINTR 0 74
write retval=0 0 74
write delay_enter=20000 0
write signal=SIGKILL 137
pwrite64 error=ENOSPC 0 74
pwrite64 error=EIO 0 74
pwrite64 signal=SIGKILL 137
writev error=EIO 0 74
fsync error=EIO 0 74
fsync error=EINVAL 0 74
fsync signal=SIGKILL 137
fdatasync error=EIO 0 74
rename error=EXDEV 0 74
rename signal=SIGKILL 137
renameat2 error=EIO 0 74
close error=EIO 0 74
openat error=EMFILE 0 71 74
openat error=EACCES 0 74 77
read error=EIO 0 74
read error=EINTR 0 74
read retval=0 0 65 74
pread64 error=EIO 0 74
newfstatat error=EIO 0 66 74
fstat error=EIO 0 74
mkdir error=ENOSPC 0 74
mkdir error=EACCES 0 77
unlink error=EIO 0 74
unlinkat error=EIO 0 74
rmdir error=EIO 0 74
ftruncate error=EIO 0 74
mmap error=ENOMEM 0 71 74
lseek error=EIO 0 74
fcntl error=EMFILE 0 71 74
fcntl error=EINVAL 0 71 74
flock error=ENOSYS 0 74
flock error=ENOLCK 0 74
flock error=EAGAIN 0 73
getrandom error=ENOSYS 0 71 74
getdents64 error=EIO 0 74
clone3 error=EAGAIN 0 71
"

# Called by points.sh: a start in which the n-th call fails; whether a call failed, also judged by the exit code; and which one.
disturb() {
  local call=$1 action=$2 n=$3 fast=--seccomp-bpf # under which injected signals are lost
  shift 3
  [[ $action != signal=* ]] || fast=
  timeout -s KILL "$limit" strace -f -qq $fast -o .point.trace -e trace="?$call" -e inject="?$call:$action:when=$n" "$@"
}
was_hit() { [ "$1" = 137 ] || [ "$1" = 124 ] || grep -qE 'INJECTED|DELAYED' .point.trace 2>/dev/null; } # strace ends with the process that it kills, and its log is lost
where() { grep -m1 -E 'INJECTED|DELAYED' .point.trace | cut -c1-160; }

# calls_of NAME: "CALL FIRST LAST" for each call of the command, counted per thread as strace does, and in the first thread only from main()
# on, which begins by opening /dev/null
calls_of() {
  take "$1"
  clear_place; eval "$before"
  strace -f -qq --seccomp-bpf -o .point.trace "$FINDNA" $arguments >/dev/null 2>&1 </dev/null
  awk '{ thread = $1; call = $2; sub(/\(.*/, "", call) }
    !main { main = thread }
    $2 == "<..." || $2 ~ /^(\+\+\+|---)/ { next }
    { n[thread, call]++; if (n[thread, call] > last[call]) last[call] = n[thread, call] }
    thread == main && /"\/dev\/null", O_RDWR/ && !begun { begun = 1; for (c in last) first[c] = n[main, c] }
    END { for (c in last) print c, first[c] + 1, last[c] }' .point.trace
}

make_inputs
names=$(cut -d'|' -f1 <<<"$commands" | grep . | grep -E "${COMMANDS:-.}")
for name in $names; do undisturbed "$name" || exit 1; done
mkdir -p count && cd count || exit 1
for name in $names; do
  calls_of "$name" >"$scratch/calls"
  grep -E "^(${CALLS:-.*}) " <<<"$faults" | while read -r call action codes; do
    read -r _ first last < <(grep "^$call " "$scratch/calls") || continue
    [ "$action" != signal=SIGKILL ] || codes="137"
    seq "$first" "$last" | sample "${MAX:-12}" "${SEED:-1}" | sed "s/.*/$name $call $action & $codes/"
  done
done >"$scratch/points"
cd "$scratch" || exit 1
run_points "$scratch/points"
tell_points "failing system calls"
