/* The weight gradient as a sum of outer products over pixels, for CPUs with AVX512_BF16.
 *
 *     dw[o][ky][kx][c] += sum over pixels p of a row of y:  dy[p][o] x[stride p + kx - pad][c]
 *
 * vdpbf16ps multiplies pairs of bf16 and adds both products to a lane; the pair is two neighbouring
 * pixels of y. For a fixed ky the lanes run over (kx, c), which lie one after the other in memory
 * in the gradient as in a row of x, so that any number of channels fills the vectors well: 18
 * channels and three columns are 54 lanes of 64.
 *
 *     row of dy     pair p:      dy[2p][o], dy[2p + 1][o]            for each o: broadcast
 *     row of x      position q:  x[q - pad][c], x[q - pad + stride][c]   for each c: lanes
 *                   the lanes of pair p begin at q = 2p stride and run on through kx
 *
 * Sums of a tile of up to 24 vectors stay in registers over all rows of a strip. The gradient has
 * the layout of the masters: nothing is reordered.
 */
#include "host_outer.h"

#include <string.h>

enum { LANES = 16, SLACK = 32 }; /* a vector may read that many elements beyond its lanes */

HostOuter host_outer(const SnugWindow *window)
{
    HostOuter o = {
        .x_channels = window->x.c,
        .y_channels = window->y.c,
        .kernel = window->kernel,
        .stride = window->stride,
        .pad = window->pad,
        .x_width = window->x.w,
        .y_width = window->y.w,
    };
    o.pairs = (o.y_width + 1) / 2;
    int64_t positions = 2 * (o.pairs - 1) * o.stride + o.kernel;
    o.x_row = (2 * positions * o.x_channels + 2 * SLACK - 1) / SLACK * SLACK;
    o.y_row = 2 * o.pairs * o.y_channels;
    return o;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))

/* out[2 i] = a[i], out[2 i + 1] = b[i]; NULL: zeros */
static TARGET void interleave(uint16_t *out, const uint16_t *a, const uint16_t *b, int64_t n)
{
    static const uint16_t order[64] = {
        0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
        11, 43, 12, 44, 13, 45, 14, 46, 15, 47, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53,
        22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63,
    };
    const __m512i low = _mm512_loadu_si512(order), high = _mm512_loadu_si512(order + 32);
    for (int64_t i = 0; i < n; i += 32) {
        int64_t left = n - i;
        __mmask32 mask = left >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << left) - 1;
        __m512i va = a ? _mm512_maskz_loadu_epi16(mask, a + i) : _mm512_setzero_si512();
        __m512i vb = b ? _mm512_maskz_loadu_epi16(mask, b + i) : _mm512_setzero_si512();
        __mmask32 first = left >= 16 ? ~(__mmask32)0 : ((__mmask32)1 << 2 * left) - 1;
        __mmask32 second = left >= 32   ? ~(__mmask32)0
                           : left <= 16 ? 0
                                        : ((__mmask32)1 << (2 * left - 32)) - 1;
        _mm512_mask_storeu_epi16(out + 2 * i, first, _mm512_permutex2var_epi16(va, low, vb));
        _mm512_mask_storeu_epi16(out + 2 * i + 32, second, _mm512_permutex2var_epi16(va, high, vb));
    }
}

/* What lies at elements [begin, end) of a row whose first element is at `origin`: begin of the part
 * inside, or NULL where it is outside. Segments are cut so that it is one or the other. */
static const uint16_t *inside(const uint16_t *x, int64_t origin, int64_t size, int64_t begin)
{
    return begin >= origin && begin < origin + size ? x + (begin - origin) : NULL;
}

void host_outer_x(const HostOuter *o, const uint16_t *x, uint16_t *pairs)
{
    int64_t size = o->x_width * o->x_channels, origin = o->pad * o->x_channels;
    int64_t step = o->stride * o->x_channels;
    int64_t end = (2 * (o->pairs - 1) * o->stride + o->kernel) * o->x_channels;
    if (x == NULL) {
        memset(pairs, 0, (size_t)o->x_row * sizeof *pairs);
        return;
    }
    /* where the first or the second of a pair enters or leaves the row */
    const int64_t cuts[] = {origin - step, origin, origin + size - step, origin + size, end};
    for (int64_t begin = 0; begin < end;) {
        int64_t next = end;
        for (int i = 0; i < 5; i++)
            if (cuts[i] > begin && cuts[i] < next)
                next = cuts[i];
        interleave(pairs + 2 * begin, inside(x, origin, size, begin),
                   inside(x, origin - step, size, begin), next - begin);
        begin = next;
    }
    memset(pairs + 2 * end, 0, (size_t)(o->x_row - 2 * end) * sizeof *pairs);
}

void host_outer_y(const HostOuter *o, const uint16_t *dy, uint16_t *pairs)
{
    for (int64_t p = 0; p < o->pairs; p++) {
        const uint16_t *first = dy + 2 * p * o->y_channels;
        const uint16_t *second = 2 * p + 1 < o->y_width ? first + o->y_channels : NULL;
        interleave(pairs + 2 * p * o->y_channels, first, second, o->y_channels);
    }
}

/* What a tile of sums works on. */
typedef struct Strip {
    const uint16_t *x, *dy; /* of the tile's first lane and first output channel */
    int64_t rows, pairs;
    int64_t x_row, y_row;   /* elements from one row of y to the next */
    int64_t x_pair, y_pair; /* elements from one pair to the next */
    float *gradient;        /* of the tile */
    int64_t gradient_row;   /* floats from one output channel to the next */
    int64_t lanes;          /* of the tile: the last vector may be part full */
} Strip;

/* Sums of `height` output channels by `width` vectors, both constant where it is inlined. */
static inline TARGET __attribute__((always_inline)) void add_tile(const Strip *s, const int height,
                                                                  const int width)
{
    __m512 sums[16][4];
#pragma GCC unroll 16
    for (int o = 0; o < height; o++)
#pragma GCC unroll 4
        for (int v = 0; v < width; v++)
            sums[o][v] = _mm512_setzero_ps();
    for (int64_t r = 0; r < s->rows; r++) {
        const uint16_t *x = s->x + r * s->x_row, *dy = s->dy + r * s->y_row;
        for (int64_t p = 0; p < s->pairs; p++, x += s->x_pair, dy += s->y_pair) {
            __m512bh lanes[4];
#pragma GCC unroll 4
            for (int v = 0; v < width; v++)
                lanes[v] = (__m512bh)_mm512_loadu_si512(x + 32 * v);
#pragma GCC unroll 16
            for (int o = 0; o < height; o++) {
                int32_t pair;
                memcpy(&pair, dy + 2 * o, sizeof pair);
                __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 4
                for (int v = 0; v < width; v++)
                    sums[o][v] = _mm512_dpbf16_ps(sums[o][v], lanes[v], both);
            }
        }
    }
    int64_t left = s->lanes - LANES * (width - 1);
    __mmask16 last = (__mmask16)(left >= LANES ? 0xffffu : (1u << left) - 1u);
#pragma GCC unroll 16
    for (int o = 0; o < height; o++)
#pragma GCC unroll 4
        for (int v = 0; v < width; v++) {
            float *to = s->gradient + o * s->gradient_row + v * LANES;
            __mmask16 mask = v == width - 1 ? last : (__mmask16)0xffff;
            _mm512_mask_storeu_ps(to, mask,
                                  _mm512_add_ps(sums[o][v], _mm512_maskz_loadu_ps(mask, to)));
        }
}

/* clang-format off */
/* The tile's size as constants: as many sums as registers hold beside what they are made of. */
#define TILE(height, width)                                                                        \
    case height:                                                                                   \
        add_tile(s, height, width);                                                                \
        break;

static TARGET void add_tile_1(const Strip *s, int64_t height)
{
    switch (height) {
    TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1)
    TILE(9, 1) TILE(10, 1) TILE(11, 1) TILE(12, 1) TILE(13, 1) TILE(14, 1) TILE(15, 1) TILE(16, 1)
    }
}

static TARGET void add_tile_2(const Strip *s, int64_t height)
{
    switch (height) {
    TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2)
    TILE(9, 2) TILE(10, 2) TILE(11, 2) TILE(12, 2)
    }
}

static TARGET void add_tile_3(const Strip *s, int64_t height)
{
    switch (height) {
    TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(5, 3) TILE(6, 3) TILE(7, 3) TILE(8, 3)
    }
}

static TARGET void add_tile_4(const Strip *s, int64_t height)
{
    switch (height) {
    TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4)
    }
}
/* clang-format on */

/* All output channels of one column of tiles, in tiles of about equal height. */
static void add_column(Strip *s, int64_t width, int64_t begin, int64_t end)
{
    static const int64_t most[] = {0, 16, 12, 8, 6};
    int64_t tiles = (end - begin + most[width] - 1) / most[width];
    const uint16_t *dy = s->dy;
    float *gradient = s->gradient;
    for (int64_t t = 0; t < tiles; t++) {
        int64_t first = begin + (end - begin) * t / tiles;
        int64_t height = begin + (end - begin) * (t + 1) / tiles - first;
        s->dy = dy + 2 * first;
        s->gradient = gradient + first * s->gradient_row;
        switch (width) {
        case 1: add_tile_1(s, height); break;
        case 2: add_tile_2(s, height); break;
        case 3: add_tile_3(s, height); break;
        case 4: add_tile_4(s, height); break;
        }
    }
    s->dy = dy;
    s->gradient = gradient;
}

void host_outer_add(const HostOuter *o, const uint16_t *x, const uint16_t *dy, int64_t rows,
                    int64_t begin, int64_t end, float *gradient)
{
    int64_t lanes = o->kernel * o->x_channels, vectors = (lanes + LANES - 1) / LANES;
    int64_t columns = (vectors + 3) / 4;
    Strip s = {
        .dy = dy,
        .rows = rows,
        .pairs = o->pairs,
        .x_row = o->stride * o->x_row,
        .y_row = o->y_row,
        .x_pair = 4 * o->stride * o->x_channels,
        .y_pair = 2 * o->y_channels,
        .gradient_row = o->kernel * lanes,
    };
    for (int64_t ky = 0; ky < o->kernel; ky++)
        for (int64_t c = 0; c < columns; c++) {
            int64_t first = vectors * c / columns, width = vectors * (c + 1) / columns - first;
            s.x = x + ky * o->x_row + first * 2 * LANES;
            s.gradient = gradient + ky * lanes + first * LANES;
            s.lanes = lanes - first * LANES;
            add_column(&s, width, begin, end);
        }
}

#else /* never called: the caller has asked snug_host_has_bf16 */

void host_outer_x(const HostOuter *o, const uint16_t *x, uint16_t *pairs)
{
    (void)o, (void)x, (void)pairs;
}

void host_outer_y(const HostOuter *o, const uint16_t *dy, uint16_t *pairs)
{
    (void)o, (void)dy, (void)pairs;
}

void host_outer_add(const HostOuter *o, const uint16_t *x, const uint16_t *dy, int64_t rows,
                    int64_t begin, int64_t end, float *gradient)
{
    (void)o, (void)x, (void)dy, (void)rows, (void)begin, (void)end, (void)gradient;
}

#endif
