/* What every kernel is made of. Includes nothing: half precision is held as 16-bit integers and
 * converted by inline PTX, so that NVRTC alone compiles it.
 *
 * A kernel's source is generated text around one hand-written file:
 *
 *     #include "prims.cuh"      or tensor.cuh, and with it this file
 *     namespace NAME {
 *     struct Args { ... };      one pointer an arg of the kernel, a0, a1, ...; then workspace
 *     #define PARAMETERS ...    of the entry
 *     #define ARGS              Args made of them
 *     enum { ... };             geometry, THREADS of a block
 *     #define ...               what an #if asks, floats, names of args; ENTRY, the extern "C"
 *                               function
 *     struct Prologue0 ...;     pointwise code: Prologue0, Prologue1 of a core's inputs,
 *     struct Epilogue ...;      Epilogue of its result (a map's parts: Part0, Part1, ...)
 *     #include "map.cuh"
 *     }
 *
 * The hand-written file ends with end.cuh, which takes back all macros but those of this file and
 * of tensor.cuh: all kernels together are a translation unit, too.
 *
 * The unit of pointwise work is a chunk: 8 consecutive channels of a pixel, 16 bytes of half, in
 * fp32 registers. c is the chunk's first channel, a multiple of 8 below CHANNELS. Code offers:
 *
 *     CHANNELS      of its domain; elements of a chunk beyond it come out as zeros
 *     LOADS         chunks of half tensors at the very element: raw[LOADS]
 *     IS_COPY       the value is raw[0], nothing else
 *     Channels      values that depend on the channel alone: scale, shift, A, B, C, bias
 *     Channels channels(args, c)
 *     const half_t *source(args, load, n, h, w, c)        16-byte aligned address of raw[load]
 *     void load(args, n, h, w, c, raw)                    all of them
 *     void apply(args, k, n, h, w, c, raw, core, v, xhat) k: of channels(args, c); core[8]: the
 *         kernel's own result (Epilogue only); v[8]: the value, of an Epilogue or a Part as rounded
 *         for storage; xhat[REDUCTIONS][8]: what reduction r multiplies v by, if of that kind.
 *         What is not at the element (resampled, slices not at a multiple of 8) it loads itself.
 *     void at(args, n, h, w, c, v)                        channels, load and apply (no core)
 *
 * Generated text has of it what differs: struct Code below has the rest, and the heads of the
 * functions.
 *
 * All are inlined and all loops over 8 unrolled: arrays are registers. A thread reads a chunk of
 * everything that may share the result's bytes before it writes that chunk.
 */
#ifndef SNUG_PRIMS_CUH
#define SNUG_PRIMS_CUH

typedef unsigned short half_t;
typedef unsigned char byte_t;

#define DEVICE static __device__ __forceinline__
#define EACH(i) _Pragma("unroll") for (int i = 0; i < 8; i++)

/* ---- half precision -------------------------------------------------------------------------- */

DEVICE float float_of(half_t half)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

DEVICE float float_of(float value)
{
    return value;
}

DEVICE float float_of(byte_t byte)
{
    return (float)byte;
}

/* To nearest, ties to even; beyond 65504 infinity. */
DEVICE half_t half_of(float value)
{
    half_t half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
    return half;
}

DEVICE float rounded(float value)
{
    return float_of(half_of(value));
}

/* Two halves in a word, the first in the low 16 bits. */
DEVICE unsigned pack_pair(float first, float second)
{
    unsigned word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
}

DEVICE void unpack_pair(unsigned word, float &first, float &second)
{
    first = float_of((half_t)(word & 0xffffu));
    second = float_of((half_t)(word >> 16));
}

DEVICE void unpack(uint4 raw, float v[8])
{
    unpack_pair(raw.x, v[0], v[1]);
    unpack_pair(raw.y, v[2], v[3]);
    unpack_pair(raw.z, v[4], v[5]);
    unpack_pair(raw.w, v[6], v[7]);
}

DEVICE uint4 pack(const float v[8])
{
    return uint4{pack_pair(v[0], v[1]), pack_pair(v[2], v[3]), pack_pair(v[4], v[5]),
                 pack_pair(v[6], v[7])};
}

/* ---- arithmetic of pointwise code ------------------------------------------------------------ */

DEVICE float relu(float x)
{
    return x < 0.0f ? 0.0f : x; /* NaN stays NaN */
}

DEVICE float mask(float x, float y)
{
    return y > 0.0f ? x : 0.0f;
}

DEVICE float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* Offset of pixel (n, h, w) in elements; below 2^63 bytes, so 64 bits. */
template <int HEIGHT, int WIDTH, int PITCH>
DEVICE long long pixel_at(int n, int h, int w)
{
    return (((long long)n * HEIGHT + h) * WIDTH + w) * PITCH;
}

/* Channels [c, c + 8) of the pixel, of which those below END are there; OFFSET is added to c. By
 * vectors where the pitch and the offset allow it. */
template <int PITCH, int OFFSET, int END>
DEVICE void load_chunk(const half_t *pixel, int c, float v[8])
{
    if constexpr (PITCH % 8 == 0 && OFFSET % 8 == 0)
        unpack(*(const uint4 *)(pixel + OFFSET + c), v);
    else
        EACH(i) v[i] = OFFSET + c + i < END ? float_of(pixel[OFFSET + c + i]) : 0.0f;
}

template <int PITCH, int OFFSET, int END>
DEVICE void load_chunk(const float *pixel, int c, float v[8])
{
    if constexpr (PITCH % 4 == 0 && OFFSET % 4 == 0) {
        const float4 *at = (const float4 *)(pixel + OFFSET + c);
        float4 low = at[0], high = float4{0.0f, 0.0f, 0.0f, 0.0f};
        if ((PITCH % 8 == 0 && OFFSET % 8 == 0) || OFFSET + c + 4 < END)
            high = at[1];
        v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
        v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
    } else {
        EACH(i) v[i] = OFFSET + c + i < END ? pixel[OFFSET + c + i] : 0.0f;
    }
}

template <int PITCH, int OFFSET, int END>
DEVICE void load_chunk(const byte_t *pixel, int c, float v[8])
{
    EACH(i) v[i] = OFFSET + c + i < END ? (float)pixel[OFFSET + c + i] : 0.0f;
}

/* Where bilinear resampling up by FACTOR reads for position `at` of the large side: between two
 * positions of the small side of SIZE, the second with `weight`. Half-pixel centres, edges
 * clamped. */
struct Tap {
    int first, second;
    float weight;
};

template <int FACTOR, int SIZE>
DEVICE Tap bilinear_tap(int at)
{
    float position = ((float)at + 0.5f) * (1.0f / FACTOR) - 0.5f;
    position = position < 0.0f ? 0.0f : position;
    int first = (int)position < SIZE - 1 ? (int)position : SIZE - 1;
    return Tap{first, first + 1 < SIZE ? first + 1 : SIZE - 1, position - (float)first};
}

/* A chunk of pixel (h, w) of the tensor of HEIGHT x WIDTH resampled up by FACTOR. */
template <int FACTOR, int HEIGHT, int WIDTH, int PITCH, int OFFSET, int END, class Type>
DEVICE void load_bilinear(const Type *tensor, int n, int h, int w, int c, float v[8])
{
    Tap down = bilinear_tap<FACTOR, HEIGHT>(h), across = bilinear_tap<FACTOR, WIDTH>(w);
    EACH(i) v[i] = 0.0f;
#pragma unroll
    for (int tap = 0; tap < 4; tap++) {
        float weight = (tap & 2 ? down.weight : 1.0f - down.weight)
                       * (tap & 1 ? across.weight : 1.0f - across.weight);
        float at[8];
        load_chunk<PITCH, OFFSET, END>(
            tensor + pixel_at<HEIGHT, WIDTH, PITCH>(n, tap & 2 ? down.second : down.first,
                                                    tap & 1 ? across.second : across.first),
            c, at);
        EACH(i) v[i] = fmaf(at[i], weight, v[i]);
    }
}

/* A chunk to channels [c, c + 8) of a pixel of a tensor of CHANNELS; padding is written as v has
 * it,
 * zeros. */
template <int PITCH, int CHANNELS>
DEVICE void store_chunk(half_t *pixel, int c, const float v[8])
{
    *(uint4 *)(pixel + c) = pack(v);
}

template <int PITCH, int CHANNELS>
DEVICE void store_chunk(float *pixel, int c, const float v[8])
{
    if constexpr (PITCH % 4 == 0) {
        float4 *at = (float4 *)(pixel + c);
        at[0] = float4{v[0], v[1], v[2], v[3]};
        if (PITCH % 8 == 0 || c + 4 < PITCH)
            at[1] = float4{v[4], v[5], v[6], v[7]};
    } else {
        EACH(i) if (c + i < CHANNELS) pixel[c + i] = v[i];
    }
}

/* The same without vectors, for what does not begin or end at a multiple of 8: the elements of the
 * chunk below END. */
template <int END>
DEVICE void store_some(half_t *pixel, int c, const float v[8])
{
    EACH(i) if (c + i < END) pixel[c + i] = half_of(v[i]);
}

template <int END>
DEVICE void store_some(float *pixel, int c, const float v[8])
{
    EACH(i) if (c + i < END) pixel[c + i] = v[i];
}

/* Zeros beyond the last of CHANNELS. */
template <int CHANNELS>
DEVICE void cut_channels(int c, float v[8])
{
    if constexpr (CHANNELS % 8 != 0)
        EACH(i) v[i] = c + i < CHANNELS ? v[i] : 0.0f;
}

/* ---- pointwise code -------------------------------------------------------------------------- */

/* What a reduction over pixels adds up of the values v: v; mean and M2; v and v times x-hat. */
enum { REDUCE_sum, REDUCE_moments, REDUCE_grad };

/* The kind of reduction r, and where it goes: what collect.cuh and statistics.cuh ask. */
#define REDUCE(kind, out)                                                                          \
    DEVICE constexpr int reduction_kind(int r)                                                     \
    {                                                                                              \
        return kind;                                                                               \
    }                                                                                              \
    DEVICE float *reduction_out(const Args &args, int r)                                           \
    {                                                                                              \
        return out;                                                                                \
    }

/* Of the first four numbers of a constant the one of channel c; all further channels have the last.
 */
DEVICE float of_channel(int c, float first, float second, float third, float fourth)
{
    return c == 0 ? first : c == 1 ? second : c == 2 ? third : fourth;
}

/* What all pointwise code has in common, and what it has where it does not say otherwise. Self is
 * the struct derived from it. */
template <class Self, int OF_CHANNELS, int OF_LOADS = 0, bool OF_COPY = false>
struct Code {
    enum { CHANNELS = OF_CHANNELS, LOADS = OF_LOADS, IS_COPY = OF_COPY };
    struct Channels {};

    template <class Args>
    DEVICE void set_channels(const Args &args, int c, Channels &k)
    {
    }

    template <class Args>
    DEVICE auto channels(const Args &args, int c)
    {
        typename Self::Channels k;
        Self::set_channels(args, c, k);
        return k;
    }

    template <class Args>
    DEVICE const half_t *source(const Args &args, int load, int n, int h, int w, int c)
    {
        return nullptr;
    }

    template <class Args>
    DEVICE void load(const Args &args, int n, int h, int w, int c, uint4 *raw)
    {
#pragma unroll
        for (int load = 0; load < LOADS; load++)
            raw[load] = *(const uint4 *)Self::source(args, load, n, h, w, c);
    }

    template <class Args>
    DEVICE void at(const Args &args, int n, int h, int w, int c, float v[8])
    {
        uint4 raw[LOADS + 1];
        load(args, n, h, w, c, raw);
        Self::apply(args, channels(args, c), n, h, w, c, raw, nullptr, v, nullptr);
    }
};

/* Heads of the functions that a struct derived from Code defines; their parameters are named so. */
#define CODE_CHANNELS DEVICE void set_channels(const Args &args, int c, Channels &k)
#define CODE_SOURCE                                                                                \
    DEVICE const half_t *source(const Args &args, int load, int n, int h, int w, int c)
#define CODE_APPLY                                                                                 \
    DEVICE void apply(const Args &args, const Channels &k, int n, int h, int w, int c,             \
                      const uint4 *raw, const float *core, float *v, float (*xhat)[8])

#endif
