#!/usr/bin/env bash
# nvcc takes NAME.cu as one unit, without a warning.
#   nvcc.sh NAME.cu
#   nvcc.sh --model SNUG EMIT_TEST MODEL [FLAG...]      NVRTC as well, and no line over 100 columns
# Skipped (77) where the toolkit is absent.
set -euo pipefail
nvcc=$(command -v nvcc || ls "${CUDA_PATH:-/usr/local/cuda}/bin/nvcc" 2>/dev/null || true)
[ -n "$nvcc" ] || { echo "skipped: no nvcc (the CUDA toolkit)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$1" = --model ]; then
    snug=$2 emit_test=$3 name=$(basename "$4" .snug)
    "$snug" compile "${@:4}" --device cuda --generated "$work" -o "$work/train" 2>"$work/log" \
        || { cat "$work/log"; exit 1; }
    cu=$work/$name/$name.cu
    "$emit_test" whole "$cu"
    [ -z "$(awk 'length > 100' "$cu")" ] || { echo "lines of over 100 columns"; exit 1; }
else
    cu=$1
fi
"$nvcc" -arch=sm_86 -std=c++17 -ptx "$cu" -o "$work/unit.ptx" >"$work/log" 2>&1 \
    || { cat "$work/log"; exit 1; }
[ ! -s "$work/log" ] || { cat "$work/log"; exit 1; }
[ "$(grep -c '^.visible .entry' "$work/unit.ptx")" = "$(grep -c '^#define ENTRY' "$cu")" ] \
    || { echo "not every entry is there"; exit 1; }
grep -q 'ld\.global\.nc' "$work/unit.ptx" || { echo "no load past the coherent cache"; exit 1; }
