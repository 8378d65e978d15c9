#!/usr/bin/env bash
# The planner's benchmark: prints the tables of its parts: pack, remat, models. A part is
# tests/bench/plan_PART.py or .sh and can be run alone.
#
#   tests/bench/plan.sh [--build FOLDER] [--parts PART[,PART]] [--minimalloc PATH] [--graphs FOLDER]
#                       [--PART.FLAG VALUE]
#
# --minimalloc: its program, to take turns with; https://github.com/google/minimalloc
# --graphs: data/ of https://github.com/haoming-codes/moccasin; remat is left out without
# --PART.FLAG VALUE hands a part one of its flags: --pack.seeds 10, say, or --models.torch PYTHON;
# --remat.budgets 90,80 are per cent (default: 90 to 50).
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/bench parts=(pack remat models) flags=() graphs="" budgets=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2 ;;
    --parts) IFS=, read -ra parts <<<"$2" ;;
    --graphs) graphs=$2 ;;
    --remat.budgets) IFS=, read -ra budgets <<<"$2" ;;
    --minimalloc) flags+=("pack.minimalloc=$2") ;;
    --*.*) flags+=("${1#--}=$2") ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
    esac
    shift 2
done
[ -f "$build/build.ninja" ] || cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
ninja -C "$build" --quiet snug cut
for part in "${parts[@]}"; do
    own=()
    for flag in "${flags[@]}"; do
        [[ $flag != "$part".* ]] || own+=("--${flag#"$part".}")
    done
    echo "== $part"
    if [ "$part" = remat ]; then
        if [ -d "$graphs" ]; then
            tests/bench/plan_remat.sh "$build/snug" "$graphs" "${budgets[@]}"
        else
            echo "left out: --graphs FOLDER names the graphs"
        fi
        continue
    fi
    python3 "tests/bench/plan_$part.py" --snug "$build/snug" "${own[@]}"
done
