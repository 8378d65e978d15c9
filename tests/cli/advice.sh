#!/usr/bin/env bash
# What is offered where a plan does not fit: each command that is printed is run, and fits, with the
# bytes that were promised.
#   advice.sh SNUG
set -uo pipefail
snug=$1
failed=0
commands=0

# refuse "words that must be offered" ARGUMENT...
refuse() {
    local words=$1 output status line promised="" total
    shift
    output=$("$snug" plan "$@" 2>&1 >/dev/null)
    status=$?
    if [ $status -ne 3 ] || ! grep -qF -- "$words" <<<"$output"; then
        echo "snug plan $*: status $status (expected 3), expected to read \"$words\", got:"
        echo "$output"
        failed=1
    fi
    while IFS= read -r line; do
        case $line in
        *"note: fits: "*)
            promised=${line#*fits: }
            promised=${promised%%,*}
            ;;
        *"      snug plan "*)
            local again=()
            eval "again=(${line#*snug })"
            commands=$((commands + 1))
            if ! total=$("$snug" "${again[@]}" --json 2>/dev/null); then
                echo "snug ${again[*]}: does not fit, and was offered"
                failed=1
            fi
            total=$(grep -o '"total_bytes": [0-9]*' <<<"$total" | head -1)
            [ -z "$promised" ] || [ "$(bytes_text "${total#*: }")" = "$promised" ] || {
                echo "snug ${again[*]}: needs ${total#*: } bytes, $promised were promised"
                failed=1
            }
            promised=""
            ;;
        esac
    done <<<"$output"
}

# as the compiler prints sizes
bytes_text() {
    awk -v b="$1" 'BEGIN {
        if (b < 1048576) printf "%.1f KiB", b / 1024
        else if (b < 2147483648) printf "%.1f MiB", b / 1048576
        else printf "%.2f GiB", b / 1073741824 }'
}

net="models/unet.snug -Dwidth=16 -Ddepth=3 --image_size"
refuse "to train with --gradient_accumulation_steps 24" $net 256 --batch_size 3 --vram 42MiB --reserve 0
refuse "no averages" $net 64 --batch_size 1 --vram 10200KiB --reserve 0
refuse "a smaller image" $net 256 --batch_size 8 --vram 210MiB --reserve 0 --recompute none
refuse "no display on the card, --headless" $net 256 --batch_size 16 --card "RTX 3060 8GB" \
    --vram 1100MiB
refuse "this does" $net 32 --batch_size 1 --vram 8MiB --reserve 1MiB
echo "$commands commands that were offered fit"
[ $commands -ge 11 ] || failed=1
exit $failed
