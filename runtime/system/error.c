/* Errors of the world: filled where they happen, printed at the top. The first one wins: what
 * follows from it on the way up does not hide it. */
#include "error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 sequence at text, 0 where it is none. Overlong forms and surrogates count as
 * sequences: they do no harm on a screen. */
static int sequence_length(const unsigned char *text)
{
    int length = text[0] < 0x80             ? 1
                 : (text[0] & 0xE0) == 0xC0 ? 2
                 : (text[0] & 0xF0) == 0xE0 ? 3
                 : (text[0] & 0xF8) == 0xF0 ? 4
                                            : 0;
    for (int i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

static void make_printable(char *text, bool keeps_lines)
{
    unsigned char *at = (unsigned char *)text;
    while (*at != '\0') {
        int length = sequence_length(at);
        bool is_control = *at < ' ' || *at == 0x7F;
        if (length == 0 || (is_control && !(keeps_lines && *at == '\n'))) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}

void error_make_printable(char *text)
{
    make_printable(text, false);
}

bool error_set(Error *error, int status, const char *fmt, ...)
{
    if (error->status != 0)
        return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(error->what, sizeof error->what, fmt, args);
    va_end(args);
    error_make_printable(error->what);
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
    error_make_printable(error->why);
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
    make_printable(error->hint, true);
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
