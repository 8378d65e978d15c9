#!/usr/bin/env bash
# A trainer that finds less memory free than it needs offers smaller plans that fit there, and each
# command that it prints gives a trainer that needs what the table says. Nothing is trained.
#   advice.sh SNUG FOLDER_OF_LIBCUDA
set -euo pipefail
snug=$1 cuda=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
"$snug" doctor | grep -q '^ok *NVRTC' || { echo "skipped: NVRTC was not found"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
fail() { echo "$*"; cat "$work/out"; exit 1; }
planned() { "$1" --version | sed -n 's/.* \([0-9]*\) bytes planned.*/\1/p'; }
refused() { # refused BYTES: what the trainer prints with so much memory
    local status=0
    SOFTGPU_MEMORY=$1 "$work/whole" --cuda_path "$cuda" --dataset_path "$work" >"$work/out" 2>&1 || status=$?
    [ $status = 3 ] || fail "status $status with $1 bytes"
}

"$snug" compile tests/resume/tiny.snug --image_size 512 512 --batch_size 6 --device cuda --generated "$work" \
    -o "$work/whole" 2>"$work/out" || fail "does not compile"
needs=$(planned "$work/whole")
refused $((needs - 1))
# "   22.9      3             2   512x512       0.4", then its command
grep -A1 -E '^ +[0-9.]+ +[0-9]+ +[0-9]+ +[0-9]+x[0-9]+ ' "$work/out" | grep -v '^--' >"$work/rows" || fail "no table"
[ "$(grep -c 'snug compile' "$work/rows")" -ge 3 ] || fail "fewer than three plans are offered"
grep -q 'computed again' "$work/rows" || fail "none computes more again"
grep -q '256x256\|384x384' "$work/rows" || fail "no smaller image"
while read -r mebibytes batch accumulate _ && read -r command; do
    [ $((batch * accumulate)) -ge 6 ] || fail "$batch x $accumulate is a smaller effective batch"
    # shellcheck disable=SC2086
    eval "${command/#snug/\"$snug\"}" --generated '"$work/again"' -o '"$work/less"' 2>"$work/out" || fail "$command"
    got=$(planned "$work/less")
    [ "$got" -lt "$needs" ] || fail "$command needs no less"
    awk -v got="$got" -v said="$mebibytes" 'BEGIN { exit sprintf("%.1f", got / 1048576) != said }' \
        || fail "$command needs $got bytes, the table said $mebibytes MiB"
done <"$work/rows"

refused $((64 * 1024))
grep -q '^ *snug fit tests/resume/tiny.snug --vram' "$work/out" || fail "no advice where nothing fits"
echo "$(grep -c 'snug compile' "$work/rows") plans, each as its command makes it"
