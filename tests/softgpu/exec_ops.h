/* Handlers that the decoders choose, and what an Op means to them beyond its registers. */
#ifndef SNUG_SOFTGPU_EXEC_OPS_H
#define SNUG_SOFTGPU_EXEC_OPS_H

#include "exec.h"

typedef enum NumberType {
    NUMBER_none,
    NUMBER_u8,
    NUMBER_s8,
    NUMBER_u16,
    NUMBER_s16,
    NUMBER_u32,
    NUMBER_s32,
    NUMBER_u64,
    NUMBER_s64,
    NUMBER_f16,
    NUMBER_bf16,
    NUMBER_tf32,
    NUMBER_f32,
    NUMBER_f64,
    NUMBER_COUNT
} NumberType;

int number_bytes(int type);
bool number_is_float(int type);
/* A register's lane as bits. */
uint64_t register_lane(const Warp *warp, int32_t slot, uint32_t lane, int bytes);

/* ---- exec_convert.c ---- */
enum { CONVERT_plain, CONVERT_to_whole }; /* kind: cvt.rzi.f32.f32 rounds to a whole number */
void run_convert(Warp *warp, const Op *op);
void run_convert_pair(Warp *warp, const Op *op);
void run_f32_from_f16(Warp *warp, const Op *op);
void run_f16_from_f32(Warp *warp, const Op *op);
void run_f16x2_from_f32(Warp *warp, const Op *op);
void run_u32_from_u64(Warp *warp, const Op *op);
void run_u64_from_u32(Warp *warp, const Op *op);
void run_s64_from_s32(Warp *warp, const Op *op);
void run_u32_from_u16(Warp *warp, const Op *op);
void run_u16_from_u32(Warp *warp, const Op *op);
void run_f32_from_s32(Warp *warp, const Op *op);
void run_f32_from_u32(Warp *warp, const Op *op);
void run_unpack(Warp *warp, const Op *op);
void run_pack(Warp *warp, const Op *op);

/* ---- exec_memory.c: r = results, then the address (width in kind); st: address, then values -- */
void run_load(Warp *warp, const Op *op);
void run_load_param(Warp *warp, const Op *op);
void run_store(Warp *warp, const Op *op);
void run_to_generic(Warp *warp, const Op *op); /* cvta: space */
void run_from_generic(Warp *warp, const Op *op);
void run_is_space(Warp *warp, const Op *op);

/* ---- exec_atomic.c: r = result (or NO_REGISTER), address, b, c; to: NumberType; rounding unused
 */
typedef enum AtomicOp {
    ATOMIC_add,
    ATOMIC_and,
    ATOMIC_or,
    ATOMIC_xor,
    ATOMIC_exch,
    ATOMIC_cas,
    ATOMIC_min,
    ATOMIC_max,
    ATOMIC_inc,
    ATOMIC_dec
} AtomicOp;
void run_atomic(Warp *warp, const Op *op); /* from: AtomicOp; count 2: a pair of 16 bits */

/* ---- exec_async.c ---- */
void run_copy_async(Warp *warp,
                    const Op *op); /* r: destination, source, source bytes; size: bytes */
void run_copy_commit(Warp *warp, const Op *op);
void run_copy_wait(Warp *warp, const Op *op); /* imm: groups that may stay; -1: everything */

/* ---- exec_warp.c ---- */
enum { SHUFFLE_up, SHUFFLE_down, SHUFFLE_bfly, SHUFFLE_idx };
void run_shuffle(Warp *warp, const Op *op); /* r: d, p, a, b, c, member mask */
enum { VOTE_all, VOTE_any, VOTE_uni, VOTE_ballot };
void run_vote(Warp *warp, const Op *op); /* r: d, predicate, member mask; to: negated */
void run_active_mask(Warp *warp, const Op *op);
void run_match(Warp *warp, const Op *op); /* r: d, p, a, member mask; kind 1: all */
enum { REDUX_add, REDUX_min, REDUX_max, REDUX_and, REDUX_or, REDUX_xor };
void run_redux(Warp *warp, const Op *op);        /* r: d, a, member mask */
void run_warp_barrier(Warp *warp, const Op *op); /* r: member mask */
void run_elect(Warp *warp, const Op *op);

/* ---- exec_control.c ---- */
void run_branch(Warp *warp, const Op *op);
void run_exit(Warp *warp, const Op *op);
void run_trap(Warp *warp, const Op *op); /* kind 1: a failed assert */
void run_barrier(Warp *warp,
                 const Op *op); /* r: barrier, threads or NO_REGISTER; kind: BarrierKind */
enum { BARRIER_sync, BARRIER_arrive, BARRIER_popc, BARRIER_and, BARRIER_or };
void run_clock(Warp *warp, const Op *op);
void run_compare_to_register(Warp *warp, const Op *op);

/* ---- exec_matrix.c ---- */
void run_load_matrix(Warp *warp, const Op *op); /* count matrices: results, address */
void run_move_matrix(Warp *warp, const Op *op);
/* r: d, a, b, c. kind: MmaKind; width 4: f32 accumulators, 2: f16 pairs */
enum { MMA_f16_k16, MMA_f16_k8, MMA_bf16_k16, MMA_bf16_k8, MMA_tf32_k8, MMA_tf32_k4 };
void run_mma(Warp *warp, const Op *op);

#endif
