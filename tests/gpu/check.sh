#!/usr/bin/env bash
# The one command for a machine with an NVIDIA card: builds snug, runs every test of the card's kernels
# on the real driver beside the software GPU, compute-sanitizer, training against the host and PyTorch,
# the benchmark against PyTorch, and writes a dated record. docs/gpu-check.md says what each part is.
#
#   tests/gpu/check.sh [--quick] [--part PART]... [--record FILE] [--build FOLDER] [--python PYTHON]
#                      [--cuda_path FOLDER] [--softgpu]
#
#   --quick      less of everything: for a limit of ten minutes; the record says so
#   --part       build, primitives, kernels, sanitizer, train, curves or benchmark; all if not given
#   --record     markdown to append to, default gpu-check-DATE.md
#   --build      folder of the build, kept between calls, default build/gpu
#   --python     an interpreter with torch and numpy, default python3
#   --cuda_path  a folder of CUDA's libraries, looked into first
#   --softgpu    without a card: the software GPU in its place. No time that it prints is a card's
#
# Exit status: 0 all that could be run passed, 1 something failed, 2 usage, 5 there is no card. What
# a tool is missing for is skipped and named; what fails does not stop the rest.
set -uo pipefail
cd "$(dirname "$0")/../.."
parts=(build primitives kernels sanitizer train curves benchmark)

usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 2
}

quick="" softgpu="" chosen=() python=python3 cuda_path=""
record=gpu-check-$(date +%Y-%m-%d).md build=build/gpu
while [ $# -gt 0 ]; do
    case $1 in
    --quick | --softgpu) declare "${1#--}=1"; shift; continue ;;
    --part | --record | --build | --python | --cuda_path) [ $# -gt 1 ] || usage ;;
    *) usage ;;
    esac
    case $1 in
    --part)
        [[ " ${parts[*]} " = *" $2 "* ]] || { echo "there is no part $2: ${parts[*]}" >&2; exit 2; }
        chosen+=("$2")
        ;;
    *) declare "${1#--}=$2" ;;
    esac
    shift 2
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${parts[@]}")
root=$PWD
[[ $build = /* ]] || build=$root/$build
[[ $record = /* ]] || record=$root/$record
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source tests/gpu/check_record.sh
source tests/gpu/check_parts.sh
source tests/gpu/check_bench.sh

find_card || exit 5
begin_record
for part in "${chosen[@]}"; do
    printf '\n### %s\n\n| step | verdict | s | |\n|---|---|---|---|\n' "$part" >>"$record"
    table=""
    "part_$part"
    [ -z "$table" ] || printf '\n%s' "$table" >>"$record"
    write_failures
done
printf '\n**%d passed, %d failed, %d skipped.**\n\n' "$passed" "$failed" "$skipped" >>"$record"
echo "$passed passed, $failed failed, $skipped skipped; the record is $record"
[ "$failed" = 0 ]
