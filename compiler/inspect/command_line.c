/* The command that gives a compilation these options: what people copy from a report. */
#include "command_line.h"

#include <string.h>

/* A word of a shell: in quotes where it holds anything that a shell would take apart. */
static void append_word(Text *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=,:+@%";

    text_printf(text, strspn(word, plain) == strlen(word) && *word ? " %s" : " \"%s\"", word);
}

/* "8GiB", "768MiB" or bytes. */
static void append_size(Text *text, const char *flag, int64_t bytes)
{
    static const struct {
        int shift;
        const char *unit;
    } units[] = {{30, "GiB"}, {20, "MiB"}, {10, "KiB"}};

    for (size_t k = 0; k < COUNT_OF(units); k++) {
        if (bytes == 0 || bytes % ((int64_t)1 << units[k].shift) != 0)
            continue;
        text_printf(text, " --%s %lld%s", flag, (long long)(bytes >> units[k].shift),
                    units[k].unit);
        return;
    }
    text_printf(text, " --%s %lld", flag, (long long)bytes);
}

/* "-Dwidth=0.1": the fewest digits that give the number. */
static const char *define_text(Arena *arena, const Override *override)
{
    const char *text = "";

    for (int digits = 1; digits <= 17; digits++) {
        double again;
        text = arena_printf(arena, "%.*g", digits, override->value);
        if (parse_number(text, &again) && again == override->value)
            break;
    }
    return arena_printf(arena, "-D%s=%s", override->name, text);
}

/* plans: the command is for a card where nothing is said. */
static void append_target(Text *text, const CompileOptions *options, bool plans)
{
    if (!plans || options->device != DEVICE_cuda)
        text_printf(text, " --device %s", options->device == DEVICE_cuda ? "cuda" : "host");
    if (options->card != NULL) {
        text_append(text, " --card", 7);
        append_word(text, options->card);
    }
    if (options->vram_bytes > 0)
        append_size(text, "vram", options->vram_bytes);
    if (options->reserve_bytes >= 0)
        append_size(text, "reserve", options->reserve_bytes);
    if (options->threads > 0)
        text_printf(text, " --threads %d", (int)options->threads);
}

const char *command_line(const char *command, const CompileOptions *options, Arena *arena)
{
    static const char *const kinds[] = {"all", "rebuild", "none"};
    Text text = {.arena = arena};

    text_printf(&text, "snug %s", command);
    append_word(&text, options->model_path);
    for (uint32_t k = 0; k < options->override_count; k++)
        append_word(&text, define_text(arena, &options->overrides[k]));
    append_target(&text, options, strcmp(command, "plan") == 0 || strcmp(command, "fit") == 0);
    if (options->image_height > 0)
        text_printf(&text, " --image_size %lld %lld", (long long)options->image_height,
                    (long long)options->image_width);
    if (options->batch_size > 0)
        text_printf(&text, " --batch_size %lld", (long long)options->batch_size);
    if (options->full_precision)
        text_printf(&text, " --precision full");
    if (options->no_ema)
        text_printf(&text, " --no_ema");
    if (options->recompute != RECOMPUTE_all)
        text_printf(&text, " --recompute %s", kinds[options->recompute]);
    if (options->planner_effort > USUAL_EFFORT)
        text_printf(&text, " --effort %llu",
                    (unsigned long long)(options->planner_effort / USUAL_EFFORT));
    return text.bytes;
}
