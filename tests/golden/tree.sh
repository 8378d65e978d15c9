#!/usr/bin/env bash
# --dump=tree prints source: it compiles to the graph of the file that it was printed from, and
# printing it again gives the same bytes. For every model and for the golden files of the tree.
#   tree.sh SNUG
set -uo pipefail
snug=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 count=0

# The training graph without the lines of the model file.
graph() {
    "$snug" check --dump=autodiff "$1" | sed 's/  line [0-9]*$//'
}

for file in models/*.snug tests/golden/tree/*.snug; do
    "$snug" check --dump=tree "$file" >"$work/once.snug" 2>/dev/null
    [ $? -eq 0 ] || continue # functions alone, for others to import
    count=$((count + 1))
    "$snug" check --dump=tree "$work/once.snug" >"$work/twice.snug" \
        && cmp "$work/once.snug" "$work/twice.snug" \
        && graph "$file" >"$work/graph" && graph "$work/once.snug" >"$work/graph_of_print" \
        && cmp "$work/graph" "$work/graph_of_print" && continue
    echo "$file: its print differs"
    failed=1
done
echo "$count files printed"
[ $count -ge 10 ] || failed=1
exit $failed
