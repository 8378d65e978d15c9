#!/usr/bin/env bash
# Every command of a trainer, once: what it writes, that the figures of one agree with those of
# another, and the exit status of what can go wrong.
#   commands.sh SNUG PHANTOM COMPARE
set -euo pipefail
snug=$1 phantom=$2 compare=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "$*"; tail -5 messages; exit 1; }
# expect STATUS TEXT WORDS...: ends with STATUS and says TEXT
expect() {
    local expected=$1 text=$2 status=0
    shift 2
    "$@" >output 2>messages || status=$?
    [ $status -eq "$expected" ] || fail "$*: status $status, expected $expected"
    grep -qF -- "$text" output messages || { cat output; fail "$*: does not say: $text"; }
}
field() { sed -n "${2}p" "$1" | cut -d, -f"$3"; } # FILE LINE COLUMN

"$phantom" --out data --train 9 --valid 3 --test 2 --size 96 --seed 5
"$snug" compile "$here/../resume/tiny.snug" --device host --threads 1 -o trainer 2>/dev/null

# ---- train: the run folder, and none is written over ----
expect 0 "done; best MRE" ./trainer --dataset_path data
for file in config.json log.jsonl metrics.csv report.html best.safetensors last.safetensors; do
    [ -s runs/tiny/$file ] || fail "no $file"
done
cmp generated/tiny/plan.html runs/tiny/plan.html || fail "another plan.html"
ls runs/tiny/events.out.tfevents.* >/dev/null
[ "$(find runs/tiny/overlays -name '*.png' | wc -l)" -eq 3 ] || fail "3 overlays"
grep -q '"gradient_accumulation_steps": 2' runs/tiny/config.json || fail "config.json"
cp -r runs/tiny before
expect 0 "results in runs/tiny_2" ./trainer --dataset_path data --max_updates 1
diff -r before runs/tiny >/dev/null || fail "the first run has changed"
rm -rf runs/tiny_2
for k in 1 2 3 4; do
    ./trainer --dataset_path data --epochs 1 --overlays 0 --save_dir at_once 2>messages_$k &
done
wait
[ "$(cat at_once/*/metrics.csv | wc -l)" -eq 8 ] || fail "4 runs at once: $(ls at_once)"

# ---- a run that is complete, and one that gets more epochs ----
expect 0 "runs/tiny has all of its epochs" ./trainer --resume auto
"$compare" before/last.safetensors runs/tiny/last.safetensors || fail "a complete run has changed"
diff before/metrics.csv runs/tiny/metrics.csv || fail "a complete run has new rows"
expect 0 "from here on --epochs 5 instead of 3" ./trainer --resume runs/tiny --epochs 5
[ "$(wc -l <runs/tiny/metrics.csv)" -eq 6 ] || fail "5 epochs have 5 rows"

# ---- eval: the figures of the validation that made the checkpoint best ----
best=$(awk -F, 'NR > 1 && (best == "" || $8 < least) { least = $8; best = NR } END { print best }' \
    runs/tiny/metrics.csv)
expect 0 "95 % interval of MRE" ./trainer eval --checkpoint runs/tiny --output metrics.json
figure=$(sed -n '/"all"/,/}/s/.*"mre_mm": \([0-9.]*\).*/\1/p' metrics.json)
awk -v a="$figure" -v b="$(field runs/tiny/metrics.csv "$best" 8)" \
    'BEGIN { exit !(a > 0 && a - b < 1e-3 && b - a < 1e-3) }' || fail "MRE $figure in metrics.json"

# ---- predict: the same errors again, point by point ----
expect 0 "3 overlays are in seen" ./trainer predict --split valid --save_dir seen
mean=$(awk -F, 'NR > 1 { n++; s += $11 } END { print s / n }' seen/predictions.csv)
awk -v a="$mean" -v b="$figure" 'BEGIN { exit !(a - b < 1e-2 && b - a < 1e-2) }' ||
    fail "predictions.csv has MRE $mean, eval $figure"
[ "$(wc -l <seen/predictions.csv)" -eq $((3 * 29 + 1)) ] || fail "3 x 29 rows"
pictures=$(find data -path '*valid*' -type d -name '[Cc]ephalo*' | head -1)
expect 0 "3 overlays are in unseen" ./trainer predict --images "$pictures" --save_dir unseen
cut -d, -f2-4,7 seen/predictions.csv | sort >a
cut -d, -f2-4,7 unseen/predictions.csv | sort >b
diff a b >/dev/null || fail "without truth the points are others"

# ---- export, init: the same weights come back ----
expect 0 "" ./trainer export --output weights.safetensors
expect 0 "17 of 17 tensors loaded" ./trainer --init weights.safetensors --dataset_path data \
    --save_dir again --lr 0 --min_lr 0 --epochs 1 --warmup_epochs 0 --max_updates 1
expect 0 "" ./trainer export --checkpoint again/tiny --output weights_2.safetensors --no_use_ema
"$compare" weights.safetensors weights_2.safetensors 0 final_layer || fail "other weights"

# ---- check-data ----
expect 0 "261 of 261 points valid" ./trainer check-data --dataset_path data --save_dir seen
[ -s seen/contact_sheet.png ] || fail "no contact sheet"

# ---- stopping early ----
expect 0 "no better MRE since epoch" ./trainer --dataset_path data --save_dir early --lr 0 \
    --min_lr 0 --epochs 50 --patience 2 --overlays 0
expect 0 "stopped after update 2" ./trainer --dataset_path data --save_dir cut --max_updates 2
for signal in INT:130 TERM:143; do
    ./trainer --dataset_path data --save_dir "$signal" --epochs 100000 2>messages &
    pid=$!
    for ((k = 0; k < 200; k++)); do
        [ ! -s "$signal/tiny/last.safetensors" ] || break
        sleep 0.05
    done
    kill -"${signal%:*}" $pid
    status=0
    wait $pid || status=$?
    [ $status -eq "${signal#*:}" ] || fail "SIG${signal%:*}: status $status"
    expect 0 "stopped after update" ./trainer --resume "$signal" --max_updates 1
done

# ---- what can go wrong ----
expect 2 "--dataset_path is missing" ./trainer
expect 2 "--output is missing" ./trainer export
expect 4 "no data set at nowhere" ./trainer --dataset_path nowhere
expect 4 "there is no checkpoint nowhere" ./trainer --resume nowhere
expect 4 "has a last.safetensors" ./trainer --resume auto --save_dir data
expect 4 "weights alone are loaded by --init" ./trainer --resume weights.safetensors
expect 4 "" ./trainer --init data --dataset_path data
head -c 3000 runs/tiny/last.safetensors >half.safetensors
expect 4 "half.safetensors" ./trainer --resume half.safetensors
"$snug" compile "$here/../resume/tiny.snug" --device host -D landmarks=19 --threads 1 -o other 2>/dev/null
expect 4 "does not belong to this program" ./other --resume runs/tiny
expect 4 "29" ./other --dataset_path data
if [ -c /dev/full ]; then
    status=0
    ./trainer eval --checkpoint runs/tiny >/dev/full 2>messages || status=$?
    [ $status -eq 4 ] || fail "status $status where standard output is full"
fi
echo "all commands do what they say"
