#include "csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"

/* One pass over a copy of the text; a cell is unquoted in place, which never makes it longer. */
typedef struct Reader {
    Csv *csv;
    const char *name;
    char *at, *end; /* *end is 0 */
    int64_t line;
    int64_t cell_capacity, row_capacity;
    Error *error;
} Reader;

static bool refuse(Reader *reader, const char *why)
{
    error_set(reader->error, ERROR_FILES, "%s is not a table of comma-separated values",
              reader->name);
    return error_why(reader->error, "line %lld: %s", (long long)reader->line, why);
}

static bool grow(Reader *reader, void **array, int64_t *capacity, int64_t needed, size_t element)
{
    if (needed <= *capacity)
        return true;
    int64_t more = *capacity == 0 ? 256 : 2 * *capacity;
    void *grown = realloc(*array, (size_t)more * element);
    if (grown == NULL)
        return error_set(reader->error, ERROR_MEMORY, "no memory to read %s", reader->name);
    *array = grown;
    *capacity = more;
    return true;
}

static bool add_cell(Reader *reader, const char *cell)
{
    Csv *csv = reader->csv;
    if (csv->cell_count == CSV_MAX_CELLS)
        return refuse(reader, "too many cells");
    void *cells = csv->cells;
    if (!grow(reader, &cells, &reader->cell_capacity, csv->cell_count + 1, sizeof *csv->cells))
        return false;
    csv->cells = cells;
    csv->cells[csv->cell_count++] = cell;
    return true;
}

static bool begin_row(Reader *reader)
{
    Csv *csv = reader->csv;
    int64_t capacity = reader->row_capacity;
    void *rows = csv->rows, *lines = csv->lines;
    if (!grow(reader, &rows, &capacity, csv->row_count + 2, sizeof *csv->rows))
        return false;
    csv->rows = rows;
    if (!grow(reader, &lines, &reader->row_capacity, csv->row_count + 2, sizeof *csv->lines))
        return false;
    csv->lines = lines;
    csv->rows[csv->row_count] = csv->cell_count;
    csv->lines[csv->row_count] = reader->line;
    csv->row_count++;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_line(char c)
{
    return c == '\n' || c == '\r';
}

/* Steps over LF, CR or CRLF. */
static void skip_line_end(Reader *reader)
{
    if (*reader->at == '\r' && reader->at[1] == '\n')
        reader->at++;
    reader->at++;
    reader->line++;
}

static bool read_quoted(Reader *reader)
{
    char *cell = ++reader->at, *write = cell;
    for (;;) {
        if (reader->at == reader->end)
            return refuse(reader, "a quote does not end");
        if (*reader->at == '"') {
            if (reader->at[1] != '"')
                break;
            reader->at++;
        }
        reader->line += *reader->at == '\n';
        *write++ = *reader->at++;
    }
    reader->at++;
    while (is_blank(*reader->at))
        reader->at++;
    if (reader->at != reader->end && *reader->at != ',' && !ends_line(*reader->at))
        return refuse(reader, "text behind a quoted cell");
    *write = '\0';
    return add_cell(reader, cell);
}

/* Leaves `at` at the character that ends the cell; the caller reads that one before the cell's end
 * may be overwritten by its 0. */
static bool read_plain(Reader *reader, char **cell_end)
{
    char *cell = reader->at;
    while (reader->at != reader->end && *reader->at != ',' && !ends_line(*reader->at))
        reader->at++;
    char *last = reader->at;
    while (last > cell && is_blank(last[-1]))
        last--;
    *cell_end = last;
    return add_cell(reader, cell);
}

static bool read_row(Reader *reader)
{
    if (!begin_row(reader))
        return false;
    for (;;) {
        while (is_blank(*reader->at))
            reader->at++;
        char *cell_end = NULL;
        if (*reader->at == '"' ? !read_quoted(reader) : !read_plain(reader, &cell_end))
            return false;
        bool more = *reader->at == ',';
        if (more)
            reader->at++;
        else if (reader->at != reader->end)
            skip_line_end(reader);
        if (cell_end != NULL)
            *cell_end = '\0';
        if (!more)
            return true;
    }
}

bool csv_read_text(Csv *csv, const uint8_t *text, int64_t size, const char *name, Error *error)
{
    *csv = (Csv){0};
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    csv->text = malloc((size_t)size + 1);
    if (csv->text == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to read %s", name);
    memcpy(csv->text, text, (size_t)size);
    csv->text[size] = '\0';

    Reader reader = {.csv = csv,
                     .name = name,
                     .at = csv->text,
                     .end = csv->text + size,
                     .line = 1,
                     .error = error};
    bool ok = memchr(csv->text, '\0', (size_t)size) == NULL || refuse(&reader, "a 0 byte");
    while (ok && reader.at != reader.end) {
        if (ends_line(*reader.at))
            skip_line_end(&reader);
        else
            ok = read_row(&reader);
    }
    if (ok && csv->row_count > 0)
        csv->rows[csv->row_count] = csv->cell_count;
    if (!ok)
        csv_free(csv);
    return ok;
}

bool csv_read_file(Csv *csv, const char *path, int64_t limit, Error *error)
{
    *csv = (Csv){0};
    uint8_t *text;
    int64_t size;
    if (!os_read_file(path, limit, &text, &size, error))
        return false;
    bool ok = csv_read_text(csv, text, size, path, error);
    free(text);
    return ok;
}

void csv_free(Csv *csv)
{
    free(csv->text);
    free(csv->cells);
    free(csv->rows);
    free(csv->lines);
    *csv = (Csv){0};
}

const char *csv_cell(const Csv *csv, int64_t row, int64_t column)
{
    if (row < 0 || row >= csv->row_count || column < 0
        || column >= csv->rows[row + 1] - csv->rows[row])
        return "";
    return csv->cells[csv->rows[row] + column];
}

int64_t csv_find_column(const Csv *csv, const char *title)
{
    if (csv->row_count == 0)
        return -1;
    for (int64_t column = 0; column < csv->rows[1]; column++)
        if (strcmp(csv_cell(csv, 0, column), title) == 0)
            return column;
    return -1;
}

bool csv_number(const char *cell, double *number)
{
    char *end;
    *number = strtod(cell, &end);
    return end != cell && *end == '\0' && isfinite(*number);
}
