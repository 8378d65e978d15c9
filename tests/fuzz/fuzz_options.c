/* Any words as a trainer's command line: they are accepted, and every number lies within its
 * limits, or refused with status 2. */
#include <stdlib.h>
#include <string.h>

#include "runtime/train/run_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

typedef enum Kind { FLAG, WHOLE, REAL, TEXT, SHAPE } Kind;

static const struct {
    Kind kind;
    double least, most;
} rows[OPTION_COUNT] = {
#define OPTION(name, kind, argument, least, most, initial, scope, commands, help)                  \
    {kind, least, most},
#include "runtime/train/run_options.def"
#undef OPTION
};

static void check_limits(const RunOptions *options)
{
    for (int k = 0; k < OPTION_COUNT; k++) {
        const OptionValue *value = &options->values[k];
        if (!value->is_given)
            continue;
        if (rows[k].kind == TEXT
                ? value->text[0] == '\0'
                : !(value->number >= rows[k].least && value->number <= rows[k].most))
            abort();
        if (rows[k].kind == SHAPE
            && !(value->second >= rows[k].least && value->second <= rows[k].most))
            abort();
    }
}

/* Words end with a line's end. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    enum { MOST_WORDS = 32 };
    char *text = malloc(length + 1), *argv[MOST_WORDS + 2] = {"trainer"};
    int argc = 1;
    RunOptions options;
    Error error = {0};

    if (text == NULL)
        return 0;
    memcpy(text, bytes, length);
    text[length] = '\0';
    for (char *word = text; word != NULL && argc <= MOST_WORDS;) {
        char *end = strchr(word, '\n');
        if (end != NULL)
            *end++ = '\0';
        argv[argc++] = word;
        word = end;
    }
    if (options_parse(&options, argc, argv, &error))
        check_limits(&options);
    else if (error.status != ERROR_USAGE || error.what[0] == '\0')
        abort();
    free(text);
    return 0;
}
