#!/bin/sh
# HRNet-W32 at 1024x1024 on an RTX 3070 Ti (8 GiB): batch 1, 8 micro-steps an update.
#   train_1024x1024_rtx3070ti.sh [DATASET] [FLAG...]
# The data set is the folder Aariz, or the first argument where that is no flag; flags go on to snug and
# the trainer. Paths are as the caller means them: nothing changes the folder.
model=$(dirname "$0")/../hrnet_w32.snug
dataset=Aariz
case ${1:-} in
"" | -*) ;;
*) dataset=$1 && shift ;;
esac
exec "${SNUG:-snug}" train "$model" --device cuda --card "RTX 3070 Ti" --dataset_path "$dataset" \
    --image_size 1024 1024 --batch_size 1 --gradient_accumulation_steps 8 --epochs 200 \
    --lr 3e-4 --warmup_epochs 10 --mixed_precision --use_ema --num_workers 2 "$@"
