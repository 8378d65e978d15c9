/* What to do when we are wrong ourselves. */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bug(const char *file, int line, const char *fmt, ...)
{
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "snug: internal error at %s:%d: ", file, line);
    va_start(arguments, fmt);
    vfprintf(stderr, fmt, arguments);
    va_end(arguments);
    fprintf(stderr, "\n"
                    "This is a mistake in snug, not in the model. Please report it with the model "
                    "file, the\ncommand line and the lines above.\n");
    exit(EXIT_STATUS_internal);
}
