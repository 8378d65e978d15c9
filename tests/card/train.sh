#!/usr/bin/env bash
# The unmodified trainer with the device `cuda` on the software GPU: NVRTC's kernels, the planned
# bytes and no more, against the same training on the host device.
#   train.sh SNUG PHANTOM COMPARE FOLDER_OF_LIBCUDA [MODEL.snug [UPDATES [SIZE]]]
# FOLDER_OF_LIBCUDA "card": the machine's own driver. Its memory cannot be made as small as the plan,
# so that the refusal of one byte less is left out.
# How far the losses may be from the host's in f32: FACTOR times as far as those of a second training on
# the host in f32, whose first weights are rounded to half precision once. A deep net from random
# weights makes much of a rounding, whoever rounds.
#   lr: the rate, 1e-3; checked: updates of the trainings that resume and recompute, as many as the
#   first; share: per cent of the arena left to the plan that recomputes
# The kernels are kept in the working directory, so that a second run compiles none.
set -euo pipefail
snug=$(realpath "$1") phantom=$(realpath "$2") compare=$(realpath "$3") cuda=$4
[ "$cuda" = card ] || cuda=$(realpath "$4")
model=$(realpath "${5:-$(dirname "$0")/../resume/tiny.snug}") updates=${6:-20} size=${7:-64}
checked=${checked:-$updates}
factor=2 first_limit=0.001 # of the first update, which has seen the same weights, and what all may differ
round=$(dirname "$compare")/../card/round_weights

export XDG_CACHE_HOME=$PWD/card_kernels SOFTGPU_RACES=${SOFTGPU_RACES:-1} SOFTGPU_BLOCKS=${SOFTGPU_BLOCKS:-1}
"$snug" doctor | grep -q '^ok *NVRTC' || { echo "skipped: NVRTC was not found"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "$*"; tail -5 messages; exit 1; }

"$phantom" --out data --train 8 --valid 2 --test 0 --size $((2 * size)) --seed 5
sizes=(--image_size "$size" "$size" --batch_size 2)
"$snug" compile "$model" "${sizes[@]}" --device cuda -o on_card 2>>messages
"$snug" compile "$model" "${sizes[@]}" --device host --precision full --generated host -o on_host 2>>messages
planned=$(./on_card --version | sed -n 's/.* \([0-9]*\) bytes planned.*/\1/p')

flags=(--dataset_path data --no_augment --epochs 100 --warmup_epochs 1
    --gradient_accumulation_steps 2 --overlays 0)
rate=${lr:-1e-3}
driver=(--cuda_path "$cuda") refuses=", refuses one less"
[ "$cuda" != card ] || { driver=() refuses=""; }
card() {
    SOFTGPU_MEMORY=${memory:-$planned} ./on_card "${driver[@]}" "${flags[@]}" --lr "$rate" \
        --init start.safetensors "$@" 2>>messages
}
losses() { sed 's/.*"loss":\([^,]*\),.*/\1/' "$1/log.jsonl"; }

# One update at the least rate, for weights to start from.
host() { ./on_host "${flags[@]}" "$@" 2>>messages; }
host --lr 1e-6 --max_updates 1 --save_dir start --name run
./on_host export --checkpoint start/run --output start.safetensors --no_use_ema 2>>messages
"$round" start.safetensors rounded.safetensors
host --lr "$rate" --init start.safetensors --max_updates "$updates" --save_dir host --name run
host --lr "$rate" --init rounded.safetensors --max_updates "$updates" --save_dir rounded --name run
card --max_updates "$updates" --save_dir card --name run || fail "the planned $planned bytes do not do"
[ "$(losses card/run | wc -l)" = "$updates" ] || fail "not $updates updates"
paste <(losses host/run) <(losses card/run) <(losses rounded/run) \
    | awk -v first="$first_limit" -v factor="$factor" '
    function off(a, b) { return a > b ? (a - b) / b : (b - a) / b }
    NR == 1 { begin = $2; far = off($2, $1) }
    off($2, $1) > most { most = off($2, $1); at = NR }
    off($3, $1) > rounding { rounding = off($3, $1) }
    END {
        limit = first + factor * rounding
        if (!(far <= first)) { print "update 1: loss " begin " on the card"; bad = 1 }
        if (!(most <= limit)) { print "at update " at " the curves part"; bad = 1 }
        if (!($2 < 0.9 * begin)) { print "the loss did not fall: " begin " to " $2; bad = 1 }
        printf "%d updates, loss %s to %s, at most %.3f %% from the host in f32", NR, begin, $2, 100 * most
        printf " (update 1: %.4f %%); allowed %.3f %%:", 100 * far, 100 * limit
        printf " weights rounded once make %.3f %%\n", 100 * rounding
        exit bad
    }' || fail "the losses do not follow the host's"

if [ "$cuda" != card ]; then
    memory=$((planned - 1)) card --save_dir less --name run && fail "it runs with a byte less than planned"
    [ $? = 3 ] || fail "a byte less than planned is not exit status 3"
    [ ! -e less/run ] || fail "a run that did not start left a folder"
fi

whole=card
if [ "$checked" != "$updates" ]; then
    whole=fewer
    card --max_updates "$checked" --save_dir fewer --name run || fail "runs again"
    cmp <(head -n "$checked" card/run/log.jsonl) fewer/run/log.jsonl || fail "another log"
fi
card --max_updates 3 --save_dir cut --name run || fail "stops"
SOFTGPU_SEED=9 SOFTGPU_MEMORY=$planned ./on_card "${driver[@]}" --resume cut/run \
    --max_updates $((checked - 3)) 2>>messages || fail "resumes"
"$compare" $whole/run/last.safetensors cut/run/last.safetensors || fail "other weights after a resume"
cmp $whole/run/log.jsonl cut/run/log.jsonl || fail "another log after a resume"
# Less memory, the same bits: kernels run again instead.
number() { grep -m 1 "\"$1\":" "$2" | tr -dc 0-9; }
"$snug" plan "$model" "${sizes[@]}" --device cuda --json >whole.json
tight=$(($(number persistent_bytes whole.json) + $(number arena_bytes whole.json) * ${share:-80} / 100))
"$snug" plan "$model" "${sizes[@]}" --device cuda --vram $tight --reserve 0 --json >tight.json
again=$(number recomputed_kernels tight.json)
[ "$again" -gt 0 ] || fail "a plan for $tight bytes recomputes nothing"
"$snug" compile "$model" "${sizes[@]}" --device cuda --vram $tight --reserve 0 -o on_card 2>>messages
memory=$tight card --max_updates "$checked" --save_dir tight --name run || fail "the plan for $tight bytes"
"$compare" $whole/run/last.safetensors tight/run/last.safetensors || fail "other weights with recomputation"
cmp $whole/run/log.jsonl tight/run/log.jsonl || fail "another log with recomputation"
echo "$again kernels run again in $tight bytes: the same weights, bit for bit"

echo "runs in $planned bytes$refuses, resumes to the bit in another order of work"
