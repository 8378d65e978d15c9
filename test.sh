#!/usr/bin/env bash
# Installs what is missing, builds, runs every test. On Debian 12; ends with ctest's summary.
#   ./test.sh [folder for the build, default build/test]
set -euo pipefail
cd "$(dirname "$0")"
build=${1:-build/test}

# tests/report opens the plan's page in Chromium, tests/style compiles for Windows and asks clang-format
tests/install.sh chromium glpk-utils gcc-mingw-w64-x86-64-win32 clang-format python3
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSNUG_WERROR=ON \
    -DSNUG_SANITIZED_TESTS=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"${TMPDIR:-/tmp}/snug-configure.log" \
    || { cat "${TMPDIR:-/tmp}/snug-configure.log"; exit 1; }
ninja -C "$build" --quiet
ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)"
