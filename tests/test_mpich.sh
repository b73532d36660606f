#!/usr/bin/env bash
# Tests a build with MPICH: the same bits as one rank, no unexpected messages, the exit code of a stop.
source "$(dirname "$0")/lib.sh"
command -v mpicc.mpich >/dev/null || { echo "skipped - MPICH: mpicc.mpich is not installed"; exit 0; }
if ldd "$FINDNA" | grep -q asan; then echo "skipped - MPICH: tested without sanitizers"; exit 0; fi
# Only mpi/ is compiled for MPICH: the other objects are those of this build, unless HDF5 depends on the MPI.
build=$(dirname "$FINDNA") build=${build#"$root/"}
folder=$(make -n -C "$root" --no-print-directory MPI=mpich SAN=0 program 2>make.log | sed -n 's|^echo \(build/.*\)/findna$|\1|p')
if [ -n "$folder" ] && (cd "$root" && [ ! -e "$folder" ] && cmp -s "$(launch/libraries mpicc '')" "$(launch/libraries mpicc.mpich '')"); then
  cp -r "$root/$build/src" copied && find copied -name '*.d' -exec sed -i "s|$build/|$folder/|g" {} + && mkdir "$root/$folder" && mv copied "$root/$folder/src"
fi
program=$root/$(make -s -C "$root" --no-print-directory MPI=mpich SAN=0 program 2>make.log | tail -1)
[ -x "$program" ] || { not_ok "a build with MPI=mpich"; tail -5 make.log; exit 1; }
tiny_shards shards
tiny=$root/tests/tiny.yaml
"$FINDNA" pretrain "$tiny" run.folder=one >one.log 2>&1
timeout 120 mpirun.mpich -n 4 "$program" pretrain "$tiny" run.folder=four >four.log 2>&1
check "4 ranks of MPICH end in the bits of 1 rank" same one four
check "and leave no unexpected message" sh -c '[ -s four.log ] && ! grep -q unexpected four.log'
code=0; timeout 120 mpirun.mpich -n 2 "$program" pretrain "$tiny" run.folder=timed train.steps=1000000 run.minutes=0.02 >timed.log 2>&1 || code=$?
check "a stop exits with 75" test $code = 75
