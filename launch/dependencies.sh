#!/usr/bin/env bash
# Installs what the build needs, and the packages given as arguments, on Debian or Ubuntu, as root or with sudo; otherwise prints the
# command to run.
set -eu
export LC_ALL=C # numbers have a point, and names one order
packages="gcc g++ make git pkg-config openmpi-bin libopenmpi-dev libhdf5-dev libyaml-dev zlib1g-dev liblzma-dev libjansson-dev libssl-dev libopenblas0 libcmocka-dev xz-utils procps $*"
missing=""
for p in $packages; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "findna needs these packages (Debian names):$missing" >&2
  exit 1
fi
install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then run="sh -c"
elif sudo -n true 2>/dev/null; then run="sudo sh -c"
else
  echo "Please run this command, then start again:" >&2
  echo "  sudo sh -c '$install'" >&2
  exit 1
fi
echo "installing:$missing" >&2
$run "$install" >/dev/null || { echo "could not install:$missing" >&2; exit 1; }
