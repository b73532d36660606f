#!/usr/bin/env bash
# A short set of jobs on the emulated Slurm cluster; make test-cluster runs all of them.
[ "${SAN:-0}" = 0 ] || { echo "skipped - cluster: not with sanitizers, it has run without them"; exit 0; }
exec "$(dirname "$0")/cluster/scenarios" short
