#!/usr/bin/env bash
# Time an image and peak memory of one training step: snug's host device against PyTorch (eager,
# bf16 autocast, channels-last), the same step in both: forward, loss, backward, accumulation,
# clipping, AdamW, EMA. The two take turns, so that a noisy machine is noisy for both.
#
#   tests/bench/train_step.sh [--python PYTHON] [--repeats N] [--build FOLDER] [WIDTHxSIZE ...]
#
# PYTHON is an interpreter with torch. Without it only our column is measured.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=python3 repeats=3 build=build/bench cases=()
while [ $# -gt 0 ]; do
    case $1 in
    --python) python=$2; shift 2 ;;
    --repeats) repeats=$2; shift 2 ;;
    --build) build=$2; shift 2 ;;
    *) cases+=("$1"); shift ;;
    esac
done
[ ${#cases[@]} -gt 0 ] || cases=(18x512 32x512 18x1024 32x1024)

[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C "$build" --quiet snug
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
has_torch=1
"$python" -c 'import torch' 2>/dev/null || { has_torch=0; echo "$python has no torch: our side only" >&2; }

printf '%-8s %5s  %25s  %25s  %6s  %9s %9s %9s  %6s\n' "" "" "snug s/image min (median)" \
    "PyTorch min (median)" "ratio" "planned" "snug MiB" "torch MiB" "ratio"
for case in "${cases[@]}"; do
    width=${case%x*} size=${case#*x} model=hrnet_w${case%x*}
    mkdir -p "$work/$case"
    "$build/snug" compile "models/$model.snug" --image_size "$size" "$size" --batch_size 1 \
        --generated "$work/$case" -o "$work/$case/train" 2>/dev/null
    # shellcheck disable=SC2046
    cc -std=gnu11 -O1 -I. -I"$build/include" "$work/$case/$model/$model.c" tests/bench/step.c \
        "$build/libsnug_runtime.a" $(cat "$build/snug_runtime.flags") -o "$work/$case/step"
    for ((r = 0; r < repeats; r++)); do
        "$work/$case/step" 2 1 >>"$work/$case/snug.json"
        if [ $has_torch = 1 ]; then
            "$python" tests/bench/torch_step.py --width "$width" --size "$size" --accumulate 2 \
                --steps 1 >>"$work/$case/torch.json"
        fi
    done
    awk -v width="W$width" -v size="$size" '
        function numbers(line, key, out,    list, n) {
            match(line, "\"" key "\": \\[[^]]*")
            list = substr(line, RSTART, RLENGTH)
            sub(/.*\[/, "", list)
            return split(list, out, ", ")
        }
        function number(line, key,    text) {
            match(line, "\"" key "\": [0-9.e+]+")
            text = substr(line, RSTART, RLENGTH)
            sub(/.*: /, "", text)
            return text + 0
        }
        # seconds an image of the whole step: mean micro-step plus its share of the update
        function add(side, line,    steps, updates, n, m, k, sum) {
            n = numbers(line, "micro_step_seconds", steps)
            m = numbers(line, "update_seconds", updates)
            for (k = 1; k <= n; k++) sum += steps[k]
            for (k = 1; k <= m; k++) sum += updates[k]
            time[side, ++count[side]] = sum / n
            peak = number(line, "peak_resident_bytes") / 1048576
            if (peak > memory[side]) memory[side] = peak
            if (side == "snug") planned = number(line, "planned_bytes") / 1048576
        }
        function least(side,    k, best) {
            best = time[side, 1]
            for (k = 2; k <= count[side]; k++) if (time[side, k] < best) best = time[side, k]
            return best
        }
        function median(side,    n, i, j, x, v) {
            n = count[side]
            for (i = 1; i <= n; i++) v[i] = time[side, i]
            for (i = 2; i <= n; i++) {
                x = v[i]
                for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]
                v[j + 1] = x
            }
            return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
        }
        FILENAME ~ /snug.json/ { add("snug", $0) }
        FILENAME ~ /torch.json/ { add("torch", $0) }
        END {
            printf "%-8s %5s  %16.3f (%.3f)", width, size, least("snug"), median("snug")
            if (count["torch"])
                printf "  %16.3f (%.3f)  %6.2f  %9.0f %9.0f %9.0f  %6.2f\n", least("torch"),
                    median("torch"), least("snug") / least("torch"), planned, memory["snug"],
                    memory["torch"], memory["snug"] / memory["torch"]
            else
                printf "  %25s  %6s  %9.0f %9.0f\n", "", "", planned, memory["snug"]
        }' "$work/$case"/*.json
done
