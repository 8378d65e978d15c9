#!/usr/bin/env bash
# Bytes of memory that a training step moves, an image: fused, and with each op a kernel of its own.
# Counted from plans for an RTX 3070 Ti with memory for everything: each operand of each launch once.
#
#   tests/bench/traffic.sh [--build FOLDER] [--batch N] [MODELxSIZE ...]
#   tests/bench/traffic.sh [--build FOLDER] --executed MODEL SIZE
#
# The second form runs the kernels of two micro-steps, an update and an evaluation on the software GPU,
# fused and unfused, each launch against the reference, and prints by kind of
# kernel the planned bytes, those touched and those that threads asked for. HRNet-W18 at 64 takes minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/bench batch=1 cases=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift 2 ;;
    --batch) batch=$2; shift 2 ;;
    --executed) executed=("models/$2.snug" "$3"); shift 3 ;;
    *) cases+=("$1"); shift ;;
    esac
done
[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null

if [ -n "${executed-}" ]; then
    ninja -C "$build" --quiet card_programs_test
    for form in "" unfused; do
        echo "${executed[*]} $form"
        # shellcheck disable=SC2086
        "$build/tests/card/card_programs_test" "$build/tests/card/kernels" model "${executed[@]}" $form
    done
    exit
fi

ninja -C "$build" --quiet snug
[ ${#cases[@]} -gt 0 ] || for model in hrnet_w18 hrnet_w32 hrnet_w48 guide_8gb; do
    cases+=("${model}x512" "${model}x1024")
done
plan() { # MODEL SIZE [--no_fusion] -> bytes and kernels
    local model=$1 size=$2
    shift 2
    "$build/snug" plan "models/$model.snug" --card "RTX 3070 Ti" --vram 1024GiB \
        --image_size "$size" "$size" \
        --batch_size "$batch" --json "$@" \
        | sed -n 's/^  "traffic_bytes": \([0-9]*\),$/\1/p; s/^  "kernels": \([0-9]*\),$/\1/p'
}
echo "| net | image | kernels | unfused | moved, GiB | unfused | ratio |"
echo "|---|---|---|---|---|---|---|"
for case in "${cases[@]}"; do
    model=${case%x*} size=${case##*x}
    # shellcheck disable=SC2046
    awk -v model="$model" -v size="$size" -v batch="$batch" -v gib=$((1 << 30)) '
        { number[NR] = $1 }
        END {
            printf "| %s | %d² | %d | %d | %.2f | %.2f | %.2f |\n", model, size, number[2],
                number[4], number[1] / batch / gib, number[3] / batch / gib, number[1] / number[3]
        }' <(plan "$model" "$size"; plan "$model" "$size" --no_fusion)
done
