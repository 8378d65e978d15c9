#!/usr/bin/env bash
# generated/README.md names every file that a compilation for either device writes, and no other.
#   generated.sh SNUG
set -euo pipefail
snug=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
broken=0

# rows DEVICE: the patterns of the table's files for the device
rows() {
    local device=${1/auto/cuda} # of both devices: what the one and the other have
    sed -nE "s/^\| \`([^\`]+)\` \| (both|$device) \| .+ \|\$/\1/p" generated/README.md
}

for device in host cuda auto; do
    "$snug" compile models/unet.snug --device $device --image_size 64 64 --generated "$work/$device" \
        -o "$work/trainer" 2>/dev/null
    rows $device | sed 's/NAME/unet/' >"$work/patterns"
    [ -s "$work/patterns" ] || { echo "generated/README.md has no table for $device"; exit 1; }
    for file in "$work/$device/unet"/*; do
        named=0
        while read -r pattern; do
            # shellcheck disable=SC2053 # a pattern
            [[ ${file##*/} != $pattern ]] || named=$((named + 1))
        done <"$work/patterns"
        [ $named = 1 ] || { echo "$device: ${file##*/} is named $named times"; broken=1; }
    done
    while read -r pattern; do
        compgen -G "$work/$device/unet/$pattern" >/dev/null \
            || { echo "$device: nothing is written for $pattern"; broken=1; }
    done <"$work/patterns"
    echo "$device: $(ls "$work/$device/unet" | wc -l) files, $(wc -l <"$work/patterns") rows"
done
exit $broken
