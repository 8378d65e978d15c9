#!/usr/bin/env bash
# A training that is killed or interrupted at any moment and resumed makes the same weights, bit for
# bit, and the same log, byte for byte, as one that was left alone.
#   resume.sh SNUG PHANTOM COMPARE [TRIALS]
set -euo pipefail
snug=$1 phantom=$2 compare=$3 trials=${4:-20}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
RANDOM=${SEED:-1}

"$phantom" --out data --train 9 --valid 2 --test 0 --size 96 --seed 5
"$snug" compile "$here/tiny.snug" --device host --threads 1 -o trainer 2>/dev/null

flags=(--dataset_path data --epochs 8 --save_every 1 --overlays 0 --keep 2)
start() { ./trainer "${flags[@]}" "$@" 2>>messages; }
fail() { echo "$*"; tail -5 messages; exit 1; }
same() { # FOLDER WHAT: as the run that was left alone
    "$compare" whole/run/last.safetensors "$1/last.safetensors" || fail "$2: other weights"
    "$compare" whole/run/best.safetensors "$1/best.safetensors" || fail "$2: another best"
    cmp whole/run/log.jsonl "$1/log.jsonl" || fail "$2: another log.jsonl"
    cmp whole/run/metrics.csv "$1/metrics.csv" || fail "$2: another metrics.csv"
}
# FOLDER: what goes on from its checkpoint or, killed before there was one, starts again
choose() {
    if [ -e "$1/last.safetensors" ]; then
        how=(--resume "$1")
    else
        rm -rf "$1"
        how=(--save_dir "$(dirname "$1")" --name "$(basename "$1")")
    fi
}

begin=$(date +%s%N)
start --save_dir whole --name run
took=$((($(date +%s%N) - begin) / 1000000))
updates=$(wc -l <whole/run/log.jsonl)

for workers in 1 3; do
    start --save_dir workers$workers --name run --num_workers $workers
    same workers$workers/run "$workers workers"
done

for cut in 1 2 3 10 $((updates - 1)); do
    start --save_dir cut$cut --name run --max_updates $cut
    start --resume cut$cut/run
    same cut$cut/run "stopped after update $cut"
done

signals=0
for ((trial = 0; trial < trials; trial++)); do
    folder=kill$trial/run
    for signal in KILL INT KILL TERM; do
        choose $folder
        ./trainer "${flags[@]}" "${how[@]}" 2>>messages &
        pid=$!
        sleep "$(printf '0.%03d' $((RANDOM % (took < 999 ? took : 999))))"
        kill -$signal $pid 2>/dev/null && signals=$((signals + 1))
        status=0
        wait $pid 2>/dev/null || status=$?
        case $signal-$status in
        *-0) break ;; # it was done before
        KILL-137 | INT-130 | TERM-143) ;;
        *) fail "trial $trial: status $status after SIG$signal" ;;
        esac
    done
    choose $folder
    start "${how[@]}" || fail "trial $trial: cannot resume"
    same $folder "trial $trial"
done
echo "$updates updates, $trials trials, $signals signals: the same weights and logs"
