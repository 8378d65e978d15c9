/* The trainer's command line: one table (options.def), one parser. */
#ifndef SNUG_RUN_OPTIONS_H
#define SNUG_RUN_OPTIONS_H

#include <stdio.h>

#include "runtime/data/data.h"
#include "runtime/program.h"
#include "runtime/system/error.h"

typedef enum RunCommand { RUN_TRAIN, RUN_EVAL, RUN_PREDICT, RUN_CHECK_DATA, RUN_EXPORT } RunCommand;

/* One value a row of the table, in the form of its kind. */
typedef struct OptionValue {
    const char *text; /* TEXT */
    double number;    /* WHOLE, REAL, FLAG (0 or 1); SHAPE: height */
    double second;    /* SHAPE: width */
    bool is_given;    /* on the command line */
    bool is_kept;     /* from the checkpoint that the run goes on from */
} OptionValue;

typedef enum OptionName {
#define OPTION(name, kind, argument, least, most, initial, scope, commands, help) OPTION_##name,
#include "run_options.def"
#undef OPTION
    OPTION_COUNT
} OptionName;

typedef struct RunOptions {
    RunCommand command;
    const char *program_name; /* argv[0] */
    OptionValue values[OPTION_COUNT];
    void *kept; /* owns the texts of kept values */
} RunOptions;

#define OPTION_TEXT(options, name)   ((options)->values[OPTION_##name].text)
#define OPTION_NUMBER(options, name) ((options)->values[OPTION_##name].number)
#define OPTION_WHOLE(options, name)  ((int64_t)(options)->values[OPTION_##name].number)
#define OPTION_IS(options, name)     ((options)->values[OPTION_##name].number != 0)

/* --flag value, --flag=value, --no_flag; '-' and '_' are the same in a flag's name. */
bool options_parse(RunOptions *options, int argc, char **argv, Error *error);
void options_free(RunOptions *options); /* of zeros too */

/* Takes the run's options out of a checkpoint (what options_json has made) where the command line
 * says nothing; prints what it says otherwise. Another seed is refused. `name`: of the file. */
bool options_keep(RunOptions *options, const char *json, const char *name, Error *error);

/* Forgets a path that came out of a checkpoint, and says so: what lies elsewhere decides no path.
 */
void options_forget_path(RunOptions *options, OptionName name, const char *checkpoint);

/* Fills in what the model file says and the sizes of the chosen program; refuses values that
 * contradict each other. */
bool options_set_defaults(RunOptions *options, const SnugProgram *program, Error *error);

/* The program, of those for the chosen device, that the flags ask for, else that of the checkpoint.
 * What none of them can do is refused, with the command that compiles it. */
const SnugProgram *options_choose_program(const RunOptions *options,
                                          const SnugProgram *const *programs, int32_t count,
                                          Error *error);

Annotation options_annotation(const RunOptions *options);

Augmentation options_augmentation(const RunOptions *options);

void options_print_help(FILE *out, const char *program_name);
/* The table of flags as Markdown, for docs/trainer.md. */
void options_print_table(FILE *out);
/* Every option with its value, a JSON object; free(). */
char *options_json(const RunOptions *options);

#endif
