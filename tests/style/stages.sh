#!/usr/bin/env bash
# The stages have the same names in the same order in the column of pipeline.c, in --dump, in the
# table of docs/hacking.md; a folder of tests/golden is a stage, or errors.
#   stages.sh SNUG
set -uo pipefail
snug=$1
broken=0
column=$(sed -n 's/.*stage_done(&progress, "\([a-z]*\)").*/\1/p' compiler/pipeline/pipeline.c | xargs)
dump=$("$snug" plan --help | sed -n 's/.*print what a stage made, or all: *//p' | xargs)
table=$(sed -n '/^| stage |/,/^$/s/^| \([a-z]*\) | `.*/\1/p' docs/hacking.md | xargs)

[ -n "$column" ] || { echo "no stages found in compiler/pipeline/pipeline.c"; exit 1; }
[ "$dump" = "$column" ] || { echo "--dump says        $dump"; broken=1; }
[ "$table" = "$column" ] || { echo "docs/hacking.md has $table"; broken=1; }
for folder in tests/golden/*/; do
    name=$(basename "$folder")
    [[ " $column error " == *" $name "* ]] || { echo "tests/golden/$name is no stage"; broken=1; }
done
for stage in $column; do # what stage_done checks too, with a model that goes through all of them
    [ -n "$("$snug" plan models/sample.snug --dump="$stage")" ] || { echo "no dump of $stage"; broken=1; }
done
[ $broken = 0 ] || echo "compiler/pipeline/pipeline.c has $column"
exit $broken
