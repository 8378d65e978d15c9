#!/usr/bin/env bash
# generated/sample/ is what snug makes of models/sample.snug: compiles it again and compares.
#   sample.sh [--bless] SNUG
# The workspaces in it are oneDNN's for two threads with AVX2, which most machines have or can
# pretend to have; on another one the test is skipped.
set -euo pipefail
blessing=0
[ "$1" != --bless ] || { blessing=1; shift; }
snug=$1
grep -qw avx2 /proc/cpuinfo || { echo "no AVX2: the workspaces would be others"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ONEDNN_MAX_CPU_ISA=AVX2 "$snug" compile models/sample.snug --device host --threads 2 \
    --generated "$work" -o "$work/sample_train" 2>"$work/messages" || { cat "$work/messages"; exit 1; }
if [ $blessing = 1 ]; then
    mkdir -p generated/sample
    cp "$work/sample/sample.c" generated/sample/
elif ! diff -u generated/sample/sample.c "$work/sample/sample.c"; then
    echo "generated/sample/ is old; where the change is meant: ninja -C BUILD bless"
    exit 1
fi
