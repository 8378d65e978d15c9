# A windowed op that no model has, by docs/hacking.md: l2_pool, y = the root of the sum of squares of a window,
# and its gradient. Where y = 0 the root has no slope: the gradient there is 0, which is what a window of
# zeros gives to each of its elements.

# 1. the rows
after compiler/ir/ops.def 'OP(max_pool,' <<'END'
OP(l2_pool,           1, 1, WINDOW,               "y = sqrt(sum of x^2 over the window)")
END
after compiler/ir/ops.def 'OP(max_pool_grad,' <<'END'
OP(l2_pool_grad,      2, 1, WINDOW,               "dx = sum of dy x / y over the windows that hold x, 0 where y is 0; of dy, x")
END

# 2. shape
before compiler/graph/shapes.c '    case OP_max_pool: ' <<'END'
    case OP_l2_pool:
END
before compiler/graph/shapes.c '    case OP_max_pool_grad: ' <<'END'
    case OP_l2_pool_grad:
END

# 3. gradient
before compiler/graph/gradients.c '/* y[h, w] = x[h / f, w / f]' <<'END'
/* y = sqrt(sum of x^2): dy/dx = x / y for each x of the window; overlapping windows add. At y = 0, where there
 * is no slope, 0: the least of the subgradients. */
static void l2_pool_gradient(Tape *tape, const Op *op, ValueId dy)
{
    ValueId x = op->inputs[0];
    OpId id = tape_append(tape, OP_l2_pool_grad, (ValueId[]){dy, x}, 2, x);

    copy_window(last_op(tape, id), op);
    tape_send(tape, x, graph_output(tape->graph, id, 0));
}

END
after compiler/graph/gradients.c '    case OP_max_pool: ' <<'END'
    case OP_l2_pool: l2_pool_gradient(tape, &op, dy); break;
END

# 4. the oracle, and how a model contains it
before tests/model/interpreter.c 'typedef struct Neighbours {' <<'END'
/* The root of the sum of squares of the window of output pixel (h, w); with dx, dy x / y is added to each of its
 * elements. Close to 0 the slope jumps; a window of zeros that relu has made stays one. */
static double window_norm(Call *call, const double *x, Shape xs, Shape ys, const double *dy, double *dx,
                          int64_t place)
{
    const Op *op = call->op;
    int64_t c = place % ys.c, w = place / ys.c % ys.w, h = place / ys.c / ys.w % ys.h;
    int64_t n = place / ys.c / ys.w / ys.h;
    double squares = 0;

    for (int pass = 0; pass < (dx == NULL ? 1 : 2); pass++)
        for (int64_t tap = 0; tap < (int64_t)op->kernel * op->kernel; tap++) {
            int64_t r = h * op->stride - op->pad + tap / op->kernel;
            int64_t s = w * op->stride - op->pad + tap % op->kernel;
            if (r < 0 || r >= xs.h || s < 0 || s >= xs.w)
                continue;
            int64_t i = at(xs, n, r, s) + c;
            if (pass == 0)
                squares += x[i] * x[i];
            else if (squares > 0)
                dx[i] += dy[place] * x[i] / sqrt(squares);
        }
    if (squares > 0)
        note_kink(call, sqrt(squares));
    return sqrt(squares);
}

static void run_l2_pool(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = window_norm(call, call->x[0], call->xs, call->ys, NULL, NULL, i);
}

static void run_l2_pool_grad(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->xs); i++)
        window_norm(call, call->x[1], call->ys, call->xs, call->x[0], call->y, i);
}

END
after tests/model/interpreter.c '[OP_max_pool_grad] =' <<'END'
    [OP_l2_pool] = run_l2_pool,
    [OP_l2_pool_grad] = run_l2_pool_grad,
END
before tests/model/maker.c '    case OP_max_pool: return' <<'END'
    case OP_l2_pool:
END
after tests/model/maker.c '    case OP_max_pool_grad:' <<'END'
    case OP_l2_pool_grad:
END

# 5. its name in the language
before compiler/front/builtins.c 'static Datum build_upsample(' <<'END'
static Datum build_l2_pool(Elaborator *e, const BuiltinCall *call)
{
    int32_t kernel = whole_argument(call, 1);
    Op op = {.kernel = kernel, .stride = whole_argument(call, 2), .pad = (kernel - 1) / 2};

    return append_unary(e, call, OP_l2_pool, &op);
}

END
before compiler/front/builtins.c '{"upsample", build' <<'END'
    {"l2_pool",
     build_l2_pool,
     true,
     {TENSOR("x"), WHOLE_OPTION("kernel", 2, -MOST, MOST), WHOLE_OPTION("stride", 2, -MOST, MOST)}},
END
after docs/language.md '| `max_pool(' <<'END'
| `l2_pool(x, kernel = 2, stride = 2)` | root of the sum of squares of each window, padding `(kernel - 1) / 2` |
END

# 6. its kernels
before runtime/kernels.def 'KERNEL(upsample_grad,' <<'END'
KERNEL(l2_pool,           y,     x,    none, none,   strips,    window,       ,
                          "core: root of the sum of squares of in[0] over the window")
KERNEL(l2_pool_grad,      x,     y,    x,    none,   strips,    window,       ,
                          "core: in[0] is dy, in[1] is x; x gets dy x / y of each window, 0 where y is 0")
END
before compiler/fuse/fuse_kernels.c '    case OP_max_pool: return SNUG_KERNEL_max_pool;' <<'END'
    case OP_l2_pool: return SNUG_KERNEL_l2_pool;
    case OP_l2_pool_grad: return SNUG_KERNEL_l2_pool_grad;
END
before compiler/target/cost.c '    case SNUG_KERNEL_max_pool:' <<'END'
    case SNUG_KERNEL_l2_pool:
    case SNUG_KERNEL_l2_pool_grad:
END

# 7. on the host
before runtime/host/host_window.c '/* ---- by kind ---' <<'END'
/* The root of the sum of squares of window (y, x); tile begins at picture row tile_row. */
static void find_norm(const HostThread *thread, const float *tile, int64_t tile_row, int64_t y, int64_t x,
                      float *norm)
{
    const SnugWindow *w = &thread->k->kernel->window;
    int64_t channels = w->x.c;

    memset(norm, 0, (size_t)channels * sizeof *norm);
    for (int32_t tap = 0; tap < w->kernel * w->kernel; tap++) {
        int64_t row = y * w->stride - w->pad + tap / w->kernel;
        int64_t column = x * w->stride - w->pad + tap % w->kernel;
        if (row < 0 || row >= w->x.h || column < 0 || column >= w->x.w)
            continue;
        const float *from = tile + ((row - tile_row) * w->x.w + column) * channels;
        for (int64_t c = 0; c < channels; c++)
            norm[c] += from[c] * from[c];
    }
    for (int64_t c = 0; c < channels; c++)
        norm[c] = sqrtf(norm[c]);
}

static void l2_pool_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    const HostStrips *s = &thread->k->strips;
    const SnugWindow *w = &thread->k->kernel->window;
    float *tile = tile_at(thread, s->x_tile);
    int64_t first = row * w->stride - w->pad, end = host_min(row + s->rows, w->y.h);

    fill(thread, 0, n, first, first + ((int64_t)s->rows - 1) * w->stride + w->kernel, tile);
    for (int64_t y = row; y < end; y++)
        for (int64_t x = 0; x < w->y.w; x++)
            find_norm(thread, tile, first, y, x, core + ((y - row) * w->y.w + x) * w->y.c);
}

/* dy x / y to each pixel of window (y, x) in rows [row, end); 0 where y is 0. */
static void give_shares(const HostThread *thread, const float *dy, const float *norm, const float *tile,
                        int64_t tile_row, int64_t y, int64_t x, int64_t row, int64_t end, float *core)
{
    const SnugWindow *w = &thread->k->kernel->window;

    for (int32_t tap = 0; tap < w->kernel * w->kernel; tap++) {
        int64_t r = y * w->stride - w->pad + tap / w->kernel;
        int64_t column = x * w->stride - w->pad + tap % w->kernel;
        if (r < row || r >= end || column < 0 || column >= w->x.w)
            continue;
        const float *from = tile + ((r - tile_row) * w->x.w + column) * w->x.c;
        float *to = core + ((r - row) * w->x.w + column) * w->x.c;
        for (int64_t c = 0; c < w->x.c; c++)
            to[c] += norm[c] == 0.0f ? 0.0f : dy[c] * (from[c] / norm[c]);
    }
}

static void l2_pool_grad_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    const HostKernel *k = thread->k;
    const HostStrips *s = &k->strips;
    const SnugWindow *w = &k->kernel->window;
    float *x_tile = tile_at(thread, s->x_tile), *y_tile = tile_at(thread, s->y_tile);
    float *norm = tile_at(thread, s->extra);
    int64_t end = host_min(row + s->rows, w->x.h);
    int64_t first = (row + w->pad - k->pad_top) / w->stride, last = first + k->y_rows;
    int64_t x_first = first * w->stride - w->pad;

    fill(thread, 0, n, first, last, y_tile);
    fill(thread, 1, n, x_first, x_first + (k->y_rows - 1) * (int64_t)w->stride + w->kernel, x_tile);
    memset(core, 0, (size_t)((int64_t)s->rows * w->x.w * w->x.c) * sizeof *core);
    for (int64_t y = host_max(first, 0); y < host_min(last, w->y.h); y++)
        for (int64_t x = 0; x < w->y.w; x++) {
            find_norm(thread, x_tile, x_first, y, x, norm);
            give_shares(thread, y_tile + ((y - first) * w->y.w + x) * w->y.c, norm, x_tile, x_first, y, x, row,
                        end, core);
        }
}

END
after runtime/host/host_window.c '    [SNUG_KERNEL_max_pool_grad] =' <<'END'
    [SNUG_KERNEL_l2_pool] = {prepare_pool, l2_pool_core},
    [SNUG_KERNEL_l2_pool_grad] = {prepare_pool_grad, l2_pool_grad_core},
END
before runtime/host/host_window.c '#include <string.h>' <<'END'
#include <math.h>
END

# 8. tests
before tests/unit/host_reference.h '    case SNUG_KERNEL_max_pool: return' <<'END'
    case SNUG_KERNEL_l2_pool:
END
after tests/unit/host_reference.h '    case SNUG_KERNEL_max_pool_grad: reference_pool' <<'END'
    case SNUG_KERNEL_l2_pool:
    case SNUG_KERNEL_l2_pool_grad: reference_l2_pool(b, core); break;
END
before tests/unit/host_reference.h 'static inline void reference_resample_grad(' <<'END'
static inline void reference_l2_pool(const Bench *b, double *core)
{
    const SnugWindow *win = &b->kernel.window;
    SnugShape x = win->x, y = win->y;
    bool is_grad = b->kernel.kind == SNUG_KERNEL_l2_pool_grad;
    double *in_x = reference_prologue(b, is_grad ? 1 : 0, x, SNUG_F32);
    double *dy = is_grad ? reference_prologue(b, 0, y, SNUG_F32) : NULL;
    for (int64_t place = 0; place < (int64_t)y.n * y.h * y.w * y.c; place++) {
        int64_t c = place % y.c, w = place / y.c % y.w, h = place / y.c / y.w % y.h;
        int64_t n = place / y.c / y.w / y.h;
        double squares = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int32_t tap = 0; tap < win->kernel * win->kernel; tap++) {
                int64_t row = h * win->stride - win->pad + tap / win->kernel;
                int64_t column = w * win->stride - win->pad + tap % win->kernel;
                if (row < 0 || row >= x.h || column < 0 || column >= x.w)
                    continue;
                int64_t at = dense(x, n, row, column, c);
                if (pass == 0)
                    squares += in_x[at] * in_x[at];
                else if (is_grad && squares > 0)
                    core[at] += dy[place] * in_x[at] / sqrt(squares);
            }
        if (!is_grad)
            core[place] = sqrt(squares);
    }
    free(in_x);
    free(dy);
}

END
new tests/golden/fuse/l2_pool.snug <<'END'
# A batch norm and relu are the prologue of a pool over windows, and of its gradient.
#
# run: snug plan --dump=kernels %s | grep -A4 '\[l2_pool' | grep -E '\[l2_pool|prologue|and  '
# expect
#   l2_pool_1  [l2_pool2x2_s2_8_8_16x16]
#     prologue  relu(conv1 * bn1.stats.scale + bn1.stats.shift)
#   d_relu_1  [l2_pool_grad2x2_s2_8_8_16x16] backward
#     and       relu(conv1 * bn1.stats.scale + bn1.stats.shift)
#   l2_pool_1  [l2_pool2x2_s2_8_8_16x16]
# end

train {
    image  : picture[1, 32, 32, 3]
    points : landmarks[1, 4]
    x = relu(bn(conv(normalize(image), 8) as conv1) as bn1)
    heat = conv(l2_pool(x, 2, 2), 4, 1) as head
    minimize mse(heat, gaussian(points, sigma = 1.5))
    optimize adamw(lr = 1e-3)
}
END

# 9. on a card
before compiler/emit/kernels/window.cuh '#elif IS_UPSAMPLE_GRAD || IS_BILINEAR_GRAD' <<'END'
#elif IS_L2_POOL || IS_L2_POOL_GRAD

/* The root of the sum of squares of window (y, x) of image n. */
template <class Code>
DEVICE void find_norm(const Args &args, const typename Code::Channels &k, int n, int y, int x, int c, float norm[8])
{
    EACH(i) norm[i] = 0.0f;
#pragma unroll 1
    for (int tap = 0; tap < KERNEL * KERNEL; tap++) {
        int h = y * STRIDE - PAD + tap / KERNEL, w = x * STRIDE - PAD + tap % KERNEL;
        if (h < 0 || h >= X_HEIGHT || w < 0 || w >= X_WIDTH)
            continue;
        uint4 raw[Code::LOADS + 1];
        float v[8];
        Code::load(args, n, h, w, c, raw);
        Code::apply(args, k, n, h, w, c, raw, nullptr, v, nullptr);
        EACH(i) norm[i] = fmaf(v[i], v[i], norm[i]);
    }
    EACH(i) norm[i] = sqrtf(norm[i]);
}

#if IS_L2_POOL

struct Core {
    typedef Prologue0::Channels Channels;
    DEVICE Channels channels(const Args &args, int n, int c)
    {
        return Prologue0::channels(args, c);
    }
    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        find_norm<Prologue0>(args, k, n, h, w, c, v);
    }
};

#else

struct Core {
    struct Channels {
        Prologue0::Channels dy;
        Prologue1::Channels x;
    };
    DEVICE Channels channels(const Args &args, int n, int c)
    {
        return Channels{Prologue0::channels(args, c), Prologue1::channels(args, c)};
    }
    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        uint4 raw[Prologue0::LOADS + 1], raw_x[Prologue1::LOADS + 1];
        float mine[8], norm[8], dy[8];

        Prologue1::load(args, n, h, w, c, raw_x);
        Prologue1::apply(args, k.x, n, h, w, c, raw_x, nullptr, mine, nullptr);
        EACH(i) v[i] = 0.0f;
#pragma unroll 1
        for (int y = (h + PAD) / STRIDE; y >= 0 && y * STRIDE + KERNEL > h + PAD; y--) {
#pragma unroll 1
            for (int x = (w + PAD) / STRIDE; x >= 0 && x * STRIDE + KERNEL > w + PAD; x--) {
                if (y >= Y_HEIGHT || x >= Y_WIDTH)
                    continue;
                find_norm<Prologue1>(args, k.x, n, y, x, c, norm);
                Prologue0::load(args, n, y, x, c, raw);
                Prologue0::apply(args, k.dy, n, y, x, c, raw, nullptr, dy, nullptr);
                EACH(i) v[i] += norm[i] == 0.0f ? 0.0f : dy[i] * (mine[i] / norm[i]);
            }
        }
    }
};

#endif

END
