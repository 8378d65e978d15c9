#!/usr/bin/env bash
# Where outputs go: never over what is read, a device or a link; by their ending; from models whose
# names hold what C and JSON cannot spell; with descriptors that are closed.
#   outputs.sh SNUG
set -uo pipefail
snug=$1
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
        printf '%q ' "$@"
        echo ": status $got (expected $status), expected to read \"$words\", got:"
        head -12 <<<"$output"
        failed=1
    fi
}
tiny=$here/../resume/tiny.snug
compile() { "$snug" compile "$@" --device host --threads 1; }

# ---- never over the model file, by whatever name
cp "$tiny" x.snug
echo 'import "x.snug"' >main.snug
ln -s x.snug link
mkdir folder
for output in x.snug ./x.snug folder/../x.snug link; do
    expect 2 "is the model file that is read" compile x.snug -o $output
done
expect 2 "is the model file that is read" compile main.snug -o x.snug
expect 2 "is the model file that is read" "$snug" plan x.snug --html x.snug
expect 2 "is the model file that is read" "$snug" plan x.snug --trace link
cmp -s x.snug "$tiny" || { echo "the model file is lost"; failed=1; }

# ---- by the ending
expect 2 "what is written is an executable" compile x.snug -o y.snug
expect 2 "what is written is an executable" compile x.snug -o y.onnx
expect 2 "what is written is a page of HTML" "$snug" plan x.snug --html y.json
expect 2 "what is written is a trace in JSON" "$snug" plan x.snug --trace y.html
[ ! -e y.snug ] && [ ! -e y.onnx ] && [ ! -e y.json ] || { echo "written all the same"; failed=1; }

# ---- a device, a pipe, a folder, a link's link
mkfifo pipe
for output in "/dev/null:a device" "pipe:a pipe" "folder:a folder"; do
    expect 4 "it is ${output#*:}" compile x.snug -o "${output%:*}"
    expect 4 "it is ${output#*:}" "$snug" plan x.snug --html "${output%:*}"
done
[ -c /dev/null ] && [ -p pipe ] || { echo "a device or a pipe is replaced"; failed=1; }
ln -s target first
ln -s first second
for k in 1 2; do
    expect 0 "wrote second" compile x.snug -o second
    [ "$(readlink second) $(readlink first)" = "first target" ] || { echo "a link is replaced"; failed=1; }
    ./target --version | grep -q "^x from" || { echo "the link's target is no trainer"; failed=1; }
done 2>/dev/null

# ---- names that C and JSON cannot spell
for name in 'we"ird' $'new\nline' 'back\slash' 'tri??)' "sp ace'q" 'per%cent' $'\xe9bad' $'tab\t' \
    '$(touch made)' 'ünï' 'star*' '*/'; do
    folder="in-${name//\//.}"
    mkdir -p "$folder"
    base=${name//\//.}
    cp "$tiny" "$folder/$base.snug"
    expect 0 "wrote" compile "$folder/$base.snug" -o named
    expect 0 "batch 2, image 64x64" ./named --version
done
[ ! -e made ] || { echo "a name is executed"; failed=1; }
python3 - <<'END' || failed=1
import glob, json
for path in glob.glob('generated/*/plan*.json'):
    json.load(open(path, encoding='utf-8'))
END

# ---- closed descriptors
expect 0 "" bash -c '"$1" compile x.snug --device host --threads 1 -o closed <&- >&- 2>&-' - "$snug"
expect 0 "batch 2" ./closed --version
expect 4 "cannot write to stdout" bash -c '"$1" plan x.snug >&-' - "$snug"

echo "$cases cases"
exit $failed
