# Sourced by check.sh: its parts. Each runs steps and may leave a table for the record.
# shellcheck shell=bash disable=SC2034,SC2154

stand_in=$build/tests/softgpu/lib
tests=$build/tests

# How much: a card in full, a card quickly, the software GPU in full and quickly.
amount() { # amount FULL QUICK SOFTGPU SOFTGPU_QUICK
    if [ -n "$softgpu" ]; then [ -n "$quick" ] && echo "$4" || echo "$3"
    else [ -n "$quick" ] && echo "$2" || echo "$1"; fi
}

# Where the driver is: for programs of tests/gpu, and for those that take --cuda_path.
driver_folder=${softgpu:+$stand_in}
driver_folder=${driver_folder:-$cuda_path}
on_card=(env ${driver_folder:+SNUG_CARD_DRIVER="$driver_folder"})
driver_flags=(${driver_folder:+--cuda_path "$driver_folder"})

# ---- build -----------------------------------------------------------------------------------------

part_build() {
    step "configure" cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo || return
    step "build" ninja -C "$build" snug phantom compare round_weights softgpu_driver card_conv_test card_programs_test \
        softgpu_{instruction,warp,gemm,compute}_test {conv,programs,instruction,warp,gemm,compute}_on_card || return
    [ -n "$softgpu" ] || step "snug doctor finds the card" bash -c \
        '"$0" doctor | tee /dev/stderr | grep -q "^ok *card"' "$build/snug"
    table=$("$build/snug" doctor 2>&1 | sed 's/^/    /')$'\n'
}

# ---- primitives: instructions, warps, a GEMM, small programs ---------------------------------------

part_primitives() {
    local test filter
    for test in instruction warp gemm compute; do
        filter=$([ $test != gemm ] || echo it_multiplies)
        step "$test, software GPU" "$tests/softgpu/softgpu_${test}_test" $filter
        step "$test, $card" "${on_card[@]}" "$tests/gpu/${test}_on_card" $filter
    done
}

# ---- kernels: each class at several shapes, whole programs launch by launch -------------------------

# Worst errors by kind of two logs of programs_test, side by side.
add_errors() { # add_errors WHAT LOG LOG
    table+=$(awk -v what="$1" '
        $0 ~ /^    [a-z_]+ +[0-9.e-]+$/ { error[FNR == NR ? 1 : 2, $1] = $2; if (!seen[$1]++) names[++n] = $1 }
        END {
            printf "%s, worst error by kind of kernel:\n\n| kind | software GPU | card |\n|---|---|---|\n", what
            for (k = 1; k <= n; k++) printf "| %s | %s | %s |\n", names[k], error[1, names[k]], error[2, names[k]]
        }' "$2" "$3" | sed "s/| card |/| $card |/")$'\n\n'
}

both_programs() { # both_programs WHAT ARGUMENT...
    local what=$1 first
    shift
    step "$what, software GPU" "$tests/card/card_programs_test" "$work/kernels" "$@"
    first=$log
    step "$what, $card" "${on_card[@]}" "$tests/gpu/programs_on_card" "$work/kernels" "$@"
    add_errors "$what" "$first" "$log"
}

part_kernels() {
    local only
    only=$(amount "" "" "" picture)
    step "convolutions, software GPU" "$tests/card/card_conv_test" $only
    step "convolutions, $card" "${on_card[@]}" "$tests/gpu/conv_on_card" $only
    [ -n "$quick" ] || step "convolutions, the same PTX, $card" "${on_card[@]}" SNUG_CARD_PTX=1 "$tests/gpu/conv_on_card"
    both_programs "random models" random "$(amount 40 4 6 1)" 1
    [ -n "$softgpu$quick" ] || step "random models, more, $card" "${on_card[@]}" "$tests/gpu/programs_on_card" "$work/kernels" random 200 41
    [ -n "$softgpu" ] && [ -n "$quick" ] && return
    both_programs "all channel counts" model tests/card/shapes.snug 32
}

# ---- compute-sanitizer -------------------------------------------------------------------------------

# In the path, in the toolkit, or as Python's wheel nvidia-cuda-sanitizer-api.
find_sanitizer() {
    local packages
    packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null)
    command -v compute-sanitizer || compgen -G '/usr/local/cuda/bin/compute-sanitizer' \
        || compgen -G "$packages/nvidia/*/bin/compute-sanitizer"
}

part_sanitizer() {
    local tool program fill sanitizer
    sanitizer=$(find_sanitizer | head -1)
    for tool in memcheck racecheck initcheck synccheck; do
        if [ -n "$softgpu" ]; then
            skip "$tool" "compute-sanitizer needs a card; the software GPU's own detectors are on in the other parts"
            continue
        elif [ -z "$sanitizer" ]; then
            skip "$tool" "compute-sanitizer was not found: it is in the CUDA toolkit, or pip install nvidia-cuda-sanitizer-api"
            continue
        fi
        fill=$([ $tool = initcheck ] && echo 0 || echo 1)
        local sanitize=("$sanitizer" --tool $tool --error-exitcode 9 --print-limit 20)
        for program in "warp_on_card" "conv_on_card $(amount "" forward)" "conv_on_card $(amount picture plain)" \
            "programs_on_card $work/kernels random $(amount 6 1) 1"; do
            # shellcheck disable=SC2086
            step "$tool, ${program/$work\/kernels /}" "${on_card[@]}" SNUG_CARD_FILL=$fill "${sanitize[@]}" $tests/gpu/$program
        done
    done
    if [ -n "$sanitizer" ] && [ -z "$softgpu" ] && build_step tests/resume/tiny.snug 64 2 cuda; then
        step "memcheck, a training step with its graphs" "$sanitizer" --tool memcheck --error-exitcode 9 \
            "$work/step" "${driver_flags[@]}" 2 1
    fi
}

# ---- training against the host -----------------------------------------------------------------------

train_model() { # train_model WHAT MODEL UPDATES SIZE [VARIABLE=VALUE]...
    mkdir -p "$build/train"
    step "$1 at $4², $3 updates, against the host" env -C "$build/train" "${@:5}" "$root/tests/card/train.sh" \
        "$build/snug" "$tests/phantom/phantom" "$tests/resume/compare" "$where" "$root/$2" "$3" "$4"
}

part_train() {
    local where=card # as train.sh wants it
    [ -z "$softgpu" ] || where=$stand_in
    train_model "small net" tests/resume/tiny.snug 20 64
    [ -n "$softgpu" ] && [ -n "$quick" ] && return
    # Deep nets from random weights: at 1e-3 AdamW's first steps, signs of gradients, turn two roundings
    # of f32 into per cents (HRNet-W18 on the host beside PyTorch: 1.4 % at 5e-4, 0.2 % at 1e-4).
    local deep=(lr=1e-4 SOFTGPU_RACES=0 SOFTGPU_BLOCKS=0)
    train_model "the guide's net" models/guide_8gb.snug "$(amount 20 10 10)" 64 "${deep[@]}"
    train_model "HRNet-W18" models/hrnet_w18.snug "$(amount 20 10 10)" "$(amount 128 64 64)" "${deep[@]}" share=50
}

# ---- loss curves against PyTorch ----------------------------------------------------------------------

part_curves() {
    local size count=4 updates device=cuda
    size=$(amount 256 128 64 64) updates=$(amount 40 20 12 6)
    has_torch || { skip "HRNet-W18 against PyTorch" "$python has no torch and numpy"; return; }
    if [ -n "$softgpu" ] || ! "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        device=cpu
    fi
    local folder=$work/curves
    step "pictures and weights" "$python" tests/gpu/torch_curve.py make "$folder" --size $size --count $count || return
    step "HRNet-W18 compiles" "$build/snug" compile models/hrnet_w18.snug --image_size $size $size \
        --batch_size $count --device cuda --generated "$folder" -o "$folder/trainer" || return
    step "HRNet-W18 at ${size}² trains" env SOFTGPU_RACES=0 XDG_CACHE_HOME="$build/cache" "$folder/trainer" "${driver_flags[@]}" \
        --dataset_path "$folder/data" --no_augment --epochs 100 --warmup_epochs 4 --lr 1e-4 \
        --gradient_accumulation_steps 1 --overlays 0 --validate_every 1000 --max_updates $updates \
        --init "$folder/init.safetensors" --save_dir "$folder/runs" --name run || return
    step "its curve beside PyTorch's on ${device}" "$python" tests/gpu/torch_curve.py follow "$folder" \
        "$folder/runs/run/log.jsonl" --device $device
    table=$(sed 's/^/    /' "$log")$'\n'
}
