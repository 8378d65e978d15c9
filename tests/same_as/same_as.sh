#!/usr/bin/env bash
# A change that is to change nothing: builds snug as it was at COMMIT and as it is in this folder, and
# compares what both make of the same files on this machine:
#   plans      `snug plan --json` of every line of plans.txt, but for the line planner_seconds; that
#              messages are worded otherwise is said, and no difference
#   trainings  of every line of trainings.txt, stopped in the middle and resumed: the tensors of the
#              checkpoint bit for bit, log.jsonl and metrics.csv byte for byte
# Prints a line a comparison and the counts; the exit status is 1 where something differs, 2 where
# something cannot be run.
#
#   tests/same_as/same_as.sh COMMIT [--quick] [--only WORD] [--build FOLDER] [--old FOLDER]
#
#   --quick   the lines marked quick
#   --only    the lines that contain WORD
#   --build   the build of this folder, default build/test
#   --old     the sources of COMMIT, their build and what it made, kept between calls:
#             default build/same_as/COMMIT
#
# A training on the card runs on the software GPU; it is skipped where there is no NVRTC.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD

usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 2
}

if [ $# = 0 ] || [[ $1 = -* ]]; then usage; fi
commit=$(git rev-parse --verify "$1^{commit}") || exit 2
shift
quick="" only="" build=build/test old=""
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1; shift; continue ;;
    --only | --build | --old) [ $# -gt 1 ] || usage; declare "${1#--}=$2" ;;
    *) usage ;;
    esac
    shift 2
done
old=$(realpath -m "${old:-build/same_as/${commit:0:12}}") build=$(realpath -m "$build")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# SOURCES BUILD
build_snug() {
    [ -f "$2/build.ninja" ] || cmake -S "$1" -B "$2" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >"$work/cmake" \
        || { cat "$work/cmake"; exit 2; }
    ninja -C "$2" --quiet snug phantom compare softgpu_driver || exit 2
}
if [ ! -d "$old/sources" ]; then
    mkdir -p "$old/sources"
    git archive "$commit" | tar -x -C "$old/sources"
fi
build_snug "$old/sources" "$old/build"
build_snug "$root" "$build"

same=0 different=0 skipped=0
# VERDICT CASE [WHAT]
line() {
    case $1 in
    same) same=$((same + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) different=$((different + 1)) ;;
    esac
    printf '%-9s  %s%s\n' "$1" "$2" "${3:+: $3}"
}

# The lines of a list that are wanted, without their mark.
lines() {
    local mark rest
    while read -r mark rest; do
        [[ $mark = "" || $mark = \#* ]] && continue
        [[ $mark = quick || -z $quick ]] && [[ "$rest" = *"$only"* ]] && printf '%s\n' "$rest"
    done <"tests/same_as/$1"
    return 0
}
# What the old snug made is kept under the name of its case.
name_of() { printf '%s' "$*" | tr -c 'A-Za-z0-9._\n-' _; }
number() { grep -m 1 "\"$1\":" "$2" | tr -dc 0-9; }

# ---- plans --------------------------------------------------------------------------------------------

# SOURCES SNUG FILE MODEL FLAG...: the plan as JSON, behind it the exit status; in FILE.said the messages
plan() {
    local sources=$1 snug=$2 file=$3 status=0
    shift 3
    (cd "$sources" && "$snug" plan "$@" --json) >"$file.part" 2>"$file.said" || status=$?
    { sed '/^  "planner_seconds": /d' "$file.part"; echo "exit status $status"; } >"$file"
    rm "$file.part"
}
# MODEL FLAG...: of both
compare_plans() {
    local name first again words=""
    name=$(name_of "$@")
    [ -f "$old/plans/$name" ] || plan "$old/sources" "$old/build/snug" "$old/plans/$name" "$@" &
    plan "$root" "$build/snug" "$work/plan" "$@"
    wait
    if cmp -s "$old/plans/$name" "$work/plan"; then
        again=$(number recomputed_kernels "$work/plan" || true)
        cmp -s "$old/plans/$name.said" "$work/plan.said" || words=", other messages"
        line same "plan $*" "$(tail -n 1 "$work/plan"), ${again:-no} kernels run again$words"
    else
        first=$(diff "$old/plans/$name" "$work/plan" | sed -n '2p' | cut -c1-120)
        line DIFFERENT "plan $*" "$first"
    fi
}

# SHARE MODEL FLAG...: fills `limit`: the flags for SHARE per cent of the arena that is asked for without
# a limit; none for `-`
limit=()
find_limit() {
    local share=$1 whole persistent arena
    limit=()
    shift
    [ "$share" != - ] || return 0
    whole=$old/plans/$(name_of "whole $*")
    [ -f "$whole" ] || plan "$old/sources" "$old/build/snug" "$whole" "$@" --vram 1024GiB --reserve 0
    persistent=$(number persistent_bytes "$whole")
    arena=$(number arena_bytes "$whole")
    limit=(--vram $((persistent + arena * share / 100)) --reserve 0)
}

mkdir -p "$old/plans"
while read -r share rest; do
    read -ra flags <<<"$rest"
    find_limit "$share" "${flags[@]}"
    compare_plans "${flags[@]}" "${limit[@]}"
done < <(lines plans.txt)

# ---- trainings ----------------------------------------------------------------------------------------

pictures=$old/pictures
[ -d "$pictures" ] || "$old/build/tests/phantom/phantom" --out "$pictures" --train 9 --valid 2 --test 0 \
    --size 96 --seed 5
nvrtc=""
"$build/snug" doctor | grep -q '^ok *NVRTC' && nvrtc=1
export SOFTGPU_RACES=0 SOFTGPU_BLOCKS=0

# SOURCES BUILD FOLDER UPDATES MODEL FLAG...: what is trained lies in FOLDER/run
train() {
    local sources=$1 built=$2 folder=$3 updates=$4 driver=()
    shift 4
    rm -rf "$folder"
    mkdir -p "$folder"
    [[ " $* " != *" --device cuda "* ]] || driver=(--cuda_path "$built/tests/softgpu/lib")
    (cd "$sources" && "$built/snug" compile "$@" --generated "$folder/generated" -o "$folder/trainer") \
        &>"$folder/messages" || return 1
    (
        cd "$folder"
        export XDG_CACHE_HOME=$folder/kernels
        ./trainer "${driver[@]}" --dataset_path "$pictures" --epochs 100 --overlays 0 --use_ema --seed 7 \
            --gradient_accumulation_steps 2 --max_updates $((updates / 2)) --save_dir . --name run
        ./trainer "${driver[@]}" --resume run --max_updates $((updates - updates / 2))
    ) &>>"$folder/messages" || return 1
    rm -rf "$folder"/{trainer,generated,kernels,run/best.safetensors}
    touch "$folder/done"
}
# UPDATES MODEL FLAG...: of both
compare_trainings() {
    local before now=$work/training file loss
    before=$old/trainings/$(name_of "$*")
    [ -f "$before/done" ] || train "$old/sources" "$old/build" "$before" "$@" \
        || { tail -n 3 "$before/messages"; line FAILED "training $*" "at $commit"; return; }
    train "$root" "$build" "$now" "$@" \
        || { tail -n 3 "$now/messages"; line FAILED "training $*"; return; }
    for file in log.jsonl metrics.csv; do
        cmp "$before/run/$file" "$now/run/$file" >"$work/said" \
            || { line DIFFERENT "training $*" "$file"; return; }
    done
    if "$build/tests/resume/compare" {"$before","$now"}/run/last.safetensors 0 "" >"$work/said"; then
        loss=$(tail -n 1 "$now/run/log.jsonl" | sed 's/.*"loss":\([^,]*\),.*/\1/')
        line same "training $*" "loss $loss, $(cut -d , -f 1 "$work/said")"
    else
        line DIFFERENT "training $*" "$(head -n 1 "$work/said")"
    fi
}

mkdir -p "$old/trainings"
while read -r updates share rest; do
    read -ra flags <<<"$rest"
    flags+=(--image_size 64 64 --batch_size 2 --threads 2)
    find_limit "$share" "${flags[@]}"
    if [[ $rest = *"--device cuda"* && -z $nvrtc ]]; then
        line skipped "training $updates $rest" "NVRTC was not found"
    else
        compare_trainings "$updates" "${flags[@]}" "${limit[@]}"
    fi
done < <(lines trainings.txt)

echo "$same same, $different different, $skipped skipped: this folder and ${commit:0:12}"
[ $((same + different)) -gt 0 ] || exit 2
[ "$different" = 0 ]
