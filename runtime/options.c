#include "options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

typedef enum OptionKind { FLAG, WHOLE, REAL, TEXT, SHAPE } OptionKind;

typedef struct OptionRow {
    const char *name;
    OptionKind kind;
    const char *argument;
    double least, most;
    const char *initial, *help;
} OptionRow;

static const OptionRow rows[OPTION_COUNT] = {
#define OPTION(name, kind, argument, least, most, initial, help)                                   \
    {#name, kind, argument, least, most, initial, help},
#include "options.def"
#undef OPTION
};

static const struct {
    RunCommand command;
    const char *name, *help;
} commands[] = {
    {RUN_TRAIN, "train", "train (the default)"},
    {RUN_EVAL, "eval", "measure a checkpoint on a split"},
    {RUN_PREDICT, "predict", "points and overlays for a split, as PNG, CSV and JSON"},
    {RUN_CHECK_DATA, "check-data", "what is wrong with a data set, and a sheet of augmented pictures"},
    {RUN_EXPORT, "export", "weights with PyTorch's names"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

void options_print_help(FILE *out, const char *program_name)
{
    fprintf(out,
            "examples:\n"
            "  %s --dataset_path Aariz --epochs 200 --lr 3e-4 --warmup_epochs 10 --use_ema\n"
            "  %s --resume auto --dataset_path Aariz\n"
            "  %s predict --checkpoint runs/hrnet_w18 --dataset_path Aariz --split test\n\n"
            "usage: %s [COMMAND] [flags]\n\ncommands:\n",
            program_name, program_name, program_name, program_name);
    for (int k = 0; k < COMMAND_COUNT; k++)
        fprintf(out, "  %-11s %s\n", commands[k].name, commands[k].help);
    fprintf(out, "\nflags:\n");
    for (int k = 0; k < OPTION_COUNT; k++) {
        char left[64];
        const char *initial = strcmp(rows[k].initial, "program") == 0 ? "as the model file says"
                                                                      : rows[k].initial;
        snprintf(left, sizeof left, "--%s %s", rows[k].name,
                 rows[k].argument ? rows[k].argument : "");
        fprintf(out, "  %-32s %s", left, rows[k].help);
        if (initial[0] != '\0' && rows[k].kind != FLAG && k != OPTION_batch_size)
            fprintf(out, " [%s]", initial);
        if (rows[k].kind == FLAG && strcmp(initial, "1") == 0)
            fprintf(out, " [on; --no_%s]", rows[k].name);
        fprintf(out, "\n");
    }
}

/* ---- names --------------------------------------------------------------------------------------------- */

/* Edit distance of two short names. */
static size_t name_distance(const char *a, const char *b)
{
    enum { MOST = 48 };
    size_t row[MOST + 1], length = strlen(b);

    if (length > MOST)
        return MOST;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t best = diagonal + (*a != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[length];
}

static bool unknown_flag(const char *argument, const char *name, Error *error)
{
    size_t best = strlen(name) / 3 + 1;
    const char *nearest = NULL;

    for (int k = 0; k < OPTION_COUNT; k++) {
        size_t distance = name_distance(name, rows[k].name);
        if (distance < best) {
            best = distance;
            nearest = rows[k].name;
        }
    }
    error_set(error, ERROR_USAGE, "unknown flag %s", argument);
    if (nearest != NULL)
        return error_hint(error, "did you mean --%s?", nearest);
    return error_hint(error, "--help lists the flags");
}

/* The flag's name in the table's spelling. */
static void canonical_name(const char *argument, char *name, size_t size)
{
    size_t length = 0;

    for (const char *at = argument + 2; *at && *at != '=' && length + 1 < size; at++)
        name[length++] = *at == '-' ? '_' : *at;
    name[length] = '\0';
}

/* The row, and for --no_x whether the flag is switched off. */
static int find_row(const char *name, bool *is_off)
{
    *is_off = false;
    for (int k = 0; k < OPTION_COUNT; k++)
        if (strcmp(rows[k].name, name) == 0)
            return k;
    if (strncmp(name, "no_", 3) != 0)
        return -1;
    *is_off = true;
    for (int k = 0; k < OPTION_COUNT; k++)
        if (rows[k].kind == FLAG && strcmp(rows[k].name, name + 3) == 0)
            return k;
    return -1;
}

/* ---- values -------------------------------------------------------------------------------------------- */

/* strtod follows the locale, which the program never sets: the point is always '.'. */
static bool read_number(const OptionRow *row, const char *text, double *number, Error *error)
{
    char *end;

    *number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(*number)) {
        error_set(error, ERROR_USAGE, "--%s %s: a number is needed", row->name, text);
        return error_hint(error, "--%s %s", row->name, row->argument);
    }
    if (row->kind != REAL && *number != floor(*number))
        return error_set(error, ERROR_USAGE, "--%s %s: a whole number is needed", row->name, text);
    if (*number < row->least || *number > row->most)
        return error_set(error, ERROR_USAGE, "--%s %s: it must lie between %g and %g", row->name,
                         text, row->least, row->most);
    return true;
}

typedef struct Parser {
    RunOptions *options;
    int argc, at;
    char **argv;
} Parser;

/* H W, HxW, or one number for a square. */
static bool read_shape(Parser *parser, const OptionRow *row, const char *text, OptionValue *value,
                       Error *error)
{
    char first[64];
    const char *second = strpbrk(text, "x,");

    snprintf(first, sizeof first, "%.*s", second ? (int)(second - text) : 63, text);
    if (!read_number(row, first, &value->number, error))
        return false;
    value->second = value->number;
    if (second != NULL)
        return read_number(row, second + 1, &value->second, error);
    if (parser->at + 1 < parser->argc && parser->argv[parser->at + 1][0] >= '0'
        && parser->argv[parser->at + 1][0] <= '9')
        return read_number(row, parser->argv[++parser->at], &value->second, error);
    return true;
}

static bool read_value(Parser *parser, int k, const char *text, Error *error)
{
    const OptionRow *row = &rows[k];
    OptionValue *value = &parser->options->values[k];

    switch (row->kind) {
    case TEXT:
        value->text = text;
        return true;
    case SHAPE:
        return read_shape(parser, row, text, value, error);
    default:
        return read_number(row, text, &value->number, error);
    }
}

static bool parse_flag(Parser *parser, Error *error)
{
    const char *argument = parser->argv[parser->at], *equals = strchr(argument, '=');
    char name[64];
    bool is_off;

    if (strcmp(argument, "-h") == 0)
        argument = "--help";
    if (strncmp(argument, "--", 2) != 0)
        return unknown_flag(argument, argument, error);
    canonical_name(argument, name, sizeof name);
    int k = find_row(name, &is_off);
    if (k < 0)
        return unknown_flag(argument, name, error);
    OptionValue *value = &parser->options->values[k];
    if (value->is_given)
        return error_set(error, ERROR_USAGE, "--%s is given twice", rows[k].name);
    value->is_given = true;
    if (rows[k].kind == FLAG) {
        value->number = !is_off;
        return equals == NULL
               || error_set(error, ERROR_USAGE, "--%s takes no value", rows[k].name);
    }
    const char *text = equals != NULL                     ? equals + 1
                       : parser->at + 1 < parser->argc    ? parser->argv[++parser->at]
                                                          : "";
    if (text[0] == '\0' || strncmp(text, "--", 2) == 0) {
        error_set(error, ERROR_USAGE, "--%s needs a value", rows[k].name);
        return error_hint(error, "--%s %s", rows[k].name, rows[k].argument);
    }
    return read_value(parser, k, text, error);
}

static bool check_choice(const RunOptions *options, OptionName name, const char *choices,
                         Error *error)
{
    const char *text = options->values[name].text;
    size_t length = strlen(text);

    if (length == 0)
        return true;
    for (const char *at = choices; *at;) {
        size_t word = strcspn(at, " ");
        if (word == length && strncmp(at, text, word) == 0)
            return true;
        at += word + (at[word] == ' ');
    }
    error_set(error, ERROR_USAGE, "--%s %s is not known", rows[name].name, text);
    return error_hint(error, "one of: %s", choices);
}

static bool parse_command(RunOptions *options, const char *word, Error *error)
{
    for (int k = 0; k < COMMAND_COUNT; k++) {
        if (strcmp(commands[k].name, word) == 0) {
            options->command = commands[k].command;
            return true;
        }
    }
    error_set(error, ERROR_USAGE, "unknown command %s", word);
    return error_hint(error, "the commands are train, eval, predict, check-data and export");
}

bool options_parse(RunOptions *options, int argc, char **argv, Error *error)
{
    Parser parser = {.options = options, .argc = argc, .argv = argv, .at = 1};

    *options = (RunOptions){.program_name = argv[0]};
    for (int k = 0; k < OPTION_COUNT; k++) {
        options->values[k].text = rows[k].kind == TEXT ? rows[k].initial : "";
        if (rows[k].kind != TEXT && strcmp(rows[k].initial, "program") != 0)
            options->values[k].number = strtod(rows[k].initial, NULL);
    }
    if (argc > 1 && argv[1][0] != '-') {
        if (!parse_command(options, argv[1], error))
            return false;
        parser.at = 2;
    }
    for (; parser.at < argc; parser.at++)
        if (!parse_flag(&parser, error))
            return false;
    return check_choice(options, OPTION_annotation_type, "senior junior mean ceil_mean", error)
           && check_choice(options, OPTION_split, "train valid test test1 test2", error)
           && check_choice(options, OPTION_loss, "mse adaptive_wing ohkm", error);
}

void options_set_defaults(RunOptions *options, const SnugDefaults *defaults)
{
    const struct {
        OptionName name;
        double value;
    } from_program[] = {
        {OPTION_epochs, defaults->epochs},
        {OPTION_gradient_accumulation_steps, defaults->accumulate},
        {OPTION_lr, defaults->lr},
        {OPTION_min_lr, defaults->min_lr},
        {OPTION_warmup_epochs, defaults->warmup_epochs},
        {OPTION_weight_decay, defaults->weight_decay},
        {OPTION_clip, defaults->clip},
        {OPTION_mixed_precision, defaults->mixed_precision},
        {OPTION_use_ema, defaults->use_ema},
        {OPTION_ema_decay, defaults->ema_decay},
    };

    for (size_t k = 0; k < sizeof from_program / sizeof from_program[0]; k++)
        if (!options->values[from_program[k].name].is_given)
            options->values[from_program[k].name].number = from_program[k].value;
}

Annotation options_annotation(const RunOptions *options)
{
    static const char *const names[] = {"mean", "senior", "junior", "ceil_mean"};

    for (int k = 0; k < 4; k++)
        if (strcmp(OPTION_TEXT(options, annotation_type), names[k]) == 0)
            return (Annotation)k;
    return ANNOTATION_mean;
}

/* ---- the compiled plan ------------------------------------------------------------------------------------ */

static const char *loss_name(const SnugLoss *loss)
{
    static const char *const names[] = {"mse", "adaptive_wing", "ohkm"};
    return names[loss->kind];
}

/* Refuses with the command that compiles what was asked for. */
static const SnugProgram *refuse(const RunOptions *options, const SnugProgram *program,
                                 const char *what, Error *error)
{
    const OptionValue *size = &options->values[OPTION_image_size];
    long long batch = OPTION_WHOLE(options, batch_size);

    error_set(error, ERROR_USAGE, "%s", what);
    error_hint(error, "compile it: snug compile %s%s%s --image_size %d %d --batch_size %lld -o %s",
               program->model_path, program->overrides[0] ? " " : "", program->overrides,
               size->is_given ? (int)size->number : program->image_height,
               size->is_given ? (int)size->second : program->image_width,
               batch > 0 ? batch : (long long)program->batch_size, options->program_name);
    return NULL;
}

static bool suits(const RunOptions *options, const SnugProgram *program)
{
    const OptionValue *size = &options->values[OPTION_image_size];
    const OptionValue *batch = &options->values[OPTION_batch_size];

    return (!size->is_given
            || (size->number == program->image_height && size->second == program->image_width))
           && (!batch->is_given || batch->number == program->batch_size);
}

const SnugProgram *options_choose_program(const RunOptions *options,
                                          const SnugProgram *const *programs, int32_t count,
                                          Error *error)
{
    const SnugProgram *program = programs[0];
    const char *model = OPTION_TEXT(options, model), *loss = OPTION_TEXT(options, loss);
    char what[256];

    if (model[0] != '\0' && strncmp(program->model, model, strlen(model)) != 0) {
        error_set(error, ERROR_USAGE, "this trainer was compiled from %s, not from %s",
                  program->model, model);
        error_hint(error, "compile the other one: snug compile models/%s.snug", model);
        return NULL;
    }
    if (strcmp(OPTION_TEXT(options, device), program->device) != 0) {
        snprintf(what, sizeof what, "this trainer was compiled for the device %s, not %s",
                 program->device, OPTION_TEXT(options, device));
        return refuse(options, program, what, error);
    }
    if (loss[0] != '\0' && strcmp(loss, loss_name(&program->loss)) != 0) {
        error_set(error, ERROR_USAGE, "this trainer was compiled with the loss %s, not %s",
                  loss_name(&program->loss), loss);
        error_hint(error, "change `minimize` in %s to %s(...) and compile again",
                   program->model_path, loss);
        return NULL;
    }
    if (options->values[OPTION_mixed_precision].is_given
        && OPTION_IS(options, mixed_precision) != (program->defaults.mixed_precision != 0)) {
        error_set(error, ERROR_USAGE, "this trainer was compiled with %s precision",
                  program->defaults.mixed_precision ? "mixed" : "full");
        error_hint(error, "compile it: snug compile %s --precision %s", program->model_path,
                   OPTION_IS(options, mixed_precision) ? "mixed" : "full");
        return NULL;
    }
    for (int32_t k = 0; k < count; k++)
        if (suits(options, programs[k]))
            return programs[k];
    snprintf(what, sizeof what, "this trainer holds no plan for %s%s",
             options->values[OPTION_image_size].is_given ? "this image size" : "",
             options->values[OPTION_batch_size].is_given
                 ? options->values[OPTION_image_size].is_given ? " with this batch size"
                                                                : "this batch size"
                 : "");
    return refuse(options, program, what, error);
}

char *options_json(const RunOptions *options)
{
    json_t *object = json_object();
    char *text;

    for (int k = 0; k < OPTION_COUNT; k++) {
        const OptionValue *value = &options->values[k];
        json_t *item = rows[k].kind == TEXT    ? json_string(value->text)
                       : rows[k].kind == SHAPE ? json_pack("[I, I]", (json_int_t)value->number,
                                                           (json_int_t)value->second)
                       : rows[k].kind == FLAG  ? json_boolean(value->number != 0)
                       : rows[k].kind == WHOLE ? json_integer((json_int_t)value->number)
                                               : json_real(value->number);
        if (k != OPTION_help && k != OPTION_version)
            json_object_set_new(object, rows[k].name, item);
        else
            json_decref(item);
    }
    text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    return text;
}
