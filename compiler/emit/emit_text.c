/* How the emitted C is written: names, literals, comments and rows of fields. */
#include "emit_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

/* ---- names ----------------------------------------------------------------------------------- */

/* What cannot be the name of an enumerator in this file. */
static const char *const reserved[] = {
    "auto",     "break",   "case",     "char",         "const",    "continue",   "default",
    "do",       "double",  "else",     "enum",         "extern",   "float",      "for",
    "goto",     "if",      "inline",   "int",          "long",     "register",   "restrict",
    "return",   "short",   "signed",   "sizeof",       "static",   "struct",     "switch",
    "typedef",  "union",   "unsigned", "void",         "volatile", "while",      "asm",
    "typeof",   "buffers", "kernels",  "params",       "program",  "micro_step", "update",
    "evaluate", "init",    "main",     "alternatives", "linux",    "unix",       "errno",
    "NULL",
};

/* Whether runtime/program.h or <stdint.h> may define it. */
static bool belongs_to_a_header(const char *name)
{
    size_t length = strlen(name);

    return strncmp(name, "SNUG_", 5) == 0 || strncmp(name, "Snug", 4) == 0
           || strncmp(name, "snug_", 5) == 0 || strncmp(name, "INT", 3) == 0
           || strncmp(name, "UINT", 4) == 0 || (length > 2 && strcmp(name + length - 2, "_t") == 0);
}

/* A C identifier like `name`, unique in the file. */
static const char *unique_name(Emitter *emitter, const char *name)
{
    Text text = {.arena = emitter->arena};
    const char *interned;
    int32_t *asked;

    text_put(&text, emitter->prefix);
    if (text.length == 0 && isdigit((unsigned char)name[0]))
        text_put(&text, "_");
    for (; *name != '\0'; name++)
        text_append(&text, isalnum((unsigned char)*name) ? name : "_", 1);
    if (belongs_to_a_header(text.bytes))
        text_put(&text, "_");
    interned = intern(emitter->interner, text.bytes, text.length);
    asked = map_get(emitter->names, interned);
    while (asked != NULL) {
        const char *other = arena_printf(emitter->arena, "%s_%d", text.bytes, ++*asked);
        interned = intern(emitter->interner, other, strlen(other));
        asked = map_get(emitter->names, interned) == NULL ? NULL : asked;
    }
    int32_t *first = arena_new(emitter->arena, int32_t);
    *first = 1;
    map_set(emitter->names, emitter->arena, interned, first);
    return interned;
}

void name_everything(Emitter *emitter)
{
    const SnugProgram *program = emitter->program;

    emitter->buffers = arena_array(emitter->arena, const char *, (size_t)program->buffer_count);
    emitter->kernels = arena_array(emitter->arena, const char *, (size_t)program->kernel_count);
    for (int32_t b = 0; b < program->buffer_count; b++)
        emitter->buffers[b] = unique_name(emitter, program->buffers[b].name);
    for (int32_t k = 0; k < program->kernel_count; k++)
        emitter->kernels[k] = unique_name(emitter, program->kernels[k].name);
}

void reserve_names(Emitter *emitter)
{
    for (size_t k = 0; k < COUNT_OF(reserved); k++) {
        int32_t *asked = arena_new(emitter->arena, int32_t);
        *asked = 1;
        map_set(emitter->names, emitter->arena,
                intern(emitter->interner, reserved[k], strlen(reserved[k])), asked);
    }
}

/* ---- literals and comments ------------------------------------------------------------------- */

const char *c_string(const Emitter *emitter, const char *string)
{
    Text text = {.arena = emitter->arena};

    text_put(&text, "\"");
    for (const unsigned char *p = (const unsigned char *)string; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\' || *p == '?')
            text_printf(&text, "\\%c", *p);
        else if (*p < 32 || *p > 126)
            text_printf(&text, "\\%03o", *p);
        else
            text_append(&text, (const char *)p, 1);
    }
    text_put(&text, "\"");
    return text.bytes;
}

const char *comment_text(Arena *arena, const char *string)
{
    Text text = {.arena = arena};

    text_put(&text, "");
    for (; *string != '\0'; string++) {
        bool is_mark = (*string == '*' && string[1] == '/') || (*string == '/' && string[1] == '*')
                       || (unsigned char)*string < 32;
        text_append(&text, is_mark ? "?" : string, 1);
    }
    return text.bytes;
}

const char *c_float(const Emitter *emitter, float number)
{
    const char *text = NULL;
    double back = 0;

    for (int digits = 6; digits <= 9; digits++) {
        text = arena_printf(emitter->arena, "%.*g", digits, (double)number);
        if (parse_number(text, &back) && (float)back == number)
            break;
    }
    return arena_printf(emitter->arena, "%s%sF", text, strpbrk(text, ".en") == NULL ? ".0" : "");
}

const char *c_shape(const Emitter *emitter, SnugShape shape)
{
    return arena_printf(emitter->arena, "{%d, %d, %d, %d}", shape.n, shape.h, shape.w, shape.c);
}

const char *c_type(SnugType type)
{
    switch (type) {
    case SNUG_F32: return "SNUG_F32";
    case SNUG_F16: return "SNUG_F16";
    case SNUG_BF16: return "SNUG_BF16";
    case SNUG_U8: return "SNUG_U8";
    default: BUG("a type is unknown in a program");
    }
}

const char *file_path(const Emitter *emitter, uint32_t file)
{
    return comment_text(emitter->arena, diagnostics_file(emitter->c->diags, file)->path);
}

/* How much of `text`, up to `width` columns, goes into this line: it ends before a space. */
static size_t line_length(const char *text, size_t width)
{
    size_t length = strlen(text), end = width;

    if (length <= width)
        return length;
    while (end > 0 && text[end] != ' ')
        end--;
    return end > 0 ? end : strcspn(text, " ");
}

void emit_comment(const Emitter *emitter, int indent, const char *text)
{
    size_t width = (size_t)(LINE_COLUMNS - indent - (int)strlen("/*  */"));
    const char *opens = "/*";

    while (*text != '\0') {
        size_t length = line_length(text, width);
        fprintf(emitter->out, "%*s%s %.*s", indent, "", opens, (int)length, text);
        text += length + strspn(text + length, " ");
        fputs(*text == '\0' ? " */\n" : "\n", emitter->out);
        opens = " *";
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* What follows the last item of a line: "}," and more of them. */
enum { TAIL_COLUMNS = 4, STRING_INDENT = 4 };

Row row_open(const Emitter *emitter, int indent, const char *head)
{
    fputs(head, emitter->out);
    return (Row){.emitter = emitter, .indent = indent, .column = (int)strlen(head)};
}

/* Where an item of this width begins: behind the last one, or in a line of its own. */
static void begin_item(Row *row, int width)
{
    FILE *out = row->emitter->out;
    bool fits = row->column + width + TAIL_COLUMNS + (row->has_items ? 2 : 0) <= LINE_COLUMNS;

    if (row->has_items)
        fputs(fits ? ", " : ",", out);
    if (fits) {
        row->column += width + (row->has_items ? 2 : 0);
    } else {
        fprintf(out, "\n%*s", row->indent, "");
        row->column = row->indent + width;
    }
    row->has_items = true;
}

void row_item(Row *row, const char *fmt, ...)
{
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    int width = vsnprintf(NULL, 0, fmt, args);
    if (width < 0)
        BUG("an item of the emitted program cannot be formatted");
    begin_item(row, width);
    vfprintf(row->emitter->out, fmt, again);
    va_end(again);
    va_end(args);
}

/* The end of the piece of a literal's inside that begins here: within `width`, behind a space where
 * there is one, never within an escape. */
static size_t piece_length(const char *inside, size_t length, size_t width)
{
    size_t end = 0, space = 0;

    while (end < length) {
        size_t step = inside[end] != '\\' ? 1 : isdigit((unsigned char)inside[end + 1]) ? 4 : 2;
        if (end + step > width)
            return space > 0 ? space : end;
        end += step;
        if (inside[end - 1] == ' ')
            space = end;
    }
    return end;
}

void row_string(Row *row, const char *field, const char *string)
{
    const char *literal = c_string(row->emitter, string);
    int width = (int)(strlen(field) + strlen(". = ") + strlen(literal));
    int indent = row->indent + STRING_INDENT;
    FILE *out = row->emitter->out;

    if (row->indent + width + TAIL_COLUMNS <= LINE_COLUMNS) {
        begin_item(row, width);
        fprintf(out, ".%s = %s", field, literal);
        return;
    }
    begin_item(row, (int)strlen(field) + (int)strlen(". ="));
    fprintf(out, ".%s =", field);
    const char *inside = literal + 1;
    for (size_t left = strlen(literal) - 2; left > 0;) {
        size_t length =
            piece_length(inside, left, (size_t)(LINE_COLUMNS - indent - TAIL_COLUMNS - 2));
        fprintf(out, "\n%*s\"%.*s\"", indent, "", (int)length, inside);
        row->column = indent + (int)length + 2;
        inside += length;
        left -= length;
    }
}

void row_line(Row *row, Span source)
{
    const Emitter *emitter = row->emitter;
    uint32_t line = span_line_column(emitter->c->diags, source).line;

    if (source.file == emitter->file && line > 0)
        row_item(row, ".line = %u", line);
    else if (source.file != 0)
        row_item(row, ".line = %u /* %s */", line, file_path(emitter, source.file));
}

void row_close(const Row *row, const char *tail)
{
    fputs(tail, row->emitter->out);
}
