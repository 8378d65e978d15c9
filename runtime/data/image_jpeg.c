/* Is a JPEG whole? (ITU-T T.81, annexes B, F and G). The codes of a scan are read and counted; of
 * the values only their lengths matter, and in progressive files which coefficients are not 0.
 */
#include <stdlib.h>
#include <string.h>

#include "image_files.h"

enum { COMPONENTS = 4, TABLES = 4, FAST_BITS = 9, MOST_SCANS = 100 };

typedef struct Code {
    uint16_t fast[1 << FAST_BITS]; /* length << 8 | symbol, 0: longer */
    int32_t first[18], last[18];   /* of each length: its codes are first .. last - 1 */
    int32_t place[18];             /* of the first one's symbol */
    uint8_t symbols[256];
    bool is_there;
} Code;

/* Bits between two markers; behind them come zeros, which are counted as taken on credit. */
typedef struct Bits {
    const uint8_t *at, *end;
    uint64_t buffer;
    int count, credit;
} Bits;

typedef struct Component {
    int id, h, v;
    int across, down;  /* blocks that it has of its own */
    int stride;        /* blocks in a row of whole units */
    int dc, ac;        /* tables of the scan */
    uint64_t *nonzero; /* {rows, stride}: coefficients of each block, progressive only */
    int8_t left[64];   /* bits of each coefficient that are yet to come, -1: all */
} Component;

typedef struct Jpeg {
    const uint8_t *bytes;
    int64_t size, at;
    Code dc[TABLES], ac[TABLES];
    Component components[COMPONENTS];
    int component_count;
    int32_t width, height;
    int units_across, units_down, restart_interval, scans;
    bool is_progressive, has_frame, has_memory;

    /* of the scan */
    Component *in[COMPONENTS];
    int in_count, start, end, high, low;
    int32_t end_run; /* blocks that end at once */
    Bits bits;
} Jpeg;

/* ---- bits ------------------------------------------------------------------------------------ */

static void fill(Bits *bits)
{
    while (bits->count <= 48) {
        uint64_t byte = 0;
        if (bits->at < bits->end) {
            byte = *bits->at++;
            bits->at += byte == 0xFF && bits->at < bits->end; /* the 0 behind it */
        } else {
            bits->credit += 8;
        }
        bits->buffer |= byte << (56 - bits->count);
        bits->count += 8;
    }
}

static bool has_run_out(const Bits *bits)
{
    return bits->count < bits->credit;
}

static void drop(Bits *bits, int count)
{
    bits->buffer <<= count;
    bits->count -= count;
}

static uint32_t take(Bits *bits, int count)
{
    if (count == 0)
        return 0;
    if (bits->count < count)
        fill(bits);
    uint32_t value = (uint32_t)(bits->buffer >> (64 - count));
    drop(bits, count);
    return value;
}

/* -1: no code. */
static int take_symbol(Bits *bits, const Code *code)
{
    if (bits->count < 16)
        fill(bits);
    int fast = code->fast[bits->buffer >> (64 - FAST_BITS)];
    if (fast != 0) {
        drop(bits, fast >> 8);
        return fast & 0xFF;
    }
    for (int length = FAST_BITS + 1; length <= 16; length++) {
        int32_t value = (int32_t)(bits->buffer >> (64 - length));
        if (value < code->first[length] || value >= code->last[length])
            continue;
        drop(bits, length);
        return code->symbols[code->place[length] + value - code->first[length]];
    }
    return -1;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static bool skip_dc(Jpeg *jpeg, const Component *component)
{
    if (jpeg->high != 0) {
        take(&jpeg->bits, 1);
        return true;
    }
    int size = take_symbol(&jpeg->bits, &jpeg->dc[component->dc]);
    if (size < 0 || size > 16)
        return false;
    take(&jpeg->bits, size);
    return true;
}

static bool skip_ac(Jpeg *jpeg, const Component *component, uint64_t *nonzero)
{
    if (jpeg->end_run > 0) {
        jpeg->end_run--;
        return true;
    }
    for (int k = jpeg->start > 0 ? jpeg->start : 1; k <= jpeg->end; k++) {
        int symbol = take_symbol(&jpeg->bits, &jpeg->ac[component->ac]);
        if (symbol < 0)
            return false;
        int run = symbol >> 4, size = symbol & 15;
        if (size == 0 && run < 15) {
            if (jpeg->is_progressive)
                jpeg->end_run = (1 << run) - 1 + (int32_t)take(&jpeg->bits, run);
            return true;
        }
        k += run;
        if (size == 0)
            continue;
        if (k > jpeg->end)
            return false;
        take(&jpeg->bits, size);
        if (nonzero != NULL)
            *nonzero |= (uint64_t)1 << k;
    }
    return true;
}

/* One more bit of each coefficient that is not 0; between them new ones. */
static bool refine_ac(Jpeg *jpeg, const Component *component, uint64_t *nonzero)
{
    int k = jpeg->start;
    while (jpeg->end_run == 0 && k <= jpeg->end) {
        int symbol = take_symbol(&jpeg->bits, &jpeg->ac[component->ac]);
        if (symbol < 0)
            return false;
        int run = symbol >> 4, size = symbol & 15;
        if (size == 0 && run < 15) {
            jpeg->end_run = (1 << run) + (int32_t)take(&jpeg->bits, run);
            break;
        }
        if (size > 1)
            return false;
        take(&jpeg->bits, size);
        for (; k <= jpeg->end; k++) {
            if (*nonzero >> k & 1) {
                take(&jpeg->bits, 1);
            } else if (run-- == 0) {
                if (size == 1)
                    *nonzero |= (uint64_t)1 << k;
                k++;
                break;
            }
        }
    }
    if (jpeg->end_run > 0) {
        for (; k <= jpeg->end; k++)
            if (*nonzero >> k & 1)
                take(&jpeg->bits, 1);
        jpeg->end_run--;
    }
    return true;
}

static bool skip_block(Jpeg *jpeg, Component *component, int row, int column)
{
    uint64_t *nonzero = component->nonzero == NULL
                            ? NULL
                            : component->nonzero + (int64_t)row * component->stride + column;
    if (jpeg->start == 0 && !skip_dc(jpeg, component))
        return false;
    if (jpeg->end == 0)
        return true;
    return jpeg->high == 0 ? skip_ac(jpeg, component, nonzero)
                           : refine_ac(jpeg, component, nonzero);
}

/* ---- scans ----------------------------------------------------------------------------------- */

/* The bits from jpeg->at to the next marker, which jpeg->at then names. */
static void open_bits(Jpeg *jpeg)
{
    int64_t end = jpeg->at;
    while (
        end + 1 < jpeg->size
        && !(jpeg->bytes[end] == 0xFF && jpeg->bytes[end + 1] != 0 && jpeg->bytes[end + 1] != 0xFF))
        end++;
    jpeg->bits = (Bits){.at = jpeg->bytes + jpeg->at, .end = jpeg->bytes + end};
    jpeg->end_run = 0;
    jpeg->at = end;
}

/* One unit: a block, or where components are interleaved the blocks of each. */
static bool skip_unit(Jpeg *jpeg, int row, int column)
{
    if (jpeg->in_count == 1)
        return skip_block(jpeg, jpeg->in[0], row, column);
    for (int i = 0; i < jpeg->in_count; i++) {
        Component *c = jpeg->in[i];
        for (int k = 0; k < c->h * c->v; k++)
            if (!skip_block(jpeg, c, row * c->v + k / c->h, column * c->h + k % c->h))
                return false;
    }
    return true;
}

static JpegFault skip_scan(Jpeg *jpeg)
{
    int across = jpeg->in_count == 1 ? jpeg->in[0]->across : jpeg->units_across;
    int down = jpeg->in_count == 1 ? jpeg->in[0]->down : jpeg->units_down;
    int to_restart = jpeg->restart_interval;

    open_bits(jpeg);
    for (int row = 0; row < down; row++) {
        for (int column = 0; column < across; column++, to_restart--) {
            if (jpeg->restart_interval > 0 && to_restart == 0) {
                if (jpeg->at + 1 >= jpeg->size || (jpeg->bytes[jpeg->at + 1] & 0xF8) != 0xD0)
                    return JPEG_is_cut;
                jpeg->at += 2;
                open_bits(jpeg);
                to_restart = jpeg->restart_interval;
            }
            bool ok = skip_unit(jpeg, row, column);
            if (has_run_out(&jpeg->bits))
                return JPEG_is_cut;
            if (!ok)
                return JPEG_is_broken;
        }
    }
    return JPEG_is_whole;
}

/* ---- segments -------------------------------------------------------------------------------- */

static void make_code(Code *code, const uint8_t counts[16], const uint8_t *symbols, int count)
{
    *code = (Code){.is_there = true};
    memcpy(code->symbols, symbols, (size_t)count);
    int32_t value = 0, place = 0;
    for (int length = 1; length <= 16; length++, value <<= 1) {
        code->first[length] = value;
        code->place[length] = place;
        value += counts[length - 1];
        code->last[length] = value;
        for (int32_t v = code->first[length]; length <= FAST_BITS && v < value; v++) {
            int32_t from = v << (FAST_BITS - length), to = (v + 1) << (FAST_BITS - length);
            for (int32_t k = from; k < to && k < 1 << FAST_BITS; k++)
                code->fast[k] = (uint16_t)(length << 8 | symbols[place + v - code->first[length]]);
        }
        place += counts[length - 1];
    }
}

static bool read_codes(Jpeg *jpeg, const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 17) {
        int which = at[0] & 15, count = 0;
        for (int k = 1; k <= 16; k++)
            count += at[k];
        if (which >= TABLES || at[0] >> 4 > 1 || count > 256 || end - at < 17 + count)
            return false;
        make_code(at[0] >> 4 ? &jpeg->ac[which] : &jpeg->dc[which], at + 1, at + 17, count);
        at += 17 + count;
    }
    return at == end;
}

static int divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

static bool read_frame(Jpeg *jpeg, const uint8_t *at, const uint8_t *end)
{
    if (end - at < 6 || jpeg->has_frame)
        return false;
    jpeg->height = at[1] << 8 | at[2];
    jpeg->width = at[3] << 8 | at[4];
    jpeg->component_count = at[5];
    if (jpeg->height == 0 || jpeg->width == 0 || jpeg->component_count < 1
        || jpeg->component_count > COMPONENTS || end - at < 6 + 3 * jpeg->component_count)
        return false;
    int most_h = 1, most_v = 1;
    for (int i = 0; i < jpeg->component_count; i++) {
        Component *c = &jpeg->components[i];
        *c = (Component){.id = at[6 + 3 * i], .h = at[7 + 3 * i] >> 4, .v = at[7 + 3 * i] & 15};
        if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4)
            return false;
        most_h = c->h > most_h ? c->h : most_h;
        most_v = c->v > most_v ? c->v : most_v;
        memset(c->left, -1, sizeof c->left);
    }
    jpeg->units_across = divide_up(jpeg->width, 8 * most_h);
    jpeg->units_down = divide_up(jpeg->height, 8 * most_v);
    for (int i = 0; i < jpeg->component_count; i++) {
        Component *c = &jpeg->components[i];
        c->across = divide_up(divide_up(jpeg->width * c->h, most_h), 8);
        c->down = divide_up(divide_up(jpeg->height * c->v, most_v), 8);
        c->stride = jpeg->units_across * c->h;
        size_t blocks = (size_t)c->stride * (size_t)(jpeg->units_down * c->v);
        c->nonzero = jpeg->is_progressive ? calloc(blocks, sizeof *c->nonzero) : NULL;
        if (jpeg->is_progressive && c->nonzero == NULL) {
            jpeg->has_memory = false;
            return false;
        }
    }
    jpeg->has_frame = true;
    return true;
}

/* What the scan brings is noted; a bit that comes twice or too early is a fault. */
static bool note_bits(const Jpeg *jpeg, Component *c)
{
    if (!jpeg->is_progressive) {
        memset(c->left, 0, sizeof c->left);
        return true;
    }
    for (int k = jpeg->start; k <= jpeg->end; k++) {
        if (jpeg->high != 0 && c->left[k] < 0)
            return false;
        c->left[k] = (int8_t)jpeg->low;
    }
    return true;
}

static bool read_scan(Jpeg *jpeg, const uint8_t *at, const uint8_t *end)
{
    if (end - at < 1 || !jpeg->has_frame)
        return false;
    jpeg->in_count = at[0];
    if (jpeg->in_count < 1 || jpeg->in_count > COMPONENTS || end - at < 4 + 2 * jpeg->in_count)
        return false;
    const uint8_t *range = at + 1 + 2 * jpeg->in_count;
    jpeg->start = jpeg->is_progressive ? range[0] : 0;
    jpeg->end = jpeg->is_progressive ? range[1] : 63;
    jpeg->high = jpeg->is_progressive ? range[2] >> 4 : 0;
    jpeg->low = jpeg->is_progressive ? range[2] & 15 : 0;
    if (jpeg->end > 63 || jpeg->start > jpeg->end || jpeg->low > 13
        || (jpeg->is_progressive && jpeg->start == 0 && jpeg->end != 0)
        || (jpeg->start > 0 && jpeg->in_count != 1))
        return false;
    for (int i = 0; i < jpeg->in_count; i++) {
        jpeg->in[i] = NULL;
        for (int k = 0; k < jpeg->component_count; k++)
            if (jpeg->components[k].id == at[1 + 2 * i])
                jpeg->in[i] = &jpeg->components[k];
        if (jpeg->in[i] == NULL)
            return false;
        jpeg->in[i]->dc = at[2 + 2 * i] >> 4;
        jpeg->in[i]->ac = at[2 + 2 * i] & 15;
        if (jpeg->in[i]->dc >= TABLES || jpeg->in[i]->ac >= TABLES || !note_bits(jpeg, jpeg->in[i]))
            return false;
    }
    return true;
}

/* Each coefficient of each component has come to its last bit. */
static bool is_complete(const Jpeg *jpeg)
{
    for (int i = 0; i < jpeg->component_count; i++)
        for (int k = 0; k < 64; k++)
            if (jpeg->components[i].left[k] != 0)
                return false;
    return jpeg->has_frame;
}

/* SOF3 to SOF15: lossless, hierarchical, arithmetic. */
static bool is_other_frame(int marker)
{
    return marker >= 0xC3 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/* From one marker to the next, up to EOI. */
static JpegFault read_segments(Jpeg *jpeg)
{
    while (jpeg->at + 1 < jpeg->size) {
        const uint8_t *at = jpeg->bytes + jpeg->at;
        if (at[0] != 0xFF || at[1] == 0xFF || at[1] == 0) { /* fill bytes, and what is no marker */
            jpeg->at++;
            continue;
        }
        int marker = at[1];
        jpeg->at += 2;
        if (marker == 0xD9)
            return is_complete(jpeg) ? JPEG_is_whole : JPEG_is_cut;
        if (marker == 0xD8 || marker == 1 || (marker & 0xF8) == 0xD0)
            continue;
        if (jpeg->at + 2 > jpeg->size)
            break;
        int64_t length = at[2] << 8 | at[3];
        if (length < 2 || jpeg->at + length > jpeg->size)
            return JPEG_is_cut;
        const uint8_t *from = at + 4, *end = at + 2 + length;
        jpeg->at += length;
        bool ok = true;
        if (is_other_frame(marker))
            return JPEG_is_whole; /* stb_image refuses it */
        switch (marker) {
        case 0xC4: ok = read_codes(jpeg, from, end); break;
        case 0xDD:
            ok = end - from >= 2;
            jpeg->restart_interval = ok ? from[0] << 8 | from[1] : 0;
            break;
        case 0xC0:
        case 0xC1:
        case 0xC2:
            jpeg->is_progressive = marker == 0xC2;
            ok = read_frame(jpeg, from, end);
            break;
        case 0xDA:
            if (++jpeg->scans > MOST_SCANS)
                return JPEG_has_too_many_scans;
            ok = read_scan(jpeg, from, end);
            if (ok) {
                JpegFault fault = skip_scan(jpeg);
                if (fault != JPEG_is_whole)
                    return fault;
            }
            break;
        default: break;
        }
        if (!ok)
            return JPEG_is_broken;
    }
    return JPEG_is_cut;
}

JpegFault jpeg_check(const uint8_t *bytes, int64_t size, bool *has_memory)
{
    Jpeg *jpeg = calloc(1, sizeof *jpeg);
    *has_memory = jpeg != NULL;
    if (jpeg == NULL)
        return JPEG_is_cut;
    jpeg->bytes = bytes;
    jpeg->size = size;
    jpeg->has_memory = true;
    JpegFault fault = read_segments(jpeg);
    *has_memory = jpeg->has_memory;
    for (int i = 0; i < COMPONENTS; i++)
        free(jpeg->components[i].nonzero);
    free(jpeg);
    return fault;
}

/* ---- orientation ----------------------------------------------------------------------------- */

static uint32_t number_at(const uint8_t *at, int bytes, bool is_big)
{
    uint32_t value = 0;
    for (int k = 0; k < bytes; k++)
        value = value << 8 | at[is_big ? k : bytes - 1 - k];
    return value;
}

int tiff_orientation(const uint8_t *bytes, int64_t size)
{
    enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY_BYTES = 12 };
    if (size < 8 || (memcmp(bytes, "II", 2) != 0 && memcmp(bytes, "MM", 2) != 0))
        return 1;
    bool is_big = bytes[0] == 'M';
    int64_t at = number_at(bytes + 4, 4, is_big);
    if (number_at(bytes + 2, 2, is_big) != 42 || at + 2 > size)
        return 1;
    int64_t count = number_at(bytes + at, 2, is_big);
    for (at += 2; count > 0 && at + ENTRY_BYTES <= size; count--, at += ENTRY_BYTES) {
        if (number_at(bytes + at, 2, is_big) != ORIENTATION
            || number_at(bytes + at + 2, 2, is_big) != SHORT)
            continue;
        uint32_t value = number_at(bytes + at + 8, 2, is_big);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* The first APP1 that begins with "Exif", before the first scan. */
int jpeg_orientation(const uint8_t *bytes, int64_t size)
{
    for (int64_t at = 2; at + 4 <= size && bytes[at] == 0xFF && bytes[at + 1] != 0xDA;) {
        if (bytes[at + 1] == 0xFF) {
            at++;
            continue;
        }
        int64_t end = at + 2 + (bytes[at + 2] << 8 | bytes[at + 3]);
        if (bytes[at + 1] == 0xE1 && end <= size && end - at >= 10
            && memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
            return tiff_orientation(bytes + at + 10, end - at - 10);
        at = end;
    }
    return 1;
}

/* 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5 .. 8 with rows and columns exchanged. */
bool image_orient(Image *image, int orientation)
{
    if (orientation <= 1)
        return true;
    int32_t w = image->width, h = image->height, c = image->channels;
    bool is_exchanged = orientation >= 5;
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int32_t width = is_exchanged ? h : w, height = is_exchanged ? w : h;

    if (image->pixels != NULL) {
        uint8_t *turned = malloc((size_t)w * (size_t)h * (size_t)c), *to = turned;
        if (turned == NULL)
            return false;
        for (int32_t y = 0; y < height; y++)
            for (int32_t x = 0; x < width; x++) {
                int32_t column = is_exchanged ? y : x, row = is_exchanged ? x : y;
                column = from_right ? w - 1 - column : column;
                row = from_below ? h - 1 - row : row;
                for (int32_t i = 0; i < c; i++)
                    *to++ = image->pixels[((int64_t)row * w + column) * c + i];
            }
        free(image->pixels);
        image->pixels = turned;
    }
    image->width = width;
    image->height = height;
    return true;
}
