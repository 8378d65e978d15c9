#!/usr/bin/env bash
# Added time on the graphs that MOCCASIN publishes, ours beside the best published figure.
#   plan_remat.sh SNUG FOLDER [BUDGET...]      budgets in percent, default 90 80 70 60 50
# FOLDER: data/ of https://github.com/haoming-codes/moccasin (GPL-3.0), any file names.
#
# published: the least of Checkmate, MOCCASIN (table 2 of its paper, ICML 2023) and FastSA (table 1
# of its paper, NeurIPS 2023), as printed there; "over": the budget was missed; -: none is known.
# bound: proven for every sequence within the budget.
set -uo pipefail
snug=${1:-} folder=${2:-}
[ -x "$snug" ] && [ -d "$folder" ] || { sed -n '2,5p' "$0" | cut -c3- >&2; exit 2; }
shift 2
budgets=(${@:-90 80 70 60 50})

published() {
    case "$1 $2" in
    "RL1 90" | "RL2 90" | "RL2 80" | "FCN-8 90") echo 0.0 ;;
    "RL1 80") echo 0.3 ;;
    "RL1 70") echo "2.2 over" ;;
    "RL2 70") echo 2.6 ;;
    "RL3 90") echo 0.03 ;;
    "RL3 80") echo 2.3 ;;
    "RL3 70") echo "4.8 over" ;;
    "RL4 90") echo 0.4 ;;
    "RL4 80") echo 2.5 ;;
    "RL4 70") echo 7.4 ;;
    "FCN-8 80") echo 0.1 ;;
    "FCN-8 70") echo 3.0 ;;
    "ResNet-50 90") echo 0.1 ;;
    "ResNet-50 80") echo 0.3 ;;
    "ResNet-50 70") echo 0.8 ;;
    *) echo - ;;
    esac
}

# value NAME <<< JSON
value() {
    grep -o "\"$1\": [^,]*" | head -1 | cut -d' ' -f2
}

row() {
    local name=$1 file=$2 budget=$3 json fits
    json=$("$snug" remat "$file" --budget "$budget%" --json 2>/dev/null | tr '\n' ' ')
    fits=$(value fits <<<"$json")
    [ "$fits" = true ] && fits="" || fits="over"
    [ "$(value is_impossible <<<"$json")" = true ] && fits="impossible: proven"
    printf '%-11s %4s %%  %9.2f  %10.3f  %9.3f  %10s  %6.1f  %s\n' "$name" "$budget" \
        "$(awk "BEGIN {print 100 * $(value peak <<<"$json") / $(value peak_given <<<"$json")}")" \
        "$(value added_percent <<<"$json")" "$(value bound_percent <<<"$json")" \
        "$(published "$name" "$budget")" "$(value seconds <<<"$json")" "$fits"
}

printf '%-11s %6s  %9s  %10s  %9s  %10s  %6s\n' graph budget 'peak %' 'added %' 'bound %' \
    'published' seconds
for pair in RL1:random_layered_n100_ RL2:random_layered_n250_ RL3:random_layered_n500_ \
    RL4:random_layered_n1000_ FCN-8:fcn_8_vgg ResNet-50:ResNet50 VGG-U-Net:vgg_unet \
    SegNet:segnet MobileNet:MobileNet; do
    for file in "$folder/${pair#*:}"*.json; do
        [ -f "$file" ] || continue
        case $file in *_test_nx.json) continue ;; esac
        for budget in "${budgets[@]}"; do
            row "${pair%%:*}" "$file" "$budget"
        done
    done
done
