#!/usr/bin/env bash
# What a trainer does with pictures, checkpoints and gradients that are broken, and with a run that
# goes on otherwise than it began.
#   faults.sh SNUG PHANTOM COMPARE
set -uo pipefail
snug=$1 phantom=$2 compare=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
cases=0

# expect STATUS "part of the output" COMMAND...
expect() {
    local status=$1 words=$2 output got
    shift 2
    cases=$((cases + 1))
    output=$("$@" 2>&1 </dev/null)
    got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$words" <<<"$output"; then
        echo "$*: status $got (expected $status), expected to read \"$words\", got:"
        head -12 <<<"$output"
        failed=1
    fi
}
holds() { # FILE...: each exists and is not empty
    local file
    for file in "$@"; do
        cases=$((cases + 1))
        [ -s "$file" ] || { echo "$file is missing or empty"; failed=1; }
    done
}
reads() { # FILE "words"
    cases=$((cases + 1))
    grep -qF -- "$2" "$1" || { echo "$1 does not hold \"$2\""; failed=1; }
}

"$phantom" --out data --train 6 --valid 2 --test 2 --size 96 --seed 8 || exit 1
"$snug" compile "$here/../resume/tiny.snug" --device host --threads 1 --batch_size 1,2 -o trainer 2>/dev/null ||
    exit 1

expect 0 "examples:" ./trainer -h
expect 0 "batch 2, image 64x64" ./trainer --version

# ---- files that a run keeps, and where
expect 0 "valid MRE" ./trainer --dataset_path data --batch_size 2 --epochs 2 --name first --keep 1
holds runs/first/epoch_0002.safetensors
[ ! -e runs/first/epoch_0001.safetensors ] || { echo "--keep 1 keeps two"; failed=1; }
reads runs/first/report.html "<svg"
reads runs/first/report.html "data:image/png;base64,"
expect 0 "ms each" ./trainer --dataset_path data --epochs 1 --max_updates 1 --profile
expect 0 "" ./trainer --dataset_path data --epochs 1 --max_updates 1 --name logs --log_dir logs
holds logs/logs/metrics.csv logs/logs/events.out.tfevents.*
# --log_dir is shared: a run of the same name elsewhere gets another one, a resumed one its own
expect 0 "valid MRE" ./trainer --resume runs/logs
expect 0 "results in else/logs_2" ./trainer --dataset_path data --epochs 1 --save_dir else \
    --name logs --log_dir logs
for folder in logs/logs logs/logs_2; do
    [ "$(wc -l <$folder/metrics.csv)" -eq 2 ] || { echo "$folder/metrics.csv has no row"; failed=1; }
done
[ ! -e runs/logs/metrics.csv ] || { echo "--log_dir is forgotten by --resume"; failed=1; }

# ---- resume: in the middle of an epoch the new batch must fit
expect 2 "was trained with --seed 1" ./trainer --resume runs/first --seed 2
expect 0 "stopped after update 1" ./trainer --dataset_path data --name cut --batch_size 1 \
    --gradient_accumulation_steps 1 --max_updates 1
expect 2 "go on with --batch_size 1" ./trainer --resume runs/cut --batch_size 2
expect 0 "stopped after update 2" ./trainer --resume runs/cut --max_updates 1
expect 0 "from here on --batch_size 2 instead of 1" ./trainer --resume runs/cut --batch_size 2 \
    --max_updates 1

# ---- pictures
picture=$(ls -d data/test/Cephalograms/* | head -1)
expect 0 "" ./trainer predict --checkpoint runs/first --images "$picture" --save_dir one
reads one/predictions.csv ",ANS,"
expect 4 "there is no picture or folder" ./trainer predict --checkpoint runs/first --images nowhere
cp "$picture" data/train/Cephalograms/stranger.png
expect 4 "stranger" ./trainer --dataset_path data
rm data/train/Cephalograms/stranger.png
cp -r data broken
victim=$(ls -d broken/train/Cephalograms/* | head -1)
echo "no picture" >"$victim"
expect 4 "$(basename "$victim")" ./trainer --dataset_path broken --epochs 1
expect 0 "left out" ./trainer --dataset_path broken --epochs 1 --skip_bad
expect 1 "$(basename "$victim")" ./trainer check-data --dataset_path broken
# left out, it is as if it were not there: the same weights, statistics and lines, at any batch
cp -r broken fewer
name=$(basename "$victim")
find fewer/train \( -name "$name" -o -name "${name%.*}.json" \) -delete
for batch in 1 2; do
    for set in broken fewer; do
        expect 0 "5 training" ./trainer --dataset_path $set --skip_bad --batch_size $batch --epochs 3 \
            --name $set.$batch --overlays 0
    done
    "$compare" runs/broken.$batch/last.safetensors runs/fewer.$batch/last.safetensors ||
        { echo "a picture that is left out has changed the weights"; failed=1; }
    cmp runs/broken.$batch/log.jsonl runs/fewer.$batch/log.jsonl || failed=1
done
for picture in broken/train/Cephalograms/*; do
    echo "no picture" >"$picture"
done
expect 4 "no picture of the train split of broken can be read" ./trainer --dataset_path broken \
    --skip_bad

# ---- a valid split that is broken, or not there, at the start and on resume
cp -r data valid_broken
reading=$(find valid_broken/valid/Annotations -name '*.json' | head -1)
echo '{' >"$reading"
expect 4 "$(basename "$reading")" ./trainer --dataset_path valid_broken --epochs 1
expect 4 "--no_validation trains without it" ./trainer --dataset_path valid_broken --epochs 1
expect 4 "$(basename "$reading")" ./trainer --resume runs/first --dataset_path valid_broken --epochs 3
rm -r valid_broken/valid
expect 4 "this is the valid split" ./trainer --dataset_path valid_broken --epochs 1
expect 0 "and 0 validation pictures" ./trainer --dataset_path valid_broken --epochs 1 \
    --name without --no_validation
expect 0 "and 0 validation pictures" ./trainer --resume runs/without --epochs 2

# ---- a net that cannot learn says so: two layers that start from nothing
cat >idle.snug <<'END'
param landmarks = 29, batch_size = 2, image_size = 64
train {
    image  : picture[batch_size, image_size, image_size, 3]
    points : landmarks[batch_size, landmarks]
    x = relu(conv(normalize(image), 8, stride = 2, bias = 1, init = 1e-30) as first)
    x = relu(conv(x, 8, stride = 2, bias = 1, init = 1e-30) as second)
    minimize mse(conv(x, landmarks, 1, bias = 1) as head, gaussian(points, sigma = 1.5))
    precision full
}
END
sed 's/, init = 1e-30//' idle.snug >alive.snug
"$snug" compile idle.snug --threads 1 -o idle 2>/dev/null || exit 1
"$snug" compile alive.snug --threads 1 -o alive 2>/dev/null || exit 1
expect 0 "the gradient of first.weight is 0 in the first update" ./idle --dataset_path data \
    --max_updates 1
./alive --dataset_path data --max_updates 1 2>messages || { cat messages; failed=1; }
! grep "is 0 in the first update" messages || failed=1

# ---- flags that mean nothing to a command
expect 2 "--init means nothing to predict" ./trainer predict --init nowhere.safetensors
expect 2 "--checkpoint means nothing to train" ./trainer --checkpoint runs/first

# ---- an annotation with N and Me exchanged
cp -r data exchanged
find exchanged/train/Annotations -name "$(basename "${victim%.*}").json" -exec \
    sed -i 's/"symbol": "N"/"symbol": "X"/; s/"symbol": "Me"/"symbol": "N"/
        s/"symbol": "X"/"symbol": "Me"/' {} +
expect 1 "Me and N seem to have changed places" ./trainer check-data --dataset_path exchanged

# ---- files that are no checkpoints
expect 0 "" ./trainer export --checkpoint runs/first --output weights.safetensors
echo "no checkpoint" >bad.safetensors
expect 4 "bad.safetensors" ./trainer --resume bad.safetensors
head -c -100 runs/first/last.safetensors >cut.safetensors
expect 4 "the file ends before its tensors" ./trainer eval --checkpoint cut.safetensors
expect 4 "cannot make the folder" ./trainer --dataset_path data --save_dir bad.safetensors/x

# ---- a gradient that is never finite: 25 updates are skipped, then it is given up
"$snug" compile "$here/../resume/tiny.snug" --device host --threads 1 -o trainer1 2>/dev/null || exit 1
cp weights.safetensors nan.safetensors
size=$(stat -c %s nan.safetensors)
printf '\xff\xff\xff\x7f' | dd of=nan.safetensors bs=1 seek=$((size - 4)) conv=notrunc 2>/dev/null
expect 4 "nan.safetensors holds numbers that are not finite" ./trainer1 --dataset_path data \
    --init nan.safetensors
# a bias of 3e38 is finite, the loss is not
printf '\xe6\xb1\x61\x7f' | dd of=nan.safetensors bs=1 seek=$((size - 4)) conv=notrunc 2>/dev/null
expect 6 "was not finite in 25 updates in a row" ./trainer1 --dataset_path data --name nan \
    --init nan.safetensors --epochs 30 --save_every 1
expect 6 "no good state was saved before it: start again with a smaller --lr" ./trainer1 \
    --dataset_path data --name lost --init nan.safetensors --epochs 30
[ "$(grep -c '"applied":false' runs/nan/log.jsonl)" -eq 25 ] || { echo "25 skipped"; failed=1; }
reads runs/nan/log.jsonl '"update":25,"epoch":13,"lr":'
reads runs/nan/log.jsonl '"loss_scale":32768,"loss":null'
expect 0 "" ./trainer1 export --checkpoint runs/nan --output after.safetensors --no_use_ema
for tensors in stem.conv stem.bn.weight stem.bn.bias down.conv same.conv final_layer; do
    "$compare" nan.safetensors after.safetensors 0 $tensors >/dev/null ||
        { echo "a skipped update has changed $tensors"; failed=1; }
done

# ---- standard error is a file here: plain lines, no control characters
./trainer --dataset_path data --epochs 1 --name plain 2>plain.txt
! grep -qP '[\x00-\x08\x0b-\x1f]' plain.txt || { echo "control characters in a file"; failed=1; }

echo "$cases cases"
exit $failed
