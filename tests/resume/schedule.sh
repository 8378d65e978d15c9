#!/usr/bin/env bash
# The learning rate is a function of the share of the training that is done: a run that goes on with
# another batch size, another accumulation or another number of pictures stays on its curve, and
# ends at its end.
#   schedule.sh SNUG PHANTOM COMPARE
set -euo pipefail
snug=$1 phantom=$2 compare=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$phantom" --out data --train 16 --valid 1 --test 0 --size 64 --seed 4
"$snug" compile "$here/tiny.snug" --device host --batch_size 1,2,4 --threads 1 -o trainer 2>/dev/null
fail() { echo "$*"; tail -5 messages; exit 1; }
train() { ./trainer --overlays 0 "$@" 2>messages || fail "$*"; }
# expect FOLDER UPDATE EPOCH LEAST MOST: of that line of log.jsonl (-1: the last)
expect() {
    local line
    line=$([ "$2" -gt 0 ] && sed -n "$2p" "$1/log.jsonl" || tail -1 "$1/log.jsonl")
    sed 's/.*"epoch":\([0-9]*\),"lr":\([^,]*\),.*/\1 \2/' <<<"$line" |
        awk -v e="$3" -v a="$4" -v b="$5" '{ exit !($1 == e && $2 >= a && $2 <= b) }' ||
        fail "$1: $line is not of epoch $3 with a rate in $4 .. $5"
}

# ---- 5 epochs, then 5 more in other units: half of the training is done, 4/9 of the cosine
for change in "2 2 4 2" "1 2 4 2" "4 2 2 2" "2 2 2 1" "2 1 2 4" "1 1 4 4"; do
    read -r batch steps batch_2 steps_2 <<<"$change"
    run=runs/$batch.$steps.$batch_2.$steps_2
    train --dataset_path data --lr 1e-2 --min_lr 1e-5 --warmup_epochs 1 --epochs 5 \
        --batch_size "$batch" --gradient_accumulation_steps "$steps" --name "$(basename "$run")"
    updates=$(wc -l <"$run/log.jsonl")
    expect "$run" -1 5 9.9e-6 1.01e-5
    train --resume "$run" --epochs 10 --batch_size "$batch_2" \
        --gradient_accumulation_steps "$steps_2" --max_updates 1
    grep -q "the learning rate goes on from epoch 5.00" messages || fail "$change: nothing said"
    # killed and gone on, it is the same curve
    train --resume "$run"
    expect "$run" $((updates + 1)) 6 5.86e-3 5.88e-3
    expect "$run" -1 10 9.9e-6 1.01e-5
    [ "$(wc -l <"$run/log.jsonl")" -eq $((updates + 5 * 16 / (batch_2 * steps_2))) ] ||
        fail "$change: $(wc -l <"$run/log.jsonl") updates"
    awk -F'"lr":' -v from="$updates" 'NR > from { sub(/,.*/, "", $2)
        if (last != "" && $2 + 0 > last) exit 1; last = $2 + 0 }' "$run/log.jsonl" ||
        fail "$change: the rate rises"
done

# ---- the same units written otherwise: nothing changes
train --dataset_path data --epochs 4 --batch_size 2 --name whole
train --dataset_path data --epochs 4 --batch_size 2 --name cut --max_updates 6
train --resume runs/cut
"$compare" runs/whole/last.safetensors runs/cut/last.safetensors || fail "another curve"

# ---- within warm-up and within an epoch
train --dataset_path data --lr 1e-2 --warmup_epochs 2 --epochs 4 --batch_size 2 --name warm \
    --max_updates 6
train --resume runs/warm --batch_size 4 --max_updates 1
grep -q "the learning rate goes on from epoch 1.50" messages || fail "within an epoch"
expect runs/warm 7 2 9.9e-3 1e-2
train --resume runs/warm
expect runs/warm -1 4 0 1.1e-6

# ---- more pictures, within an epoch
train --dataset_path data --lr 1e-2 --min_lr 0 --warmup_epochs 0 --epochs 4 --batch_size 2 \
    --name more --max_updates 6
"$phantom" --out more --train 32 --valid 1 --test 0 --size 64 --seed 5
train --resume runs/more --dataset_path more
grep -q "an epoch of 16 pictures, now there are 32" messages || fail "more pictures"
expect runs/more 7 2 6.8e-3 7.0e-3
expect runs/more -1 4 0 1e-9
[ "$(wc -l <runs/more/log.jsonl)" -eq $((6 + 4 + 16)) ] || fail "$(wc -l <runs/more/log.jsonl)"
echo "the curve holds"
