/* The command line of the compiler: one table (options.def), one parser. */
#ifndef SNUG_OPTIONS_H
#define SNUG_OPTIONS_H

#include <stdio.h>

#include "compiler/floor/arena.h"

typedef enum Command {
    CHECK = 1 << 0,
    PLAN = 1 << 1,
    COMPILE = 1 << 2,
    TRAIN = 1 << 3,
    DOCTOR = 1 << 4,
    EXPLAIN = 1 << 5,
    FIT = 1 << 6,
    PACK = 1 << 7,
    REMAT = 1 << 8,
    ALL_PLAN = PLAN | COMPILE | TRAIN | FIT,
    ALL_MODEL = CHECK | ALL_PLAN,
    ALL_COMMANDS = ALL_MODEL | DOCTOR | EXPLAIN | PACK | REMAT
} Command;

enum { OPTIONS_MAX_VARIANTS = 16 };

typedef ARRAY(int64_t) IntegerList;

typedef struct Options {
    Command command;
    const char *operand; /* the file, or the code to explain; NULL where there is none */

    bool flag_headless, flag_json, flag_csv, flag_no_ema, flag_no_fusion, flag_time, flag_help,
        flag_version;
    const char *output, *device, *card, *precision, *gemm, *dump, *generated, *cc, *diagnostics,
        *color;
    const char *recompute;              /* all, rebuild, none; NULL: not given */
    const char *html, *trace, *compare; /* files */
    ARRAY(const char *) define;
    const char *budget;            /* remat: fraction, percentage or bytes */
    int64_t vram, reserve;         /* -1: not given */
    int64_t capacity;              /* 0: not given */
    double time_limit;             /* seconds; 0: not given */
    int64_t threads, effort;       /* 0: not given */
    IntegerList batch_size;        /* empty: as the model says */
    IntegerList accumulation;      /* fit: --gradient_accumulation_steps */
    IntegerList image_size;        /* pairs of height and width */
    ARRAY(const char *) passed_on; /* train: what is for the trainer, in order */
} Options;

/* Returns false after a message on stderr (usage: exit 2). Spellings: --flag value, --flag=value,
 * --snake_case and --kebab-case, -D P=V, -DP=V, -o FILE, -h. With `train`, flags that are not in
 * the table go to the trainer untouched, as do --image_size and --batch_size. */
bool parse_options(Options *options, Arena *arena, int argc, char **argv);

const char *command_name(Command command);

void print_usage(FILE *out, const Options *options);

#endif
