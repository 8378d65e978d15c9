#!/usr/bin/env bash
# 8 pictures an update are 1 x 8, 2 x 4 and 8 x 1: the same weights within rounding where no batch
# norm sees the batch. 12 pictures: the last update of an epoch has 4, of weight 1/4 each. An update
# of all 12 is 8 + 4: each weighs 1/12, in whichever batch it is.
#   accumulate.sh SNUG PHANTOM COMPARE
set -euo pipefail
snug=$1 phantom=$2 compare=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$phantom" --out data --train 12 --valid 2 --test 0 --size 96 --seed 6
"$snug" compile "$here/tiny.snug" --device host -D frozen=1 --precision full --batch_size 1,2,8 --threads 1 \
    -o trainer 2>/dev/null
for pictures in 8 12; do # of an update
    for batch in 1 2 8; do
        ./trainer --dataset_path data --overlays 0 --save_dir $pictures --name $batch \
            --batch_size $batch --gradient_accumulation_steps $(((pictures + batch - 1) / batch)) \
            2>messages || { cat messages; exit 1; }
    done
    for batch in 2 8; do
        for prefix in model. ema. optim.; do
            "$compare" $pictures/1/last.safetensors $pictures/$batch/last.safetensors 1e-6 $prefix
        done
    done
done
[ "$(wc -l <8/8/log.jsonl)" -eq 6 ] || { echo "an epoch of 12 pictures has 2 updates of 8"; exit 1; }
[ "$(wc -l <12/8/log.jsonl)" -eq 3 ] || { echo "an epoch of 12 pictures has 1 of 12"; exit 1; }
