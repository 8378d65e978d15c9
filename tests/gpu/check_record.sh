# Sourced by check.sh: the record, its rows and what is known of the machine.
# shellcheck shell=bash disable=SC2034,SC2154

passed=0 failed=0 skipped=0 step_number=0 failures=()

row() { # row WHAT VERDICT SECONDS DETAIL
    printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "${4//|/\\|}" >>"$record"
    printf '%-44s %-8s %5s  %s\n' "$1" "$2" "$3" "$4"
}

# What a log says in few words: figures of ours, the number of cmocka's tests, else its last line.
detail_of() {
    local words
    words=$(grep -aE 'worst error [0-9]|updates, loss|^runs in|kernels run again|[0-9] launches;|ERROR SUMMARY|ms/image' "$1" \
        | sed -E 's/^[= 0-9]*ERROR SUMMARY/ERROR SUMMARY/; s/; worst error by kind:$//' | sort -u | paste -sd ';')
    [ -n "$words" ] || words=$(grep -aE 'test\(s\) run|[0-9]+ tests passed' "$1" | tail -1 | sed 's/^[^0-9]*//')
    [ -n "$words" ] || words=$(grep -av '^ *$' "$1" | tail -1)
    echo "${words:0:400}"
}

# Runs a command as one step: status 77 means skipped, other than 0 failed. The log stays in $log.
step() { # step WHAT COMMAND...
    local what=$1 begin=$SECONDS status=0
    shift
    step_number=$((step_number + 1))
    log=$work/log.$step_number
    timeout "$step_limit" "$@" >"$log" 2>&1 </dev/null || status=$?
    local seconds=$((SECONDS - begin))
    case $status in
    0) passed=$((passed + 1)); row "$what" passed $seconds "$(detail_of "$log")" ;;
    77) skipped=$((skipped + 1)); row "$what" skipped $seconds "$(grep -am1 skipped "$log")" ;;
    124) failed=$((failed + 1)); row "$what" "**failed**" $seconds "longer than $step_limit s"; failures+=("$what:$log") ;;
    *) failed=$((failed + 1)); row "$what" "**failed**" $seconds "status $status"; failures+=("$what:$log") ;;
    esac
    return $status
}

skip() { # skip WHAT WHY
    skipped=$((skipped + 1))
    row "$1" skipped 0 "$2"
}

# The ends of the logs of what failed in this part.
write_failures() {
    local failure
    for failure in "${failures[@]}"; do
        { printf '\n%s:\n\n```\n' "${failure%:*}"; tail -15 "${failure##*:}"; printf '```\n'; } >>"$record"
    done
    failures=()
}

# ---- the machine -----------------------------------------------------------------------------------

has_driver() {
    [ -n "$cuda_path" ] && [ -e "$cuda_path/libcuda.so.1" ] && return
    ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1' || compgen -G '/usr/lib*/*/libcuda.so.1' >/dev/null
}

# Sets `card`, how it is called in the record; fails where there is none, and says what was looked for.
find_card() {
    local missing=()
    step_limit=3600
    if [ -n "$softgpu" ]; then
        card="its driver" # the software GPU through the driver's interface
        return
    fi
    card=card
    compgen -G '/dev/nvidia[0-9]*' >/dev/null || [ -e /dev/dxg ] || missing+=("/dev/nvidia0 or /dev/dxg")
    has_driver || missing+=("libcuda.so.1 (the NVIDIA driver)")
    [ ${#missing[@]} = 0 ] && return
    { echo "there is no NVIDIA card here: looked for $(printf '%s; ' "${missing[@]}")"
      echo "nvidia-smi: $(command -v nvidia-smi || echo "not found")"
      echo "without a card: $0 --softgpu"; } >&2
    return 1
}

# One line of facts by nvidia-smi: names, then values.
query_card() {
    local keys=$1
    nvidia-smi --query-gpu="$keys" --format=csv,noheader -i 0 2>/dev/null
}

write_machine() {
    local line key
    if [ -n "$softgpu" ]; then
        echo "- **device: the software GPU of tests/softgpu, on $(getconf _NPROCESSORS_ONLN) processors. No time here is a card's.**"
    elif command -v nvidia-smi >/dev/null; then
        for key in name driver_version vbios_version memory.total memory.used power.limit power.default_limit \
            clocks.max.sm clocks.max.memory clocks.sm clocks.memory temperature.gpu persistence_mode; do
            line=$(query_card $key) && echo "- $key: $line"
        done
    else
        echo "- nvidia-smi was not found: power limit and clocks are unknown"
    fi
    echo "- processors: $(getconf _NPROCESSORS_ONLN), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
    echo "- system: $(uname -sr)"
    if command -v nvcc >/dev/null; then
        echo "- nvcc: $(nvcc --version | sed -n 's/.*release \([^,]*\).*/\1/p')"
    fi
    if has_torch; then
        echo "- PyTorch: $("$python" -c 'import torch; print(torch.__version__, "CUDA", torch.version.cuda)' 2>/dev/null)"
    else
        echo "- PyTorch: $python has no torch and numpy"
    fi
}

has_torch() {
    "$python" -c 'import torch, numpy' 2>/dev/null
}

commit() {
    local name
    name=$(git rev-parse --short=12 HEAD 2>/dev/null) || { echo unknown; return; }
    git diff --quiet HEAD 2>/dev/null || name="$name with changes"
    echo "$name"
}

begin_record() {
    [ -s "$record" ] || printf '# snug on a card\n' >"$record" || exit 1
    {
        printf '\n## %s\n\n' "$(date '+%Y-%m-%d %H:%M')"
        echo "- commit: $(commit)"
        echo "- parts: ${chosen[*]}${quick:+, quick}"
        write_machine
    } >>"$record"
}
