#!/usr/bin/env bash
# Errors of a training on the chessboard photographs, in pixels of the original: per split, and of
# all 13 pictures of the right camera together. Leaves overlays in OUT/SPLIT.
#   figures.sh TRAINER CHECKPOINT DATA OUT
set -euo pipefail
trainer=$1 checkpoint=$2 data=$3 out=$4

# The column error_px of the files, sorted: "NAME  points  mean  median  share within 2, 4, 10 px".
row() {
    local name=$1
    shift
    awk -F, 'FNR > 1 { print $10 }' "$@" | sort -g | awk -v name="$name" '
        { e[NR] = $1; sum += $1; a += $1 <= 2; b += $1 <= 4; c += $1 <= 10 }
        END {
            median = NR % 2 ? e[(NR + 1) / 2] : (e[NR / 2] + e[NR / 2 + 1]) / 2
            printf "%-6s %6d %8.2f %8.2f %8.1f %8.1f %8.1f\n", name, NR, sum / NR, median,
                100 * a / NR, 100 * b / NR, 100 * c / NR
        }'
}

for split in train valid test; do
    "$trainer" predict --checkpoint "$checkpoint" --dataset_path "$data" --split $split \
        --save_dir "$out/$split" >/dev/null
done
printf '%-6s %6s %8s %8s %8s %8s %8s\n' split points mean median '2 px %' '4 px %' '10 px %'
for split in train valid test; do
    row $split "$out/$split/predictions.csv"
done
row right "$out/valid/predictions.csv" "$out/test/predictions.csv"
