#!/usr/bin/env bash
# A plan at its full size: HRNet-W32, 1024 x 1024, batch 8, in 7 GiB of arena and state together, runs
# real micro-steps and an update on the host device, in 2-byte activations where the CPU has bf16.
# Prints planned and resident bytes; fails where more is resident than planned but for the program,
# the libraries and the pictures on their way (100 MiB). Takes minutes.
#
#   tests/bench/full_size.sh [--model NAME] [--size N] [--batch N] [--vram SIZE] [--build FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
model=hrnet_w32 size=1024 batch=8 vram=7GiB build=build/bench
while [ $# -gt 0 ]; do
    case $1 in
    --model) model=$2 ;;
    --size) size=$2 ;;
    --batch) batch=$2 ;;
    --vram) vram=$2 ;;
    --build) build=$2 ;;
    *) echo "unknown: $1" >&2; exit 2 ;;
    esac
    shift 2
done

[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C "$build" --quiet snug
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/snug" compile "models/$model.snug" --image_size "$size" "$size" --batch_size "$batch" \
    --device host --vram "$vram" --reserve 0 --generated "$work" -o "$work/train"
# shellcheck disable=SC2046
cc -std=gnu11 -O1 -I. -I"$build/include" "$work/$model/$model.c" tests/bench/step.c \
    "$build/libsnug_runtime.a" $(cat "$build/snug_runtime.flags") -o "$work/step"
echo "$model, batch $batch, $size x $size, --vram $vram:" \
    "$(grep -c '(again)"' "$work/$model/$model.c") kernels run again"
"$work/step" 1 1 | tee "$work/step.json"
awk '
    function number(key,    text) {
        match($0, "\"" key "\": [0-9]+")
        text = substr($0, RSTART, RLENGTH)
        sub(/.*: /, "", text)
        return text + 0
    }
    {
        planned = number("planned_bytes")
        peak = number("peak_resident_bytes")
        printf "planned %.0f, resident at most %.0f: %.1f MiB more; allocated in the steps: %d times\n",
            planned, peak, (peak - planned) / 1048576, number("allocations")
        exit peak > planned + 100 * 1048576 || number("allocations") > 0
    }' "$work/step.json"
