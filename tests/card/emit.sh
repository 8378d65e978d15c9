#!/usr/bin/env bash
# What `snug compile --device cuda` leaves: a trainer, and NAME.cu with an index and every kernel of NAME.c
# once, as text that includes only what lies beside it and takes back its macros. emit_test.c has NVRTC
# compile it.
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
check "not every kernel is in NAME.cu" test "$(grep -c '^namespace ' "$cu")" = "$kernels"
check "a line of over 100 columns" test -z "$(awk 'length > 100' "$cu")"
check "a kernel has no entry" test "$(grep -c '^#define ENTRY ' "$cu")" = "$kernels"
check "two entries have one name" test -z "$(sed -n 's/^#define ENTRY[A-Z_]* //p' "$cu" | sort | uniq -d)"

# The index: each kernel, the line where it begins, its launches, the tensors.
index=$(sed '/^ \*\/$/q' "$cu")
check "not every kernel is in the index" test "$(grep -cE '^ \* [^ ]+ +[0-9]+  [0-9]+ x.* -> ' <<<"$index")" = "$kernels"
while read -r name line; do
    check "$name does not begin at line $line" test "$(sed -n "$((line + 1))p" "$cu")" = "namespace $name {"
done < <(sed -nE 's/^ \* ([^ ]+) +([0-9]+)  [0-9]+ x.* -> .*/\1 \2/p' <<<"$index")
check "no tensors in the index" grep -q '^ \*     .*<- image' <<<"$index"
check "no estimate in the index" grep -qE ' x [0-9]+\.[0-9] us ' <<<"$index"

# Every macro of a kernel's text and of what it includes is taken back, and no #if asks a constant of C++,
# which would be 0 there.
taken=$(sed -nE 's/^#undef (\w+)$/\1/p' "$cu" "$work/shapes/end.cuh" | sort -u)
given=$(cat "$cu" $(ls "$work"/shapes/*.cuh | grep -vE '/(prims|tensor)\.cuh$') \
    | sed -nE 's/^ *#define (\w+).*/\1/p' | grep -v '^PART$' | sort -u)
check "end.cuh leaves: $(comm -13 <(echo "$taken") <(echo "$given") | xargs)" \
    test -z "$(comm -13 <(echo "$taken") <(echo "$given"))"
constants=$(tr '\n' ' ' <"$cu" | grep -oE 'enum( : long long)? \{ [A-Z][^}]*' | grep -oE '\b[A-Z][A-Z0-9_]+\b' | sort -u)
asked=$(cat "$work"/shapes/*.cuh | grep -E '^#(el)?if' | grep -oE '\b[A-Z][A-Z0-9_]+\b' | sort -u)
check "an #if asks $(comm -12 <(echo "$constants") <(echo "$asked") | xargs)" \
    test -z "$(comm -12 <(echo "$constants") <(echo "$asked"))"

# Two sizes in one executable: one unit, with each name once.
"$snug" compile $here/shapes.snug --device cuda --batch_size 2,4 --generated "$work/two" -o "$work/both" 2>"$work/log" \
    || { cat "$work/log"; exit 1; }
two=$work/two/shapes/shapes.cu
check "two kernels of two sizes have one name" test -z "$(sed -n 's/^namespace \(.*\) {/\1/p' "$two" | sort | uniq -d)"
check "two entries of two sizes have one name" test -z "$(sed -n 's/^#define ENTRY[A-Z_]* //p' "$two" | sort | uniq -d)"
check "the second size is missing" test "$(grep -c '^namespace ' "$two")" -gt "$kernels"
check "the trainer is missing" test -x "$work/train"
for header in $(sed -n 's/^#include "\(.*\)"$/\1/p' "$cu" | sort -u); do
    check "$header is not beside NAME.cu" cmp -s "compiler/emit/kernels/$header" "$work/shapes/$header"
done

"$snug" compile $here/shapes.snug --device cuda --precision full --generated "$work" \
    -o "$work/full" 2>"$work/log" && { echo "full precision is not refused"; failed=1; }
check "full precision: another message" grep -q 'the kernels of a card are in half precision' "$work/log"
exit $failed
