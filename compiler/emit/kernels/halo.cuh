/* A rectangle of pixels with some channels, copied to shared memory with a prologue applied.
 *
 *     memory   . . . . . . .      shared    chunks 0 .. CHUNKS - 1 of a pixel (8 channels, 16 bytes
 *              . +-------+ .                each), then 16 bytes more where the pitch would be an
 *              . | ROWS  | .                even multiple of 16: the 8 rows that an ldmatrix reads
 *              . +-------+ .                fall into 8 different groups of banks
 *              . COLUMNS . .      columns   by residue of STEP (0, STEP, 2 STEP, ..., 1, STEP + 1,
 *                                           ...): what a strided conv reads together lies together
 *
 * A thread copies a chunk at a time and later transforms what it copied itself, in place, so that
 * no barrier is needed between the two. A chunk outside the picture or behind the last channel is
 * stored as zeros and never transformed: a conv pads with zeros behind its prologue, not in front
 * of it.
 *
 * Code (Prologue0, Prologue1: see prims.cuh) is of one of three kinds: a plain copy (IS_COPY); over
 * the half tensors at the chunk's own place (LOADS > 0), of which the first is replaced by the
 * result and the others wait in a staging area; or over what it loads itself (LOADS 0: bytes of a
 * picture, resampled tensors), run where the copies would be issued.
 */
#ifndef SNUG_HALO_CUH
#define SNUG_HALO_CUH

#include "tensor.cuh"

constexpr __device__ int odd_pitch(int bytes) /* multiple of 16 in, odd multiple of 16 out */
{
    return bytes / 16 % 2 != 0 ? bytes : bytes + 16;
}

/* HEIGHT, WIDTH: of the picture; DEPTH: channels of a pixel here, a multiple of 8. */
template <class Code, int ROWS, int COLUMNS, int STEP, int DEPTH, int HEIGHT, int WIDTH, int BLOCK>
struct Halo {
    enum {
        CHUNKS = DEPTH / 8,
        PLANE = (COLUMNS + STEP - 1) / STEP, /* columns of one residue */
        PIXEL_PITCH = odd_pitch(2 * DEPTH),
        ROW_PITCH = STEP * PLANE * PIXEL_PITCH,
        BYTES = ROWS * ROW_PITCH,
        COPIES = (ROWS * COLUMNS * CHUNKS + BLOCK - 1) / BLOCK, /* of a thread */
        STAGED = Code::LOADS > 1 ? Code::LOADS - 1 : 0,
        HAS_ONE_CHUNK = BLOCK % CHUNKS == 0 /* all copies of a thread are of the same channels */
    };

    /* Where it comes from: pixel (h, w) is the rectangle's first, c its first channel. Where it
     * goes: load 0 to `slot`, the others to `staging` and every staging_step bytes behind it. */
    struct Place {
        int n, h, w, c;
        unsigned slot, staging, staging_step;
    };

    struct Chunk {
        unsigned offset;
        int h, w, c;
        bool is_mine, is_inside;
    };

    /* From a column at a multiple of STEP to the one `column` to its right. */
    static constexpr __device__ int column_offset(int column)
    {
        return (column % STEP * PLANE + column / STEP) * PIXEL_PITCH;
    }

    DEVICE Chunk chunk_of(const Place &place, int copy)
    {
        int index = (int)threadIdx.x + copy * BLOCK;
        int pixel = index / CHUNKS, row = pixel / COLUMNS, column = pixel % COLUMNS;
        Chunk chunk;
        chunk.offset = (unsigned)(row * ROW_PITCH + column_offset(column) + index % CHUNKS * 16);
        chunk.h = place.h + row;
        chunk.w = place.w + column;
        chunk.c = place.c + index % CHUNKS * 8;
        chunk.is_mine = row < ROWS;
        chunk.is_inside = (unsigned)chunk.h < HEIGHT && (unsigned)chunk.w < WIDTH
                          && chunk.c < Code::CHANNELS;
        return chunk;
    }

    DEVICE unsigned place_of(const Place &place, int load)
    {
        return load == 0 ? place.slot : place.staging + (unsigned)(load - 1) * place.staging_step;
    }

    /* Issues this thread's copies, into its current group. */
    DEVICE void issue(const Args &args, const Place &place)
    {
#pragma unroll 4
        for (int i = 0; i < COPIES; i++) {
            Chunk chunk = chunk_of(place, i);
            if (!chunk.is_mine)
                continue;
            if (!chunk.is_inside) {
                store_shared(place.slot + chunk.offset, uint4{0, 0, 0, 0});
            } else if (Code::LOADS == 0) {
                float v[8];
                Code::at(args, place.n, chunk.h, chunk.w, chunk.c, v);
                store_shared(place.slot + chunk.offset, pack(v));
            } else {
#pragma unroll
                for (int load = 0; load <= STAGED; load++)
                    copy_async(place_of(place, load) + chunk.offset,
                               Code::source(args, load, place.n, chunk.h, chunk.w, chunk.c));
            }
        }
    }

    /* With the same place, after this thread's group has landed. */
    DEVICE void transform(const Args &args, const Place &place)
    {
        typename Code::Channels k;
        int first = place.c + (int)threadIdx.x % CHUNKS * 8;

        if (Code::LOADS == 0 || Code::IS_COPY)
            return;
        if (HAS_ONE_CHUNK && first < Code::CHANNELS)
            k = Code::channels(args, first);
#pragma unroll 4
        for (int i = 0; i < COPIES; i++) {
            Chunk chunk = chunk_of(place, i);
            if (!chunk.is_mine || !chunk.is_inside)
                continue;
            uint4 raw[STAGED + 1];
#pragma unroll
            for (int load = 0; load <= STAGED; load++)
                raw[load] = load_shared(place_of(place, load) + chunk.offset);
            if (!HAS_ONE_CHUNK)
                k = Code::channels(args, chunk.c);
            float v[8];
            Code::apply(args, k, place.n, chunk.h, chunk.w, chunk.c, raw, nullptr, v, nullptr);
            store_shared(place.slot + chunk.offset, pack(v));
        }
    }
};

#endif
