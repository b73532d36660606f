#!/usr/bin/env bash
# A sample of the allocations that make test-chaos goes through.
STRIDE=${STRIDE:-997} FIRST=${FIRST:-400} exec bash "$(dirname "$0")/chaos/memory.sh"
