#!/usr/bin/env bash
# Tests what is distributed: a single version, a reproducible archive that builds without git, packages for Debian, recipes and modulefiles.
# launch/packages/try_roots.sh, started by hand, builds all of it in bare roots.
source "$(dirname "$0")/lib.sh"
packages=$root/launch/packages version=$(cat "$root/VERSION")
check "the version is a semantic one" bash -c '[[ $0 =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]' "$version"
expect "--version shows it, with the commit" 0 "^findna ${version//./\\.}(\+[0-9a-f]{12}(\.dirty)?)?$" "$FINDNA" --version
check "CHANGELOG.md begins with it" test "$(sed -n 's/^## \([0-9.]*\).*/\1/p' "$root/CHANGELOG.md" | head -1)" = "$version"
check "and CITATION.cff has it" grep -qx "version: $version" "$root/CITATION.cff"

# Definitions can be parsed
for file in "$root/launch/version" "$packages"/{dist,deb,try_roots.sh}; do check "bash parses $(basename "$file")" bash -n "$file"; done
if command -v python3 >/dev/null; then
  for file in spack/package.py findna.eb; do check "Python parses $file" python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$packages/$file"; done
  if python3 -c 'import yaml' 2>/dev/null; then
    for file in "$packages/conda/recipe.yaml" "$packages/spack/repo.yaml" "$root/CITATION.cff"; do check "$(basename "$file") is YAML" python3 -c 'import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), dict)' "$file"; done
  else echo "skipped - YAML of recipes: PyYAML is not installed"; fi
else echo "skipped - recipes: Python is not installed"; fi
arguments=$(sed -n 's/.*--build-arg \([A-Z]*\)=.*/\1/p' "$packages/Containerfile" | sort -u | tr '\n' ' ')
check "the Containerfile has the arguments of its examples" bash -c 'for a in $0; do grep -q "^ARG $a=" "$1" && grep -q "^FROM \${$a}" "$1" || exit 1; done' "$arguments" "$packages/Containerfile"
check "Apptainer's definition has an argument for each image" bash -c 'for a in $(sed -n "s/^From: {{ \(.*\) }}$/\1/p" "$0"); do grep -q "^    $a=." "$0" || exit 1; done; grep -q "^From: {{" "$0"' "$packages/findna.def"

# A compiler without AMX: its kernels are left out, and FD_WITHOUT names them
printf '#!/bin/sh\nfor a; do [ "$a" != -mamx-tile ] || exit 1; done\nexec %s "$@"\n' "${CC:-gcc}" >refuses && chmod +x refuses
make -n -C "$root" CC="$PWD/refuses" CUDA=0 SAN=0 program >plan 2>/dev/null
case $(uname -m) in
  x86_64) check "kernels that a compiler lacks are left out" bash -c 'grep -q "kernels_avx512bf16\.o" plan && ! grep -q "kernels_amx\.o" plan && grep -q "FD_WITHOUT=.\"amx\"" plan' ;;
  *) echo "skipped - kernels that a compiler lacks: this is not x86-64" ;;
esac

if ! git -C "$root" rev-parse HEAD >/dev/null 2>&1; then echo "skipped - archive: git is not installed, or this is not a checkout"; exit 0; fi
make -s -C "$root" dist DIST="$PWD/one" >dist.log 2>&1 || { not_ok "make dist"; tail -3 dist.log; exit 1; }
(umask 077; cd / && TZ=Asia/Tokyo LC_ALL=C GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=tar.umask GIT_CONFIG_VALUE_0=0077 make -s -C "$root" dist DIST="$scratch/two" >/dev/null 2>&1)
archive=findna-$version.tar.gz
check "two archives of a commit have the same bytes" cmp "one/$archive" "two/$archive"
check "their SHA-256 is next to them" bash -c 'cd one && sha256sum --quiet -c *.sha256'
check "all files have one time, and the owner is root" test "$(tar --numeric-owner -tvzf "one/$archive" | awk '{ print $2, $4, $5 }' | sort -u | wc -l)" = 1 -a "$(tar --numeric-owner -tvzf "one/$archive" | awk '$2 != "0/0"' | wc -l)" = 0
check "recipes have version, place and SHA-256" bash -c 'for r in spack/packages/findna/package.py findna-*.eb conda/recipe.yaml; do grep -q "$(cut -c1-64 one/*.sha256)" one/$r && ! grep -q "@[A-Z0-9]*@" one/$r || exit 1; done'

# The archive builds without git; the objects of this build are reused, and those that are missing or differ are recompiled.
tar xzf "one/$archive"
check "the archive has exactly the files of the commit" diff <(git -C "$root" ls-tree -r --name-only HEAD | sort) <(cd "findna-$version" && find . -type f -o -type l | sed 's|^\./||' | sort)
mkdir bin && for tool in git xz; do printf '#!/bin/sh\necho "%s is called" >&2\nexit 127\n' $tool >bin/$tool; chmod +x bin/$tool; done
build=$(dirname "$FINDNA") && build=${build#"$root/"}
if [ "${SAN:-0}" != 0 ]; then echo "skipped - build from the archive, packages: made without sanitizers"; exit 0; fi
mkdir -p "findna-$version/build" && (cd "$root" && find "$build/src" "$build/mpi" -name '*.[od]' | tar cf - -T -) | tar xmf - -C "findna-$version"
PATH=$PWD/bin:$PATH make -C "findna-$version" CUDA=0 >build.log 2>&1
expect "a build from the archive reports its commit" 0 "^findna ${version//./\\.}\+$(git -C "$root" rev-parse HEAD | cut -c1-12)$" "findna-$version/findna" --version
check "it does not call git or xz" bash -c '! grep "is called" build.log'

# Installed, with a modulefile
make -s -C "findna-$version" CUDA=0 PREFIX="$PWD/own" install >install.log 2>&1
own=$PWD/own
if [ -x /usr/bin/modulecmd ] || [ -x /usr/lib/x86_64-linux-gnu/modulecmd.tcl ]; then
  modulecmd=$(command -v modulecmd || echo /usr/lib/x86_64-linux-gnu/modulecmd.tcl)
  check "Environment Modules loads it" bash -c 'eval "$(MODULEPATH=$1/share/modulefiles $0 bash load findna/$2)" && [ "$(command -v findna)" = "$1/bin/findna" ]' "$modulecmd" "$own" "$version"
else echo "skipped - modulefile: Environment Modules is not installed"; fi
if [ -x /usr/share/lmod/lmod/libexec/lmod ]; then
  check "Lmod loads it" bash -c 'eval "$(MODULEPATH=$1/share/modulefiles $0 bash load findna/$2)" && [ "$(command -v findna)" = "$1/bin/findna" ]' /usr/share/lmod/lmod/libexec/lmod "$own" "$version"
else echo "skipped - modulefile in Lua: Lmod is not installed"; fi

if ! command -v dpkg-shlibdeps >/dev/null; then echo "skipped - packages for Debian: dpkg-dev is not installed"; exit 0; fi
for folder in debs again; do make -s -C "findna-$version" CUDA=0 deb DEB="$PWD/$folder" >deb.log 2>&1; done
deb=$(echo debs/findna_*.deb)
check "make deb" test -s "$deb"
check "two packages of a commit have the same bytes" cmp "$deb" "again/$(basename "$deb")"
field() { dpkg-deb -f "$deb" "$1"; }
check "its version is that of the program, with the system's suffix" bash -c '[[ $0 == "$1"-1~* ]]' "$(field Version)" "$version"
check "it depends on the libraries that the program is linked with" bash -c 'for l in libc6 hdf5 yaml jansson libssl lzma zlib mpi; do [[ $0 == *$l* ]] || exit 1; done' "$(field Depends)"
check "and provides the interface that a CUDA plugin needs" bash -c '[[ $0 =~ ^findna-interface-[0-9a-f]{12}$ ]]' "$(field Provides)"
dpkg-deb -c "$deb" | awk '{ print $6 }' >contents
for file in usr/bin/findna usr/share/findna/configs/findna.yaml usr/share/man/man1/findna-pretrain.1.gz usr/share/bash-completion/completions/findna usr/share/zsh/vendor-completions/_findna usr/share/doc/findna/copyright; do
  check "it has $file" grep -qxF "./$file" contents
done
check "all files belong to root, and none is writable by its group" bash -c '! dpkg-deb -c "$0" | grep -vE "^[-dl]rw[-x]r-[-x]r-[-x] root/root |^l"' "$deb"
dpkg-deb -x "$deb" unpacked
check "and its program runs" bash -c 'cd / && "$0/unpacked/usr/bin/findna" config demo | grep -q "^model:"' "$PWD"
if command -v lintian >/dev/null; then check "lintian reports nothing" bash -c '! lintian --fail-on none "$0" 2>&1 | grep "^[EW]:"' "$deb"; else echo "skipped - lintian: not installed"; fi
