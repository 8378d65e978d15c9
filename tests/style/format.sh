#!/usr/bin/env bash
# Every source is as .clang-format has it: format.sh [--fix]. Skipped (77) where there is no clang-format
# of the version that the style is kept by: others break lines in other places. CUDA's files are left to
# people: it takes a loop below #pragma unroll for the pragma's own line.
set -uo pipefail
version=14
tool=$(command -v clang-format-$version || command -v clang-format)
"${tool:-false}" --version 2>/dev/null | grep -q "version $version\." \
    || { echo "skipped: no clang-format $version (Debian: clang-format)"; exit 77; }
mapfile -t files < <(git ls-files -co --exclude-standard -- {compiler,grammar,runtime,tests}/'*.'{c,h,inc})
[ ${#files[@]} -gt 300 ] || { echo "only ${#files[@]} sources found"; exit 1; }
if [ "${1:-}" = --fix ]; then
    "$tool" -i "${files[@]}"
else
    "$tool" --dry-run --Werror --ferror-limit=3 "${files[@]}" 2>&1 | grep -E "error:" | head -20
    [ "${PIPESTATUS[0]}" = 0 ] || { echo "run tests/style/format.sh --fix"; exit 1; }
fi
# comments and CUDA, whose lines clang-format leaves as they are
wide=$(grep -nE '^.{101,}' "${files[@]}" compiler/emit/kernels/*.cuh)
[ -z "$wide" ] || { echo "over 100 columns:"; echo "$wide"; exit 1; }
