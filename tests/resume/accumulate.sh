#!/usr/bin/env bash
# 8 pictures an update are 1 x 8, 2 x 4 and 8 x 1: the same weights within rounding where no batch
# norm sees the batch. 12 pictures: the last update of an epoch has 4, of weight 1/4 each.
#   accumulate.sh SNUG PHANTOM COMPARE
set -euo pipefail
snug=$1 phantom=$2 compare=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$phantom" --out data --train 12 --valid 2 --test 0 --size 96 --seed 6
"$snug" compile "$here/tiny.snug" -D frozen=1 --precision full --batch_size 1,2,8 --threads 1 \
    -o trainer 2>/dev/null
for batch in 1 2 8; do
    ./trainer --dataset_path data --batch_size $batch --gradient_accumulation_steps $((8 / batch)) \
        --overlays 0 --save_dir runs --name $batch 2>messages || { cat messages; exit 1; }
done
for batch in 2 8; do
    "$compare" runs/1/last.safetensors runs/$batch/last.safetensors 1e-6 model.
    "$compare" runs/1/last.safetensors runs/$batch/last.safetensors 1e-6 ema.
done
[ "$(wc -l <runs/8/log.jsonl)" -eq 6 ] || { echo "an epoch of 12 pictures has 2 updates"; exit 1; }
