#!/usr/bin/env bash
# launch/libraries: a prefix without pkg-config, a wrapper of HDF5, missing libraries; and a BLAS other than OpenBLAS.
source "$(dirname "$0")/lib.sh"
mkdir -p site/launch && cp "$root/launch/libraries" site/launch/

# A site's prefix for each library, and a PATH with the necessary tools only: neither pkg-config nor h5cc.
mkdir -p prefix/include prefix/lib64 bare
ln -s /usr/include/jansson*.h prefix/include/
ln -s "$(ldconfig -p | awk '$1 ~ /^libjansson\.so/ { print $NF; exit }')" prefix/lib64/libjansson.so
for tool in bash sh env sed awk cat grep dirname sha256sum cut sort mktemp rm mkdir mv printf gcc as ld mpicc opal_wrapper; do
  path=$(command -v $tool) && ln -s "$(readlink -f "$path")" bare/$tool
done
rm -f bare/mpicc; printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v mpicc)" >bare/mpicc; chmod +x bare/mpicc
hdf5=$(pkg-config --cflags-only-I hdf5-serial 2>/dev/null || pkg-config --cflags-only-I hdf5); hdf5=${hdf5#-I} hdf5=${hdf5%% *}
mkdir -p h5/include h5/lib && ln -s "$hdf5"/*.h h5/include/ && ln -s "$(ldconfig -p | awk '$1 ~ /^libhdf5(_serial)?\.so/ { print $NF; exit }')" h5/lib/libhdf5.so
cat >in_bare <<END
#!/bin/sh
PATH=$PWD/bare exec env "\$@"
END
chmod +x in_bare; in_bare=$PWD/in_bare
"$in_bare" HDF5_ROOT="$PWD/h5" EBROOTJANSSON="$PWD/prefix" bash site/launch/libraries mpicc >made 2>said.log
check "prefixes named by variables, without pkg-config" grep -q "^build/libraries-.*\.mk" made
check "their headers and libraries" bash -c 'grep -q -- "-I$PWD/h5/include.* -I$PWD/prefix/include" "site/$(cat made)" && grep -q -- "-L$PWD/prefix/lib64 -Wl,-rpath,$PWD/prefix/lib64 -ljansson" "site/$(cat made)"'
printf '#!/bin/sh\necho gcc -I%s -L%s -lhdf5_hl -lhdf5 -lz -O2\n' "$PWD/h5/include" "$PWD/h5/lib" >bare/h5cc; chmod +x bare/h5cc
"$in_bare" CONDA_PREFIX="$PWD/prefix" bash site/launch/libraries mpicc >made 2>said.log
check "HDF5 by its wrapper, the others by CONDA_PREFIX or the compiler" bash -c 'grep -q -- "-I$PWD/h5/include" "site/$(cat made)" && ! grep -q "hdf5_hl" "site/$(cat made)"'
printf '#!/bin/sh\necho gcc -I%s %s/libhdf5_hl.a %s/libhdf5.a -lz -O2\n' "$PWD/h5/include" "$PWD/h5/lib" "$PWD/h5/lib" >bare/h5cc
"$in_bare" CONDA_PREFIX="$PWD/prefix" X_ROOT=1 bash site/launch/libraries mpicc >made 2>said.log # X_ROOT changes the key of the cached result
check "and by a wrapper that names a static library, with a run path" grep -q -- "-L$PWD/h5/lib -Wl,-rpath,$PWD/h5/lib -lhdf5" "site/$(cat made)"
mkdir parallel && ln -s ../h5/lib parallel/lib && mkdir parallel/include && printf '#include <mpi.h>\n#define H5_HAVE_PARALLEL 1\nint H5open(void);\n' >parallel/include/hdf5.h
"$in_bare" HDF5_ROOT="$PWD/parallel" bash site/launch/libraries mpicc >made 2>said.log
check "the plain compiler finds what a parallel HDF5 includes" bash -c 'echo "#include <hdf5.h>" | ${CC:-gcc} $(sed -n "s/^LIBRARY_CFLAGS =//p" "site/$(cat made)") -x c -fsyntax-only -'

# A compiler that does not find two libraries.
printf '#!/bin/sh\nfor f; do case $f in *.c) ! grep -qE "jansson|lzma" "$f" || exit 1 ;; esac; done\nexec %s "$@"\n' "$(command -v mpicc)" >bare/mpicc
expect "what is missing" 1 "^findna: missing to build: liblzma jansson$" "$in_bare" bash site/launch/libraries mpicc
check "what was searched for, and where" grep -qE "^  jansson: no jansson.h with -ljansson in the compiler's own folders; not set: JANSSON_ROOT EBROOTJANSSON CONDA_PREFIX" out.log
check "and a line for this system, for modules, without root" test "$(grep -cE '^(On this system|On a cluster|Without root): ' out.log)" = 3
expect "no MPI" 1 "MPI: no nowhere-mpicc in PATH \(MPICC=... names another\)" site/launch/libraries nowhere-mpicc
check "a failure is not cached" bash -c '! PATH=$PWD/bare bash site/launch/libraries mpicc >/dev/null 2>&1'

expect "a missing BLAS" 0 "^  BLAS +nowhere.so: cannot open" bash -c 'FINDNA_BLAS=nowhere.so "$0" doctor; true' "$FINDNA"
expect "a library that is not a BLAS" 0 "^  BLAS +libz.so.1: it has no CBLAS" bash -c 'FINDNA_BLAS=libz.so.1 "$0" doctor; true' "$FINDNA"
if ldconfig -p | grep -q 'libblis\.so\.4' && ldconfig -p | grep -q 'liblapack\.so\.3'; then
  expect "BLIS, with a separate LAPACK" 0 "^  BLAS +libblis.so.4 with liblapack.so.3" bash -c 'FINDNA_BLAS=libblis.so.4 "$0" doctor; true' "$FINDNA"
  tiny_shards shards
  ranks 1 pretrain "$root/tests/tiny.yaml" train.steps=2 eval.every=0 >/dev/null 2>&1
  awk 'BEGIN { srand(3 + ENVIRON["DRAWS"]); print "sequence,label"; for (r = 0; r < 200; r++) { s = ""; for (i = 0; i < 40; i++) s = s substr("ACGT", 1 + int(rand() * (r % 2 ? 4 : 3)), 1); print s "," r % 2 } }' >rows.csv
  for blas in "" libblis.so.4; do FINDNA_BLAS=$blas "$FINDNA" probe run --train rows.csv --test rows.csv --seeds 1 --output "probe$blas.json" >/dev/null 2>&1; done
  figures() { grep -oE '"(accuracy|mcc)": *[0-9.]+' "$1" | sed 's/\(\.[0-9][0-9]\)[0-9]*/\1/'; }
  check "a probe with BLIS has the scores of OpenBLAS" bash -c "[ -s probe.json ] && diff <(echo '$(figures probe.json)') <(echo '$(figures probelibblis.so.4.json)')"
else echo "skipped - BLIS: not here"; fi
