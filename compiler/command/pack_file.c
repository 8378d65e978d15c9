#include "pack_file.h"

#include <string.h>

#include "compiler/floor/map.h"
#include "compiler/floor/text.h"

/* Times may be negative; differences of two must not overflow. */
static const int64_t most_time = (int64_t)1 << 61, most_size = (int64_t)1 << 58;
static const int64_t most_align = (int64_t)1 << 40;

typedef enum Column {
    COLUMN_ID,
    COLUMN_LOWER,
    COLUMN_UPPER,
    COLUMN_SIZE,
    COLUMN_ALIGNMENT,
    COLUMN_OFFSET,
    COLUMN_GAPS,
    COLUMN_COUNT
} Column;

static const struct {
    const char *name;
    Column column;
    bool is_inclusive; /* the last moment of the life itself */
} titles[] = {
    {"id", COLUMN_ID, false},         {"buffer", COLUMN_ID, false},
    {"buffer_id", COLUMN_ID, false},  {"lower", COLUMN_LOWER, false},
    {"start", COLUMN_LOWER, false},   {"begin", COLUMN_LOWER, false},
    {"upper", COLUMN_UPPER, false},   {"end", COLUMN_UPPER, true},
    {"size", COLUMN_SIZE, false},     {"alignment", COLUMN_ALIGNMENT, false},
    {"offset", COLUMN_OFFSET, false}, {"gaps", COLUMN_GAPS, false},
};

static const char *const column_names[] = {"id",        "lower",  "upper", "size",
                                           "alignment", "offset", "gaps"};

typedef ARRAY(const char *) Cells;

typedef struct Reader {
    PackFile *file;
    Arena *arena;
    const char *path, *at, *end;
    uint32_t line;
    uint32_t width;               /* columns of the table */
    uint32_t place[COLUMN_COUNT]; /* of a column, from 1; 0: the table has none */
    bool is_inclusive;
    int64_t total, largest_align;
    Interner *names;
    Map seen; /* id -> its line */
    const char **message;
} Reader;

static bool fail(Reader *reader, const char *what, const char *todo)
{
    *reader->message = arena_printf(reader->arena, "%s:%u: error: %s\n      note: %s\n",
                                    reader->path, reader->line, what, todo);
    return false;
}

/* ---- lines and cells ------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The cells of the next line that is not empty, cut out of the text; false with no message at its
 * end. */
static bool next_line(Reader *reader, Cells *cells)
{
    cells->count = 0;
    while (reader->at < reader->end && cells->count == 0) {
        const char *begin = reader->at, *stop = memchr(begin, '\n', (size_t)(reader->end - begin));
        reader->line++;
        reader->at = stop == NULL ? reader->end : stop + 1;
        stop = stop == NULL ? reader->end : stop;
        while (stop > begin && (is_blank(stop[-1]) || stop[-1] == '\r'))
            stop--;
        while (begin < stop) {
            const char *comma = memchr(begin, ',', (size_t)(stop - begin));
            const char *after = comma == NULL ? stop : comma, *first = begin, *last = after;
            while (first < last && is_blank(*first))
                first++;
            while (last > first && is_blank(last[-1]))
                last--;
            char *cell = arena_alloc(reader->arena, (size_t)(last - first) + 1);
            memcpy(cell, first, (size_t)(last - first));
            ARRAY_APPEND(reader->arena, cells, cell);
            begin = comma == NULL ? stop : comma + 1;
            if (comma != NULL && begin == stop) /* the last cell is empty */
                ARRAY_APPEND(reader->arena, cells, "");
        }
    }
    return cells->count > 0;
}

/* The whole cell is a whole number of at least `least` and at most `most`. */
static bool read_whole(Reader *reader, Column column, const char *cell, int64_t least, int64_t most,
                       int64_t *number)
{
    const char *digit = cell + (*cell == '-' || *cell == '+');
    int64_t value = 0;
    bool is_number = *digit != '\0';

    for (; *digit >= '0' && *digit <= '9'; digit++)
        value = value > INT64_MAX / 10 - 1 ? INT64_MAX : 10 * value + (*digit - '0');
    is_number &= *digit == '\0';
    *number = *cell == '-' ? -value : value;
    if (is_number && *number >= least && *number <= most)
        return true;
    return fail(reader,
                arena_printf(reader->arena, "column %s has \"%.40s\"", column_names[column], cell),
                arena_printf(reader->arena, "a whole number from %lld to %lld is needed",
                             (long long)least, (long long)most));
}

/* ---- the first row --------------------------------------------------------------------------- */

static bool find_columns(Reader *reader, const Cells *cells)
{
    reader->width = cells->count;
    for (uint32_t k = 0; k < cells->count; k++) {
        for (size_t t = 0; t < COUNT_OF(titles); t++) {
            if (strcmp(cells->items[k], titles[t].name) != 0)
                continue;
            if (reader->place[titles[t].column] != 0)
                return fail(reader,
                            arena_printf(reader->arena, "two columns for %s",
                                         column_names[titles[t].column]),
                            "leave one of them out");
            reader->place[titles[t].column] = k + 1;
            reader->is_inclusive |= titles[t].is_inclusive;
        }
    }
    for (Column column = COLUMN_ID; column <= COLUMN_SIZE; column++)
        if (reader->place[column] == 0)
            return fail(reader, arena_printf(reader->arena, "no column %s", column_names[column]),
                        "the first line must name the columns: id,lower,upper,size");
    return true;
}

/* ---- the others ------------------------------------------------------------------------------ */

static const char *cell_of(const Reader *reader, const Cells *cells, Column column)
{
    return reader->place[column] == 0 ? "" : cells->items[reader->place[column] - 1];
}

static bool check_id(Reader *reader, const char *id)
{
    size_t length = strlen(id);
    const char *name = intern(reader->names, id, length);
    const uint32_t *before = map_get(&reader->seen, name);

    for (size_t at = 0; at < length;) {
        uint32_t code_point;
        size_t bytes = utf8_decode(id + at, length - at, &code_point);
        if (code_point == 0xFFFD && bytes == 1)
            return fail(reader, "the id is not UTF-8", "save the file as UTF-8");
        at += bytes;
    }
    if (length == 0)
        return fail(reader, "the buffer has no id", "give each line an id of its own");
    if (before != NULL)
        return fail(reader,
                    arena_printf(reader->arena, "id %s stands in line %u already", id, *before),
                    "give each line an id of its own");
    uint32_t *line = arena_new(reader->arena, uint32_t);
    *line = reader->line;
    map_set(&reader->seen, reader->arena, name, line);
    return true;
}

static bool check_unsupported(Reader *reader, const Cells *cells)
{
    if (*cell_of(reader, cells, COLUMN_GAPS) != '\0')
        return fail(reader, "the buffer has gaps in its life",
                    "snug packs whole lifetimes: split it, or leave the column out");
    if (*cell_of(reader, cells, COLUMN_OFFSET) != '\0')
        return fail(reader, "the buffer's offset is given",
                    "snug chooses all offsets: leave the column out");
    return true;
}

static bool read_buffer(Reader *reader, const Cells *cells)
{
    const char *id = cell_of(reader, cells, COLUMN_ID);
    const char *alignment = cell_of(reader, cells, COLUMN_ALIGNMENT);
    PackItem item = {.align = 1};

    if (!check_id(reader, id) || !check_unsupported(reader, cells)
        || !read_whole(reader, COLUMN_LOWER, cell_of(reader, cells, COLUMN_LOWER), -most_time,
                       most_time, &item.first)
        || !read_whole(reader, COLUMN_UPPER, cell_of(reader, cells, COLUMN_UPPER), -most_time,
                       most_time, &item.last)
        || !read_whole(reader, COLUMN_SIZE, cell_of(reader, cells, COLUMN_SIZE), 0, most_size,
                       &item.size)
        || (*alignment != '\0'
            && !read_whole(reader, COLUMN_ALIGNMENT, alignment, 1, most_align, &item.align)))
        return false;
    item.last += reader->is_inclusive;
    if (item.last <= item.first)
        return fail(reader,
                    arena_printf(reader->arena, "%s begins at %lld and ends at %lld", id,
                                 (long long)item.first, (long long)item.last),
                    "a buffer lives in [lower, upper): upper must be greater");
    reader->total += item.size;
    reader->largest_align = max_i64(reader->largest_align, item.align);
    if (reader->total + (reader->file->count + 1) * reader->largest_align > most_size)
        return fail(reader, "the sizes up to here are over 2^58 bytes together",
                    "check the units of column size");
    reader->file->ids[reader->file->count] = id;
    reader->file->items[reader->file->count++] = item;
    return true;
}

bool pack_file_parse(PackFile *file, Arena *arena, const char *path, const char *text,
                     size_t length, const char **message)
{
    Reader reader = {.file = file,
                     .arena = arena,
                     .path = path,
                     .at = text,
                     .end = text + length,
                     .largest_align = 1,
                     .names = interner_create(arena),
                     .message = message};
    Cells cells = {0};

    *file = (PackFile){.ids = arena_array(arena, const char *, PACK_FILE_MAX_ROWS),
                       .items = arena_array(arena, PackItem, PACK_FILE_MAX_ROWS)};
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        reader.at += 3;
    if (length > 0 && memchr(text, '\0', length) != NULL) {
        reader.line = 1;
        return fail(&reader, "the file has a NUL byte", "it must be text: id,lower,upper,size");
    }
    if (!next_line(&reader, &cells)) {
        reader.line = 1;
        return fail(&reader, "the file is empty",
                    "its first line must name the columns: id,lower,upper,size");
    }
    if (!find_columns(&reader, &cells))
        return false;
    while (next_line(&reader, &cells)) {
        if (cells.count != reader.width)
            return fail(&reader,
                        arena_printf(arena, "%u cells, but the first line names %u columns",
                                     cells.count, reader.width),
                        "ids with commas in them are not known here");
        if (file->count == PACK_FILE_MAX_ROWS)
            return fail(&reader, arena_printf(arena, "more than %d buffers", PACK_FILE_MAX_ROWS),
                        "leave out the small ones, or split the file where nothing is alive");
        if (!read_buffer(&reader, &cells))
            return false;
    }
    return true;
}
