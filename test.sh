#!/usr/bin/env bash
# Installs what is missing, builds, runs the tests. On Debian 12; ends with ctest's summary.
#   ./test.sh [--quick | --long] [folder for the build, default build/test]
# --quick: those that find most mistakes, in under a minute; --long: those that take hours, which the
# default run leaves out. tests/README.md says more.
set -euo pipefail
cd "$(dirname "$0")"
which=()
case ${1-} in
--quick) which=(--label-regex '^quick$'); shift ;;
--long) which=(--build-config long --label-regex '^long$' --verbose); shift ;;
-*) sed -n '3,5s/^# *//p' "$0"; exit 2 ;;
esac
build=${1:-build/test}

# tests/report opens the plan's page in Chromium, tests/style compiles for Windows and asks clang-format
tests/install.sh chromium glpk-utils gcc-mingw-w64-x86-64-win32 clang-format
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSNUG_WERROR=ON \
    -DSNUG_SANITIZED_TESTS=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"${TMPDIR:-/tmp}/snug-configure.log" \
    || { cat "${TMPDIR:-/tmp}/snug-configure.log"; exit 1; }
ninja -C "$build" --quiet
ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" "${which[@]}"
