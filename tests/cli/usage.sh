#!/usr/bin/env bash
# Every wrong use of the command line gives exit status 2 and a line that names the flag.
#   usage.sh SNUG PART    PART: flags, plans or pack
set -uo pipefail
snug=$1 part=$2
model=models/hrnet_w18.snug
failed=0
cases=0

# expect STATUS "part of the message" ARGUMENT...
expect() {
    local status=$1 words=$2 output got
    shift 2
    cases=$((cases + 1))
    output=$("$snug" "$@" 2>&1 </dev/null)
    got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$words" <<<"$output"; then
        echo "snug $*: status $got (expected $status), expected to read \"$words\", got:"
        head -5 <<<"$output"
        failed=1
    fi
}

flags() {
    expect 2 "examples:"
    expect 0 "snug plan models" --help
    expect 0 "program format" --version
    expect 2 "did you mean plan" plann $model
    expect 2 "needs a model file" plan
    expect 2 "one operand" plan $model $model
    expect 2 "did you mean --batch_size" plan $model --batchsize 2
    expect 2 "did you mean --image_size" check $model --image-sise 64 64
    expect 0 "--vram" plan --help
    expect 0 "explain" --help
    expect 2 "no error code" explain E999
    expect 0 "import" explain E028
    expect 1 "error[E028]" check no/such/file.snug
    expect 2 "-D width" check $model -D width
    expect 2 "-D width=wide" check $model -D width=wide
    expect 2 "must be auto" plan $model --device tpu
    expect 2 "must be mixed" plan $model --precision half
    expect 2 "must be auto, cublas or own" plan $model --gemm library
    expect 2 "it must be all or a stage: tree graph" plan $model --dump=kernel
    expect 2 "check ends with simplify" check $model --dump=kernels
    expect 0 "stage2.0.branches" check $model --dump=simplify
    expect 2 "takes no value" plan $model --json=yes
    for flag in batch_size threads; do
        for value in "" -1 0 1.5 nan 1e99 99999999999 zwei; do
            expect 2 "--$flag" plan $model "--$flag=$value"
        done
    done
    for value in "" 0 -8 256y 1x2x3; do
        expect 2 "--image_size" plan $model "--image_size=$value"
    done
    for flag in vram reserve; do
        for value in "" -1 lots 8XiB 1e400 99999999999TiB; do
            expect 2 "--$flag" plan $model "--$flag=$value"
        done
    done
}

plans() {
    expect 0 "--gradient_accumulation_steps" fit --help
    expect 2 "did you mean --gradient_accumulation_steps" fit $model --gradient_accumulation 8
    expect 2 "--gradient_accumulation_steps" fit $model --gradient_accumulation_steps 8,x
    expect 2 "one image size" fit $model --image_size 64 64 --image_size 32 32
    expect 1 'did you mean "RTX 3070 Ti"' fit $model --card "RTX 3070 Tie"
    for card in "RTX 3070 TI" rtx3070ti rtx-3070-ti "NVIDIA GeForce RTX 3070 Ti" "GeForce RTX 3070Ti"; do
        expect 0 "RTX 3070 Ti (--card)" fit $model --batch_size 1 --image_size 64 64 --card "$card"
    done
    expect 1 "there is no card" fit $model --card nvidia
    expect 2 "must be all, rebuild or none" plan $model --recompute some
    expect 2 "--effort" plan $model --effort 0
    expect 0 "RTX 3060 (--card)" plan $model --image_size 64 64 --card rtx3060 --recompute rebuild --effort 2
    expect 1 "error[E028]" fit no/such/file.snug
    expect 4 "cannot write" plan $model --image_size 64 64 --trace /no/such/folder/trace.json
    expect 4 "cannot read no.json" plan $model --image_size 64 64 --compare no.json
    expect 4 "no JSON" plan $model --image_size 64 64 --compare README.md
    expect 4 "is no plan of this version" plan $model --image_size 64 64 --compare <(echo '{"schema": 1}')
    expect 2 "--batch_size needs a value" plan $model --batch_size
}

pack() {
    expect 2 "needs a packing problem" pack
    expect 0 "height" pack tests/pack/input.12.csv
    expect 0 "reached" pack tests/pack/input.12.csv --capacity 12
    expect 0 "reached" pack tests/pack/E.1048576.csv --capacity 1MiB --time_limit 60
    expect 1 "the bound proves that nothing fits" pack tests/pack/input.12.csv --capacity 11
    expect 4 "no/such/file.csv" pack no/such/file.csv
    for value in "" -1 0 lots; do
        expect 2 "--capacity" pack tests/pack/input.12.csv "--capacity=$value"
        expect 2 "--time_limit" pack tests/pack/input.12.csv "--time_limit=$value"
    done
}

"$part"
echo "$cases command lines"
exit $failed
