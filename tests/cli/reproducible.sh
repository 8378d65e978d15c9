#!/usr/bin/env bash
# The same input gives the same bytes: another folder, locale, time zone and address space.
#   reproducible.sh SNUG
set -euo pipefail
snug=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for model in hrnet_w18 unet; do
    for run in a b; do
        mkdir -p "$work/$run"
    done
    "$snug" compile models/$model.snug --image_size 64 64 --generated "$work/a" \
        -o "$work/a/$model.exe" 2>/dev/null
    LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo setarch -R \
        "$snug" compile models/$model.snug --image_size 64 64 --generated "$work/b" \
        -o "$work/b/$model.exe" 2>/dev/null
    for file in $model.c $model.cu plan_cuda.json plan_host.json plan_host.html; do
        cmp "$work/a/$model/$file" "$work/b/$model/$file"
    done
    ! grep -qF "$work" "$work/a/$model/$model".c* || { echo "a path of this machine"; exit 1; }
done
echo "2 models, 5 files each, identical"
