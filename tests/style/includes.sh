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

rule "grammar/ includes its own headers and the compiler's floor" \
    'ast\.h|parser\.h|\.\./grammar/parser\.h|lex\.h|parse\.h|\.\./compiler/(base|arena|text|diag)\.h' grammar/*.[chly]
rule "runtime/ includes nothing from outside" '[a-z0-9_]+\.(h|def|inc)' runtime/*.[ch]
rule "the floor includes only itself" '(base|arena|text|map|diag)\.h|errors\.def' \
    compiler/{base,arena,text,map,diag}.[ch]
rule "the checker shares nothing with the planner" '(base|arena|text|diag|ir|check_plan)\.h' compiler/check_plan.c
rule "the checker of sequences shares nothing with the searches" \
    '(base|arena|tasks|check_sequence)\.h' compiler/check_sequence.[ch]
rule "the packer knows sizes and lifetimes only" '(base|arena|system|pack|pack_search|pack_joints)\.h' \
    compiler/pack.[ch] compiler/pack_search.[ch] compiler/pack_joints.[ch]
rule "its checker shares nothing with it" '(base|arena|pack|pack_check)\.h' compiler/pack_check.[ch]
only "compiler/ sees the syntax tree in its first stages only" '#include "\.\./grammar' \
    'compiler/(elaborate|builtins|evaluate|pipeline)[a-z_]*\.[ch]' compiler/*.[ch]
only "compiler/ sees of runtime/ the program format only" '#include "\.\./runtime/[^p]' '' \
    compiler/*.[ch]
only "systems differ in the files named for it" '^ *# *(el)?if.*_WIN32' '(compiler/system|runtime/os[a-z_]*)\.[ch]' \
    grammar/*.[ch] compiler/*.[ch] runtime/*.[ch]
only "the CUDA libraries are called in five files" '\b(cu[A-Z][A-Za-z]+|nvrtc[A-Z]|cublas[A-Z])[A-Za-z]*[ ]*\(' \
    'runtime/(cuda_api|kernel_cache|cuda_parts|cuda_gemm|device_cuda)\.c' runtime/*.c compiler/*.c
only "nothing includes tests/ or generated/" '#include ".*(tests|generated)/' '' \
    grammar/*.[ch] compiler/*.[ch] runtime/*.[ch]
exit $broken
