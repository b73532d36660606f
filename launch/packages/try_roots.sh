#!/usr/bin/env bash
# Builds findna from its release archive in bare root file systems of Debian 12 and 13, as an ordinary user, for each case of the table below;
# docs/install.md contains the results. Run by hand, as root, with debootstrap and access to Debian's packages:
#   make dist && launch/packages/try_roots.sh [CASE ...]
# The roots are in ROOTS (build/roots, about 3 GB; removed at the end unless KEEP=1), logs in build/roots-logs. MIRROR: a Debian mirror; CCACHE:
# a ccache folder that any user may write to; JOBS (1): of make.
set -eu
export LC_ALL=C # numbers have a point, and names one order
[ "${IN_NAMESPACE-}" ] || exec env IN_NAMESPACE=1 unshare -m "$0" "$@" # the mounts disappear with the script
cd "$(dirname "$0")/../.."
roots=$(realpath -m "${ROOTS:-build/roots}") logs=$PWD/build/roots-logs
archive=$(ls "$PWD"/build/dist/findna-*.tar.gz) || { echo "no archive: run make dist first" >&2; exit 1; }
mkdir -p "$roots" "$logs"
libraries="libyaml-dev zlib1g-dev liblzma-dev libjansson-dev libssl-dev"
ours="openmpi-bin libopenmpi-dev libhdf5-dev libopenblas0"
# case | release | packages in addition to the compiler, make and $libraries | arguments of make | function to run in the root first
table="missing|bookworm|||
debian12|bookworm|$ours pkgconf||
debian13|trixie|$ours pkgconf||
prefix|bookworm|$ours|HDF5_ROOT=/opt/site LIBYAML_ROOT=/opt/site ZLIB_ROOT=/opt/site XZ_ROOT=/opt/site JANSSON_ROOT=/opt/site OPENSSL_ROOT=/opt/site|move_libraries
parallel12|bookworm|openmpi-bin libopenmpi-dev libhdf5-openmpi-dev libopenblas0 pkgconf||
parallel13|trixie|openmpi-bin libopenmpi-dev libhdf5-openmpi-dev libopenblas0 pkgconf||
parallel-bare|bookworm|openmpi-bin libopenmpi-dev libhdf5-openmpi-dev libopenblas0||
blis|bookworm|openmpi-bin libopenmpi-dev libhdf5-dev libblis4 liblapack3 pkgconf||no_openblas
mpich12|bookworm|mpich libmpich-dev libhdf5-dev libopenblas0 pkgconf||
mpich13|trixie|mpich libmpich-dev libhdf5-mpich-dev libopenblas0 pkgconf||
clang14|bookworm|$ours pkgconf clang|CC=clang|
clang19|trixie|$ours pkgconf clang|CC=clang|
gcc11|bookworm|$ours pkgconf gcc-11|CC=gcc-11|
clang13|bookworm|$ours pkgconf clang-13|CC=clang-13|
refuses|bookworm|$ours pkgconf|CC=/usr/local/bin/refuses|compiler_that_refuses
deb12|bookworm|$ours pkgconf dpkg-dev|deb|
deb13|trixie|$ours pkgconf dpkg-dev|deb|"

# overlay LOWER...: mounts a fresh root at $at, over these folders
overlay() {
  at=$roots/at
  ! mountpoint -q "$at" || umount -R "$at"
  rm -rf "$roots/upper" "$roots/work" && mkdir -p "$at" "$roots/upper" "$roots/work"
  mount -t overlay overlay -o "lowerdir=$(IFS=:; echo "$*"),upperdir=$roots/upper,workdir=$roots/work" "$at"
  furnish
}
furnish() {
  mount -t proc proc "$at/proc" && mount --rbind /dev "$at/dev"
  mkdir -p "$at/ccache" "$roots/apt-$release" && mount --bind "$roots/apt-$release" "$at/var/cache/apt/archives"
  [ -z "${CCACHE-}" ] || mount --bind "$CCACHE" "$at/ccache"
  cp /etc/resolv.conf "$at/etc/resolv.conf"
}
inside() { chroot "$at" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
install() { inside apt-get -o Acquire::Check-Valid-Until=false -o APT::Keep-Downloaded-Packages=true -o Dpkg::Options::=--force-unsafe-io install -y -q --no-install-recommends "$@"; }
# as_user COMMAND: runs it in the shell of an ordinary user
as_user() {
  chroot --userspec=user:user "$at" env -i HOME=/home/user USER=user LC_ALL=C.UTF-8 PATH="${CCACHE:+/usr/lib/ccache:}/usr/local/bin:/usr/bin:/bin" ${CCACHE:+CCACHE_DIR=/ccache} \
    CCACHE_NOHASHDIR=1 CCACHE_UMASK=000 bash -c "cd && $1"
}
# root RELEASE: makes a bare root, and a layer with a compiler on top of it
root() {
  release=$1
  if [ ! -e "$roots/$release.done" ]; then
    debootstrap --variant=minbase "$release" "$roots/$release" ${MIRROR:-http://deb.debian.org/debian}
    chroot "$roots/$release" useradd -m user
    touch "$roots/$release.done"
  fi
  [ -d "$roots/$release-compiler" ] && return
  overlay "$roots/$release"
  install gcc libc6-dev make ${CCACHE:+ccache} $libraries
  umount -R "$at"
  mv "$roots/upper" "$roots/$release-compiler"
}

move_libraries() { # moves the headers and libraries of all six to a site prefix, without pkg-config
  inside bash -c 'mkdir -p /opt/site/include /opt/site/lib && cd /usr/lib/*-linux-gnu &&
    mv /usr/include/yaml.h /usr/include/zlib.h /usr/include/zconf.h /usr/include/lzma* /usr/include/jansson* /usr/include/openssl /opt/site/include/ &&
    mv /usr/include/*-linux-gnu/openssl/* /opt/site/include/openssl/ && mv /usr/include/hdf5/serial/* /opt/site/include/ &&
    take() { soname=$(objdump -p $1 | sed -n "s/ *SONAME *//p") && cp -L $1 /opt/site/lib/$soname && ln -s $soname /opt/site/lib/$2; } &&
    for l in yaml z lzma jansson crypto; do take lib$l.so lib$l.so && rm lib$l.so lib$l.a; done &&
    take hdf5/serial/libhdf5.so libhdf5.so && rm -r hdf5/serial libhdf5* pkgconfig /usr/bin/h5*cc*'
}
no_openblas() { ! inside ldconfig -p | grep openblas; }
compiler_that_refuses() {
  printf '#!/bin/sh\nfor a; do case $a in -mamx-tile) echo "refuses: unrecognized command-line option $a" >&2; exit 1 ;; esac; done\nexec gcc "$@"\n' >"$at/usr/local/bin/refuses"
  chmod 755 "$at/usr/local/bin/refuses"
}

# Checks a built program: one and two ranks end in the same bits, and a probe with BLAS works. $findna: the program, $run: starts ranks
trial='$findna prepare --window 61 --count 512 --val-count 64 --max-n 0 --seed 1 --shard-windows 200 --bed datasets/human_chr20_slice.bed shards datasets/human_chr20_slice.2bit &&
  $findna pretrain tests/tiny.yaml run.folder=one && $run pretrain tests/tiny.yaml run.folder=two && cmp <(grep -h ^state_id one/ckpt/step_*12/MANIFEST) <(grep -h ^state_id two/ckpt/step_*12/MANIFEST) &&
  awk "BEGIN { print \"sequence,label\"; for (r = 0; r < 200; r++) { s = \"\"; for (i = 0; i < 40; i++) s = s substr(\"ACGT\", 1 + int(rand() * (r % 2 ? 4 : 3)), 1); print s \",\" r % 2 } }" >rows.csv &&
  $findna probe one --train rows.csv --test rows.csv --seeds 1 && grep -h ^state_id one/ckpt/step_*12/MANIFEST && $findna doctor && echo "  MPI $(mpirun --version | grep -iE "open mpi|version:")"'
# installed: installs the packages in an otherwise bare root, checks and removes them
installed() {
  mkdir -p "$roots/debs" && rm -f "$roots"/debs/* && cp "$at"/home/user/findna-*/build/deb/*.deb "$roots/debs/"
  [ -z "${CUDA_DEB-}" ] || cp "$CUDA_DEB" "$roots/debs/"
  overlay "$roots/$release"
  mkdir "$at/debs" && cp "$roots"/debs/*.deb "$at/debs/"
  inside bash -c 'apt-get -o Acquire::Check-Valid-Until=false install -y -q --no-install-recommends /debs/*.deb' && as_user 'findna config demo >/dev/null && { findna doctor || [ $? = 66 ]; }' # no mpirun, no BLAS
  install openmpi-bin libopenblas0
  as_user "tar xzf - && cd findna-* && findna=findna run='mpirun -n 2 --oversubscribe findna' && $trial && findna help exit-codes" <"$archive"
  inside dpkg --purge findna $([ -z "${CUDA_DEB-}" ] || echo findna-cuda)
  ! find "$at/usr" -path '*findna*' | grep .
}
# try CASE RELEASE PACKAGES ARGUMENTS FIRST: one case of the table
try() {
  root "$2"
  overlay "$roots/$2-compiler" "$roots/$2"
  [ -z "$3" ] || install $3
  [ -z "$5" ] || "$5"
  as_user 'tar xzf -' <"$archive"
  as_user "! command -v sudo && ! command -v git && { ! command -v xz || [ '$4' = deb ]; }" # dpkg-dev brings xz
  if [ "$1" = missing ]; then
    as_user 'cd findna-* && ! make CUDA=0 >said 2>&1 && grep -q "^findna: missing to build: MPI HDF5$" said && cat said'
    return
  fi
  as_user "cd findna-* && make -j${JOBS:-1} CUDA=0 ${4/#deb/} >make.log 2>&1 || { tail -30 make.log; exit 1; }; ! grep -i warning make.log"
  as_user "cd findna-* && findna=./findna run='launch/run -n 2 -t 1' && $trial"
  if [ "${4/#deb/}" = "$4" ]; then as_user "cd findna-* && make -s CUDA=0 $4 PREFIX=/home/user/own install && cd && own/bin/findna config demo >/dev/null"
  else
    as_user 'cd findna-* && make -s CUDA=0 deb'
    installed
  fi
}

set +e
failed=0
while IFS='|' read -r name release packages arguments first <&3; do
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  start=$SECONDS said=FAILED
  (set -e; try "$name" "$release" "$packages" "$arguments" "$first") >"$logs/$name.log" 2>&1 </dev/null # not in an && or || list, where set -e has no effect
  if [ $? = 0 ]; then said=ok; else failed=1; fi
  value() { sed -n "s/^ *$1  *//p" "$logs/$name.log" | tail -1; }
  echo "$said | $name | $(value compiler) | $(value MPI) | HDF5 $(value HDF5) | $(value BLAS) | $(value state_id | cut -c1-12) | $((SECONDS - start)) s"
done 3<<<"$table"
umount -R "$roots/at" 2>/dev/null
[ "${KEEP-}" = 1 ] || mountpoint -q "$roots/at" || rm -rf --one-file-system "$roots"
exit $failed
