#!/usr/bin/env bash
# The unmodified trainer with the device `cuda` on the software GPU: NVRTC's kernels, the planned
# bytes and no more, against the same training on the host device.
#   train.sh SNUG PHANTOM COMPARE FOLDER_OF_LIBCUDA [MODEL.snug [UPDATES [SIZE]]]
# FOLDER_OF_LIBCUDA "card": the machine's own driver. Its memory cannot be made as small as the plan,
# so that the refusal of one byte less is left out.
# The kernels are kept in the working directory, so that a second run compiles none.
set -euo pipefail
snug=$1 phantom=$2 compare=$3 cuda=$4
here=$(cd "$(dirname "$0")" && pwd)
model=${5:-$here/../resume/tiny.snug} updates=${6:-20} size=${7:-64}
# The card computes in fp16, the host in f32; AdamW's first steps make signs of gradients. The loss of
# the first update differs by rounding alone; later ones may drift apart.
first_limit=0.002 limit=${limit:-0.01}

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

flags=(--dataset_path data --no_augment --epochs 100 --warmup_epochs 1 --lr "${lr:-1e-3}"
    --gradient_accumulation_steps 2 --overlays 0)
driver=(--cuda_path "$cuda") refuses=", refuses one less"
[ "$cuda" != card ] || { driver=() refuses=""; }
card() { SOFTGPU_MEMORY=${memory:-$planned} ./on_card "${driver[@]}" "${flags[@]}" "$@" 2>>messages; }
losses() { sed 's/.*"loss":\([^,]*\),.*/\1/' "$1/log.jsonl"; }

./on_host "${flags[@]}" --max_updates "$updates" --save_dir host --name run 2>>messages
card --max_updates "$updates" --save_dir card --name run || fail "the planned $planned bytes do not do"
[ "$(losses card/run | wc -l)" = "$updates" ] || fail "not $updates updates"
paste <(losses host/run) <(losses card/run) | awk -v first="$first_limit" -v limit="$limit" '
    { off = ($2 - $1) / $1; off = off < 0 ? -off : off; most = off > most ? off : most }
    !(off <= (NR == 1 ? first : limit)) { printf "update %d: loss %s on the card, %s on the host\n", NR, $2, $1; bad = 1 }
    NR == 1 { begin = $2 }
    END {
        if (!($2 < 0.9 * begin)) { print "the loss did not fall: " begin " to " $2; bad = 1 }
        printf "%d updates, loss %s to %s, at most %.2f %% from the host\n", NR, begin, $2, 100 * most
        exit bad
    }' || fail "the curves part"

if [ "$cuda" != card ]; then
    memory=$((planned - 1)) card --save_dir less --name run && fail "it runs with a byte less than planned"
    [ $? = 3 ] || fail "a byte less than planned is not exit status 3"
    [ ! -e less/run ] || fail "a run that did not start left a folder"
fi

card --max_updates 3 --save_dir cut --name run || fail "stops"
SOFTGPU_SEED=9 card --resume cut/run --max_updates $((updates - 3)) || fail "resumes"
"$compare" card/run/last.safetensors cut/run/last.safetensors || fail "other weights after a resume"
cmp card/run/log.jsonl cut/run/log.jsonl || fail "another log after a resume"
# Less memory, the same bits: kernels run again instead.
number() { grep -m 1 "\"$1\":" "$2" | tr -dc 0-9; }
"$snug" plan "$model" "${sizes[@]}" --device cuda --json >whole.json
tight=$(($(number persistent_bytes whole.json) + $(number arena_bytes whole.json) * ${share:-80} / 100))
"$snug" plan "$model" "${sizes[@]}" --device cuda --vram $tight --reserve 0 --json >tight.json
again=$(number recomputed_kernels tight.json)
[ "$again" -gt 0 ] || fail "a plan for $tight bytes recomputes nothing"
"$snug" compile "$model" "${sizes[@]}" --device cuda --vram $tight --reserve 0 -o on_card 2>>messages
memory=$tight card --max_updates "$updates" --save_dir tight --name run || fail "the plan for $tight bytes"
"$compare" card/run/last.safetensors tight/run/last.safetensors || fail "other weights with recomputation"
cmp card/run/log.jsonl tight/run/log.jsonl || fail "another log with recomputation"
echo "$again kernels run again in $tight bytes: the same weights, bit for bit"

echo "runs in $planned bytes$refuses, resumes to the bit in another order of work"
