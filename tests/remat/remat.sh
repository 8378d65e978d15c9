#!/usr/bin/env bash
# snug remat as a user meets it: figures that can be computed by hand, messages, exit status.
#   remat.sh SNUG
set -uo pipefail
snug=$1
here=tests/remat
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
cases=0

# expect STATUS "part of the output" ARGUMENT...
expect() {
    local status=$1 words=$2 output got
    shift 2
    cases=$((cases + 1))
    output=$("$snug" remat "$@" 2>&1 </dev/null)
    got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$words" <<<"$output"; then
        echo "snug remat $*: status $got (expected $status), expected to read \"$words\", got:"
        head -5 <<<"$output"
        failed=1
    fi
}

# One branch after the other needs 100 + 10 + 10 and no more; as given both are there at once.
expect 0 '"peak_given": 210, "budget": 210, "peak": 120' $here/branches.json --budget 1 --json
expect 0 '"budget": 126, "peak": 120, "fits": true' $here/branches.json --budget 0.6 --json
expect 0 '"added_percent": 0.000000, "bound_percent": 0.000000' $here/branches.json --budget 60% --json
expect 3 "proven by a bound" $here/branches.json --budget 109
expect 3 "note: --budget 120 fits" $here/branches.json --budget 110
# layer1 to layer8 with their gradients: 210,000 bytes; layer2 and layer4, say, twice.
expect 0 '"peak_given": 210000' $here/chain.json --budget 0.8 --json
expect 0 "in 2 repeated steps" $here/chain.json --budget 0.8
expect 0 "layer1_backward" $here/chain.json --budget 0.8 --json --time_limit 1

expect 2 "--budget is needed" $here/chain.json
for budget in 0 -1 1.5x 200% nan lots; do
    expect 2 "--budget $budget: a fraction" $here/chain.json --budget "$budget"
done
expect 2 "needs a graph"
expect 4 "no/such/file.json: cannot be read" no/such/file.json --budget 0.8
expect 1 "remat.sh:1:1: not JSON" $here/remat.sh --budget 0.8
: >"$work/empty.json"
expect 1 "the file is empty" "$work/empty.json" --budget 0.8

# The same twice, whatever the machine does meanwhile; only the seconds differ.
for run in 1 2; do
    "$snug" remat $here/chain.json --budget 0.8 --json | sed 's/"seconds": [0-9.]*//' >"$work/$run"
done
cmp "$work/1" "$work/2" || failed=1
echo "$cases cases"
exit $failed
