/* Tokens of PTX: words with their dots (ld.global.v4.u32), registers, numbers, marks, texts. */
#include "ptx.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AHEAD = 2 }; /* tokens that the parser looks past the current one */

bool token_is(const Token *token, const char *text)
{
    size_t length = strlen(text);

    return token->length == (int32_t)length && memcmp(token->start, text, length) == 0;
}

bool token_starts(const Token *token, const char *prefix)
{
    size_t length = strlen(prefix);

    return token->length >= (int32_t)length && memcmp(token->start, prefix, length) == 0;
}

static bool starts_word(char c)
{
    return isalpha((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}

static bool goes_on(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}

/* A word ends before a colon, but goes on through two: "L1::no_allocate". */
static const char *end_of_word(const char *at)
{
    for (;; at++) {
        if (goes_on(*at))
            continue;
        if (at[0] == ':' && at[1] == ':' && goes_on(at[2])) {
            at++;
            continue;
        }
        return at;
    }
}

static const char *lex_number(const char *at, Token *token)
{
    char *end;

    token->kind = TOKEN_number;
    if (at[0] == '0' && strchr("fFdD", at[1]) && at[1]) {
        char digits[17] = {0};
        int wanted = at[1] == 'f' || at[1] == 'F' ? 8 : 16;
        for (int i = 0; i < wanted; i++) {
            if (!isxdigit((unsigned char)at[2 + i]))
                return NULL;
            digits[i] = at[2 + i];
        }
        token->bits = strtoull(digits, NULL, 16);
        token->is_float = wanted == 8;
        token->is_double = wanted == 16;
        return at + 2 + wanted;
    }
    const char *scan = at;
    while (isdigit((unsigned char)*scan))
        scan++;
    if (*scan == '.' && isdigit((unsigned char)scan[1])) {
        double value = strtod(at, &end);
        memcpy(&token->bits, &value, sizeof value);
        token->is_double = true;
        return end;
    }
    if (at[0] == '0' && (at[1] == 'b' || at[1] == 'B'))
        token->bits = strtoull(at + 2, &end, 2);
    else
        token->bits = strtoull(at, &end, 0);
    return *end == 'U' ? end + 1 : end;
}

/* The next token at *at, past blanks and comments; false where a character starts none. */
static bool next_token(const char **at, int32_t *line, Token *token)
{
    const char *scan = *at;

    for (;;) {
        if (*scan == '\n')
            ++*line;
        if (*scan && isspace((unsigned char)*scan)) {
            scan++;
        } else if (scan[0] == '/' && scan[1] == '/') {
            while (*scan && *scan != '\n')
                scan++;
        } else if (scan[0] == '/' && scan[1] == '*') {
            for (scan += 2; *scan && !(scan[0] == '*' && scan[1] == '/'); scan++)
                *line += *scan == '\n';
            scan += *scan ? 2 : 0;
        } else {
            break;
        }
    }
    *token = (Token){.kind = TOKEN_end, .start = scan, .line = *line};
    const char *end = scan;
    if (starts_word(*scan)) {
        token->kind = TOKEN_word;
        end = end_of_word(scan);
    } else if (isdigit((unsigned char)*scan)) {
        end = lex_number(scan, token);
    } else if (*scan == '"') {
        token->kind = TOKEN_text;
        end = strchr(scan + 1, '"');
        end = end ? end + 1 : NULL;
    } else if (*scan) {
        token->kind = TOKEN_mark;
        end = strchr("{}()[]<>,;:=+-@!|*&~", *scan) ? scan + 1 : NULL;
    }
    *at = end ? end : scan;
    token->length = (int32_t)(*at - scan);
    return end != NULL;
}

Token *lex_ptx(const char *text, int32_t *count, int32_t *bad_line, const char **problem)
{
    Token *tokens = NULL;
    int32_t capacity = 0, line = 1;

    *count = 0;
    for (const char *at = text;;) {
        GROW(tokens, *count, capacity);
        Token *token = &tokens[*count];
        if (!next_token(&at, &line, token)) {
            *bad_line = line;
            *problem = "a character that PTX does not have";
            free(tokens);
            return NULL;
        }
        ++*count;
        if (token->kind != TOKEN_end)
            continue;
        for (int i = 0; i < LOOK_AHEAD; i++) {
            GROW(tokens, *count, capacity);
            tokens[*count] = tokens[*count - 1];
            ++*count;
        }
        return tokens;
    }
}
