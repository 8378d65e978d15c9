#!/usr/bin/env bash
# plan.html in headless Chromium: no error, its numbers are those of the JSON, its controls work, and
# with over 5,000 buffers it stays below a megabyte and a few thousand elements.
#   page.sh SNUG
set -euo pipefail
snug=$1
here=tests/report
chromium=
for name in chromium chromium-browser google-chrome; do
    command -v $name >/dev/null && { chromium=$name; break; }
done
[ -n "$chromium" ] || { echo "skipped: no chromium (apt-get install chromium)"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# look PAGE: drives the page, leaves what it saw in $work/seen
look() {
    {
        sed 's|<head>|<head><script>const faults = [];\
            addEventListener("error", (e) => faults.push(e.message));\
            addEventListener("unhandledrejection", (e) => faults.push(String(e.reason)));\
            console.error = console.warn = (...words) => faults.push(words.join(" "));</script>|' "$1"
        printf '<script>'
        cat $here/drive.js
        printf '</script>'
    } >"$work/driven.html"
    HOME=$work timeout 100 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --user-data-dir="$work/profile" --window-size=1400,1000 --virtual-time-budget=10000 \
        --dump-dom "file://$work/driven.html" >"$work/dom" 2>"$work/log" \
        || { echo "$chromium failed"; tail -3 "$work/log"; exit 1; }
    sed -n '/<pre id="seen">/,/<\/pre>/p' "$work/dom" | sed 's/.*<pre id="seen">//; s/<\/pre>.*//; s/&gt;/>/g' \
        >"$work/seen"
}

# expect NAME VALUE: the page saw it
expect() {
    local got
    got=$(sed -n "s/^$1 //p" "$work/seen" | head -1)
    [ "$got" = "$2" ] && return
    echo "$1: the page says \"$got\", expected \"$2\""
    failed=1
}

number() { sed -n "s/^  \"$1\": \([0-9.]*\),*$/\1/p" "$2" | head -1; }
mib() { awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1048576 }'; }

# compare PAGE JSON: numbers and controls
compare() {
    local page=$1 json=$2 main=$work/main.json
    sed '/^  "evaluate": {/,$d' "$json" >"$main"
    look "$page"
    expect faults "0 "
    expect buffers "$(grep -c '^    {"name"' "$main")"
    expect steps "$(grep -c '^    {"kernel"' "$main")"
    expect load "$(number live_bound_bytes "$json")"
    expect load_at_peak "$(number live_bound_bytes "$json")"
    expect top "$(number arena_bytes "$json")"
    expect collisions 0
    expect recomputed "$(number recomputed_kernels "$json")"
    expect found "$(grep -c '^    {"name": "[^"]*bn1\.stats' "$main") of $(grep -c '^    {"name"' "$main")"
    expect peak_rows "$(sed -n 's/^alive //p' "$work/seen")"
    for what in parts peak_shown tip pinned zoomed walked chosen next_step by_time; do
        expect $what true
    done
    expect theme dark
    expect colour 0,114,178
    expect unnamed 0
    expect outside 0
}

# A small net against a budget, compared with the same net at another batch.
net=tests/golden/plan/does_not_fit.snug
"$snug" plan $net --json --batch_size 2 >"$work/there.json"
"$snug" plan $net --json --batch_size 4 --vram 1GiB --reserve 256MiB >"$work/plan.json"
"$snug" plan $net --batch_size 4 --vram 1GiB --reserve 256MiB --compare "$work/there.json" \
    --html "$work/plan.html" >/dev/null
look "$work/plan.html"
expect faults "0 "
total=$(number total_bytes "$work/plan.json")
expect verdict "fits: needs $(mib "$total") of 768.0 MiB, $(mib $((768 * 1048576 - total))) MiB left  ·  $(
    awk -v ms="$(number step_ms "$work/plan.json")" 'BEGIN { printf ms < 10 ? "%.2f" : "%.1f", ms }') ms a micro-step (estimate)"
"$snug" fit $net --json --vram 1GiB --reserve 256MiB --batch_size 1 --gradient_accumulation_steps 4 >"$work/fit.json"
fits=$(sed -n 's/.*"total_bytes": \([0-9]*\).*/\1/p' "$work/fit.json")
expect what "1 4 none yes $(mib "$fits")"
expect what_command "snug train $net --device cuda --vram 1024MiB --reserve 256MiB --batch_size 1 --gradient_accumulation_steps 4"
expect accumulation 24
expect difference_totals 13
expect difference_first "conv2 larger"

# A net that computes again within its budget: every point of the curve is the plan that its command
# makes.
net=tests/golden/plan/recompute.snug
"$snug" plan $net --json --batch_size 2 --vram 32MiB --reserve 0 >"$work/plan.json"
"$snug" plan $net --batch_size 2 --vram 32MiB --reserve 0 --html "$work/plan.html" >/dev/null
compare "$work/plan.html" "$work/plan.json"
[ "$(number recomputed_kernels "$work/plan.json")" -ge 1 ] || { echo "nothing is computed again"; failed=1; }
[ "$(sed -n 's/^curve_points //p' "$work/seen")" -ge 3 ] || { echo "no curve"; failed=1; }
command=$(sed -n 's/^curve_command snug //p' "$work/seen")
read -ra words <<<"$command"
"$snug" "${words[@]}" --json >"$work/point.json" 2>/dev/null || [ $? -eq 3 ] # the least may not fit
expect curve_least "$(mib "$(number total_bytes "$work/point.json")") MiB in all"

# Over 5,000 buffers; the page that `snug compile` leaves, before it calls the C compiler.
"$snug" compile $here/deep.snug --device host --cc false --generated "$work/generated" -o "$work/deep" 2>/dev/null \
    || [ $? -eq 5 ]
cp "$work/generated/deep/plan.html" "$work/generated/deep/plan.json" "$work"
compare "$work/plan.html" "$work/plan.json"
expect more true
bytes=$(stat -c %s "$work/plan.html")
buffers=$(sed -n 's/^buffers //p' "$work/seen")
elements=$(sed -n 's/^elements //p' "$work/seen")
[ "$buffers" -ge 5000 ] || { echo "only $buffers buffers"; failed=1; }
[ "$bytes" -le 1000000 ] || { echo "the page has $bytes bytes"; failed=1; }
[ "$elements" -le 4000 ] || { echo "the page has $elements elements"; failed=1; }
echo "3 pages; $buffers buffers in $bytes bytes, $elements elements"
exit $failed
