#!/usr/bin/env bash
# make bundle: the folder works elsewhere without any settings and contains its libraries, with MPI_TOO=1 also Open MPI.
source "$(dirname "$0")/lib.sh"
if ldd "$FINDNA" | grep -q asan; then echo "skipped - bundle: tested without sanitizers"; exit 0; fi
tiny_shards shards
tiny=$root/tests/tiny.yaml
"$FINDNA" pretrain "$tiny" run.folder=here >here.log 2>&1
bare=(env -i PATH=/usr/bin:/bin HOME="$HOME" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)
# bundled FOLDER ARGUMENT...: the result of make bundle, moved to FOLDER
bundled() {
  local folder=$1; shift
  make -s -C "$root" --no-print-directory bundle BUNDLE="$scratch/made/findna" "$@" >make.log 2>&1 || { not_ok "make bundle $*"; tail -3 make.log; exit 1; }
  mv made/findna "$folder"
}
# outside FOLDER: libraries that its program would load from elsewhere, except those of the C library and of a site's MPI
outside() { "${bare[@]}" ldd "$1/bin/findna" | awk '$3 ~ /^\// { print $3 }' | grep -v "^$scratch/$1/" | grep -vE '/lib(c|m|resolv|mpi|open-rte|open-pal|hwloc|udev|pmix|cap)\.so|/libevent'; }

bundled moved
check "an archive is next to it" bash -c 'tar -tzf made/findna.tar.gz | grep -qx "findna/bin/findna"'
check "its libraries are its own" test -z "$(outside moved)"
check "MPI is the site's" test ! -e moved/lib/libmpi.so.40 -a ! -e moved/bin/mpirun
expect "doctor" 0 "$scratch/moved/bin/../share/findna/configs: .*demo" "${bare[@]}" moved/bin/findna doctor
[ -z "$(make -s -C "$root" --no-print-directory plugin 2>make.log | tail -1)" ] || check "its CUDA plugin is found" bash -c '[ -e moved/lib/findna/libfindna_cuda.so ] && ! grep -q "no CUDA plugin" out.log'
expect "prepare" 0 "dataset_id" "${bare[@]}" moved/bin/findna prepare --window 61 --count 512 --val-count 64 --max-n 0 --seed 1 --shard-windows 200 \
  --bed "$root/datasets/human_chr20_slice.bed" again "$root/datasets/human_chr20_slice.2bit"
expect "pretrain" 0 "checkpoint of step 12 is durable" "${bare[@]}" moved/bin/findna pretrain "$tiny" run.folder=one data.shards=again
check "ends in the bits of the build's run" same one here
expect "launch/run" 0 "finished" "${bare[@]}" moved/launch/run -n 2 -t 1 pretrain "$tiny" run.folder=two
check "2 ranks end in the same bits" same two here
check "it says what it needs" grep -qE "Needs glibc 2\.[0-9]+ or newer, and the site's libmpi" moved/BUNDLE.txt

if ! [[ $(mpirun --version) == *"Open MPI"* ]]; then echo "skipped - bundle with MPI: mpirun is not Open MPI's"; exit 0; fi
PACK=0 bundled with_mpi MPI_TOO=1 TESTS_TOO=1
expect "mpirun of the bundle" 0 "finished" "${bare[@]}" with_mpi/bin/mpirun -n 2 --oversubscribe --bind-to none with_mpi/bin/findna pretrain "$tiny" run.folder=own
check "with the same bits" same own here
# As on a machine without Open MPI: its folders are hidden by empty ones, its libraries by /dev/null.
plugins=$(ompi_info --path pkglibdir --parsable | sed -n 's/^path:pkglibdir://p' | head -1) texts=$(ompi_info --path pkgdatadir --parsable | sed -n 's/^path:pkgdatadir://p' | head -1)
cat >hide.sh <<HIDE
mount -t tmpfs none "$plugins" && mount -t tmpfs none "$texts" || exit 99
for file in "$(readlink -f "$(command -v mpirun)")" "$(command -v orted)" $(ldd "$FINDNA" | awk '/libmpi|libopen-|libhdf5/ { printf " %s", $3 }') $(ldconfig -p | awk '/libopenblas/ { printf " %s", $NF }'); do mount --bind /dev/null "\$file" || exit 99; done
exec "\$@"
HIDE
if ! unshare -m bash hide.sh true 2>/dev/null; then echo "skipped - bundle on a machine without Open MPI: this process may not mount"; exit 0; fi
expect "OpenBLAS, loaded at run time, is the bundle's" 0 "^  BLAS +OpenBLAS [0-9]" unshare -m bash hide.sh "${bare[@]}" PATH="$scratch/with_mpi/bin:/usr/bin:/bin" with_mpi/bin/findna doctor
expect "without Open MPI on the machine" 0 "finished" unshare -m bash hide.sh "${bare[@]}" with_mpi/bin/mpirun -n 2 --oversubscribe --bind-to none with_mpi/bin/findna pretrain "$tiny" run.folder=alone
check "the same bits there" same alone here
mkdir -p with_mpi/lib/findna && cp "$(dirname "$FINDNA")/libfindna_emulated.so" with_mpi/lib/findna/
expect "tests/gpu/check.sh runs there, too" 0 "^passed: doctor same; FAILED: none" unshare -m bash hide.sh "${bare[@]}" OUT="$scratch/logs" with_mpi/tests/gpu/check.sh --emulated --phases doctor,same
check "including two ranks on the GPU" grep -q "state_id: one run = ranks *yes" out.log
