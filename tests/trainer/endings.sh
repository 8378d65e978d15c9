#!/usr/bin/env bash
# However a training ends, what it has learnt is on the disk, and nothing is written that is not
# good: signals, errors within an epoch, divergence, a second writer, files in the way.
#   endings.sh SNUG PHANTOM COMPARE
set -uo pipefail
snug=$1 phantom=$2 compare=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
cases=0

complain() { echo "$*"; failed=1; }
# expect STATUS "part of the output" COMMAND...
expect() {
    local status=$1 words=$2 output got
    shift 2
    cases=$((cases + 1))
    output=$("$@" 2>&1 </dev/null)
    got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$words" <<<"$output"; then
        complain "$*: status $got (expected $status), expected to read \"$words\", got:"
        head -12 <<<"$output"
    fi
}
# wait_for FILE: at most 10 s
wait_for() {
    for ((k = 0; k < 200; k++)); do
        [ ! -s "$1" ] || return 0
        sleep 0.05
    done
    complain "$1 does not appear"
}

"$phantom" --out data --train 6 --valid 2 --test 1 --size 96 --seed 8 || exit 1
"$snug" compile "$here/../resume/tiny.snug" --threads 1 -o trainer 2>/dev/null || exit 1
"$snug" compile "$here/../resume/tiny.snug" --precision full --threads 2 -o full 2>/dev/null || exit 1

# ---- signals: the update is finished, the state saved, the status says which
for signal in HUP:129 INT:130 TERM:143 PIPE:141 XFSZ:153; do
    ./trainer --dataset_path data --save_dir "$signal" --epochs 100000 --overlays 0 2>messages &
    pid=$!
    wait_for "$signal/tiny/last.safetensors"
    kill -"${signal%:*}" $pid
    wait $pid
    status=$?
    [ $status -eq "${signal#*:}" ] || complain "SIG${signal%:*}: status $status"
    expect 0 "stopped after update" ./trainer --resume "$signal/tiny" --max_updates 1
    updates=$(grep -o 'interrupted after update [0-9]*' messages | grep -o '[0-9]*$')
    [ "$(wc -l <"$signal/tiny/log.jsonl")" -eq $((updates + 1)) ] ||
        complain "SIG${signal%:*}: $(wc -l <"$signal/tiny/log.jsonl") lines after update $updates"
    [ ! -e "$signal/tiny/lock" ] || complain "SIG${signal%:*} leaves a lock"
done
# below nohup it goes on
(trap '' HUP; exec ./trainer --dataset_path data --name nohup --epochs 100000 2>messages) &
pid=$!
wait_for runs/nohup/last.safetensors
kill -HUP $pid
sleep 0.2
kill -0 $pid 2>/dev/null || complain "a SIGHUP that is ignored ends the training"
kill -TERM $pid
wait $pid
# nobody reads standard error any more: the pipe's end ends it, saved
./trainer --dataset_path data --name pipe --epochs 100000 --overlays 0 2> >(head -1 >/dev/null) &
pid=$!
wait $pid
status=$?
[ $status -eq 141 ] || complain "a closed pipe: status $status"
expect 0 "resuming" ./trainer --resume runs/pipe --max_updates 1

# ---- a picture that breaks within an epoch, or in the validation: what was trained is saved
cp -r data breaks
expect 0 "stopped after update 1" ./full --dataset_path breaks --name breaks --max_updates 1 \
    --no_augment --gradient_accumulation_steps 2 --epochs 2
cp -r runs/breaks intact
cp -r breaks/train kept
for picture in breaks/train/Cephalograms/*; do
    echo broken >"$picture"
done
expect 4 "cannot read the picture" ./full --resume runs/breaks --no_cache
"$compare" intact/last.safetensors runs/breaks/last.safetensors >/dev/null ||
    complain "a broken picture changes what was saved"
rm -r breaks/train && mv kept breaks/train
# the second batch of the update breaks: the running statistics are those of before
expect 0 "stopped after update 1" ./trainer --dataset_path breaks --name second --max_updates 1 \
    --gradient_accumulation_steps 1 --epochs 2 --batch_size 2
cp -r runs/second second
for picture in breaks/train/Cephalograms/*; do
    cp "$picture" good.png
    echo broken >"$picture"
    cp second/* runs/second 2>/dev/null
    ./trainer --resume runs/second --gradient_accumulation_steps 2 --max_updates 1 2>messages
    [ $? -eq 0 ] || for prefix in model. ema. optim.; do
        "$compare" second/last.safetensors runs/second/last.safetensors 0 $prefix >/dev/null ||
            complain "$picture: $prefix has changed in an update that was not finished"
    done
    cp good.png "$picture"
done
"$phantom" --out later --train 6 --valid 2 --test 0 --size 96 --seed 8
for picture in later/valid/Cephalograms/*; do
    echo broken >"$picture"
done
expect 4 "saved after update 3; --resume runs/later goes on" ./trainer --dataset_path later \
    --name later --batch_size 2 --gradient_accumulation_steps 1
cp data/valid/Cephalograms/* later/valid/Cephalograms
expect 0 "done" ./trainer --resume runs/later
expect 0 "done" ./trainer --dataset_path data --name never --batch_size 2 \
    --gradient_accumulation_steps 1
"$compare" runs/never/last.safetensors runs/later/last.safetensors >/dev/null ||
    complain "an error in the validation changes the weights"

# ---- divergence never reaches a checkpoint, and a smaller rate goes on from the last good one
for program in trainer full; do
    rm -rf runs/far
    expect 0 "done" ./$program --dataset_path data --name far --epochs 2 --overlays 0
    cp runs/far/last.safetensors good.safetensors
    expect 6 "is the last good state: --resume runs/far/last.safetensors --lr 9 --min_lr 0" ./$program --resume runs/far \
        --epochs 400 --lr 90 --min_lr 80 --warmup_epochs 0 --clip 0 --weight_decay 100 --save_every 1
    for checkpoint in last best; do
        expect 0 "95 % interval" ./$program eval --checkpoint runs/far/$checkpoint.safetensors
    done
    expect 0 "stopped after update" ./$program --resume runs/far --lr 1e-4 --min_lr 0 --max_updates 3 \
        --weight_decay 0
done

# ---- one writer a run
./trainer --dataset_path data --name one --epochs 100000 --overlays 0 2>messages &
pid=$!
wait_for runs/one/last.safetensors
expect 4 "process $pid on $(uname -n) is writing there" ./trainer --resume runs/one
expect 0 "95 % interval" ./trainer eval --checkpoint runs/one
kill -KILL $pid
wait $pid 2>/dev/null
[ -s runs/one/lock ] || complain "no lock is left by kill -9"
for file in last.safetensors metrics.csv overlays/a.png; do
    mkdir -p runs/one/overlays
    echo half >"runs/one/$file.tmp"
done
echo mine >runs/one/notes.tmp
expect 0 "process $pid on $(uname -n) has ended without letting go" ./trainer --resume runs/one \
    --max_updates 1
[ ! -e runs/one/lock ] || complain "the lock stays"
left=$(find runs/one -name '*.tmp' | sort | tr '\n' ' ')
[ "$left" = "runs/one/notes.tmp " ] || complain "left over: $left"

# ---- closed descriptors: no message in a file of the run, no result that is lost without a word
expect 0 "" bash -c './trainer --dataset_path data --name closed --epochs 1 <&- >&- 2>&-'
awk -F, 'NF != 14 { exit 1 }' runs/closed/metrics.csv || complain "messages in metrics.csv"
expect 0 "done" ./trainer --resume runs/closed --epochs 2
expect 4 "standard output" bash -c './trainer eval --checkpoint runs/closed >&-'

# ---- the log is on the disk before the checkpoint that follows it, and the checkpoint before its name
if strace -o trace true 2>/dev/null; then
    cases=$((cases + 1))
    ASAN_OPTIONS=detect_leaks=0 strace -o trace -e trace=openat,write,writev,fsync,rename ./trainer \
        --dataset_path data --name traced --epochs 2 --save_every 1 --overlays 0 2>messages ||
        complain "strace: $(tail -1 messages)"
    awk '/O_APPEND/ && /log.jsonl|metrics.csv/ { dirty[$NF] = 0 }
        /last.safetensors.tmp", O_WRONLY/ { dirty[$NF] = 0; file = $NF }
        /^writev?\(/ { split($0, f, /[(,]/); if (f[2] in dirty) { dirty[f[2]] = 1; seen[f[2]] = 1 } }
        /^fsync\(/ { split($0, f, /[()]/); if (f[2] in dirty) dirty[f[2]] = 0 }
        /^rename\(.*last.safetensors"/ { renames++; for (k in dirty) bad += dirty[k]; delete dirty[file] }
        END { exit !(renames >= 5 && !bad && length(seen) >= 3) }' trace ||
        complain "a checkpoint is renamed before the log, or itself, is on the disk"
fi

# ---- outputs: by their suffix, never over what is read, a device, or a link
expect 0 "" ./trainer export --checkpoint runs/closed --output weights.safetensors
for output in w.onnx w.pth w.pt w.h5 w.json; do
    expect 2 "what is written is no .${output#*.} file" ./trainer export --checkpoint runs/closed \
        --output $output
    [ ! -e $output ] || complain "$output is written"
done
expect 2 "is no .csv file" ./trainer eval --checkpoint runs/closed --output m.csv
cp runs/closed/last.safetensors before.safetensors
expect 2 "is the file that is read" ./trainer export --checkpoint runs/closed/last.safetensors \
    --output runs/closed/../closed/last.safetensors
cmp -s before.safetensors runs/closed/last.safetensors || complain "export replaces its input"
ln -s weights.safetensors link.safetensors
ln -s link.safetensors second.safetensors
expect 0 "" ./trainer export --checkpoint runs/closed --output second.safetensors
[ "$(readlink second.safetensors) $(readlink link.safetensors)" = \
    "link.safetensors weights.safetensors" ] || complain "a link is replaced"
expect 4 "is a device" ./trainer export --checkpoint runs/closed --output /dev/null
[ -c /dev/null ] || complain "/dev/null is gone"
mkfifo pipe.safetensors
expect 4 "is a pipe" ./trainer export --checkpoint runs/closed --output pipe.safetensors
expect 4 "it is no file" ./trainer --dataset_path data --init pipe.safetensors
cp -r data/test/Cephalograms pictures
expect 2 "would replace the pictures" ./trainer predict --checkpoint runs/closed --images pictures \
    --save_dir pictures
diff -r data/test/Cephalograms pictures >/dev/null || complain "predict replaces its pictures"

# ---- files of weights where checkpoints are taken
expect 0 "17 of 17 tensors loaded" ./trainer eval --checkpoint weights.safetensors \
    --dataset_path data --output weights.json
expect 0 "" ./trainer eval --checkpoint runs/closed --output run.json
expect 0 "" ./trainer export --checkpoint runs/closed/last.safetensors --output last.safetensors
expect 0 "names no points" ./trainer predict --checkpoint last.safetensors --images pictures \
    --save_dir seen
grep -q ",P00," seen/predictions.csv || complain "no points in predictions.csv"
expect 0 "" ./trainer export --checkpoint weights.safetensors --output again.safetensors
"$compare" weights.safetensors again.safetensors 0 final_layer >/dev/null ||
    complain "export of weights gives others"
expect 4 "it is a text" ./trainer eval --checkpoint messages --dataset_path data
expect 4 "it is a PyTorch file" ./trainer --dataset_path data --init "$here/../cases/pth/w.pth"

# ---- a checkpoint from elsewhere decides no path
mkdir elsewhere
expect 0 "done" ./trainer --dataset_path data --name logs --log_dir far --epochs 1
cp runs/logs/last.safetensors elsewhere
rm -r far
expect 2 "--dataset_path is missing" ./trainer --resume elsewhere
expect 2 "--dataset_path is missing" ./trainer eval --checkpoint elsewhere
expect 0 "its --log_dir is not used" ./trainer --resume elsewhere --dataset_path data --epochs 2
[ ! -e far ] || complain "a checkpoint from elsewhere writes to its --log_dir"
[ -s elsewhere/metrics.csv ] || complain "no metrics.csv"

# ---- folders and models whose names are no UTF-8: nothing is lost, and the run goes on
odd=$'odd\xe9"\n'
mkdir "$odd"
cp "$here/../resume/tiny.snug" "$odd/net.snug"
cp -r data "$odd/data"
"$snug" compile "$odd/net.snug" --threads 1 -o "$odd/trainer" 2>/dev/null || exit 1
(cd "$odd" && mkdir "$odd" && expect 0 "done" ./trainer --dataset_path data --save_dir "$odd" --epochs 1 &&
    expect 0 "done" ./trainer --resume "$odd" --epochs 2 && exit $failed) || failed=1

# ---- a program for another number of threads
"$snug" compile "$here/../resume/tiny.snug" --threads 3 -o three 2>/dev/null || exit 1
expect 0 "trained by a program for 1 threads, this one is for 3" ./three --resume runs/closed \
    --epochs 3 --max_updates 1

echo "$cases cases"
exit $failed
