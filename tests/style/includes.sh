#!/usr/bin/env bash
# Who may include whom: prints each #include that breaks a rule, fails if there is one.
set -uo pipefail
broken=0

# rule "what the rule says" PATTERN-of-allowed FILE...: every quoted include must match the pattern
rule() {
    local says=$1 allowed=$2
    shift 2
    local found
    found=$(grep -nE '^#include "' "$@" /dev/null | grep -vE "#include \"($allowed)\"") || return 0
    echo "$says:"
    echo "$found"
    broken=1
}

# only "what the rule says" PATTERN ALLOWED-FILES FILE...: the pattern occurs in allowed files alone
only() {
    local says=$1 pattern=$2 allowed=$3
    shift 3
    local found
    found=$(grep -nE "$pattern" "$@" /dev/null | grep -vE "^($allowed):") || return 0
    echo "$says:"
    echo "$found"
    broken=1
}

sources() { find "$@" -name '*.[chly]' | sort; }
floor='(compiler/floor/)?(base|arena|text|map|diag|system)\.h|(compiler/floor/)?errors\.def'
nouns="$floor|compiler/ir/ir\.h"

rule "grammar/ includes its own headers and the compiler's floor" \
    "[a-z]+\.h|$floor" $(sources grammar)
rule "runtime/ includes nothing from outside" '([a-z0-9_]+|runtime/([a-z]+/)?[a-z0-9_]+)\.(h|def|inc)' \
    $(sources runtime)
rule "the floor includes only itself" "$floor" $(sources compiler/floor)
rule "a checker shares nothing with what it checks but its nouns" \
    "[a-z_]+\.h|$nouns|compiler/recompute/tasks\.h|compiler/pack/pack\.h|compiler/ir/compilation\.h" \
    $(sources compiler/check)
rule "the packer knows sizes and lifetimes only" "pack[a-z_]*\.h|$floor" $(sources compiler/pack)
rule "recomputation knows tasks only" "[a-z_]+\.h|$floor" $(sources compiler/recompute)
only "compiler/ sees the syntax tree in its first stages only" '#include "grammar/' \
    'compiler/(front|pipeline)/[a-z_]*\.[ch]' $(sources compiler)
only "compiler/ sees of runtime/ the program format, and asks the machine" \
    '#include "runtime/([a-z]+/|[^kmp]|p[^ro]|po[^i]|m[^a])' '' $(sources compiler)
only "systems differ in the files named for it" '^ *# *(el)?if.*_WIN32' \
    '(compiler/floor/system|runtime/system/os[a-z_]*)\.[ch]' $(sources grammar compiler runtime)
only "the CUDA libraries are called in five files" '\b(cu[A-Z][A-Za-z]+|nvrtc[A-Z]|cublas[A-Z])[A-Za-z]*[ ]*\(' \
    'runtime/card/(cuda_api|kernel_cache|cuda_parts|cuda_gemm|device_cuda)\.c' $(sources compiler runtime)
only "nothing includes tests/ or generated/" '#include ".*(tests|generated)/' '' \
    $(sources grammar compiler runtime)
twice=$(find grammar compiler runtime -type f ! -name embed.cmake -printf '%f\n' | sort | uniq -d)
[ -z "$twice" ] || { echo "a file's name is unique in the tree:"; echo "$twice"; broken=1; }
exit $broken
