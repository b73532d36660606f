#!/usr/bin/env bash
# Fails a sample of the allocations that `make test-chaos` fails one by one.
MAX=${MAX:-3} exec bash "$(dirname "$0")/chaos/memory.sh"
