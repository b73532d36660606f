#!/usr/bin/env bash
# A sample of the failing calls that make test-chaos goes through one by one.
STRIDE=11 exec bash "$(dirname "$0")/chaos/calls.sh"
