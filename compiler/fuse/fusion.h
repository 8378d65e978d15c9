/* Shared by fuse.c, fuse_rules.c, fuse_code.c and fuse_kernels.c; nobody else includes it. */
#ifndef SNUG_FUSION_H
#define SNUG_FUSION_H

#include "compiler/ir/compilation.h"

/* Where a value is while the program runs. */
typedef enum Place {
    PLACE_none,    /* nobody needs it */
    PLACE_memory,  /* in a buffer: some kernel stores it, or it is persistent */
    PLACE_inline,  /* computed again in each reader */
    PLACE_epilogue /* in a register of the one kernel that goes on with it */
} Place;

enum {
    MAX_CHAIN_OPS = 32,    /* pointwise ops absorbed by one epilogue */
    MAX_CHAIN_INPUTS = 24, /* what they read besides the chain */
    MAX_INLINE_CODE = 48,  /* instructions of a value that is computed again in each reader */
    MAX_ADD_INPUTS = 8,    /* wider adds are split */
    MAX_LEAVES = 4         /* leaves of an expression that are told apart; more count as many */
};

/* What computing a value from memory takes, without its own store. */
typedef struct Summary {
    ValueId leaves[MAX_LEAVES]; /* distinct tensors it loads; vectors do not count */
    uint32_t leaf_count;        /* MAX_LEAVES + 1: many */
    uint32_t code;              /* instructions, at most */
    bool resampled;             /* some load has a factor */
    bool bilinear;              /* some load is bilinear */
    bool affine;                /* per channel, so that interpolation commutes with it */
} Summary;

typedef ARRAY(OpId) OpList;

typedef struct Fusion {
    Arena *arena, *scratch;
    Graph *graph; /* of the kernel set: a clone, with partials and partial sums added */
    const Target *target;
    KernelSet *set;
    OpList order;       /* live ops, makers before users */
    bool *is_live;      /* by op */
    OpList *readers;    /* by value: live ops, each once, in order */
    Place *place;       /* by value */
    bool *is_claimed;   /* by op: part of a core's epilogue */
    OpId *core;         /* by value: the core whose kernel stores it; 0: a map, or a small kernel */
    Summary *summary;   /* by value */
    bool is_off;        /* each op is a kernel of its own, whatever the rules below say */
    uint32_t rebuilds;  /* tensors that a sum may be rebuilt from: see mark_rebuilt; 0: none is */
    bool *is_rebuilt;   /* by value: backward kernels compute it again instead of loading it */
    OpList *reductions; /* by value: the reducing ops that its kernel serves */
} Fusion;

/* ---- fuse_rules.c: what is stored ------------------------------------------------------------ */
void find_live_ops(Fusion *fusion);
void split_adds(Fusion *fusion);
void find_readers(Fusion *fusion);
void claim_epilogues(Fusion *fusion);
void place_values(Fusion *fusion);
void mark_rebuilt(Fusion *fusion);

/* ---- fuse_kernels.c: one kernel a stored value ----------------------------------------------- */
void build_kernels(Fusion *fusion);
bool small_kernel_reads(OpKind kind, uint32_t k); /* input k of the op is an arg of its kernel */

/* ---- fuse_code.c: expressions ---------------------------------------------------------------- */
typedef struct Memo {
    ValueId value;
    int16_t factor;
    bool bilinear;
    int32_t channel;
    int16_t reg;
} Memo;

typedef struct Code {
    ARRAY(SnugPoint) points;
    ARRAY(Memo) memos;
} Code;

typedef struct KernelBuilder {
    Fusion *fusion;
    ARRAY(SnugArg) args;
    ARRAY(ValueId) values;
    ValueId core;     /* the value that SNUG_POINT_core is; 0: none */
    bool is_backward; /* what is_rebuilt says holds */
} KernelBuilder;

/* The arg that holds `value`; accesses that write always get an arg of their own. */
int16_t builder_arg(KernelBuilder *builder, ValueId value, SnugAccess access);
/* Code that computes `value` at an element, from memory; its register. */
int16_t emit_value(KernelBuilder *builder, Code *code, ValueId value);
/* (z - mean) rstd, for SNUG_REDUCE_grad. */
int16_t emit_xhat(KernelBuilder *builder, Code *code, ValueId z, ValueId stats);
/* Code for what the kernel stores: `value`'s own op is expanded though the value is in memory; the
 * last instruction is the result. */
SnugPointwise emit_result(KernelBuilder *builder, Code *code, ValueId value);
SnugPointwise finish_code(KernelBuilder *builder, Code *code, int16_t result);
bool same_point(const SnugPoint *a, const SnugPoint *b);

/* ---- facts about ops, fuse_rules.c ----------------------------------------------------------- */
const Op *op_at(const Fusion *fusion, OpId op);
const Value *value_at(const Fusion *fusion, ValueId value);
const Op *maker_of(const Fusion *fusion, ValueId value);
bool has_epilogue(OpKind kind);   /* a core whose kernel runs code on its result */
bool is_elementwise(OpKind kind); /* result element from the same element of the inputs */
/* bn_grad_apply of a frozen batch norm: B = C = 0, x is not read. */
bool is_frozen_grad(const Fusion *fusion, const Op *op);
/* Input k of the op must lie in memory: vectors, weights, what small kernels read. */
bool reads_memory(const Fusion *fusion, const Op *op, uint32_t k);

#endif
