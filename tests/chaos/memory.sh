#!/usr/bin/env bash
# make test-chaos, fifth part: the n-th allocation fails, of the program or of a library (except HDF5 and libcrypto, for the reason given in
# tests/faults/fault.c), in every command of points.sh, which defines a good point; the exit code is 71, or 0 with the whole output.
# MAX (70): largest number of points per command, evenly spaced (SEED); COMMANDS: regular expression for names of commands; JOBS (2): points
# at once; LOG: file for all verdicts.
source "$(dirname "$0")/../lib.sh"
source "$root/tests/chaos/points.sh"
if ldd "$FINDNA" | grep -q asan; then echo "skipped - failing allocations: the fault library does not work with AddressSanitizer"; exit 0; fi
${CC:-gcc} -O1 -shared -fPIC -o fault.so "$root/tests/faults/fault.c" -ldl || exit 1
fault=$PWD/fault.so

# Called by points.sh: a start in which the n-th allocation fails; whether an allocation failed; and which one.
disturb() {
  local n=$3
  shift 3
  rm -f .point.hit
  timeout -s KILL "$limit" env LD_PRELOAD="$fault" FAULT="alloc:$n:12" FAULT_TRACE="$PWD/.point.hit" "$@"
}
was_hit() { [ -s .point.hit ]; }
where() { sed -n '3,$p' .point.hit | sed 's|.*/||' | head -8 | tr '\n' ' '; }

make_inputs
names=$(cut -d'|' -f1 <<<"$commands" | grep . | grep -E "${COMMANDS:-.}")
for name in $names; do undisturbed "$name" || exit 1; done
mkdir -p count && cd count || exit 1
for name in $names; do
  take "$name"
  clear_place; eval "$before"
  LD_PRELOAD="$fault" FAULT=alloc:0:12 FAULT_COUNT="$PWD/.point.count" "$FINDNA" $arguments >/dev/null 2>&1 </dev/null
  seq 1 "$(tail -1 .point.count)" | sample "${MAX:-70}" "${SEED:-1}" | sed "s/.*/$name alloc ENOMEM & 0 71/"
done >"$scratch/points"
cd "$scratch" || exit 1
run_points "$scratch/points"
tell_points "failing allocations"
