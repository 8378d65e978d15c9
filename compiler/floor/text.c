/* Text: builder, interner, numbers for people and from people. */
#include "text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- builder --------------------------------------------------------------------------------- */

/* Room for `more` bytes and the NUL behind them. */
static void make_room(Text *text, size_t more)
{
    size_t needed = text->length + more + 1;

    if (needed <= text->capacity)
        return;
    text->capacity = needed < 32 ? 64 : 2 * needed;
    char *bytes = arena_alloc(text->arena, text->capacity);
    if (text->length > 0)
        memcpy(bytes, text->bytes, text->length);
    text->bytes = bytes;
}

void text_append(Text *text, const char *bytes, size_t length)
{
    make_room(text, length);
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_put(Text *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_printf(Text *text, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    int length = vsnprintf(NULL, 0, fmt, arguments);
    va_end(arguments);
    if (length < 0)
        BUG("printf refuses the format \"%s\"", fmt);
    make_room(text, (size_t)length);
    va_start(arguments, fmt);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, fmt, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

/* ---- interner -------------------------------------------------------------------------------- */

typedef struct InternedName {
    const char *bytes;
    size_t length;
    uint64_t hash;
} InternedName;

struct Interner {
    Arena *arena;
    InternedName *slots; /* open addressing; bytes NULL: free */
    size_t slot_count;   /* a power of two */
    size_t count;
};

enum { FIRST_INTERNER_SLOTS = 256 };

Interner *interner_create(Arena *arena)
{
    Interner *interner = arena_new(arena, Interner);

    interner->arena = arena;
    interner->slot_count = FIRST_INTERNER_SLOTS;
    interner->slots = arena_array(arena, InternedName, interner->slot_count);
    return interner;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(const char *bytes, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325u;

    for (size_t k = 0; k < length; k++)
        hash = (hash ^ (unsigned char)bytes[k]) * 0x100000001B3u;
    return hash;
}

static InternedName *find_name(const Interner *interner, const char *bytes, size_t length,
                               uint64_t hash)
{
    for (size_t slot = (size_t)hash;; slot++) {
        InternedName *name = &interner->slots[slot & (interner->slot_count - 1)];
        if (name->bytes == NULL
            || (name->hash == hash && name->length == length
                && memcmp(name->bytes, bytes, length) == 0))
            return name;
    }
}

static void enlarge(Interner *interner)
{
    const InternedName *old = interner->slots;
    size_t old_count = interner->slot_count;

    interner->slot_count *= 2;
    interner->slots = arena_array(interner->arena, InternedName, interner->slot_count);
    for (size_t k = 0; k < old_count; k++)
        if (old[k].bytes != NULL)
            *find_name(interner, old[k].bytes, old[k].length, old[k].hash) = old[k];
}

const char *intern(Interner *interner, const char *bytes, size_t length)
{
    uint64_t hash = hash_bytes(bytes, length);
    InternedName *name = find_name(interner, bytes, length, hash);

    if (name->bytes != NULL)
        return name->bytes;
    char *copy = arena_alloc(interner->arena, length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    *name = (InternedName){.bytes = copy, .length = length, .hash = hash};
    if (3 * ++interner->count > 2 * interner->slot_count)
        enlarge(interner);
    return copy;
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

size_t utf8_decode(const char *bytes, size_t length, uint32_t *code_point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)bytes[0];
    size_t count = first < 0x80   ? 1
                   : first < 0xC0 ? 0
                   : first < 0xE0 ? 2
                   : first < 0xF0 ? 3
                   : first < 0xF8 ? 4
                                  : 0;
    uint32_t value = count <= 1 ? first : first & (0xFFu >> (count + 1));

    *code_point = 0xFFFD;
    if (count == 0 || count > length)
        return 1;
    for (size_t k = 1; k < count; k++) {
        if (((unsigned char)bytes[k] & 0xC0) != 0x80)
            return 1;
        value = value << 6 | ((unsigned char)bytes[k] & 0x3F);
    }
    if (value < least[count] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 1;
    *code_point = value;
    return count;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* bytes / unit with `decimals` digits (1 or 2), rounded half up, in integers: printf's %f would
 * follow the locale. */
static const char *format_quotient(Arena *arena, uint64_t bytes, uint64_t unit, int decimals,
                                   const char *suffix)
{
    uint64_t scale = decimals == 1 ? 10 : 100;
    uint64_t whole = bytes / unit;
    uint64_t fraction = ((bytes % unit) * scale + unit / 2) / unit;

    if (fraction == scale) {
        whole++;
        fraction = 0;
    }
    return arena_printf(arena, "%llu.%0*llu%s", (unsigned long long)whole, decimals,
                        (unsigned long long)fraction, suffix);
}

const char *format_bytes(Arena *arena, int64_t bytes)
{
    static const uint64_t kib = 1u << 10, mib = 1u << 20, gib = 1u << 30;
    uint64_t size = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
    const char *text;

    if (size < kib)
        text = arena_printf(arena, "%d B", (int)size);
    else if (size < mib)
        text = format_quotient(arena, size, kib, 1, " KiB");
    else if (size < 2 * gib)
        text = format_quotient(arena, size, mib, 1, " MiB");
    else
        text = format_quotient(arena, size, gib, 2, " GiB");
    return bytes < 0 ? arena_printf(arena, "-%s", text) : text;
}

const char *format_mib(Arena *arena, int64_t bytes)
{
    uint64_t size = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
    const char *text = format_quotient(arena, size, 1u << 20, 1, "");

    return bytes < 0 ? arena_printf(arena, "-%s", text) : text;
}

/* A byte that is no UTF-8 becomes the half of a surrogate that Python reads back as this byte. */
void print_json_string(FILE *out, const char *text)
{
    size_t left = strlen(text);

    putc('"', out);
    for (size_t step; left > 0; text += step, left -= step) {
        unsigned byte = (unsigned char)*text;
        uint32_t point;
        step = utf8_decode(text, left, &point);
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", (int)byte);
        else if (byte < 0x20 || byte == '<')
            fprintf(out, "\\u%04x", byte);
        else if (step == 1 && byte >= 0x80)
            fprintf(out, "\\udc%02x", byte);
        else
            fwrite(text, 1, step, out);
    }
    putc('"', out);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equal_ignoring_case(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

/* Bytes of a unit as people write it, or 0. */
static int64_t unit_bytes(const char *unit)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", 1 << 10},
        {"MiB", 1 << 20},
        {"GiB", 1 << 30},
        {"TiB", (int64_t)1 << 40},
        {"K", 1 << 10},
        {"M", 1 << 20},
        {"G", 1 << 30},
        {"T", (int64_t)1 << 40},
    };

    for (size_t k = 0; k < COUNT_OF(units); k++)
        if (equal_ignoring_case(unit, units[k].name))
            return units[k].bytes;
    return 0;
}

bool parse_bytes(const char *text, int64_t *bytes)
{
    static const int64_t most = (int64_t)1 << 62;
    int64_t whole = 0;
    double fraction = 0, place = 1;
    const char *at = text;

    if (!is_digit(*at))
        return false;
    for (; is_digit(*at); at++) {
        if (whole > most / 10)
            return false;
        whole = 10 * whole + (*at - '0');
    }
    if (*at == '.') {
        if (!is_digit(*++at))
            return false;
        for (; is_digit(*at); at++)
            fraction += (place /= 10) * (*at - '0');
    }
    while (*at == ' ')
        at++;
    int64_t unit = unit_bytes(at), size;
    if (unit == 0 || (unit == 1 && fraction > 0) || !checked_mul(whole, unit, &size))
        return false;
    if (size > most - unit)
        return false;
    *bytes = size + (int64_t)(fraction * (double)unit + 0.5);
    return true;
}

/* The end of a decimal number at `at`: digits, fraction, exponent; NULL where there is none. */
static const char *skip_number(const char *at)
{
    bool has_digits = false;

    if (*at == '+' || *at == '-')
        at++;
    for (; is_digit(*at); at++)
        has_digits = true;
    if (*at == '.')
        for (at++; is_digit(*at); at++)
            has_digits = true;
    if (!has_digits)
        return NULL;
    if (*at != 'e' && *at != 'E')
        return at;
    at++;
    if (*at == '+' || *at == '-')
        at++;
    if (!is_digit(*at))
        return NULL;
    while (is_digit(*at))
        at++;
    return at;
}

bool parse_number(const char *text, double *number)
{
    enum { NUMBER_MAX_BYTES = 512 };
    char localised[NUMBER_MAX_BYTES + 16];
    const char *end = skip_number(text), *point = strchr(text, '.');
    const char *separator = localeconv()->decimal_point;
    size_t separator_length = strlen(separator);

    if (end == NULL || *end != '\0' || end - text > NUMBER_MAX_BYTES || separator_length > 15)
        return false;
    /* strtod rounds correctly, but expects the locale's separator. */
    if (point == NULL) {
        strcpy(localised, text);
    } else {
        size_t before = (size_t)(point - text);
        memcpy(localised, text, before);
        memcpy(localised + before, separator, separator_length);
        strcpy(localised + before + separator_length, point + 1);
    }
    double value = strtod(localised, NULL);
    if (!isfinite(value))
        return false;
    *number = value;
    return true;
}

/* ---- suggestions ----------------------------------------------------------------------------- */

enum { NAME_MAX_LENGTH = 63 };

/* Letters to insert, delete, change or swap with their neighbour to make b of a (restricted
 * Damerau-Levenshtein distance); case costs nothing. Requires: both have at most 63 bytes. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_LENGTH + 1]; /* the row before the last, the last, this one */
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t length = strlen(b);

    for (size_t k = 0; k <= length; k++)
        last[k] = k;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        row[0] = i;
        for (size_t k = 1; k <= length; k++) {
            char x = lower(a[i - 1]), y = lower(b[k - 1]);
            size_t best = last[k - 1] + (x != y);
            if (last[k] + 1 < best)
                best = last[k] + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            if (i > 1 && k > 1 && x == lower(b[k - 2]) && y == lower(a[i - 2])
                && before[k - 2] + 1 < best)
                best = before[k - 2] + 1;
            row[k] = best;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[length];
}

const char *nearest_name(const char *name, const char *const *known, size_t count)
{
    size_t length = strlen(name), best_distance = length / 3 + 1;
    const char *best = NULL;

    if (length > NAME_MAX_LENGTH)
        return NULL;
    for (size_t k = 0; k < count; k++) {
        if (strlen(known[k]) > NAME_MAX_LENGTH)
            continue;
        size_t distance = edit_distance(name, known[k]);
        if (distance < best_distance) {
            best_distance = distance;
            best = known[k];
        }
    }
    return best;
}
