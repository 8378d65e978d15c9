/* The command line of a trainer, and what a checkpoint says in its place. */
#include "run_options.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/json.h"

typedef enum OptionKind { FLAG, WHOLE, REAL, TEXT, SHAPE } OptionKind;
typedef enum OptionScope { RUN, CALL } OptionScope;

typedef struct OptionRow {
    const char *name;
    OptionKind kind;
    const char *argument;
    double least, most;
    const char *initial;
    OptionScope scope;
    unsigned commands; /* 1 << RunCommand of each that uses it */
    const char *help;
} OptionRow;

enum {
    TRAIN = 1 << RUN_TRAIN,
    EVAL = 1 << RUN_EVAL,
    PREDICT = 1 << RUN_PREDICT,
    CHECK_DATA = 1 << RUN_CHECK_DATA,
    EXPORT = 1 << RUN_EXPORT,
    DATA = TRAIN | EVAL | PREDICT | CHECK_DATA,
    WEIGHTS = TRAIN | EVAL | PREDICT | EXPORT,
    ALL = DATA | WEIGHTS
};

static const OptionRow rows[OPTION_COUNT] = {
#define OPTION(name, kind, argument, least, most, initial, scope, commands, help)                  \
    {#name, kind, argument, least, most, initial, scope, commands, help},
#include "run_options.def"
#undef OPTION
};

static const struct {
    RunCommand command;
    const char *name, *help;
} commands[] = {
    {RUN_TRAIN, "train", "train (the default)"},
    {RUN_EVAL, "eval", "measure a checkpoint on a split"},
    {RUN_PREDICT, "predict", "points and overlays for a split, as PNG, CSV and JSON"},
    {RUN_CHECK_DATA, "check-data", "what is wrong with a data set; a sheet of augmented pictures"},
    {RUN_EXPORT, "export", "weights with PyTorch's names"},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

/* "train, eval": the commands that use a flag; "all" where each does. */
static const char *command_names(int k, char *text, size_t size)
{
    size_t used = 0;

    if (rows[k].commands == ALL)
        return "all";
    text[0] = '\0';
    for (int c = 0; c < COMMAND_COUNT; c++)
        if (rows[k].commands >> commands[c].command & 1)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     commands[c].name);
    return text;
}

/* What a flag is where nothing is given. */
static const char *default_text(int k)
{
    if (strcmp(rows[k].initial, "program") == 0)
        return "as the model file says";
    if (k == OPTION_batch_size || k == OPTION_image_size)
        return "as compiled";
    return rows[k].kind == FLAG ? rows[k].initial[0] == '1' ? "on" : "off" : rows[k].initial;
}

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
    fprintf(out, "\nflags, of train and of the commands in parentheses alone:\n");
    for (int k = 0; k < OPTION_COUNT; k++) {
        char left[64], names[64];
        snprintf(left, sizeof left, "--%s %s", rows[k].name,
                 rows[k].argument ? rows[k].argument : "");
        fprintf(out, "  %-32s %s", left, rows[k].help);
        if (rows[k].kind == FLAG && strcmp(rows[k].initial, "1") == 0)
            fprintf(out, " [on; --no_%s]", rows[k].name);
        else if (rows[k].kind != FLAG && default_text(k)[0] != '\0')
            fprintf(out, " [%s]", default_text(k));
        if (rows[k].commands != ALL && rows[k].commands != TRAIN)
            fprintf(out, " (%s)", command_names(k, names, sizeof names));
        fprintf(out, "\n");
    }
}

void options_print_table(FILE *out)
{
    char names[64];

    fprintf(out, "| flag | default | commands | |\n|---|---|---|---|\n");
    for (int k = 0; k < OPTION_COUNT; k++)
        fprintf(out, "| `--%s%s%s` | %s | %s | %s%s |\n", rows[k].name, rows[k].argument ? " " : "",
                rows[k].argument ? rows[k].argument : "", default_text(k),
                command_names(k, names, sizeof names), rows[k].help,
                rows[k].scope == RUN ? " (kept by `--resume`)" : "");
}

/* ---- names ----------------------------------------------------------------------------------- */

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

/* ---- values ---------------------------------------------------------------------------------- */

/* strtod follows the locale, which the program never sets: the point is always '.'. */
static bool read_number(const OptionRow *row, const char *text, double *number, Error *error)
{
    char *end;

    *number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(*number)
        || strspn(text, "0123456789+-.eE") != strlen(text)) {
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
    case TEXT: value->text = text; return true;
    case SHAPE: return read_shape(parser, row, text, value, error);
    case FLAG:
    case WHOLE:
    case REAL: break;
    }
    return read_number(row, text, &value->number, error);
}

static bool parse_flag(Parser *parser, Error *error)
{
    const char *argument = parser->argv[parser->at], *equals = strchr(argument, '=');
    char name[64];
    bool is_off;

    if (strcmp(argument, "-h") == 0)
        argument = "--help";
    if (argument[0] != '-') {
        error_set(error, ERROR_USAGE, "%s belongs to no flag", argument);
        return error_hint(error, "a command comes first, --help lists commands and flags");
    }
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
        return equals == NULL || error_set(error, ERROR_USAGE, "--%s takes no value", rows[k].name);
    }
    const char *text = equals != NULL                  ? equals + 1
                       : parser->at + 1 < parser->argc ? parser->argv[++parser->at]
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

/* A flag of another command means nothing here. */
static bool check_commands(const RunOptions *options, Error *error)
{
    char names[64];
    const char *command = "train";

    for (int c = 0; c < COMMAND_COUNT; c++)
        if (commands[c].command == options->command)
            command = commands[c].name;
    for (int k = 0; k < OPTION_COUNT; k++) {
        if (!options->values[k].is_given || rows[k].commands >> options->command & 1)
            continue;
        error_set(error, ERROR_USAGE, "--%s means nothing to %s", rows[k].name, command);
        if (k == OPTION_checkpoint)
            return error_hint(error, "train goes on from a checkpoint by --resume, and starts from "
                                     "its weights by --init");
        if (k == OPTION_init)
            return error_hint(error, "--checkpoint names the weights that %s takes", command);
        return error_hint(error, "it is a flag of %s", command_names(k, names, sizeof names));
    }
    return true;
}

/* A flag that another one leaves without a meaning. */
static bool check_pairs(const RunOptions *options, Error *error)
{
    static const struct {
        OptionName name, with;
        const char *hint;
    } pairs[] = {
        {OPTION_init, OPTION_resume, "a run that goes on has its weights"},
        {OPTION_name, OPTION_resume, "a run that goes on keeps its folder"},
        {OPTION_checkpoint, OPTION_resume, "both name the checkpoint"},
        {OPTION_split, OPTION_images, "the pictures of --images are predicted, no split"},
        {OPTION_annotation_type, OPTION_images, "the pictures of --images have no truth"},
        {OPTION_dataset_path, OPTION_images, "the pictures of --images are predicted, no split"},
    };
    const OptionValue *values = options->values;
    const char *from = values[OPTION_resume].text;

    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
        if (!values[pairs[k].name].is_given || !values[pairs[k].with].is_given)
            continue;
        error_set(error, ERROR_USAGE, "--%s means nothing beside --%s", rows[pairs[k].name].name,
                  rows[pairs[k].with].name);
        return error_hint(error, "%s: leave one out", pairs[k].hint);
    }
    if (values[OPTION_allow_missing].number != 0 && !values[OPTION_init].is_given)
        return error_set(error, ERROR_USAGE, "--allow_missing means nothing without --init");
    if (options->command == RUN_TRAIN && values[OPTION_save_dir].is_given
        && values[OPTION_resume].is_given && strcmp(from, "auto") != 0) {
        error_set(error, ERROR_USAGE, "--save_dir means nothing beside --resume %s", from);
        return error_hint(error, "the run goes on in its folder; --resume auto takes the newest "
                                 "run below --save_dir");
    }
    if (values[OPTION_patience].is_given && values[OPTION_patience].number > 0
        && values[OPTION_validation].is_given && values[OPTION_validation].number == 0) {
        error_set(error, ERROR_USAGE, "--patience means nothing beside --no_validation");
        return error_hint(error, "it counts validations without a better MRE");
    }
    return true;
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
    if (OPTION_IS(options, help) || OPTION_IS(options, version))
        return true;
    return check_choice(options, OPTION_annotation_type, "senior junior mean ceil_mean", error)
           && check_choice(options, OPTION_split, "train valid test test1 test2", error)
           && check_choice(options, OPTION_loss, "mse adaptive_wing ohkm", error)
           && check_commands(options, error) && check_pairs(options, error);
}

/* ---- what the run had ------------------------------------------------------------------------ */

/* The value of row k in a checkpoint; false where it is absent or of another kind or range. */
static bool read_kept(int k, const json_t *item, OptionValue *value)
{
    const OptionRow *row = &rows[k];

    switch (row->kind) {
    case TEXT:
        value->text = json_string_value(item);
        if (value->text != NULL) /* the JSON is ours alone, and the name becomes no longer */
            name_restore((char *)value->text);
        return value->text != NULL;
    case FLAG: value->number = json_is_true(item); return json_is_boolean(item);
    case SHAPE:
        value->number = json_number_value(json_array_get(item, 0));
        value->second = json_number_value(json_array_get(item, 1));
        return value->number >= row->least && value->number <= row->most
               && value->second >= row->least && value->second <= row->most;
    case WHOLE:
    case REAL: break;
    }
    value->number = json_number_value(item);
    return json_is_number(item) && value->number >= row->least && value->number <= row->most;
}

static bool is_equal(int k, const OptionValue *a, const OptionValue *b)
{
    return rows[k].kind == TEXT ? strcmp(a->text, b->text) == 0
                                : a->number == b->number && a->second == b->second;
}

static void print_value(FILE *out, int k, const OptionValue *value)
{
    if (rows[k].kind == TEXT)
        fprintf(out, "%s", value->text);
    else if (rows[k].kind == SHAPE)
        fprintf(out, "%g %g", value->number, value->second);
    else
        fprintf(out, "%.9g", value->number);
}

bool options_keep(RunOptions *options, const char *json, const char *name, Error *error)
{
    Error reason = {0};
    json_t *object = json_read_text((const uint8_t *)json, (int64_t)strlen(json), name, &reason);

    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(error, ERROR_FILES, "%s holds no options of a training", name);
    }
    json_decref(options->kept);
    options->kept = object;
    for (int k = 0; k < OPTION_COUNT; k++) {
        OptionValue *value = &options->values[k], kept = {.text = "", .is_kept = true};
        if (rows[k].scope != RUN || !read_kept(k, json_object_get(object, rows[k].name), &kept))
            continue;
        if (!value->is_given) {
            *value = kept;
        } else if (!is_equal(k, value, &kept)) {
            if (k == OPTION_seed && options->command == RUN_TRAIN) {
                error_set(error, ERROR_USAGE, "%s was trained with --seed %.0f", name, kept.number);
                return error_hint(error, "leave --seed out, or start a new run with --init %s",
                                  name);
            }
            fprintf(stderr, "from here on --%s ", rows[k].name);
            print_value(stderr, k, value);
            fprintf(stderr, " instead of ");
            print_value(stderr, k, &kept);
            fprintf(stderr, "\n");
        }
    }
    return true;
}

void options_forget_path(RunOptions *options, OptionName name, const char *checkpoint)
{
    OptionValue *value = &options->values[name];

    if (!value->is_kept || value->text[0] == '\0')
        return;
    fprintf(stderr, "%s was written in another folder: its --%s is not used\n", checkpoint,
            rows[name].name);
    value->text = rows[name].initial;
    value->is_kept = false;
}

void options_free(RunOptions *options)
{
    json_decref(options->kept);
    *options = (RunOptions){0};
}

/* ---- defaults -------------------------------------------------------------------------------- */

/* What each value alone allows and all together do not. */
static bool check_together(const RunOptions *options, const SnugProgram *program, Error *error)
{
    const char *name = OPTION_TEXT(options, name);

    if (OPTION_NUMBER(options, min_lr) > OPTION_NUMBER(options, lr))
        return error_set(error, ERROR_USAGE, "--min_lr %g is larger than --lr %g",
                         OPTION_NUMBER(options, min_lr), OPTION_NUMBER(options, lr));
    if (strpbrk(name, "/\\") != NULL || strcmp(name, "..") == 0 || strcmp(name, ".") == 0) {
        error_set(error, ERROR_USAGE, "--name %s is a path", name);
        return error_hint(error, "--save_dir says where the folder goes, --name what it is called");
    }
    if (OPTION_IS(options, use_ema) && program->param_count > 0 && program->params[0].ema < 0) {
        error_set(error, ERROR_USAGE, "this trainer was compiled without moving averages");
        return error_hint(error, "add `ema 0.9999` to `train` in %s and compile again",
                          program->model_path);
    }
    if (OPTION_WHOLE(options, warmup_epochs) >= OPTION_WHOLE(options, epochs)
        && options->command == RUN_TRAIN)
        fprintf(stderr, "warning: --warmup_epochs %" PRId64 " takes all of --epochs %" PRId64 "\n",
                OPTION_WHOLE(options, warmup_epochs), OPTION_WHOLE(options, epochs));
    return true;
}

bool options_set_defaults(RunOptions *options, const SnugProgram *program, Error *error)
{
    const SnugDefaults *defaults = &program->defaults;
    const struct {
        OptionName name;
        double value;
    } from_program[] = {
        {OPTION_epochs, defaults->epochs},
        {OPTION_gradient_accumulation_steps, defaults->accumulate},
        {OPTION_lr, (double)defaults->lr},
        {OPTION_min_lr, (double)defaults->min_lr},
        {OPTION_warmup_epochs, defaults->warmup_epochs},
        {OPTION_weight_decay, (double)defaults->weight_decay},
        {OPTION_clip, (double)defaults->clip},
        {OPTION_mixed_precision, defaults->mixed_precision},
        {OPTION_use_ema, defaults->use_ema},
        {OPTION_ema_decay, (double)defaults->ema_decay},
    };

    for (size_t k = 0; k < sizeof from_program / sizeof from_program[0]; k++) {
        OptionValue *value = &options->values[from_program[k].name];
        if (!value->is_given && !value->is_kept)
            value->number = from_program[k].value;
    }
    options->values[OPTION_batch_size].number = program->batch_size;
    options->values[OPTION_image_size].number = program->image_height;
    options->values[OPTION_image_size].second = program->image_width;
    return check_together(options, program, error);
}

Augmentation options_augmentation(const RunOptions *o)
{
    float light = (float)OPTION_NUMBER(o, brightness);

    return (Augmentation){
        .rotation_degrees = (float)OPTION_NUMBER(o, rotation),
        .scale = (float)OPTION_NUMBER(o, scale),
        .shift = (float)OPTION_NUMBER(o, shift),
        .shift_y = (float)OPTION_NUMBER(o, shift_y),
        .brightness = light,
        .contrast = light,
        .gamma = light,
        .noise = (float)OPTION_NUMBER(o, noise),
        .blur = (float)OPTION_NUMBER(o, blur),
    };
}

Annotation options_annotation(const RunOptions *options)
{
    static const char *const names[] = {"mean", "senior", "junior", "ceil_mean"};

    for (int k = 0; k < 4; k++)
        if (strcmp(OPTION_TEXT(options, annotation_type), names[k]) == 0)
            return (Annotation)k;
    return ANNOTATION_mean;
}

/* ---- the compiled plan ----------------------------------------------------------------------- */

static const char *loss_name(const SnugLoss *loss)
{
    static const char *const names[] = {"mse", "adaptive_wing", "ohkm"};
    return names[loss->kind];
}

/* Whether the other precision than the compiled one is asked for. */
static bool is_other_precision(const RunOptions *options, const SnugProgram *program)
{
    return options->values[OPTION_mixed_precision].is_given
           && OPTION_IS(options, mixed_precision) != (program->defaults.mixed_precision != 0);
}

static bool asks_for_device(const RunOptions *options)
{
    const char *device = OPTION_TEXT(options, device);

    return device[0] != '\0' && strcmp(device, "auto") != 0;
}

/* Refuses with the command that compiles what was asked for. */
static const SnugProgram *refuse(const RunOptions *options, const SnugProgram *program,
                                 const char *what, Error *error)
{
    const OptionValue *size = &options->values[OPTION_image_size];
    long long batch = OPTION_WHOLE(options, batch_size);
    const char *device = asks_for_device(options) ? OPTION_TEXT(options, device) : "";
    const char *precision = !is_other_precision(options, program) ? ""
                            : OPTION_IS(options, mixed_precision) ? " --precision mixed"
                                                                  : " --precision full";

    error_set(error, ERROR_USAGE, "%s", what);
    error_hint(error,
               "compile it: snug compile %s%s%s%s%s%s --image_size %d %d --batch_size %lld -o %s",
               program->model_path, program->overrides[0] ? " " : "", program->overrides,
               device[0] ? " --device " : "", device, precision,
               size->number > 0 ? (int)size->number : program->image_height,
               size->number > 0 ? (int)size->second : program->image_width,
               batch > 0 ? batch : (long long)program->batch_size, options->program_name);
    return NULL;
}

/* Whether the program has the sizes that were given or, where nothing was, those of the run. */
static bool suits(const RunOptions *options, const SnugProgram *program, bool as_kept)
{
    const OptionValue *size = &options->values[OPTION_image_size];
    const OptionValue *batch = &options->values[OPTION_batch_size];

    return (!(size->is_given || (as_kept && size->is_kept))
            || (size->number == program->image_height && size->second == program->image_width))
           && (!(batch->is_given || (as_kept && batch->is_kept))
               || batch->number == program->batch_size);
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
    if (asks_for_device(options) && strcmp(OPTION_TEXT(options, device), program->device) != 0) {
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
    if (is_other_precision(options, program)) {
        snprintf(what, sizeof what, "this trainer was compiled with %s precision",
                 program->defaults.mixed_precision ? "mixed" : "full");
        return refuse(options, program, what, error);
    }
    for (int32_t k = 0; k < count; k++)
        if (suits(options, programs[k], true))
            return programs[k];
    for (int32_t k = 0; k < count && options->command != RUN_TRAIN; k++)
        if (suits(options, programs[k], false))
            return programs[k];
    const OptionValue *size = &options->values[OPTION_image_size];
    const OptionValue *batch = &options->values[OPTION_batch_size];
    bool has_size = size->is_given || size->is_kept, has_batch = batch->is_given || batch->is_kept;
    snprintf(what, sizeof what, "this trainer holds no plan for %s%s%s%s",
             has_size ? "this image size" : "", has_size && has_batch ? " with " : "",
             has_batch ? "this batch size" : "", batch->is_kept ? ", which the run has" : "");
    return refuse(options, program, what, error);
}

char *options_json(const RunOptions *options)
{
    json_t *object = json_object();
    char *text;

    for (int k = 0; k < OPTION_COUNT; k++) {
        const OptionValue *value = &options->values[k];
        json_t *item = rows[k].kind == TEXT    ? json_name(value->text)
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
