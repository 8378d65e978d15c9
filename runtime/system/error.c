/* Errors of the world: filled where they happen, printed at the top. The first one wins: what
 * follows from it on the way up does not hide it. */
#include "error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 sequence at text, 0 where it is none: no overlong forms, no surrogates, as
 * JSON has it. */
static int sequence_length(const unsigned char *text)
{
    int length = text[0] < 0x80                       ? 1
                 : text[0] >= 0xC2 && text[0] <= 0xDF ? 2
                 : (text[0] & 0xF0) == 0xE0           ? 3
                 : text[0] >= 0xF0 && text[0] <= 0xF4 ? 4
                                                      : 0;
    for (int i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] >= 0xA0)
        || (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] >= 0x90))
        return 0;
    return length;
}

static bool is_escape(const char *at)
{
    return at[0] == '\\' && at[1] == 'x' && isxdigit((unsigned char)at[2])
           && isxdigit((unsigned char)at[3]);
}

static void write_printable(char *to, size_t size, const char *from, bool keeps_lines)
{
    char *end = to + size;
    while (*from != '\0') {
        unsigned char byte = (unsigned char)*from;
        int length = sequence_length((const unsigned char *)from);
        bool is_control = byte < ' ' || byte == 0x7F;
        bool is_plain =
            length > 0 && (!is_control || (keeps_lines && byte == '\n')) && !is_escape(from);
        if (to + (is_plain ? length : 4) >= end)
            break;
        if (!is_plain)
            snprintf(to, 5, "\\x%02X", byte);
        else
            memcpy(to, from, (size_t)length);
        to += is_plain ? length : 4;
        from += is_plain ? length : 1;
    }
    *to = '\0';
}

void name_write(char *to, size_t size, const char *name)
{
    write_printable(to, size, name, false);
}

char *name_copy(const char *name)
{
    size_t size = 4 * strlen(name) + 1;
    char *copy = malloc(size);
    if (copy != NULL)
        name_write(copy, size, name);
    return copy;
}

void name_restore(char *text)
{
    char *to = text;
    for (; *text != '\0'; to++) {
        if (is_escape(text)) {
            char digits[3] = {text[2], text[3], '\0'};
            *to = (char)strtol(digits, NULL, 16);
            text += 4;
        } else {
            *to = *text++;
        }
    }
    *to = '\0';
}

bool error_set(Error *error, int status, const char *fmt, ...)
{
    if (error->status != 0)
        return false;
    va_list args;
    va_start(args, fmt);
    char text[sizeof error->what];
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    name_write(error->what, sizeof error->what, text);
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
    char text[sizeof error->why];
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    name_write(error->why, sizeof error->why, text);
    return false;
}

bool error_hint(Error *error, const char *fmt, ...)
{
    if (error->hint[0] != '\0')
        return false;
    va_list args;
    va_start(args, fmt);
    char text[sizeof error->hint];
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    write_printable(error->hint, sizeof error->hint, text, true);
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
