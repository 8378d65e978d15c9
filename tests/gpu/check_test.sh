#!/usr/bin/env bash
# check.sh itself, where there is no card: what it says then, that it runs on the software GPU, and
# that a step that fails is told and does not stop the others.
#   check_test.sh BUILD
set -uo pipefail
build=$1
check=$(cd "$(dirname "$0")" && pwd)/check.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

expect() { # expect STATUS "words in what it prints" ARGUMENT...
    local status=$1 words=$2 got=0
    shift 2
    "$check" "$@" >"$work/out" 2>&1 || got=$?
    if [ $got != "$status" ] || ! grep -q -- "$words" "$work/out"; then
        echo "check.sh $*: status $got (expected $status), expected to read \"$words\", got:"
        tail -20 "$work/out"
        failed=1
    fi
}
reads() { grep -q -- "$1" "$work/record.md" || { echo "the record lacks \"$1\":"; cat "$work/record.md"; failed=1; }; }

"$build/snug" doctor | grep -q '^ok *NVRTC' || { echo "skipped: NVRTC was not found"; exit 77; }
expect 2 "no part kernel:" --part kernel
expect 2 "Exit status" --quick --nonsense
if ! compgen -G '/dev/nvidia[0-9]*' >/dev/null && [ ! -e /dev/dxg ]; then
    expect 5 "no NVIDIA card here: looked for /dev/nvidia0" --record "$work/none.md"
    [ ! -e "$work/none.md" ] || { echo "a record without a card"; failed=1; }
fi

here=(--softgpu --quick --record "$work/record.md")
expect 0 "0 failed" "${here[@]}" --build "$build" --part primitives --part kernels --part sanitizer --part benchmark
reads '^| warp, its driver | passed '
reads '^| convolutions, its driver | passed .* worst error'
reads '^| conv | [0-9.e-]* | [0-9.e-]* |$'
reads '^| racecheck | skipped | 0 | compute-sanitizer needs a card'
reads '^| tiny 64² batch 2 | [0-9.]* | 0.3 | 0.3 | '
reads 'no time or memory of a card'
reads 'passed, 0 failed'

expect 1 "8 failed" "${here[@]}" --build "$work/nothing" --part primitives --part sanitizer
reads '^| warp, its driver | \*\*failed\*\* '
reads 'No such file'
[ "$(grep -c '^## ' "$work/record.md")" = 2 ] || { echo "two runs are not two sections"; failed=1; }
exit $failed
