#!/usr/bin/env bash
# The main job on a fresh Debian 12: installs what is missing, builds snug, draws a small set of
# phantom cephalograms, compiles a model for this machine and trains it. About five minutes.
#   ./demo.sh [folder for the results, default demo]
set -euo pipefail
cd "$(dirname "$0")"
demo=${1:-demo}
build=build/demo

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "1/5 packages"
tests/install.sh

say "2/5 build"
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C $build --quiet snug phantom
export PATH=$PWD/$build:$PATH

say "3/5 48 phantom cephalograms for training, 12 for validation"
rm -rf "$demo"
mkdir -p "$demo"
"$build/tests/phantom/phantom" --out "$demo/phantoms" --train 48 --valid 12 --test 12 --size 640 --seed 1

say "4/5 what HRNet-W18 at 256x256 needs in memory"
snug plan models/hrnet_w18.snug --device host --image_size 256 256 --batch_size 4

say "5/5 compile and train"
snug compile models/hrnet_w18.snug --image_size 256 256 --batch_size 4 \
    --generated "$demo/generated" -o "$demo/hrnet_w18_train"
"$demo/hrnet_w18_train" --dataset_path "$demo/phantoms" --save_dir "$demo/runs" --epochs 14 \
    --warmup_epochs 1 --lr 1e-3 --gradient_accumulation_steps 1 --ema_decay 0.99
"$demo/hrnet_w18_train" predict --dataset_path "$demo/phantoms" --split test \
    --checkpoint "$demo/runs" --save_dir "$demo/predictions"

say "look at"
look() { [ ! -e "$1" ] || printf '%-42s  %s\n' "$1" "$2"; }
look "$demo/runs/hrnet_w18/report.html" "curves, errors by landmark and machine, the worst pictures"
look "$demo/predictions" "an overlay of each test picture: prediction red, truth green"
look "$demo/generated/hrnet_w18/hrnet_w18.c" "the program, as tables to be read"
look "$demo/generated/hrnet_w18/plan_host.html" "its memory plan"
look "$demo/generated/hrnet_w18/plan_host.json" "its memory plan, every buffer with offset and lifetime"
look "$demo/runs/hrnet_w18/metrics.csv" "the figures of each epoch"
