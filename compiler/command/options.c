/* One table, one loop: a flag's row says what follows it and which commands know it. */
#include "options.h"

#include <string.h>

#include "compiler/floor/text.h"
#include "compiler/pipeline/pipeline.h"

typedef enum OptionKind { FLAG, TEXT, INTEGER, SIZE, SECONDS, SHAPE, LIST } OptionKind;

typedef enum OptionName {
#define OPTION(name, kind, argument, commands, help) OPTION_##name,
#include "options.def"
#undef OPTION
    OPTION_COUNT
} OptionName;

typedef struct OptionRow {
    const char *name;
    OptionKind kind;
    const char *argument;
    unsigned commands;
    const char *help;
} OptionRow;

static const OptionRow option_rows[OPTION_COUNT] = {
#define WORD(name)                                   " " #name
#define OPTION(name, kind, argument, commands, help) {#name, kind, argument, commands, help},
#include "options.def"
#undef OPTION
#undef WORD
};

typedef struct CommandRow {
    Command command;
    const char *name, *operand, *help;
} CommandRow;

static const CommandRow command_rows[] = {
    {CHECK, "check", "FILE", "parse a model file and check its types and shapes"},
    {PLAN, "plan", "FILE", "show what the model needs in memory, and whether it fits"},
    {FIT, "fit", "FILE", "show which batch sizes fit a card, at what cost"},
    {PACK, "pack", "CSV", "pack the buffers of a table (id,lower,upper,size) into few bytes"},
    {COMPILE, "compile", "FILE", "write a training executable"},
    {TRAIN, "train", "FILE", "compile if needed, then run the trainer with the other flags"},
    {REMAT, "remat", "GRAPH", "order and recompute a public graph (JSON) within a budget"},
    {DOCTOR, "doctor", NULL, "show what this machine has and what is missing"},
    {EXPLAIN, "explain", "CODE", "explain an error code, E012 say"},
};

typedef struct Operand {
    const char *name, *what, *text; /* what it is, an example */
} Operand;

static const Operand operands[] = {
    {"FILE", "model file", "models/hrnet_w32.snug"},
    {"GRAPH", "graph", "tests/remat/chain.json --budget 0.8"},
    {"CSV", "packing problem", "tests/pack/A.1048576.csv"},
    {"CODE", "code", "E012"},
};

static const char *const examples[] = {
    "snug plan models/hrnet_w32.snug --vram 8GiB --batch_size 8",
    "snug fit models/hrnet_w32.snug --card \"RTX 3060\" --batch_size 1,2,4",
    "snug compile models/hrnet_w18.snug --image_size 256 256 -o hrnet_w18_train",
    "snug train models/hrnet_w18.snug --dataset_path Aariz --epochs 200",
};

static const CommandRow *find_command(const char *name)
{
    for (size_t k = 0; k < COUNT_OF(command_rows); k++)
        if (strcmp(command_rows[k].name, name) == 0)
            return &command_rows[k];
    return NULL;
}

static const Operand *find_operand(const char *name)
{
    for (size_t k = 0; name != NULL && k < COUNT_OF(operands); k++)
        if (strcmp(operands[k].name, name) == 0)
            return &operands[k];
    return NULL;
}

static const CommandRow *command_row(Command command)
{
    for (size_t k = 0; k < COUNT_OF(command_rows); k++)
        if (command_rows[k].command == command)
            return &command_rows[k];
    return NULL;
}

const char *command_name(Command command)
{
    return command_row(command)->name;
}

void print_usage(FILE *out, const Options *options)
{
    const CommandRow *row = options->command ? command_row(options->command) : NULL;

    fprintf(out, "examples:\n");
    for (size_t k = 0; k < COUNT_OF(examples); k++)
        fprintf(out, "  %s\n", examples[k]);
    if (row == NULL) {
        fprintf(out, "\nusage: snug COMMAND [FILE] [flags]     snug COMMAND --help\n\ncommands:\n");
        for (size_t k = 0; k < COUNT_OF(command_rows); k++)
            fprintf(out, "  %-8s %-5s %s\n", command_rows[k].name,
                    command_rows[k].operand ? command_rows[k].operand : "", command_rows[k].help);
        return;
    }
    fprintf(out, "\nusage: snug %s%s%s [flags]\n  %s\n\nflags:\n", row->name,
            row->operand ? " " : "", row->operand ? row->operand : "", row->help);
    for (size_t k = 0; k < OPTION_COUNT; k++) {
        const OptionRow *option = &option_rows[k];
        char left[64];
        if (!(option->commands & (unsigned)row->command))
            continue;
        snprintf(left, sizeof left, "--%s %s", option->name,
                 option->argument ? option->argument : "");
        fprintf(out, "  %-26s %s\n", left, option->help);
    }
    if (row->command == TRAIN)
        fprintf(out,
                "\nall other flags go to the trainer: snug compile, then ./NAME_train --help\n");
}

/* ---- parsing --------------------------------------------------------------------------------- */

typedef struct Parser {
    Options *options;
    Arena *arena;
    int argc, at;
    char **argv;
} Parser;

static bool usage_error(const char *flag, const char *what, const char *value)
{
    if (value != NULL)
        fprintf(stderr, "snug: --%s %s: %s\n", flag, value, what);
    else
        fprintf(stderr, "snug: --%s: %s\n", flag, what);
    return false;
}

/* The flag's name as in the table: without dashes in front, '_' for '-', up to '='. */
static const char *canonical_name(Parser *parser, const char *argument)
{
    static const struct {
        const char *letter, *name;
    } letters[] = {{"-h", "help"}, {"-o", "output"}};

    for (size_t k = 0; k < COUNT_OF(letters); k++)
        if (strcmp(argument, letters[k].letter) == 0)
            return letters[k].name;
    if (strncmp(argument, "-D", 2) == 0)
        return "define";
    if (strncmp(argument, "--", 2) != 0)
        return NULL;
    char *name = arena_strdup(parser->arena, argument + 2);
    name[strcspn(name, "=")] = '\0';
    for (char *at = name; *at; at++)
        if (*at == '-')
            *at = '_';
    return name;
}

/* What follows the flag: after '=' or -D, or the next argument. NULL where there is nothing. */
static const char *flag_value(Parser *parser, const char *argument)
{
    const char *equals = strchr(argument, '=');

    if (strncmp(argument, "-D", 2) == 0 && argument[2] != '\0')
        return argument + 2;
    if (argument[1] == '-' && equals != NULL)
        return equals + 1;
    if (parser->at + 1 < parser->argc && strncmp(parser->argv[parser->at + 1], "--", 2) != 0)
        return parser->argv[++parser->at];
    return NULL;
}

static bool parse_whole(const char *text, int64_t *number)
{
    double value;

    if (!parse_number(text, &value) || value != (double)(int64_t)value || value < 1
        || value > INT32_MAX)
        return false;
    *number = (int64_t)value;
    return true;
}

static bool set_list(Parser *parser, const char *flag, const char *value, IntegerList *list)
{
    for (const char *at = value;; at++) {
        size_t length = strcspn(at, ",");
        char *item = arena_strdup(parser->arena, at);
        int64_t number;
        item[length] = '\0';
        if (!parse_whole(item, &number))
            return usage_error(flag, "a whole number of at least 1 is needed", value);
        ARRAY_APPEND(parser->arena, list, number);
        at += length;
        if (*at == '\0')
            return true;
    }
}

/* H W, HxW or H,W, or one number for a square. */
static bool set_shape(Parser *parser, const char *flag, const char *value)
{
    char *first = arena_strdup(parser->arena, value);
    char *second = strpbrk(first, "x,");
    int64_t height, width;

    if (second != NULL)
        *second++ = '\0';
    if (!parse_whole(first, &height))
        return usage_error(flag, "height and width are needed, two whole numbers", value);
    width = height;
    if (second != NULL) {
        if (!parse_whole(second, &width))
            return usage_error(flag, "height and width are needed, two whole numbers", value);
    } else if (parser->at + 1 < parser->argc && parse_whole(parser->argv[parser->at + 1], &width)) {
        parser->at++;
    }
    ARRAY_APPEND(parser->arena, &parser->options->image_size, height);
    ARRAY_APPEND(parser->arena, &parser->options->image_size, width);
    return true;
}

static bool set_size(const char *flag, const char *value, int64_t *bytes)
{
    return (parse_bytes(value, bytes) && (*bytes > 0 || strcmp(flag, "capacity") != 0))
           || usage_error(flag, "a size is needed, such as 8GiB or 512MiB", value);
}

static int64_t *size_of(Options *options, OptionName name)
{
    return name == OPTION_vram       ? &options->vram
           : name == OPTION_capacity ? &options->capacity
                                     : &options->reserve;
}

static bool set_seconds(const char *flag, const char *value, double *seconds)
{
    return (parse_number(value, seconds) && *seconds > 0 && *seconds <= 1e6)
           || usage_error(flag, "seconds are needed, above 0 and at most 1000000", value);
}

static bool one_of(const char *flag, const char *value, const char *a, const char *b, const char *c)
{
    char what[128];

    if (strcmp(value, a) == 0 || strcmp(value, b) == 0 || (c != NULL && strcmp(value, c) == 0))
        return true;
    snprintf(what, sizeof what, "it must be %s%s%s or %s", a, c ? ", " : "", c ? c : "", b);
    return usage_error(flag, what, value);
}

/* The last stage of the command that has a dump. */
static const char *last_stage(Command command)
{
    return command == CHECK ? "simplify" : "check";
}

static bool set_dump(Options *options, const char *value)
{
    uint32_t stage = find_stage(value);
    char what[256] = "it must be all or a stage:";

    options->dump = value;
    if (strcmp(value, "all") == 0 || stage <= find_stage(last_stage(options->command)))
        return true;
    if (stage < stage_count)
        return usage_error("dump", "check ends with simplify; `snug plan` goes on to check", value);
    for (uint32_t k = 0; k < stage_count; k++) {
        size_t used = strlen(what);
        snprintf(what + used, sizeof what - used, " %s", stage_names[k]);
    }
    return usage_error("dump", what, value);
}

static bool set_text(Options *options, Arena *arena, OptionName name, const char *value)
{
    switch (name) {
    case OPTION_output: options->output = value; return true;
    case OPTION_card: options->card = value; return true;
    case OPTION_dump: return set_dump(options, value);
    case OPTION_html: options->html = value; return true;
    case OPTION_compare: options->compare = value; return true;
    case OPTION_trace: options->trace = value; return true;
    case OPTION_budget: options->budget = value; return true;
    case OPTION_generated: options->generated = value; return true;
    case OPTION_cc: options->cc = value; return true;
    case OPTION_define: ARRAY_APPEND(arena, &options->define, value); return true;
    case OPTION_device:
        options->device = value;
        return one_of("device", value, "auto", "host", "cuda");
    case OPTION_precision:
        options->precision = value;
        return one_of("precision", value, "mixed", "full", NULL);
    case OPTION_recompute:
        options->recompute = value;
        return one_of("recompute", value, "all", "none", "rebuild");
    case OPTION_gemm: options->gemm = value; return one_of("gemm", value, "auto", "own", "cublas");
    case OPTION_diagnostics:
        options->diagnostics = value;
        return one_of("diagnostics", value, "text", "json", NULL);
    case OPTION_color:
        options->color = value;
        return one_of("color", value, "auto", "always", "never");
    default: BUG("option %s is no text", option_rows[name].name);
    }
}

static void set_flag(Options *options, OptionName name)
{
    switch (name) {
    case OPTION_headless: options->flag_headless = true; break;
    case OPTION_json: options->flag_json = true; break;
    case OPTION_csv: options->flag_csv = true; break;
    case OPTION_no_ema: options->flag_no_ema = true; break;
    case OPTION_no_fusion: options->flag_no_fusion = true; break;
    case OPTION_time: options->flag_time = true; break;
    case OPTION_help: options->flag_help = true; break;
    case OPTION_version: options->flag_version = true; break;
    default: BUG("option %s is no flag", option_rows[name].name);
    }
}

static bool set_option(Parser *parser, OptionName name, const char *argument)
{
    const OptionRow *row = &option_rows[name];
    Options *options = parser->options;
    const char *value;

    if (row->kind == FLAG) {
        if (strchr(argument, '=') != NULL)
            return usage_error(row->name, "it takes no value", NULL);
        set_flag(options, name);
        return true;
    }
    value = flag_value(parser, argument);
    if (value == NULL || *value == '\0') {
        fprintf(stderr, "snug: --%s needs a value: --%s %s\n", row->name, row->name, row->argument);
        return false;
    }
    switch (row->kind) {
    case TEXT: return set_text(options, parser->arena, name, value);
    case LIST:
        return set_list(parser, row->name, value,
                        name == OPTION_batch_size ? &options->batch_size : &options->accumulation);
    case SHAPE: return set_shape(parser, row->name, value);
    case SIZE: return set_size(row->name, value, size_of(options, name));
    case SECONDS: return set_seconds(row->name, value, &options->time_limit);
    case INTEGER:
        return parse_whole(value, name == OPTION_effort ? &options->effort : &options->threads)
               || usage_error(row->name, "a whole number of at least 1 is needed", value);
    case FLAG: break;
    }
    BUG("option %s has no kind", row->name);
}

static bool unknown_flag(const Parser *parser, const char *argument, const char *name)
{
    const char *known[OPTION_COUNT];
    size_t count = 0;
    const char *nearest;

    for (size_t k = 0; k < OPTION_COUNT; k++)
        if (option_rows[k].commands & (unsigned)parser->options->command)
            known[count++] = option_rows[k].name;
    nearest = nearest_name(name ? name : argument, known, count);
    fprintf(stderr, "snug: unknown flag %s", argument);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean --%s?", nearest);
    fprintf(stderr, "\nsnug: `snug %s --help` lists the flags\n",
            command_row(parser->options->command)->name);
    return false;
}

/* A flag of the trainer: it and the values behind it are passed on. */
static void pass_on(Parser *parser)
{
    Options *options = parser->options;

    ARRAY_APPEND(parser->arena, &options->passed_on, parser->argv[parser->at]);
    while (parser->at + 1 < parser->argc && strncmp(parser->argv[parser->at + 1], "--", 2) != 0)
        ARRAY_APPEND(parser->arena, &options->passed_on, parser->argv[++parser->at]);
}

static bool parse_flag(Parser *parser)
{
    const char *argument = parser->argv[parser->at];
    const char *name = canonical_name(parser, argument);
    Command command = parser->options->command;
    int first = parser->at;

    for (int k = 0; name != NULL && k < OPTION_COUNT; k++) {
        if (strcmp(option_rows[k].name, name) != 0 || !(option_rows[k].commands & command))
            continue;
        bool ok = set_option(parser, (OptionName)k, argument);
        if (command == TRAIN && (k == OPTION_image_size || k == OPTION_batch_size))
            while (first <= parser->at)
                ARRAY_APPEND(parser->arena, &parser->options->passed_on, parser->argv[first++]);
        return ok;
    }
    if (command == TRAIN && name != NULL) {
        pass_on(parser);
        return true;
    }
    return unknown_flag(parser, argument, name);
}

static bool parse_command(Options *options, const char *name)
{
    const CommandRow *row = find_command(name);
    const char *known[COUNT_OF(command_rows)];

    if (row != NULL) {
        options->command = row->command;
        return true;
    }
    for (size_t k = 0; k < COUNT_OF(command_rows); k++)
        known[k] = command_rows[k].name;
    const char *nearest = nearest_name(name, known, COUNT_OF(command_rows));
    fprintf(stderr, "snug: unknown command %s", name);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean %s?", nearest);
    fprintf(stderr, "\nsnug: `snug --help` lists the commands\n");
    return false;
}

bool parse_options(Options *options, Arena *arena, int argc, char **argv)
{
    Parser parser = {.options = options, .arena = arena, .argc = argc, .argv = argv, .at = 1};

    *options = (Options){.vram = -1, .reserve = -1};
    if (argc < 2) {
        print_usage(stderr, options);
        return false;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        options->flag_help = true;
        return true;
    }
    if (strcmp(argv[1], "--version") == 0) {
        options->flag_version = true;
        return true;
    }
    if (!parse_command(options, argv[1]))
        return false;
    for (parser.at = 2; parser.at < argc; parser.at++) {
        const char *argument = argv[parser.at];
        if (argument[0] == '-' && argument[1] != '\0') {
            if (!parse_flag(&parser))
                return false;
        } else if (options->operand == NULL) {
            options->operand = argument;
        } else {
            fprintf(stderr, "snug: one operand is taken, \"%s\" and \"%s\" were given\n",
                    options->operand, argument);
            return false;
        }
    }
    const CommandRow *row = command_row(options->command);
    const Operand *example = find_operand(row->operand);
    if (example != NULL && options->operand == NULL && !options->flag_help) {
        fprintf(stderr, "snug: %s needs a %s: snug %s %s\n", row->name, example->what, row->name,
                example->text);
        return false;
    }
    return true;
}
