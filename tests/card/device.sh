#!/usr/bin/env bash
# One executable for both devices: the trainer takes the card where the driver finds one, else the
# processor, and its first line says which and why.
#   device.sh SNUG PHANTOM FOLDER_OF_LIBCUDA
set -uo pipefail
snug=$(realpath "$1") phantom=$(realpath "$2") driver=$(realpath "$3")
export SOFTGPU_RACES=0 SOFTGPU_BLOCKS=0
"$snug" doctor | grep -q '^ok *NVRTC' || { echo "skipped: NVRTC was not found"; exit 77; }
model=$(realpath tests/resume/tiny.snug)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export XDG_CACHE_HOME=$work/cache
failed=0
"$phantom" --out data --train 4 --valid 1 --test 1 --size 96 --seed 5
"$snug" compile "$model" -D landmarks=29 --threads 1 -o trainer 2>messages || { cat messages; exit 1; }
grep -q "for the .*, and for the host, 1 thread" messages || { echo "compiled"; cat messages; failed=1; }

# expect STATUS "what the first line says" FLAG...
expect() {
    local status=$1 words=$2 got=0
    shift 2
    ./trainer --dataset_path data --no_augment --max_updates 1 --epochs 1 --warmup_epochs 0 --overlays 0 \
        "$@" >out 2>messages || got=$?
    if [ $got -ne "$status" ] || ! head -n 1 messages | grep -qF -- "device: $words"; then
        echo "$*: status $got (expected $status), expected \"$words\", got:"
        head -3 messages
        failed=1
    fi
}
card="snug software GPU"
expect 0 "$card (the card here)" --cuda_path "$driver"
expect 0 "$card (--device cuda)" --cuda_path "$driver" --device cuda
expect 0 "the processor, 1 thread (--device host); the $card is idle" --cuda_path "$driver" --device host
export CUDA_VISIBLE_DEVICES="" # a card of this machine would be found otherwise
expect 0 "the processor, 1 thread (no card: "
expect 5 "a card (--device cuda)" --device cuda

"$snug" compile "$model" -D landmarks=29 --threads 1 --device host -o trainer 2>messages
unset CUDA_VISIBLE_DEVICES
expect 0 "the processor, 1 thread (compiled for it alone); the $card is idle: compile with --device auto" \
    --cuda_path "$driver"
exit $failed
