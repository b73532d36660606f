#!/usr/bin/env bash
# Which folder may include which: the directions of dependencies. Reads every #include "folder/..." of src/, mpi/ and cuda/.
set -u
cd "$(dirname "$0")/.."

# The folders that a folder may include besides itself. 'output' is used by folders that write files; it depends on config and base only.
declare -A may=(
  [base]=""
  [config]="base"
  [comm]="config base"
  [device]="config base"
  [output]="config base"
  [data]="device comm config base"
  [model]="device data comm config base"
  [objective]="model device data comm config base"
  [train]="objective model device data comm config base output"
  [tasks]="train objective model device data comm config base output"
  [library]="tasks train objective model device data comm config base output"
  [commands]="tasks train objective model device data comm config base output"
  [cpu]="device config base"
  [mpi]="device comm base"
  [cuda]="device config base"
)

# Prints "file: what is wrong" for each include in the tree below $1 that violates the directions.
violations() {
  local file folder included target
  grep -rHoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' "$1/src" "$1/mpi" "$1/cuda" --include='*.[ch]' --include='*.cu' --include='*.cc' --include='*.def' 2>/dev/null |
    sed -E "s|^$1/||; s|:[^\"]*\"|	|; s|\"\$||" | while IFS=$'\t' read -r file included; do
    [ "${included#*/}" = "$included" ] && continue # next to the file itself, such as the version file made by the build
    folder=${file#src/}
    folder=${folder%%/*}
    target=${included%%/*}
    case "$file" in
      src/main.c) [[ " base commands mpi " == *" $target "* ]] || echo "$file: main.c includes $included; it may include base, commands and mpi" ; continue ;;
      src/device/*) [ "$target" = cpu ] && continue ;; # counted below: a single file names the back ends
      src/cpu/*) [ "$included" = data/alphabet.h ] && continue ;;
    esac
    [ -n "${may[$folder]+known}" ] || { echo "$file: folder $folder is not listed in tests/test_layers.sh"; continue; }
    [ "$folder" = "$target" ] && continue
    [[ " ${may[$folder]} " == *" $target "* ]] || echo "$file: $folder may not include $included"
  done
  local backends
  backends=$(grep -rlE '#[[:space:]]*include[[:space:]]*"cpu/' "$1/src/device" 2>/dev/null | wc -l)
  [ "$backends" -le 1 ] || echo "src/device: $backends files include cpu/; only one may"
  grep -rlE '#[[:space:]]*include[[:space:]]*<mpi\.h>' "$1/src" 2>/dev/null | sed 's|$|: mpi.h belongs to mpi/|'
}

check() { # name, condition's status
  if [ "$2" -eq 0 ]; then echo "ok - $1"; else echo "not ok - $1"; fi
}

found=$(violations .)
[ -z "$found" ] || echo "$found"
[ -z "$found" ]
check "every include goes downwards" $?

read_includes=$(grep -rhoE '^#include "[^"]+/' src mpi --include='*.[ch]' | wc -l)
[ "$read_includes" -gt 100 ]
check "the includes are found" $?

# The check itself: each of these violations must be found, and no valid include reported.
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
plant() { # file, include
  mkdir -p "$tree/$(dirname "$1")"
  printf '#include %s\n' "$2" > "$tree/$1"
}
for bad in 'base/a.c|"config/config.h"' 'output/a.c|"train/state.h"' 'model/a.c|"train/state.h"' 'cpu/a.c|"data/batch.h"' 'train/a.c|"mpi/world.h"' \
  'comm/a.c|"device/device.h"' 'objective/a.h|"tasks/probe.h"' 'newfolder/a.c|"base/error.h"' 'config/a.c|<mpi.h>' 'data/a.c|"cpu/backend.h"'; do
  rm -rf "${tree:?}"/*
  plant "src/${bad%%|*}" "${bad#*|}"
  [ "$(violations "$tree" | wc -l)" -eq 1 ]
  check "refused: ${bad%%|*} includes ${bad#*|}" $?
done
rm -rf "${tree:?}"/*
plant src/device/a.c '"cpu/backend.h"'
plant src/device/b.c '"cpu/backend.h"'
[ "$(violations "$tree" | wc -l)" -eq 1 ]
check "refused: two files of device include a back end" $?
rm -rf "${tree:?}"/*
plant src/main.c '"mpi/world.h"'
plant src/device/a.c '"cpu/backend.h"'
plant src/cpu/a.c '"data/alphabet.h"'
plant src/train/a.c '"output/metrics.h"'
plant src/commands/a.c '"base/error.h"'
plant mpi/a.c '<mpi.h>'
[ -z "$(violations "$tree")" ]
check "accepted: what the directions allow" $?
