#!/bin/sh
# HRNet-W32 at 1024x1024 on an RTX 3070 Ti (8 GiB): batch 1, 8 micro-steps an update.
# The data set is the folder Aariz, or the first argument; further arguments go to snug.
cd "$(dirname "$0")/../.." || exit 1
dataset=${1:-Aariz}
[ $# -gt 0 ] && shift
exec "${SNUG:-snug}" train models/hrnet_w32.snug --vram 8GiB --dataset_path "$dataset" \
    --image_size 1024 1024 --batch_size 1 --gradient_accumulation_steps 8 --epochs 200 \
    --lr 3e-4 --warmup_epochs 10 --mixed_precision --use_ema --num_workers 2 "$@"
