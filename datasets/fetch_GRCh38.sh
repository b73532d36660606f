#!/usr/bin/env bash
# Downloads GRCh38 as UCSC distributes it (hg38.fa.gz) into a folder, resumes an interrupted download, and checks it with UCSC's checksums.
set -eu
export LC_ALL=C # numbers have a point, and names one order
[ $# = 1 ] || { echo "usage: datasets/fetch_GRCh38.sh FOLDER" >&2; exit 64; }
site=https://hgdownload.soe.ucsc.edu/goldenPath/hg38/bigZips
file=hg38.fa.gz
command -v curl >/dev/null || { echo "fetch_GRCh38.sh needs curl (or download by hand: $site/$file)" >&2; exit 66; }
mkdir -p "$1"
cd "$1"
curl --fail --location --continue-at - --output "$file.part" "$site/$file"
curl --fail --location --silent --show-error --output md5sum.txt "$site/md5sum.txt"
want=$(awk -v file="$file" '$2 == file { print $1 }' md5sum.txt)
[ -n "$want" ] || { echo "$site/md5sum.txt does not name $file" >&2; exit 65; }
got=$(md5sum "$file.part" | cut -d' ' -f1)
[ "$want" = "$got" ] || { echo "$1/$file.part: MD5 $got, but UCSC says $want; remove it and download it again" >&2; exit 65; }
mv "$file.part" "$file"
echo "$1/$file is complete"
