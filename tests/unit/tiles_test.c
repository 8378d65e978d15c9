/* Tiles of a card's matrix products: every choice is one that the kernels can hold, covers the
 * result, and is the same each time; the classes of HRNet-W32 get what they should.
 */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/target/cards.h"
#include "compiler/target/tiles.h"
#include "compiler/target/workspace.h"

enum { SHARED_A_BLOCK = 99 * 1024, MOST_THREADS = 1024 };

/* A conv of half tensors with `loads` tensors in its prologue. */
typedef struct Product {
    SnugArg args[8];
    SnugPoint in[2][4];
    SnugKernel kernel;
} Product;

static void make_product(Product *p, SnugKernelKind kind, SnugWindow window, int32_t loads)
{
    *p = (Product){.kernel = {.name = "product",
                              .kind = kind,
                              .window = window,
                              .weight_arg = 0,
                              .output_arg = 1,
                              .args = p->args,
                              .arg_count = 8}};
    for (int a = 0; a < 8; a++)
        p->args[a] = (SnugArg){.type = SNUG_F16, .shape = {1, 1, 1, 8}, .pitch = 8};
    for (int side = 0; side < (kind == SNUG_KERNEL_conv_wgrad ? 2 : 1); side++) {
        for (int32_t k = 0; k < loads; k++)
            p->in[side][k] =
                (SnugPoint){.op = SNUG_POINT_load, .arg = (int16_t)(2 + k), .factor = 1};
        p->kernel.in[side] = (SnugPointwise){.code = p->in[side], .count = loads};
    }
    if (kind == SNUG_KERNEL_conv_wgrad)
        p->args[1].type = SNUG_F32;
}

static SnugWindow window_of(int32_t n, int32_t size, int32_t in, int32_t out, int32_t kernel,
                            int32_t stride)
{
    int32_t pad = kernel / 2, small = (size + 2 * pad - kernel) / stride + 1;
    return (SnugWindow){.kernel = kernel,
                        .stride = stride,
                        .pad = pad,
                        .x = {n, size, size, in},
                        .y = {n, small, small, out}};
}

static const Card *card_named(const char *name)
{
    uint32_t count;
    const Card *table = cards(&count);

    for (uint32_t k = 0; k < count; k++)
        if (strcmp(table[k].name, name) == 0)
            return &table[k];
    fail_msg("no card %s", name);
    return NULL;
}

/* Field by field: the bytes between two fields hold nothing. */
static void assert_same_conv(const ConvTile *a, const ConvTile *b)
{
    static_assert(sizeof *a == 12 * sizeof(int32_t) + 3 * sizeof(int64_t), "a field is left out");
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    assert_int_equal(a->channels, b->channels);
    assert_int_equal(a->slice, b->slice);
    assert_int_equal(a->warps_m, b->warps_m);
    assert_int_equal(a->warps_n, b->warps_n);
    assert_int_equal(a->halo_slots, b->halo_slots);
    assert_int_equal(a->weight_slots, b->weight_slots);
    assert_int_equal(a->block.rows, b->block.rows);
    assert_int_equal(a->block.columns, b->block.columns);
    assert_int_equal(a->threads, b->threads);
    assert_int_equal(a->shared_bytes, b->shared_bytes);
    assert_int_equal(a->grid_parts, b->grid_parts);
    assert_int_equal(a->grid_channels, b->grid_channels);
}

static void assert_same_wgrad(const WgradTile *a, const WgradTile *b)
{
    static_assert(sizeof *a == 10 * sizeof(int32_t) + 2 * sizeof(int64_t), "a field is left out");
    assert_int_equal(a->pixels_h, b->pixels_h);
    assert_int_equal(a->pixels_w, b->pixels_w);
    assert_int_equal(a->y_channels, b->y_channels);
    assert_int_equal(a->x_channels, b->x_channels);
    assert_int_equal(a->tap_rows, b->tap_rows);
    assert_int_equal(a->warps_m, b->warps_m);
    assert_int_equal(a->warps_n, b->warps_n);
    assert_int_equal(a->slots, b->slots);
    assert_int_equal(a->splits, b->splits);
    assert_int_equal(a->threads, b->threads);
    assert_int_equal(a->shared_bytes, b->shared_bytes);
    assert_int_equal(a->grid_tiles, b->grid_tiles);
}

static void check_conv(const Card *card, const Product *p)
{
    ConvTile tile, again;
    SnugShape result = p->kernel.kind == SNUG_KERNEL_conv ? p->kernel.window.y : p->kernel.window.x;

    assert_true(choose_conv_tile(card, &p->kernel, &tile));
    assert_true(choose_conv_tile(card, &p->kernel, &again));
    assert_same_conv(&tile, &again);
    assert_true(tile.shared_bytes > 0 && tile.shared_bytes <= SHARED_A_BLOCK);
    assert_true(tile.threads == 32 * tile.warps_m * tile.warps_n && tile.threads <= MOST_THREADS);
    int64_t down = (result.h + tile.block.rows - 1) / tile.block.rows;
    int64_t across = (result.w + tile.block.columns - 1) / tile.block.columns;
    assert_int_equal(tile.grid_parts, result.n * down * across);
    assert_true(tile.grid_channels * tile.channels >= result.c);
    assert_true((tile.grid_channels - 1) * tile.channels < result.c);
    assert_true(tile.grid_channels <= 65535);
}

static void check_wgrad(const Card *card, const Product *p)
{
    const SnugWindow *w = &p->kernel.window;
    WgradTile tile, again;

    assert_true(choose_wgrad_tile(card, &p->kernel, &tile));
    assert_true(choose_wgrad_tile(card, &p->kernel, &again));
    assert_same_wgrad(&tile, &again);
    assert_true(tile.shared_bytes > 0 && tile.shared_bytes <= SHARED_A_BLOCK);
    assert_true(tile.splits >= 1 && tile.splits <= 65535);
    assert_int_equal(w->kernel % tile.tap_rows, 0);
    int64_t weights = (int64_t)w->y.c * w->kernel * w->kernel * w->x.c * 4;
    int64_t workspace =
        kernel_workspace(&(Target){.device = DEVICE_cuda, .card = card}, &p->kernel);
    assert_true(tile.splits == 1 ? workspace == 0 : workspace >= tile.splits * weights);
    assert_true(workspace <= (int64_t)33 << 20);
}

/* The order in which pixels are summed is the same however many tensors x is rebuilt from. */
static void check_wgrad_cut(const Card *card, SnugWindow window)
{
    WgradTile usual, other;
    Product p;

    make_product(&p, SNUG_KERNEL_conv_wgrad, window, 3);
    p.kernel.in[1].count = 2;
    for (int32_t loads = 1; loads <= 3; loads++) {
        p.kernel.in[0].count = loads;
        assert_true(choose_wgrad_tile(card, &p.kernel, loads == 1 ? &usual : &other));
        if (loads == 1)
            continue;
        assert_true(other.shared_bytes <= SHARED_A_BLOCK);
        other.slots = usual.slots;
        other.shared_bytes = usual.shared_bytes;
        assert_same_wgrad(&usual, &other);
    }
}

/* Many shapes: channel counts of all models and odd ones, pictures from 1 x 1 up. */
static void every_shape_has_a_tile(void **state)
{
    static const int32_t channels[] = {1,  3,  8,  18,  29,  32,  36,  48,
                                       64, 72, 96, 144, 256, 270, 512, 2048};
    static const int32_t sizes[] = {1, 7, 16, 33, 128, 512};
    static const struct {
        int32_t kernel, stride;
    } windows[] = {{1, 1}, {1, 2}, {2, 2}, {3, 1}, {3, 2}, {4, 2}, {5, 1}, {7, 2}};
    static const char *const names[] = {"RTX 3070 Ti", "RTX 3050", "H100 SXM"};
    Product p;

    (void)state;
    for (size_t k = 0; k < COUNT_OF(names); k++)
        for (size_t v = 0; v < COUNT_OF(windows); v++)
            for (size_t s = 0; s < COUNT_OF(sizes); s++)
                for (size_t i = 0; i < COUNT_OF(channels); i++) {
                    int32_t size = sizes[s] > windows[v].kernel ? sizes[s] : windows[v].kernel;
                    int32_t out = channels[(3 * i + s) % COUNT_OF(channels)];
                    SnugWindow w = window_of(1 + (int32_t)(i % 3), size, channels[i], out,
                                             windows[v].kernel, windows[v].stride);
                    make_product(&p, SNUG_KERNEL_conv, w, (int32_t)(i % 3));
                    check_conv(card_named(names[k]), &p);
                    make_product(&p, SNUG_KERNEL_conv_dgrad, w, 1 + (int32_t)(i % 3));
                    check_conv(card_named(names[k]), &p);
                    make_product(&p, SNUG_KERNEL_conv_wgrad, w, 1 + (int32_t)(i % 2));
                    check_wgrad(card_named(names[k]), &p);
                    check_wgrad_cut(card_named(names[k]), w);
                }
}

/* The four classes of HRNet-W32 at 1024 x 1024, a picture at a time: enough blocks for the card,
 * little padding, two blocks of shared memory a multiprocessor forward. */
static void classes_of_hrnet(void **state)
{
    static const struct {
        int32_t channels, size;
    } classes[] = {{32, 256}, {64, 128}, {128, 64}, {256, 32}};
    const Card *card = card_named("RTX 3070 Ti");
    Product p;
    ConvTile tile;
    WgradTile wgrad;

    (void)state;
    for (size_t k = 0; k < COUNT_OF(classes); k++) {
        int32_t channels = classes[k].channels;
        SnugWindow w = window_of(1, classes[k].size, channels, channels, 3, 1);
        make_product(&p, SNUG_KERNEL_conv, w, 1);
        assert_true(choose_conv_tile(card, &p.kernel, &tile));
        assert_true(tile.grid_parts * tile.grid_channels >= 2 * card->multiprocessors);
        assert_int_equal(classes[k].channels % tile.slice, 0);
        assert_int_equal(classes[k].channels % tile.channels, 0);
        make_product(&p, SNUG_KERNEL_conv_wgrad, w, 2);
        assert_true(choose_wgrad_tile(card, &p.kernel, &wgrad));
        assert_true(wgrad.grid_tiles * wgrad.splits >= card->multiprocessors);
    }
}

static void what_has_none(void **state)
{
    const Card *card = card_named("RTX 3070 Ti");
    Product p;
    ConvTile tile;
    WgradTile wgrad;

    (void)state;
    make_product(&p, SNUG_KERNEL_conv_dgrad, window_of(1, 32, 16, 16, 5, 4), 1);
    assert_false(choose_conv_tile(card, &p.kernel, &tile));
    make_product(&p, SNUG_KERNEL_conv, window_of(1, 32, 16, 16, 3, 1), 1);
    for (int a = 0; a < 8; a++)
        p.args[a].type = SNUG_F32; /* full precision */
    assert_false(choose_conv_tile(card, &p.kernel, &tile));
    make_product(&p, SNUG_KERNEL_conv_wgrad, window_of(1, 32, 16, 16, 3, 1), 1);
    for (int a = 0; a < 8; a++)
        p.args[a].type = SNUG_F32;
    assert_false(choose_wgrad_tile(card, &p.kernel, &wgrad));
    assert_int_equal(kernel_workspace(&(Target){.device = DEVICE_cuda, .card = card}, &p.kernel),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_has_a_tile),
        cmocka_unit_test(classes_of_hrnet),
        cmocka_unit_test(what_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
