#!/usr/bin/env bash
# A sample of the allocations that make test-chaos goes through.
MAX=${MAX:-3} exec bash "$(dirname "$0")/chaos/memory.sh"
