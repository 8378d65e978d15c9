#!/usr/bin/env bash
# No `default:` does something: a switch over ops, instructions, kinds or types lists them all, so that
# the compiler names the one that is missing, or ends in BUG. Prints each that does otherwise. Allowed:
# `break`, numbers from other libraries, and what hands over to a switch that ends in BUG.
set -uo pipefail
allowed='runtime/card/cuda_gemm\.c:.*"an unknown status"
runtime/system/os_windows\.c:.*EIO
compiler/graph/shapes\.c:.*infer_backward\(in\)
compiler/front/elaborate_train\.c:.*execute\(e, node\)'
found=$(find compiler runtime -name '*.[chly]' -o -name '*.inc' | sort | xargs grep -nE '^ *default:' \
    | grep -vE 'default: (BUG\(|break;)' | grep -vE "$allowed")
[ -z "$found" ] || { echo "a default does something:"; echo "$found"; exit 1; }
