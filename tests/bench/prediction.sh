#!/usr/bin/env bash
# What the cost model predicts for a micro-step on a card, kernel by kernel, as a table: nothing of it is
# measured. A row is a kernel with all its launches, the longest first.
#
#   tests/bench/prediction.sh [--build FOLDER] MODEL SIZE BATCH [CARD]    docs/prediction_w32_1024.md:
#   tests/bench/prediction.sh hrnet_w32 1024 8
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/bench
[ "${1-}" != --build ] || { build=$2; shift 2; }
model=$1 size=$2 batch=$3 card=${4:-RTX 3070 Ti}
[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C "$build" --quiet snug >&2

dump=$(mktemp)
trap 'rm -f "$dump"' EXIT
"$build/snug" plan "models/$model.snug" --card "$card" --image_size "$size" "$size" \
    --batch_size "$batch" --dump=kernels | sed '/^evaluate:/,$d' >"$dump"

echo "# Prediction: $model at $size x $size, batch $batch, $card"
echo
echo "**A prediction, not a measurement**: the cost model's roofline with the rates of \`compiler/target/cards.def\`, by"
echo "\`tests/bench/prediction.sh $model $size $batch\`. Launches follow one another here; branches of a CUDA graph may overlap."
echo
echo "## By class"
echo
echo "| class | launches | arithmetic | moved | ms | % | of it bound by compute, % | memory | launch |"
echo "|---|---|---|---|---|---|---|---|---|"
sed -n '/^class /,/^all /p' "$dump" | awk 'NR > 1 {
    printf "| %s | %s | %s %s | %s %s | %.2f | %s | %s | %s | %s |\n", $1, $2, $3, $4, $5, $6, $7 / 1e3, $9, $10, $11, $12 }'
echo
sed -n 's/^a picture: \(.*\), \(.*\) moved, \(.*\) us estimated, in a batch of .*/**A picture: \1, \2 moved, \3 µs.**/p' "$dump"
echo
echo "## Kernel by kernel"
echo
echo "| kernel | launches | arithmetic | moved | µs, one | bound | ms, all |"
echo "|---|---|---|---|---|---|---|"
awk '
    /\[[a-z0-9_]*\]/ { match($0, /\[[a-z0-9_]*\]/); name = substr($0, RSTART + 1, RLENGTH - 2) }
    /^  cost / {
        split(substr($0, 13), part, ", ")
        split(part[3], time, " us: ")
        key = name " | " part[1] " | " part[2] " | " time[1] " | " time[2]
        launches[key]++
        us[key] += time[1]
    }
    END {
        for (key in us) {
            split(key, part, " \\| ")
            printf "%.4f\t| %s | %d | %s | %s | %s | %s | %.2f |\n", us[key], part[1],
                launches[key], part[2], part[3], part[4], part[5], us[key] / 1e3
        }
    }' "$dump" | LC_ALL=C sort -k1,1nr -k2 | cut -f2
