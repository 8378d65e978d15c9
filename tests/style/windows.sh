#!/usr/bin/env bash
# Compiler and runtime compile for Windows, linked with nothing: windows.sh BUILD. Third-party headers
# that know both systems are this machine's. Skipped (77) where there is no compiler for it.
set -uo pipefail
cc=x86_64-w64-mingw32-gcc
command -v $cc >/dev/null || { echo "skipped: no $cc (Debian: gcc-mingw-w64-x86-64-win32)"; exit 77; }
headers=$(mktemp -d)
trap 'rm -rf "$headers"' EXIT
cp -r /usr/include/{jansson*.h,xxhash.h,dnnl*.h,oneapi,stb} "$headers" || exit 1
cp "$headers"/stb/*.h "$headers" || exit 1
find grammar compiler runtime "$1"/grammar -name "*.c" | grep -v '/os_posix\.c$' \
    | xargs -P 2 -n 1 $cc -std=c11 -fsyntax-only -fopenmp -Werror=implicit-function-declaration \
        -Werror=incompatible-pointer-types -Werror=int-conversion -D_POSIX_C_SOURCE=200809L \
        -DSNUG_VERSION='"0"' -I. -Igrammar -I"$1/grammar" -isystem "$headers"
