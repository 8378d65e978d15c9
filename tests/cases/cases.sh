#!/usr/bin/env bash
# The data sets of this folder through real trainers: what was once wrong without a word is right,
# told or refused. README.md of this folder says what each is.
#   cases.sh SNUG
set -uo pipefail
snug=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
cases=0

# expect STATUS "part of the output" COMMAND...; the output stays in `output`
expect() {
    local status=$1 words=$2 got
    shift 2
    cases=$((cases + 1))
    "$@" >output 2>&1 </dev/null
    got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$words" output; then
        echo "$*: status $got (expected $status), expected to read \"$words\", got:"
        head -12 output
        failed=1
    fi
}
reads() { # FILE "words"
    cases=$((cases + 1))
    grep -qF -- "$2" "$1" || { echo "$1 does not hold \"$2\""; head -5 "$1"; failed=1; }
}
same() { # A B
    cases=$((cases + 1))
    cmp "$1" "$2" || failed=1
}
still=(--lr 1e-12 --min_lr 0 --weight_decay 0 --warmup_epochs 0 --no_augment)
once=("${still[@]}" --epochs 1)
"$snug" compile "$here/ident2.snug" --device host --precision full --threads 1 -o two 2>/dev/null ||
    exit 1
"$snug" compile "$here/ident1.snug" --device host --precision full --threads 1 -o one 2>/dev/null ||
    exit 1

# ---- names and order are the checkpoint's
cp -r "$here/first_file_order" order
expect 0 "stopped after update 1" ./two --dataset_path order "${once[@]}" --max_updates 1 \
    --init "$here/ident2.safetensors" --name ident
expect 0 "0 warnings" ./two eval --checkpoint runs/ident --dataset_path order --split test
awk '$1 == "all" { found = $3 < 0.01 } END { exit !found }' output ||
    { echo "the first file decides"; cat output; failed=1; }
expect 0 "" ./two predict --checkpoint runs/ident --dataset_path order --split test --save_dir named
awk -F, 'NR > 1 && $10 > 0.01 { exit 1 }' named/predictions.csv ||
    { echo "names are exchanged"; failed=1; }
expect 0 "done" ./two --dataset_path order "${still[@]}" --epochs 2 --name whole \
    --init "$here/ident2.safetensors"
expect 0 "" ./two --dataset_path order "${still[@]}" --epochs 2 --name cut --max_updates 1 \
    --init "$here/ident2.safetensors"
find order/train -name train0.json -exec cp {} first.json \;
swap='s/\("landmarks": \[\)\({.*}}\), \({.*}}\)\]/\1\3, \2]/'
find order/train -name train0.json -exec sed -i "$swap" {} +
! cmp -s first.json "$(find order/train -name train0.json | head -1)" || { echo "not swapped"; failed=1; }
expect 0 "done" ./two --resume runs/cut
same runs/whole/log.jsonl runs/cut/log.jsonl
find order -name '*1.json' -exec sed -i 's/"symbol": "P1"/"symbol": "Q"/' {} +
expect 4 "knows no landmark Q" ./two eval --checkpoint runs/ident --dataset_path order --split test
reads output "test1.json"
expect 4 "train1.json" ./two --resume runs/whole --epochs 3
expect 0 "left out" ./two eval --checkpoint runs/ident --dataset_path order --split test --skip_bad

# ---- a pixel size with a decimal comma is read, and told by every command
comma=$here/csv_decimal_comma
told='the pixel size "0,125" of'
expect 0 "$told" ./two --dataset_path "$comma" "${once[@]}" --name comma
reads output "2 training and 1 validation pictures, 3 warnings"
reads runs/comma/report.html "is read as 0.125 mm"
reads runs/comma/config.json "is read as 0.125 mm"
expect 0 "$told" ./two eval --checkpoint runs/comma --dataset_path "$comma" --output m.json
reads m.json '"mm_assumed_pictures": 0'
reads m.json '"warning_count": 1'
expect 0 "$told" ./two predict --checkpoint runs/comma --dataset_path "$comma" --save_dir p
reads p/predictions.json '"mm_per_pixel": 0.125'
expect 1 "$told" ./two check-data --dataset_path "$comma"
expect 1 '"count": ' ./two check-data --dataset_path "$comma" --json
python3 -c 'import json; d = json.load(open("output")); assert len(d["splits"]) == 3' || failed=1

# ---- a size that is none: assumed, and marked wherever mm are
cp -r "$comma" assumed
for size in none 8 0.0125; do
    sed "s/Dev.*/Dev,$size/" "$comma/cephalogram_machine_mappings.csv" \
        >assumed/cephalogram_machine_mappings.csv
    expect 0 "0.1 mm assumed" ./two --dataset_path assumed "${once[@]}" --name "assumed$size"
    reads output "assumed mm"
    reads "runs/assumed$size/metrics.csv" "mre_assumed_mm"
    reads "runs/assumed$size/report.html" "MRE mm*"
    expect 0 "* 0.1 mm a pixel is assumed for 1 of 1 pictures" ./two eval \
        --checkpoint "runs/assumed$size" --dataset_path assumed --output m.json
    reads m.json '"mm_assumed_pictures": 1'
    case $size in
    none) reads m.json "is not in mm" ;;
    8) reads m.json "looks like pixels a mm" ;;
    0.0125) reads m.json "looks like cm" ;;
    esac
    expect 0 "" ./two predict --checkpoint "runs/assumed$size" --dataset_path assumed --save_dir p
    reads p/predictions.json '"mm_is_known": false'
    awk -F, 'NR > 1 && $12 != 1 { exit 1 }' p/predictions.csv || { echo "not marked"; failed=1; }
done

# ---- a table that cannot be read is not one that is not there
if [ "$(id -u)" -ne 0 ]; then
    chmod 0 assumed/cephalogram_machine_mappings.csv
    expect 4 "permission denied" ./two --dataset_path assumed "${once[@]}"
    chmod 644 assumed/cephalogram_machine_mappings.csv
fi
rm assumed/cephalogram_machine_mappings.csv
ln -s cephalogram_machine_mappings.csv assumed/cephalogram_machine_mappings.csv
expect 4 "cephalogram_machine_mappings.csv" ./two --dataset_path assumed "${once[@]}"
rm assumed/cephalogram_machine_mappings.csv
mkfifo assumed/cephalogram_machine_mappings.csv
expect 4 "it is a pipe or a device" timeout 20 ./two --dataset_path assumed "${once[@]}"
rm assumed/cephalogram_machine_mappings.csv

# ---- a point outside of its picture counts nowhere
out=$here/oob_point/dataset
expect 0 "done" ./two --dataset_path "$out" "${once[@]}" \
    --init "$here/ident2.safetensors" --name oob
expect 0 "lies outside of the picture of 64x64: it does not count" ./two eval \
    --checkpoint runs/oob --dataset_path "$out" --split test --output m.json
python3 - <<'PY' || failed=1
import json
m = json.load(open("m.json"))
assert m["all"]["points"] == 4, m["all"]
assert m["all"]["mre_mm"] < 4, m["all"]
PY
expect 1 "lies outside" ./two check-data --dataset_path "$out"

# ---- annotations
expect 4 "has no valid point" ./two --dataset_path "$here/json_annotations/xy_without_value" "${once[@]}"
expect 4 "look normalised" ./two --dataset_path "$here/json_annotations/normalised" "${once[@]}"
expect 0 "train00.json: no landmark" ./two --dataset_path \
    "$here/json_annotations/first_file_lacks_one" "${once[@]}" --name lacks
expect 1 "look normalised" ./two check-data --dataset_path "$here/json_annotations/normalised"

# ---- names that are no UTF-8
mkdir latin
name=$(printf 'r\xe9ntgen')
cp "$here/nonutf8_name/plain.png" "latin/$name.png"
cp "$here/nonutf8_name/plain.png" latin/plain.png
expect 0 "" ./two predict --checkpoint runs/ident --images latin --save_dir both
reads both/predictions.csv 'r\xE9ntgen'
python3 - <<'PY' || failed=1
import json
ids = [i["id"] for i in json.load(open("both/predictions.json", encoding="utf-8"))["items"]]
assert sorted(ids) == ["plain", "r\\xE9ntgen"], ids
PY
[ -s "both/$name.png" ] || { echo "no overlay of $name"; failed=1; }
cp -r "$here/csv_decimal_comma" "$name"
sed -i "s/Dev/D$(printf '\xe9')v/" "$name/cephalogram_machine_mappings.csv"
expect 0 "" ./two --dataset_path "$name" "${once[@]}" --max_updates 1 --name latin --log_dir "$name"
reads "$name/latin/metrics.csv" "epoch,"
reads runs/latin/config.json 'r\\xE9ntgen'
expect 0 "done" ./two --resume runs/latin --epochs 2
[ "$(wc -l <"$name/latin/metrics.csv")" -eq 3 ] || { echo "another --log_dir"; failed=1; }
expect 0 'D\xE9v' ./two eval --checkpoint runs/latin --output m.json
reads m.json 'D\\xE9v'

# ---- a picture that is left out is listed by every command
cp -r "$here/first_file_order" holes
for split in train valid test; do
    cp "$here/truncated_jpeg/cut_eoi.jpg" holes/$split/Cephalograms/${split}2.png
done
expect 4 "test2.png: the file is cut off" ./two predict --checkpoint runs/ident \
    --dataset_path holes --split test
expect 0 "1 pictures left out" ./two predict --checkpoint runs/ident --dataset_path holes \
    --split test --skip_bad --save_dir q
reads output "left out: holes/test/Cephalograms/test2.png"
reads q/predictions.json '"left_out": ['
expect 0 "1 pictures left out" ./two eval --checkpoint runs/ident --dataset_path holes \
    --split test --skip_bad --output m.json
reads m.json '"test2"'
expect 0 "train2.png: the file is cut off: left out" ./two --dataset_path holes "${once[@]}" \
    --skip_bad --name holes
reads output "2 training and 2 validation pictures, 3 warnings"
reads runs/holes/report.html "valid2.png"
expect 1 "valid2.png: the file is cut off" ./two check-data --dataset_path holes

mkfifo holes/pipe.png
expect 4 "it is a pipe or a device" timeout 20 ./two predict --checkpoint runs/ident \
    --images holes/pipe.png

# ---- one white for a data set: the option is the run's, and the checkpoint's
cp "$here/png16_scale/12bit.png" latin/deep.png
expect 0 "--bits 12" ./two predict --checkpoint runs/ident --images latin --save_dir dark
expect 0 "0 warnings" ./two eval --checkpoint runs/ident --dataset_path "$here/first_file_order" \
    --bits 12

# sBIT says it for all pictures, or is refused; here by chunks that python writes
python3 - <<'PY' || failed=1
import os, struct, zlib
def png(path, bits):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + struct.pack(">64H", *[min(64 * x, 4095) for x in range(64)]) for _ in range(64))
    sbit = chunk(b"sBIT", bytes([bits])) if bits else b""
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 16, 0, 0, 0, 0))
                           + sbit + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
os.makedirs("sbit"); os.makedirs("mixed")
png("sbit/a.png", 12); png("sbit/b.png", 12); png("mixed/a.png", 12); png("mixed/b.png", 0)
PY
expect 0 "0 warnings" ./two predict --checkpoint runs/ident --images sbit --save_dir s
expect 4 "--bits N says what is white" ./two predict --checkpoint runs/ident --images mixed
expect 0 "0 warnings" ./two predict --checkpoint runs/ident --images mixed --bits 12 --save_dir s

echo "$cases cases"
exit $failed
