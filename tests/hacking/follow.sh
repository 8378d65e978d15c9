#!/usr/bin/env bash
# Follows docs/hacking.md, "Adding an op, end to end", twice, in a copy of the tree: softsign.sh adds a pointwise
# op, l2_pool.sh a windowed one that no model has. Builds the copy, runs the ops' own tests, and counts the files
# that were touched.
#   follow.sh [--leave-out] [FOLDER]
# --leave-out: afterwards each touched file of compiler/ and runtime/ is put back as it was, one at a time: the
# compiler or a test must say so. FOLDER keeps the copy.
set -euo pipefail
cd "$(dirname "$0")/../.."
leave_out=
[ "${1:-}" != --leave-out ] || { leave_out=1; shift; }
work=${1:-}
if [ -z "$work" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work/tree"
work=$(cd "$work" && pwd)
declare -A most=([softsign]=8 [l2_pool]=14)
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# ---- the copy, and both ops in it

git ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | xargs -0 tar cf - | tar xf - -C "$work/tree"
cp -r "$work/tree" "$work/before"
cd "$work/tree"
for op in softsign l2_pool; do
    rm -rf "$work/last" && mkdir "$work/last" && cp -r compiler runtime "$work/last"
    (set -e; . tests/hacking/insert.sh; . "tests/hacking/$op.sh")
    for part in compiler runtime; do
        diff -rq "$work/last/$part" "$part" || true
    done | sed -n 's/^Files .* and \(.*\) differ$/\1/p; s/^Only in \(.*\): \(.*\)$/\1\/\2/p' >"$work/$op.files"
    while read -r file; do
        diff -N "$work/last/$file" "$file" | grep -c '^>' || true
    done <"$work/$op.files" >"$work/$op.lines"
done

# ---- built and tested

# quietly COMMAND...: what it prints is shown where it fails
quietly() {
    "$@" >"$work/log" 2>&1 || { tail -100 "$work/log"; return 1; }
}
programs=(run_golden gradients_test program_test pointwise_test host_point_test fuse_test ir_doc_test card_programs_test)
build() { quietly ninja -C build -j "$(nproc)" snug "${programs[@]}"; }
test_of() {
    case $1 in
    model/*) echo "build/tests/model/${1#model/}" ;;
    unit/*) echo "build/tests/${1#unit/}" ;;
    golden/*) echo "build/tests/golden/run_golden build/snug tests/${1}" ;;
    card/*) echo "build/tests/card/card_programs_test $work/kernels model tests/hacking/${1#card/}.snug 32 quick" ;;
    esac
}
tests=(model/gradients_test model/program_test model/pointwise_test unit/host_point_test unit/fuse_test
    unit/ir_doc_test golden/fuse card/softsign card/l2_pool)
run_tests() { # prints the first that fails
    local name status
    for name in "${tests[@]}"; do
        status=0
        # shellcheck disable=SC2046
        (cd "$work/tree" && quietly $(test_of "$name")) || status=$?
        grep -q '^skipped' "$work/log" && { echo "$name: $(head -1 "$work/log")"; continue; }
        [ $status = 0 ] || { echo "$name says so"; return 1; }
    done
}

quietly cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSNUG_WERROR=ON
build || { echo "the copy does not build"; exit 1; }
quietly ninja -C build docs
run_tests || fail "a test of the new ops"

# ---- the fault that a list of exceptions let through: an op that does not commute with interpolation, said to

cp compiler/ir/ops.def runtime/points.def "$work"
sed -i '/^OP(softsign,/s/POINTWISE, /POINTWISE | AFFINE, /' compiler/ir/ops.def
sed -i '/^POINT(softsign,/s/registers, 1, 0,/registers, 1, 1,/' runtime/points.def
if cmp -s compiler/ir/ops.def "$work/ops.def" || cmp -s runtime/points.def "$work/points.def"; then
    fail "softsign's rows have not the form that is expected"
fi
build || fail "softsign marked affine does not build"
for name in pointwise_test program_test; do
    if "build/tests/model/$name" >"$work/log" 2>&1; then
        fail "$name does not see that softsign is no affine op"
    else
        echo "softsign marked AFFINE: model/$name says" "$(head -1 "$work/log")"
    fi
done
cp "$work/ops.def" compiler/ir/ops.def
cp "$work/points.def" runtime/points.def

# ---- left out, one at a time

for file in $([ -z "$leave_out" ] || sort -u "$work"/{softsign,l2_pool}.files); do
    cp -p "$file" "$work/whole"
    cp "$work/before/$file" "$file"
    if said=$(build); then
        said=$(run_tests) && fail "$file left out: nothing says so"
        said=$(tail -1 <<<"$said")
    else
        said=$(grep -m1 -E 'error|undefined' <<<"$said")
    fi
    echo "left out $file: $said"
    cp "$work/whole" "$file"
done

# ---- which files

echo
for op in softsign l2_pool; do
    count=$(wc -l <"$work/$op.files")
    echo "$op: $count files of compiler/ and runtime/, at most ${most[$op]}"
    paste -d' ' "$work/$op.lines" "$work/$op.files" | while read -r lines file; do
        printf '    %4d lines  %s\n' "$lines" "$file"
    done
    while read -r file; do
        grep -qF "$file" docs/hacking.md || fail "docs/hacking.md does not name $file"
    done <"$work/$op.files"
    [ "$count" -le "${most[$op]}" ] || fail "$op touches $count files"
done
[ $failures = 0 ]
