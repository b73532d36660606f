#!/usr/bin/env bash
# Unpacks the libraries that findna needs on AArch64 into the folder ROOT, on Debian or Ubuntu. Installs only a cross compiler and user-mode
# emulation. If it fails, it prints the reason.
set -eu
export LC_ALL=C # numbers have a point, and names one order
root=$1
[ -e "$root/complete" ] && exit 0
"$(dirname "$0")/dependencies.sh" gcc-aarch64-linux-gnu qemu-user libc6-dev-arm64-cross || exit 1
mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial"
root=$(cd "$root" && pwd)
touch "$root/apt/status"
cat >"$root/apt/conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
Dir::State::Lists "$root/apt/lists";
Dir::State::status "$root/apt/status";
Dir::Cache::archives "$root/apt/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Debug::NoLocking "1";
END
export APT_CONFIG=$root/apt/conf
apt-get update -qq >/dev/null 2>"$root/apt/log" &&
  apt-get install --no-install-recommends --download-only -y -qq libhdf5-dev libyaml-dev zlib1g-dev liblzma-dev libjansson-dev libssl-dev \
    libcmocka-dev libopenmpi-dev libc6-dev >/dev/null 2>>"$root/apt/log" ||
  { echo "packages for arm64 are not available here: $(tail -1 "$root/apt/log")" >&2; exit 1; }
for package in "$root"/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
rm -r "$root/apt"
touch "$root/complete"
