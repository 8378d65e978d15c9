#!/usr/bin/env bash
# The presets ask snug for what they say, from any folder, with the caller's paths and further flags.
set -uo pipefail
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
printf '#!/bin/sh\nprintf "%%s\\n" "$PWD" "$@" >"%s/said"\n' "$work" >"$work/snug"
chmod +x "$work/snug"
mkdir -p "$work/elsewhere/my pictures"
preset=$root/models/presets/train_1024x1024_rtx3070ti.sh

# expect WORD...: each is a whole line of what snug was given
expect() {
    local word
    for word; do
        grep -qxF -- "$word" "$work/said" || { echo "no \"$word\" in:"; cat "$work/said"; failed=1; }
    done
}
run() {
    rm -f "$work/said"
    (cd "$work/elsewhere" && SNUG=$work/snug sh "$preset" "$@") || { echo "status $?: $*"; failed=1; }
}
after() { grep -A1 -xF -- "$1" "$work/said" | tail -n 1; }

run "my pictures" --epochs 3 --name "a b"
expect "$work/elsewhere" train "my pictures" 3 "a b" --card "RTX 3070 Ti" --use_ema
[ "$(after --device)" = cuda ] || { echo "for $(after --device)"; failed=1; }
model=$(sed -n 3p "$work/said")
[ -f "$model" ] || { echo "$model is no file"; failed=1; }
run
[ "$(after --dataset_path)" = Aariz ] || { echo "no argument: $(after --dataset_path)"; failed=1; }
run --max_updates 1
expect --max_updates 1
[ "$(after --dataset_path)" = Aariz ] || { echo "a flag first: $(after --dataset_path)"; failed=1; }
exit $failed
