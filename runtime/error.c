/* Errors of the world: filled where they happen, printed at the top. The first one wins: what
 * follows from it on the way up does not hide it. */
#include "error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(Error *error, int status, const char *fmt, ...)
{
    if (error->status != 0)
        return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->what, sizeof error->what, fmt, args);
    va_end(args);
    error->status = status;
    error->why[0] = '\0';
    error->hint[0] = '\0';
    return false;
}

bool error_why(Error *error, const char *fmt, ...)
{
    if (error->why[0] != '\0')
        return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->why, sizeof error->why, fmt, args);
    va_end(args);
    return false;
}

bool error_hint(Error *error, const char *fmt, ...)
{
    if (error->hint[0] != '\0')
        return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->hint, sizeof error->hint, fmt, args);
    va_end(args);
    return false;
}

bool error_why_errno(Error *error, int number)
{
    if (number == 0 || error->why[0] != '\0')
        return false;
    error_why(error, "%s", strerror(number));
    error->why[0] = (char)tolower((unsigned char)error->why[0]);
    return false;
}

void error_print(const Error *error)
{
    fprintf(stderr, "error: %s", error->what);
    if (error->why[0] != '\0')
        fprintf(stderr, ": %s", error->why);
    fputc('\n', stderr);
    if (error->hint[0] != '\0')
        fprintf(stderr, "  %s\n", error->hint);
}
