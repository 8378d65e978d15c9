#include "compile_options.h"

#include <string.h>

#include "card_choice.h"
#include "compiler/floor/text.h"

/* "-D width=48" into an override. */
static bool parse_define(const char *text, Override *override, Arena *arena)
{
    char *name = arena_strdup(arena, text);
    char *equals = strchr(name, '=');

    if (equals == NULL || equals == name || !parse_number(equals + 1, &override->value)) {
        fprintf(stderr, "snug: -D %s: a name and a number are needed, such as -D width=48\n", text);
        return false;
    }
    *equals = '\0';
    override->name = name;
    return true;
}

static RecomputeKind recompute_kind(const char *word)
{
    return word == NULL || strcmp(word, "all") == 0 ? RECOMPUTE_all
           : strcmp(word, "rebuild") == 0           ? RECOMPUTE_rebuild
                                                    : RECOMPUTE_none;
}

bool compile_options(const Options *options, Arena *arena, CompileOptions *out)
{
    *out = (CompileOptions){
        .command = command_name(options->command),
        .model_path = options->operand,
        .overrides = arena_array(arena, Override, options->define.count),
        .override_count = options->define.count,
        .device = options->device != NULL && strcmp(options->device, "host") == 0 ? DEVICE_host
                                                                                  : DEVICE_cuda,
        .card = options->card,
        .vram_bytes = max_i64(options->vram, 0),
        .reserve_bytes = options->reserve,
        .threads = (int32_t)options->threads,
        .full_precision = options->precision != NULL && strcmp(options->precision, "full") == 0,
        .gemm = options->gemm == NULL || strcmp(options->gemm, "auto") == 0 ? GEMM_auto
                : strcmp(options->gemm, "own") == 0                         ? GEMM_own
                                                                            : GEMM_cublas,
        .no_ema = options->flag_no_ema,
        .no_fusion = options->flag_no_fusion,
        .planner_effort = (uint64_t)options->effort * USUAL_EFFORT,
        .recompute = recompute_kind(options->recompute),
        .dump = options->dump,
        .time_stages = options->flag_time,
    };
    if (options->flag_headless && options->reserve < 0)
        out->reserve_bytes = HEADLESS_RESERVE;
    if (out->device == DEVICE_cuda)
        choose_card(out, arena);
    for (uint32_t k = 0; k < options->define.count; k++)
        if (!parse_define(options->define.items[k], &out->overrides[k], arena))
            return false;
    return true;
}
