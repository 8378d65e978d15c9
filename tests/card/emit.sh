#!/usr/bin/env bash
# What `snug compile --device cuda` leaves: a trainer, and NAME.cu with every kernel of NAME.c once, as
# text that includes only what lies beside it and names the model file.
#   emit.sh SNUG
set -euo pipefail
snug=$(realpath "$1")
here=tests/card
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

check() { # check "what" COMMAND...
    "${@:2}" || { echo "$1"; failed=1; }
}

"$snug" compile $here/shapes.snug --device cuda --generated "$work" -o "$work/train" 2>"$work/log" \
    || { cat "$work/log"; exit 1; }
cu=$work/shapes/shapes.cu c=$work/shapes/shapes.c
kernels=$(grep -c '\.kind = SNUG_KERNEL_' "$c")
check "not every kernel is in NAME.cu" test "$(grep -c '^/\* ---- ' "$cu")" = "$kernels"
check "a kernel has no entry" test "$(grep -c '^#define ENTRY ' "$cu")" = "$kernels"
check "two entries have one name" test -z "$(sed -n 's/^#define ENTRY[A-Z_]* //p' "$cu" | sort | uniq -d)"
check "no place in the model file" grep -q "^#line [0-9]* \"$here/shapes.snug\"" "$cu"
check "the trainer is missing" test -x "$work/train"
for header in $(sed -n 's/^#include "\(.*\)"$/\1/p' "$cu" | sort -u); do
    check "$header is not beside NAME.cu" cmp -s "compiler/emit/kernels/$header" "$work/shapes/$header"
done

"$snug" compile $here/shapes.snug --device cuda --precision full --generated "$work" \
    -o "$work/full" 2>"$work/log" && { echo "full precision is not refused"; failed=1; }
check "full precision: another message" grep -q 'the kernels of a card are in half precision' "$work/log"
exit $failed
