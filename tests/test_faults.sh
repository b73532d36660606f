#!/usr/bin/env bash
# A sample of the failing calls and power losses that make test-chaos tests exhaustively.
cd "$(dirname "$0")/chaos" || exit 1
STRIDE=40 bash ./calls.sh
MAX=1 COMMANDS='^(prepare-gz|resume|embed-npy)$' CALLS='write|fsync|rename|openat|read|mkdir|unlink' bash ./syscalls.sh
STATES=8 AGAIN=1 COMMANDS='^(pretrain|prepare|embed-npy|export)$' bash ./power.sh
