/* Cores that are no matrix products, as sums or maxima that each result gathers for itself:
 * pooling,
 * and the gradients of pooling and resampling. map.cuh runs them.
 *
 * Geometry is that of the forward op: X_* is its input, Y_* its result; for resampling X_* is
 * small.
 *
 *     max_pool_grad: the windows that hold a pixel find their maximum again, for the pixel asks
 *     of each of them whether it was that
 *
 *         x        . . p . . .          KERNEL 3, STRIDE 2
 *         windows  |---|                holds p
 *                      |---|            holds p
 */
#define CORE
#include "prims.cuh"

#if IS_MAX_POOL || IS_MAX_POOL_GRAD

/* The maximum of window (y, x) of image n and the tap that has it, the first in rows; NaN wins. */
template <class Code>
DEVICE void find_maximum(const Args &args, const typename Code::Channels &k, int n, int y, int x,
                         int c, float best[8], int taps[8])
{
    bool is_first = true;

    EACH(i) best[i] = 0.0f, taps[i] = -1;
#pragma unroll 1
    for (int tap = 0; tap < KERNEL * KERNEL; tap++) {
        int h = y * STRIDE - PAD + tap / KERNEL, w = x * STRIDE - PAD + tap % KERNEL;
        if (h < 0 || h >= X_HEIGHT || w < 0 || w >= X_WIDTH)
            continue;
        uint4 raw[Code::LOADS + 1];
        float v[8];
        Code::load(args, n, h, w, c, raw);
        Code::apply(args, k, n, h, w, c, raw, nullptr, v, nullptr);
        EACH(i) {
            bool wins = is_first || v[i] > best[i] || v[i] != v[i];
            best[i] = wins ? v[i] : best[i];
            taps[i] = wins ? tap : taps[i];
        }
        is_first = false;
    }
}

#endif

#if IS_MAX_POOL

struct Core {
    typedef Prologue0::Channels Channels;
    DEVICE Channels channels(const Args &args, int n, int c)
    {
        return Prologue0::channels(args, c);
    }
    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        int taps[8];
        find_maximum<Prologue0>(args, k, n, h, w, c, v, taps);
    }
};

#elif IS_MAX_POOL_GRAD

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
        int last_y = (h + PAD) / STRIDE, last_x = (w + PAD) / STRIDE;

        EACH(i) v[i] = 0.0f;
#pragma unroll 1
        for (int y = last_y; y >= 0 && y * STRIDE + KERNEL > h + PAD; y--) {
#pragma unroll 1
            for (int x = last_x; x >= 0 && x * STRIDE + KERNEL > w + PAD; x--) {
                if (y >= Y_HEIGHT || x >= Y_WIDTH)
                    continue;
                int mine = (h + PAD - y * STRIDE) * KERNEL + w + PAD - x * STRIDE, taps[8];
                float best[8], dy[8];
                uint4 raw[Prologue0::LOADS + 1];
                find_maximum<Prologue1>(args, k.x, n, y, x, c, best, taps);
                Prologue0::load(args, n, y, x, c, raw);
                Prologue0::apply(args, k.dy, n, y, x, c, raw, nullptr, dy, nullptr);
                EACH(i) v[i] += taps[i] == mine ? dy[i] : 0.0f;
            }
        }
    }
};

#elif IS_UPSAMPLE_GRAD || IS_BILINEAR_GRAD

struct Core {
    typedef Prologue0::Channels Channels;
    DEVICE Channels channels(const Args &args, int n, int c)
    {
        return Prologue0::channels(args, c);
    }

    /* v += weight dy at pixel (y, x) of the large side */
    DEVICE void add(const Args &args, const Channels &k, int n, int y, int x, int c, float weight,
                    float v[8])
    {
        uint4 raw[Prologue0::LOADS + 1];
        float dy[8];
        Prologue0::load(args, n, y, x, c, raw);
        Prologue0::apply(args, k, n, y, x, c, raw, nullptr, dy, nullptr);
        EACH(i) v[i] = fmaf(dy[i], weight, v[i]);
    }

#if IS_UPSAMPLE_GRAD

    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        EACH(i) v[i] = 0.0f;
#pragma unroll 4
        for (int tap = 0; tap < KERNEL * KERNEL; tap++)
            add(args, k, n, h * KERNEL + tap / KERNEL, w * KERNEL + tap % KERNEL, c, 1.0f, v);
    }

#else

    /* How much position `small` of SIZE takes part in position `large`. */
    template <int SIZE>
    DEVICE float share(int small, int large)
    {
        Tap tap = bilinear_tap<KERNEL, SIZE>(large);
        return (tap.first == small ? 1.0f - tap.weight : 0.0f)
               + (tap.second == small ? tap.weight : 0.0f);
    }

    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        int begin_x = w > 0 ? (w - 1) * KERNEL : 0;
        int end_x = (w + 2) * KERNEL < Y_WIDTH ? (w + 2) * KERNEL : Y_WIDTH;
        int begin_y = h > 0 ? (h - 1) * KERNEL : 0;
        int end_y = (h + 2) * KERNEL < Y_HEIGHT ? (h + 2) * KERNEL : Y_HEIGHT;

        EACH(i) v[i] = 0.0f;
        for (int y = begin_y; y < end_y; y++) {
            float down = share<X_HEIGHT>(h, y);
            if (down == 0.0f)
                continue;
            for (int x = begin_x; x < end_x; x++) {
                float weight = down * share<X_WIDTH>(w, x);
                if (weight != 0.0f)
                    add(args, k, n, y, x, c, weight, v);
            }
        }
    }

#endif
};

#endif

#include "map.cuh"
