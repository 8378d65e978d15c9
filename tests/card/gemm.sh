#!/usr/bin/env bash
# Matrix products by cuBLAS in the unmodified trainer, on the software GPU's stand-in: chosen by --gemm,
# within the planned bytes, in the segments' graphs; and what happens where the library is missing.
#   gemm.sh SNUG PHANTOM COMPARE FOLDER_OF_LIBCUDA
set -euo pipefail
snug=$1 phantom=$2 compare=$3 cuda=$4
here=$(cd "$(dirname "$0")" && pwd)
model=$here/gemm.snug

export XDG_CACHE_HOME=$PWD/card_kernels SOFTGPU_RACES=0
"$snug" doctor | grep -q '^ok *NVRTC' || { echo "skipped: NVRTC was not found"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
touch messages
fail() { echo "$*"; tail -5 messages; exit 1; }
planned() { "./$1" --version | sed -n 's/.* \([0-9]*\) bytes planned.*/\1/p'; }

"$phantom" --out data --train 8 --valid 2 --test 0 --size 80 --seed 5
"$snug" compile "$model" -D landmarks=29 --device cuda --gemm own --generated own -o by_own 2>>messages
"$snug" compile "$model" -D landmarks=29 --device cuda --gemm cublas --generated library -o by_library 2>>messages
grep -q 'is_gemm' own/gemm/gemm.c && fail "--gemm own gives a product to cuBLAS"
grep -q 'Made by cuBLAS' library/gemm/gemm.cu || fail "gemm.cu does not say what cuBLAS makes"

flags=(--dataset_path data --no_augment --epochs 100 --lr 1e-3
    --gradient_accumulation_steps 2 --overlays 0)
run() { # run PROGRAM NAME FOLDER [FLAGS]
    SOFTGPU_MEMORY=${memory:-$(planned "$1")} "./$1" --cuda_path "$3" "${flags[@]}" --max_updates "${updates:-6}" --save_dir runs \
        --name "$2" "${@:4}" 2>>messages
}
losses() { sed 's/.*"loss":\([^,]*\),.*/\1/' "runs/$1/log.jsonl"; }

run by_own own "$cuda" || fail "our own kernels"
run by_library library "$cuda" || fail "cuBLAS within the planned bytes"
SOFTGPU_SEED=7 run by_library again "$cuda" || fail "cuBLAS in another order"
"$compare" runs/library/last.safetensors runs/again/last.safetensors || fail "another order, other weights"
cmp -s runs/own/last.safetensors runs/library/last.safetensors && fail "the library has made nothing"
paste <(losses own) <(losses library) | awk '
    { off = ($2 - $1) / $1; off = off < 0 ? -off : off; most = off > most ? off : most }
    !(off <= 0.01) { printf "update %d: loss %s by our own kernels, %s by cuBLAS\n", NR, $1, $2; bad = 1 }
    END { if (NR != 6) bad = 1; printf "6 updates, losses at most %.3f %% apart\n", 100 * most; exit bad }' \
    || fail "the curves part"
memory=$(($(planned by_library) - 1)) run by_library less "$cuda" && fail "it runs with a byte less than planned"
[ $? = 3 ] || fail "a byte less than planned is not exit status 3"
run by_library timed "$cuda" --profile >profile || fail "launch by launch"
"$compare" runs/library/last.safetensors runs/timed/last.safetensors || fail "launch by launch, other weights"

# No library: what has its name is none.
mkdir none
ln -s "$(realpath "$cuda/libcuda.so.1")" none/libcuda.so.1
echo 'int nothing;' | ${CC:-cc} -shared -fPIC -x c - -o none/libcublas.so.13
ln -s libcublas.so.13 none/libcublas.so.12
status=0
run by_library refused "$PWD/none" || status=$?
[ $status = 5 ] || fail "without cuBLAS: exit status $status"
tail -3 messages | grep -q 'libcublas.so.1[23] has no function cublasCreate_v2' || fail "it is not named"
installed=$(ldconfig -p | grep 'libcublas\.so' || true)
if [ -z "$installed$(ls -d "${CUDA_PATH:-/usr/local/cuda}"/lib*/libcublas.so.1* 2>/dev/null)" ]; then
    rm none/libcublas*
    run by_library missing "$PWD/none" && fail "it runs without cuBLAS"
    tail -3 messages | grep -q 'cuBLAS (libcublas.so.1[23], cublas64_1[23].dll) was not found' || fail "it is not named"
    tail -3 messages | grep -q -- '--gemm own' || fail "no way out is named"
fi

# What the cost model gave to cuBLAS runs without it in the same bytes.
"$snug" compile "$model" -D landmarks=29 -D narrow=512 -D wide=512 --device cuda --card "RTX 3070 Ti" \
    --generated chosen -o chosen_train 2>>messages
grep -q 'is_gemm' chosen/gemm/gemm.c || fail "the cost model chooses cuBLAS for no product"
updates=1 run chosen_train without "$PWD/none" || fail "our own kernels in place of cuBLAS"
grep -q "^warning: .*libcublas.*: snug's own kernels make" messages || fail "no warning"
echo "without cuBLAS: refused by name where it was asked for, replaced where it was chosen"
