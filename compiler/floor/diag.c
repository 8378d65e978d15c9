/* Diagnostics: collected by the stages, printed once at the end.
 *
 * Spans count bytes; people count characters. A line is printed in cells, one for each character,
 * of which a tab has up to four columns and a wide (East Asian) character two; what a terminal
 * would obey or cannot show becomes a replacement sign. A line that is too long is shown in part:
 *
 *        31 | …fn up(x) = upsample(unit(x, width * 2^to, 1), 2^(from - to))
 *           |                      ^~~~
 */
#include "diag.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum {
    KEPT_MAX = 20,     /* errors, and as many warnings */
    LINE_COLUMNS = 120 /* of a source line that are printed */
};

typedef struct File {
    SourceFile source;
    uint32_t *line_starts; /* byte of the first character of each line, ascending, first 0 */
    uint32_t line_count;
} File;

typedef enum Severity { SEVERITY_error, SEVERITY_warning, SEVERITY_note } Severity;

typedef struct Note {
    Span span; /* file 0: no place of its own */
    const char *message;
} Note;

typedef struct Diagnostic {
    Severity severity;
    ErrorCode code;
    Span span;
    const char *message;
    ARRAY(Note) notes;
} Diagnostic;

struct Diagnostics {
    Arena *arena;
    ARRAY(File) files;
    ARRAY(Diagnostic) kept;
    uint32_t counts[2];   /* reported, by severity: also those that are not kept */
    bool is_last_dropped; /* notes belong to a diagnostic that is not kept */
};

static const struct {
    const char *name, *title, *explanation;
} errors[] = {
#define ERROR(code, title, explanation) {#code, title, explanation},
#include "errors.def"
#undef ERROR
};

static const char *const severity_names[] = {"error", "warning", "note"};

Diagnostics *diagnostics_create(Arena *arena)
{
    Diagnostics *diags = arena_new(arena, Diagnostics);

    diags->arena = arena;
    return diags;
}

/* ---- files, lines, characters ---------------------------------------------------------------- */

/* Whether the byte at `at` ends a line: LF, or a CR that no LF follows. */
static bool ends_line(const SourceFile *file, size_t at)
{
    return file->text[at] == '\n'
           || (file->text[at] == '\r' && (at + 1 == file->length || file->text[at + 1] != '\n'));
}

uint32_t diagnostics_add_file(Diagnostics *diags, const char *path, const char *text, size_t length)
{
    if (length >= UINT32_MAX)
        BUG("%s has %zu bytes; spans hold 32 bits", path, length);
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        length -= 3;
    }
    File file = {.source = {.path = path, .text = text, .length = length}, .line_count = 1};
    for (size_t k = 0; k < length; k++)
        file.line_count += ends_line(&file.source, k);
    file.line_starts = arena_array(diags->arena, uint32_t, file.line_count);
    for (size_t k = 0, line = 1; k < length; k++)
        if (ends_line(&file.source, k))
            file.line_starts[line++] = (uint32_t)k + 1;
    ARRAY_APPEND(diags->arena, &diags->files, file);
    return diags->files.count;
}

static const File *find_file(const Diagnostics *diags, uint32_t file)
{
    if (file == 0 || file > diags->files.count)
        BUG("no source file has the number %u", file);
    return &diags->files.items[file - 1];
}

const SourceFile *diagnostics_file(const Diagnostics *diags, uint32_t file)
{
    return &find_file(diags, file)->source;
}

uint32_t diagnostics_file_count(const Diagnostics *diags)
{
    return diags->files.count;
}

/* Line of the byte, from 0. */
static uint32_t line_of(const File *file, uint32_t byte)
{
    uint32_t first = 0, count = file->line_count;

    while (count > 1) { /* the line is in [first, first + count) */
        uint32_t half = count / 2;
        if (file->line_starts[first + half] <= byte)
            first += half;
        count -= half;
    }
    return first;
}

static LineColumn place_of(const File *file, uint32_t byte)
{
    uint32_t line = line_of(file, byte), column = 1, code_point;

    for (size_t at = file->line_starts[line]; at < byte; column++)
        at += utf8_decode(file->source.text + at, byte - at, &code_point);
    return (LineColumn){.line = line + 1, .column = column};
}

LineColumn span_line_column(const Diagnostics *diags, Span span)
{
    if (span.file == 0)
        return (LineColumn){0};
    return place_of(find_file(diags, span.file), span.begin);
}

/* ---- reporting ------------------------------------------------------------------------------- */

static const char *format_message(Arena *arena, const char *fmt, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (length < 0)
        BUG("printf refuses the format \"%s\"", fmt);
    char *message = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(message, (size_t)length + 1, fmt, arguments);
    return message;
}

static bool is_repeated(const Diagnostics *diags, ErrorCode code, Span span)
{
    for (uint32_t k = 0; k < diags->kept.count; k++) {
        const Diagnostic *kept = &diags->kept.items[k];
        if (kept->code == code && kept->span.file == span.file && kept->span.begin == span.begin
            && span.file != 0)
            return true;
    }
    return false;
}

static void report(Diagnostics *diags, Severity severity, ErrorCode code, Span span,
                   const char *fmt, va_list arguments)
{
    if (code >= ERROR_COUNT)
        BUG("%d is no error code", (int)code);
    diags->is_last_dropped = true;
    if (is_repeated(diags, code, span) || diags->counts[severity]++ >= KEPT_MAX)
        return;
    diags->is_last_dropped = false;
    ARRAY_APPEND(diags->arena, &diags->kept,
                 ((Diagnostic){.severity = severity,
                               .code = code,
                               .span = span,
                               .message = format_message(diags->arena, fmt, arguments)}));
}

void error_at(Diagnostics *diags, ErrorCode code, Span span, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    report(diags, SEVERITY_error, code, span, fmt, arguments);
    va_end(arguments);
}

void warning_at(Diagnostics *diags, ErrorCode code, Span span, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    report(diags, SEVERITY_warning, code, span, fmt, arguments);
    va_end(arguments);
}

static void add_note(Diagnostics *diags, Span span, const char *fmt, va_list arguments)
{
    if (diags->is_last_dropped)
        return;
    if (diags->kept.count == 0)
        BUG("the note \"%s\" follows no error", fmt);
    const char *message = format_message(diags->arena, fmt, arguments);
    Diagnostic *last = &diags->kept.items[diags->kept.count - 1];
    ARRAY_APPEND(diags->arena, &last->notes, ((Note){.span = span, .message = message}));
}

void note(Diagnostics *diags, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    add_note(diags, (Span){0}, fmt, arguments);
    va_end(arguments);
}

void note_at(Diagnostics *diags, Span span, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    add_note(diags, span, fmt, arguments);
    va_end(arguments);
}

uint32_t diagnostics_error_count(const Diagnostics *diags)
{
    return diags->counts[SEVERITY_error];
}

uint32_t diagnostics_kept_count(const Diagnostics *diags)
{
    return diags->kept.count;
}

/* By insertion: stable, and there are few. */
void diagnostics_sort(Diagnostics *diags, uint32_t first)
{
    for (uint32_t k = first + 1; k < diags->kept.count; k++) {
        Diagnostic moved = diags->kept.items[k];
        uint32_t to = k;
        for (; to > first && diags->kept.items[to - 1].span.begin > moved.span.begin; to--)
            diags->kept.items[to] = diags->kept.items[to - 1];
        diags->kept.items[to] = moved;
    }
}

/* ---- printing -------------------------------------------------------------------------------- */

typedef struct Style {
    const char *place, *severity[3], *gutter, *end; /* terminal escapes, or "" */
} Style;

static const Style plain_style = {"", {"", "", ""}, "", ""};
static const Style color_style = {
    "\x1b[1m", {"\x1b[1;31m", "\x1b[1;35m", "\x1b[1;36m"}, "\x1b[34m", "\x1b[0m"};

static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF)
           || (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF)
           || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60)
           || (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF)
           || (c >= 0x20000 && c <= 0x3FFFD);
}

/* Controls, and the marks that reverse the direction of text: what is seen must be there. */
static bool is_unprintable(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F)
           || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/* One character of a line as printed. */
typedef struct Cell {
    const char *bytes; /* NULL: a tab */
    size_t length;
    uint32_t column, columns; /* from 0 */
} Cell;

/* The cell after `column` for the character at text[at]; returns the character's bytes. */
static size_t read_cell(const SourceFile *file, size_t at, size_t end, uint32_t column, Cell *cell)
{
    uint32_t c;
    size_t bytes = utf8_decode(file->text + at, end - at, &c);

    *cell = (Cell){.bytes = file->text + at, .length = bytes, .column = column, .columns = 1};
    if (c == '\t') {
        cell->bytes = NULL;
        cell->columns = 4 - column % 4;
    } else if (is_unprintable(c) || c == 0xFFFD) {
        cell->bytes = "\xEF\xBF\xBD";
        cell->length = 3;
    } else if (is_wide(c)) {
        cell->columns = 2;
    }
    return bytes;
}

/* One line of source, and where in it something is underlined. */
typedef struct Excerpt {
    const SourceFile *file;
    size_t begin, end;               /* bytes of the line, without its line end */
    uint32_t number;                 /* from 1 */
    uint32_t under_begin, under_end; /* columns from 0; at least one */
    uint32_t first, last;            /* columns shown: [first, last) */
} Excerpt;

static Excerpt find_excerpt(const File *file, Span span)
{
    const SourceFile *source = &file->source;
    uint32_t line = line_of(file, span.begin), column = 0;
    Excerpt excerpt = {.file = source,
                       .number = line + 1,
                       .begin = file->line_starts[line],
                       .end = line + 1 < file->line_count ? file->line_starts[line + 1] - 1
                                                          : source->length};
    Cell cell;

    while (excerpt.end > excerpt.begin
           && (source->text[excerpt.end - 1] == '\r' || source->text[excerpt.end - 1] == '\n'))
        excerpt.end--;
    excerpt.under_begin = excerpt.under_end = UINT32_MAX;
    for (size_t at = excerpt.begin; at < excerpt.end; column += cell.columns) {
        if (at >= span.begin && excerpt.under_begin == UINT32_MAX)
            excerpt.under_begin = column;
        if (at >= span.end && excerpt.under_end == UINT32_MAX)
            excerpt.under_end = column;
        at += read_cell(source, at, excerpt.end, column, &cell);
    }
    if (excerpt.under_begin == UINT32_MAX)
        excerpt.under_begin = column;
    if (excerpt.under_end == UINT32_MAX)
        excerpt.under_end = column;
    if (excerpt.under_end <= excerpt.under_begin)
        excerpt.under_end = excerpt.under_begin + 1;
    excerpt.last = column;
    if (column > LINE_COLUMNS && excerpt.under_begin > LINE_COLUMNS / 2)
        excerpt.first = excerpt.under_begin - LINE_COLUMNS / 2;
    if (column - excerpt.first > LINE_COLUMNS)
        excerpt.last = excerpt.first + LINE_COLUMNS;
    return excerpt;
}

/*    31 |     y = conv(x, weight(64, 3, 32))
 *       |         ^~~~                                */
static void print_excerpt(FILE *out, const Excerpt *excerpt, const Style *style, Severity severity)
{
    uint32_t column = 0, indent = excerpt->under_begin - excerpt->first;
    Cell cell;

    fprintf(out, "%s%5u |%s ", style->gutter, excerpt->number, style->end);
    if (excerpt->first > 0) {
        fputs("\xE2\x80\xA6", out); /* an ellipsis, one column */
        indent++;
    }
    for (size_t at = excerpt->begin; at < excerpt->end; column += cell.columns) {
        at += read_cell(excerpt->file, at, excerpt->end, column, &cell);
        if (cell.column < excerpt->first || cell.column >= excerpt->last)
            continue;
        if (cell.bytes == NULL)
            fprintf(out, "%*s", (int)cell.columns, "");
        else
            fwrite(cell.bytes, 1, cell.length, out);
    }
    if (excerpt->last < column)
        fputs("\xE2\x80\xA6", out);
    fprintf(out, "\n      %s|%s %*s%s^", style->gutter, style->end, (int)indent, "",
            style->severity[severity]);
    for (uint32_t k = excerpt->under_begin + 1; k < excerpt->under_end && k < excerpt->last; k++)
        putc('~', out);
    fprintf(out, "%s\n", style->end);
}

/* `code` is NULL for notes. */
static void print_message(FILE *out, const Diagnostics *diags, const Style *style,
                          Severity severity, const char *code, Span span, const char *message)
{
    if (span.file == 0) {
        fprintf(out, "%ssnug:%s ", style->place, style->end);
    } else {
        LineColumn place = span_line_column(diags, span);
        fprintf(out, "%s%s:%u:%u:%s ", style->place, diagnostics_file(diags, span.file)->path,
                place.line, place.column, style->end);
    }
    fprintf(out, "%s%s", style->severity[severity], severity_names[severity]);
    if (code != NULL)
        fprintf(out, "[%s]", code);
    fprintf(out, ":%s %s\n", style->end, message);
    if (span.file != 0) {
        Excerpt excerpt = find_excerpt(find_file(diags, span.file), span);
        print_excerpt(out, &excerpt, style, severity);
    }
}

void diagnostics_print(const Diagnostics *diags, FILE *out, bool color)
{
    const Style *style = color ? &color_style : &plain_style;

    for (uint32_t k = 0; k < diags->kept.count; k++) {
        const Diagnostic *d = &diags->kept.items[k];
        print_message(out, diags, style, d->severity, errors[d->code].name, d->span, d->message);
        for (uint32_t n = 0; n < d->notes.count; n++) {
            const Note *own = &d->notes.items[n];
            if (own->span.file != 0)
                print_message(out, diags, style, SEVERITY_note, NULL, own->span, own->message);
            else
                fprintf(out, "      %snote:%s %s\n", style->severity[SEVERITY_note], style->end,
                        own->message);
        }
    }
    for (int s = SEVERITY_error; s <= SEVERITY_warning; s++)
        if (diags->counts[s] > KEPT_MAX)
            fprintf(out, "snug: %u more %s%s not shown\n", diags->counts[s] - KEPT_MAX,
                    severity_names[s], diags->counts[s] == KEPT_MAX + 1 ? " is" : "s are");
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* jansson refuses bytes that are no UTF-8; paths may hold any. */
static json_t *json_text(Arena *arena, const char *bytes)
{
    Text text = {.arena = arena};
    uint32_t c;

    text_put(&text, "");
    for (size_t length = strlen(bytes), count; length > 0; bytes += count, length -= count) {
        count = utf8_decode(bytes, length, &c);
        if (c == 0xFFFD)
            text_put(&text, "\xEF\xBF\xBD");
        else
            text_append(&text, bytes, count);
    }
    return json_string(text.bytes);
}

static void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        BUG("jansson cannot hold \"%s\": out of memory", key);
}

/* file, line, column, end_line, end_column (one past the last character), and the message. */
static json_t *json_message(Arena *arena, const Diagnostics *diags, Span span, const char *message)
{
    json_t *object = json_object();

    if (span.file != 0) {
        const File *file = find_file(diags, span.file);
        LineColumn begin = place_of(file, span.begin), end = place_of(file, span.end);
        json_put(object, "file", json_text(arena, file->source.path));
        json_put(object, "line", json_integer(begin.line));
        json_put(object, "column", json_integer(begin.column));
        json_put(object, "end_line", json_integer(end.line));
        json_put(object, "end_column", json_integer(end.column));
    }
    json_put(object, "message", json_text(arena, message));
    return object;
}

void diagnostics_print_json(const Diagnostics *diags, FILE *out)
{
    Arena *arena = arena_create();
    json_t *all = json_array();

    for (uint32_t k = 0; k < diags->kept.count; k++) {
        const Diagnostic *d = &diags->kept.items[k];
        json_t *object = json_message(arena, diags, d->span, d->message), *notes = json_array();
        json_put(object, "severity", json_string(severity_names[d->severity]));
        json_put(object, "code", json_string(errors[d->code].name));
        for (uint32_t n = 0; n < d->notes.count; n++)
            json_array_append_new(notes, json_message(arena, diags, d->notes.items[n].span,
                                                      d->notes.items[n].message));
        json_put(object, "notes", notes);
        json_array_append_new(all, object);
    }
    char *text = json_dumps(all, JSON_INDENT(2));
    if (text == NULL)
        BUG("jansson cannot print the diagnostics: out of memory");
    fprintf(out, "%s\n", text);
    free(text);
    json_decref(all);
    arena_destroy(arena);
}

/* ---- explanations ---------------------------------------------------------------------------- */

bool explain_error(FILE *out, const char *code)
{
    for (size_t k = 0; k < COUNT_OF(errors); k++) {
        const char *name = errors[k].name;
        if ((code[0] == 'E' || code[0] == 'e') && strcmp(code + 1, name + 1) == 0) {
            fprintf(out, "%s: %s\n\n%s", name, errors[k].title, errors[k].explanation);
            return true;
        }
    }
    return false;
}
