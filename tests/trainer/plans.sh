#!/usr/bin/env bash
# Where a flag contradicts what was compiled, the trainer prints the command that compiles it. That
# command is run here as it was printed; then the flag is accepted.
#   plans.sh SNUG PHANTOM COMPARE
set -euo pipefail
snug=$1 phantom=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$phantom" --out data --train 3 --valid 1 --test 0 --size 96 --seed 7
cp "$here/../resume/tiny.snug" .
for flags in "--batch_size 3" "--image_size 128 128" "--no_mixed_precision" \
    "--batch_size 1 --image_size 96"; do
    "$snug" compile tiny.snug -D landmarks=29 --device host --threads 1 -o ./trainer 2>/dev/null
    status=0
    # shellcheck disable=SC2086
    ./trainer --dataset_path data --epochs 1 $flags 2>messages || status=$?
    [ $status -eq 2 ] || { echo "$flags: status $status"; cat messages; exit 1; }
    command=$(sed -n 's/^ *compile it: snug //p' messages)
    [ -n "$command" ] || { echo "$flags: no command"; cat messages; exit 1; }
    # shellcheck disable=SC2086
    "$snug" $command --threads 1 2>messages || { echo "snug $command"; cat messages; exit 1; }
    # shellcheck disable=SC2086
    ./trainer --dataset_path data --epochs 1 --warmup_epochs 0 $flags 2>messages ||
        { echo "$flags is still refused after snug $command"; cat messages; exit 1; }
done
./trainer --version | grep -q "batch 1, image 96x96" || { ./trainer --version; exit 1; }
