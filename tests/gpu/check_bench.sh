# Sourced by check.sh: time an image, memory and compile time beside PyTorch, eager and compiled. The
# same step in all: forward, loss, backward, accumulation, clipping, AdamW, EMA, in two bytes,
# channels last. They take turns, so that a warm card is warm for all.
# shellcheck shell=bash disable=SC2034,SC2154

# The row of compiler/target/cards.def whose name the card's holds; --card and --vram of what is free.
plan_flags() {
    local name free known
    if [ -n "$softgpu" ]; then
        printf -- '--vram\n8GiB\n--reserve\n0\n'
        return
    fi
    name=$(query_card name) free=$(query_card memory.free | tr -dc 0-9)
    known=$(sed -n 's/^CARD("\([^"]*\)".*/\1/p' compiler/target/cards.def | awk -v name="$name" '
        index(name, $0) && length($0) > length(best) { best = $0 } END { print best }')
    case $name in
    *H100* | *H200* | *GH200*) known="H100 SXM" ;;
    *A100*) known="A100 80GB" ;;
    esac
    [ -z "$known" ] || printf -- '--card\n%s\n' "$known"
    # the context and the kernels' code take some of what is free
    [ -z "$free" ] || printf -- '--vram\n%sMiB\n--reserve\n0\n' "$((free - 800))"
}

# Compiles a model into $work/step, a program of tests/bench/step.c.
build_step() { # build_step MODEL SIZE BATCH DEVICE [FLAG]...
    local model=$1 size=$2 batch=$3 device=$4 name
    shift 4
    name=$(basename "$model" .snug)
    "$build/snug" compile "$model" --image_size "$size" "$size" --batch_size "$batch" --device "$device" \
        --generated "$work/generated" -o "$work/trainer" "$@" || return
    # shellcheck disable=SC2046
    cc -std=gnu11 -O1 -I. -I"$build/include" "$work/generated/$name/$name.c" tests/bench/step.c \
        "$build/libsnug_runtime.a" $(cat "$build/snug_runtime.flags") -o "$work/step"
}

# A number, or the mean of a list, in a line of JSON of ours; empty where there is none.
field() { # field KEY FILE
    awk -v key="\"$1\": " '{
        at = index($0, key)
        if (!at) next
        text = substr($0, at + length(key))
        if (text ~ /^\[/) {
            sub(/\].*/, "", text)
            n = split(substr(text, 2), numbers, /, */)
            for (k = 1; k <= n; k++) sum += numbers[k]
            printf "%.9g\n", sum / n
        } else {
            sub(/[,}].*/, "", text)
            print text
        }
        exit
    }' "$2"
}

seconds() { # seconds KEY FILE
    awk -v s="$(field "$1" "$2")" 'BEGIN { if (s == "") print "-"; else printf "%.1f\n", s }'
}

# ms an image: a micro-step and its share of the update.
per_image() { # per_image FILE
    awk -v m="$(field micro_step_seconds "$1")" -v u="$(field update_seconds "$1")" \
        -v a="$(field accumulate "$1")" -v b="$(field batch "$1")" \
        'BEGIN { if (m == "") print "-"; else printf "%.3f\n", (m + u / a) / b * 1000 }'
}

mebibytes() { # mebibytes BYTES [LESS]
    awk -v x="${1:-}" -v less="${2:-0}" 'BEGIN { if (x == "") print "-"; else printf "%.1f\n", (x - less) / 1048576 }'
}

# What a step of the benchmark says; in a shell of its own.
said() { # said FILE
    grep -q '"out_of_memory": true' "$1" && echo "out of memory" || echo "$(per_image "$1") ms/image"
}
export -f field per_image said

# One measurement of snug: leaves $work/snug.json and $plan_seconds.
bench_snug() { # bench_snug NAME MODEL SIZE BATCH
    local begin flags status
    mapfile -t flags < <(plan_flags)
    plan_seconds=-
    rm -rf "$work/cache" "$work/snug.json"
    begin=$(date +%s.%N)
    build_step "$2" "$3" "$4" cuda "${flags[@]}" >"$work/compile.log" 2>&1
    status=$?
    if [ $status = 3 ]; then
        skip "$1, snug" "does not fit: $(head -1 "$work/compile.log")"
        return 1
    fi
    plan_seconds=$(awk -v b="$begin" -v e="$(date +%s.%N)" 'BEGIN { printf "%.1f", e - b }')
    step "$1, snug" bash -c '[ "$1" = 0 ] || { cat "$2"; exit "$1"; }; "${@:4}" >"$3" && said "$3"' bench $status \
        "$work/compile.log" "$work/snug.json" env SOFTGPU_RACES=0 XDG_CACHE_HOME="$work/cache" "$work/step" \
        "${driver_flags[@]}" "$accumulate" "$updates"
}

# One measurement of PyTorch: leaves FILE.
bench_torch() { # bench_torch NAME FILE WIDTH SIZE BATCH [FLAG]...
    local name=$1 file=$2 device=cuda
    [ -z "$softgpu" ] || device=cpu
    step "$name" bash -c '"${@:2}" >"$1" && said "$1"' bench "$file" "$python" tests/bench/torch_step.py --device $device \
        --width "$3" --size "$4" --batch "$5" --accumulate "$accumulate" --steps "$updates" "${@:6}"
}

torch_columns() { # torch_columns FILE
    if [ ! -s "$1" ]; then
        echo "- | - | -"
    elif grep -q '"out_of_memory": true' "$1"; then
        echo "out of memory | - | -"
    else
        echo "$(per_image "$1") | $(mebibytes "$(field peak_reserved_bytes "$1")") | $(seconds first_micro_step_seconds "$1")"
    fi
}

bench_case() { # bench_case MODEL WIDTH SIZE BATCH
    local name compiled
    name="$(basename "$1" .snug) ${3}² batch $4"
    rm -f "$work"/{snug,eager,compiled}.json
    bench_snug "$name" "$1" "$3" "$4"
    if [ "$2" = 0 ]; then
        skip "$name, PyTorch" "the model has no twin in tests/bench/torch_step.py"
    elif has_torch; then
        bench_torch "$name, PyTorch eager" "$work/eager.json" "$2" "$3" "$4"
        [ "$compiles" = 0 ] || bench_torch "$name, torch.compile" "$work/compiled.json" "$2" "$3" "$4" --compile
        [ "$compiles" != 0 ] || skip "$name, torch.compile" "--quick compiles the first case only"
        [ -z "$quick" ] || compiles=0
    else
        skip "$name, PyTorch" "$python has no torch and numpy"
    fi
    [ -s "$work/snug.json" ] || [ -s "$work/eager.json" ] || return
    touch "$work/snug.json"
    table+="| $name | $(per_image "$work/snug.json") | $(mebibytes "$(field planned_bytes "$work/snug.json")") | "
    table+="$(mebibytes "$(field card_bytes_after "$work/snug.json")" "$(field card_bytes_before "$work/snug.json")") | "
    table+="$plan_seconds + $(seconds open_seconds "$work/snug.json") | $(torch_columns "$work/eager.json") | "
    table+="$(torch_columns "$work/compiled.json") |"$'\n'
}

part_benchmark() {
    local accumulate updates compiles=1 size batch plan_seconds
    accumulate=$(amount 4 4 2 2) updates=$(amount 8 3 1 1)
    table="One run, $accumulate micro-steps an update, $updates updates after one to warm up. "
    [ -z "$softgpu" ] || table+="**Software GPU, PyTorch on the processor: no time or memory of a card.** "
    table+="ms an image are a micro-step and its share of the update. MiB: what the plan says; what the driver says is "
    table+="held once the context is there; the most that PyTorch's allocator reserved. Compile s: snug compile and the C "
    table+="compiler, plus NVRTC without a cache; PyTorch: the first micro-step."$'\n\n'
    table+="| | snug ms | planned | held | compile s | eager ms | MiB | first s | compile ms | MiB | first s |"$'\n'
    table+="|---|---|---|---|---|---|---|---|---|---|---|"$'\n'
    if [ -n "$softgpu" ]; then
        bench_case tests/resume/tiny.snug 0 64 2
        [ -n "$quick" ] || bench_case models/hrnet_w18.snug 18 64 2
    else
        for size in 512 1024; do
            for batch in $(amount "1 2 4 8 16" "$([ $size = 512 ] && echo "4 16" || echo "1 4")"); do
                bench_case models/hrnet_w32.snug 32 $size $batch
            done
        done
        table+=$'\n'"clocks after the benchmark: $(query_card clocks.sm,clocks.memory,temperature.gpu,power.draw)"$'\n'
    fi
}
