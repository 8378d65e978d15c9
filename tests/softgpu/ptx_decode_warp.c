/* Decoding what concerns a whole warp or block: shuffles, votes, barriers, matrices. */
#include <string.h>

#include "ptx_parse.h"

static bool source(Parser *parser, Op *op, int at, int bytes)
{
    if (!expect(parser, ","))
        return false;
    op->r[at] = parse_source(parser, bytes, false);
    if (at >= op->register_count)
        op->register_count = (uint8_t)(at + 1);
    return op->r[at] != NO_REGISTER;
}

/* "d" or "d|p": results 0 and 1. */
static bool result_and_predicate(Parser *parser, Op *op, int bytes)
{
    op->r[0] = parse_result(parser, bytes, false);
    op->result_count = op->register_count = 2;
    if (op->r[0] == NO_REGISTER)
        return false;
    if (accept(parser, "|")) {
        op->r[1] = parse_result(parser, 0, false);
        op->flags |= OP_SECOND;
        return op->r[1] != NO_REGISTER;
    }
    return true;
}

static int take_choice(Mnemonic *name, const char *const *choices, int count)
{
    for (int i = 0; i < count; i++)
        if (take(name, choices[i]))
            return i;
    return -1;
}

#define CHOICE(name, ...)                                                                          \
    take_choice(name, (const char *const[]){__VA_ARGS__},                                          \
                (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)))

static bool is_complete(const Mnemonic *name)
{
    return name->taken == name->count;
}

/* shfl.sync.bfly.b32 d|p, a, b, c, mask */
static bool decode_shuffle(Parser *parser, Mnemonic *name, Op *op)
{
    int mode = take(name, "sync") ? CHOICE(name, "up", "down", "bfly", "idx") : -1;

    if (mode < 0 || !take(name, "b32") || !is_complete(name))
        return unknown(parser, name);
    op->run = run_shuffle;
    op->kind = (uint8_t)mode;
    if (!result_and_predicate(parser, op, 4))
        return false;
    for (int i = 2; i < 6; i++)
        if (!source(parser, op, i, 4))
            return false;
    ptx_append_op(parser, op);
    return true;
}

/* vote.sync.any.pred p, {!}a, mask; vote.sync.ballot.b32 d, {!}a, mask */
static bool decode_vote(Parser *parser, Mnemonic *name, Op *op)
{
    int mode = take(name, "sync") ? CHOICE(name, "all", "any", "uni", "ballot") : -1;
    bool ballot = mode == VOTE_ballot;

    if (mode < 0 || !take(name, ballot ? "b32" : "pred") || !is_complete(name))
        return unknown(parser, name);
    op->run = run_vote;
    op->kind = (uint8_t)mode;
    op->r[0] = parse_result(parser, ballot ? 4 : 0, false);
    if (op->r[0] == NO_REGISTER || !expect(parser, ","))
        return false;
    op->to = accept(parser, "!");
    op->r[1] = parse_source(parser, 0, false);
    op->result_count = 1;
    ptx_append_op(parser, op);
    Op *appended = &parser->kernel->ops[parser->kernel->op_count - 1];
    appended->register_count = 2;
    return op->r[1] != NO_REGISTER && source(parser, appended, 2, 4);
}

static bool decode_match(Parser *parser, Mnemonic *name, Op *op)
{
    int mode = CHOICE(name, "any", "all");

    if (mode < 0 || !take(name, "sync"))
        return unknown(parser, name);
    op->size = take(name, "b64") ? 8 : take(name, "b32") ? 4 : 0;
    if (!op->size || !is_complete(name))
        return unknown(parser, name);
    op->run = run_match;
    op->kind = (uint8_t)mode;
    if (!result_and_predicate(parser, op, 4) || !source(parser, op, 2, op->size)
        || !source(parser, op, 3, 4))
        return false;
    ptx_append_op(parser, op);
    return true;
}

static bool decode_redux(Parser *parser, Mnemonic *name, Op *op)
{
    int what = take(name, "sync") ? CHOICE(name, "add", "min", "max", "and", "or", "xor") : -1;

    if (what < 0)
        return unknown(parser, name);
    if (take(name, "s32"))
        op->flags |= OP_SIGNED;
    else if (!take(name, "u32") && !take(name, "b32"))
        return unknown(parser, name);
    if (!is_complete(name))
        return unknown(parser, name);
    op->run = run_redux;
    op->kind = (uint8_t)what;
    op->r[0] = parse_result(parser, 4, false);
    op->result_count = op->register_count = 1;
    if (op->r[0] == NO_REGISTER || !source(parser, op, 1, 4) || !source(parser, op, 2, 4))
        return false;
    ptx_append_op(parser, op);
    return true;
}

static bool decode_active_mask(Parser *parser, Mnemonic *name, Op *op)
{
    if (!take(name, "b32") || !is_complete(name))
        return unknown(parser, name);
    op->run = run_active_mask;
    op->r[0] = parse_result(parser, 4, false);
    op->result_count = op->register_count = 1;
    ptx_append_op(parser, op);
    return op->r[0] != NO_REGISTER;
}

static bool decode_elect(Parser *parser, Mnemonic *name, Op *op)
{
    if (!take(name, "sync") || !is_complete(name))
        return unknown(parser, name);
    op->run = run_elect;
    if (!result_and_predicate(parser, op, 4) || !(op->flags & OP_SECOND)
        || !source(parser, op, 2, 4))
        return parse_error(parser, "elect.sync takes d|p, mask");
    ptx_append_op(parser, op);
    return true;
}

/* ---- barriers -------------------------------------------------------------------------------- */

/* bar.red.popc.u32 d, barrier, {threads,} {!}p */
static bool decode_reducing_barrier(Parser *parser, Mnemonic *name, Op *op)
{
    int what = CHOICE(name, "popc", "and", "or");

    if (what < 0 || !take(name, what == 0 ? "u32" : "pred") || !is_complete(name))
        return unknown(parser, name);
    op->kind = (uint8_t)(BARRIER_popc + what);
    int32_t result = parse_result(parser, what == 0 ? 4 : 0, false);
    if (result == NO_REGISTER || !expect(parser, ","))
        return false;
    int32_t barrier = parse_source(parser, 4, false), threads = NO_REGISTER;
    if (barrier == NO_REGISTER || !expect(parser, ","))
        return false;
    op->to = accept(parser, "!");
    int32_t index;
    const Symbol *symbol = find_symbol(parser, current(parser), &index);
    bool predicate = symbol && symbol->kind == SYMBOL_register && symbol->bytes == 0;
    if (!predicate) {
        threads = parse_source(parser, 4, false);
        if (threads == NO_REGISTER || !expect(parser, ","))
            return false;
        op->to = accept(parser, "!");
    }
    op->r[0] = barrier;
    op->r[1] = threads;
    op->r[2] = result;
    op->r[3] = parse_source(parser, 0, false);
    op->register_count = 4;
    op->second_result = 1;
    ptx_append_op(parser, op);
    return op->r[3] != NO_REGISTER;
}

/* bar.sync 0; barrier.cta.sync.aligned 1, 64; bar.warp.sync mask */
static bool decode_barrier(Parser *parser, Mnemonic *name, Op *op)
{
    op->run = run_barrier;
    if (take(name, "warp")) {
        if (!take(name, "sync") || !is_complete(name))
            return unknown(parser, name);
        op->run = run_warp_barrier;
        op->r[0] = parse_source(parser, 4, false);
        op->register_count = 1;
        ptx_append_op(parser, op);
        return op->r[0] != NO_REGISTER;
    }
    take(name, "cta");
    if (take(name, "red")) {
        take(name, "aligned");
        return decode_reducing_barrier(parser, name, op);
    }
    if (take(name, "arrive"))
        op->kind = BARRIER_arrive;
    else if (!take(name, "sync"))
        return unknown(parser, name);
    take(name, "aligned");
    if (!is_complete(name))
        return unknown(parser, name);
    op->r[0] = parse_source(parser, 4, false);
    op->register_count = 2;
    if (op->r[0] == NO_REGISTER)
        return false;
    if (token_is(current(parser), ",") && !source(parser, op, 1, 4))
        return false;
    if (op->kind == BARRIER_arrive && op->r[1] == NO_REGISTER)
        return parse_error(parser, "bar.arrive needs a number of threads");
    ptx_append_op(parser, op);
    return true;
}

/* ---- matrices -------------------------------------------------------------------------------- */

/* ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {a, b, c, d}, [p] */
static bool decode_load_matrix(Parser *parser, Mnemonic *name, Op *op)
{
    if (!take(name, "sync") || !take(name, "aligned") || !take(name, "m8n8"))
        return unknown(parser, name);
    int number = CHOICE(name, "x1", "x2", "x4");
    op->flags |= take(name, "trans") ? OP_TRANSPOSE : 0;
    op->space = take(name, "shared") || take(name, "shared::cta") ? SPACE_shared : SPACE_generic;
    if (number < 0 || !take(name, "b16") || !is_complete(name))
        return unknown(parser, name);
    op->run = run_load_matrix;
    op->count = (uint8_t)(1 << number);
    int count = parse_list(parser, op->r, 4, 4, false, true);
    if (count == 0)
        return false;
    if (count != op->count)
        return parse_error(parser, "%d registers for %d matrices", count, op->count);
    op->result_count = op->count;
    op->register_count = (uint8_t)(op->count + 1);
    if (!expect(parser, ",") || !parse_address(parser, op, op->count))
        return false;
    ptx_append_op(parser, op);
    return true;
}

static bool decode_move_matrix(Parser *parser, Mnemonic *name, Op *op)
{
    if (!take(name, "sync") || !take(name, "aligned") || !take(name, "m8n8") || !take(name, "trans")
        || !take(name, "b16") || !is_complete(name))
        return unknown(parser, name);
    op->run = run_move_matrix;
    op->r[0] = parse_result(parser, 4, false);
    op->result_count = op->register_count = 1;
    if (op->r[0] == NO_REGISTER || !source(parser, op, 1, 4))
        return false;
    ptx_append_op(parser, op);
    return true;
}

typedef struct MmaName {
    const char *shape, *type;
    uint8_t kind, a_count, b_count;
} MmaName;

static const MmaName mma_names[] = {
    {"m16n8k16", "f16", MMA_f16_k16, 4, 2},   {"m16n8k8", "f16", MMA_f16_k8, 2, 1},
    {"m16n8k16", "bf16", MMA_bf16_k16, 4, 2}, {"m16n8k8", "bf16", MMA_bf16_k8, 2, 1},
    {"m16n8k8", "tf32", MMA_tf32_k8, 4, 2},   {"m16n8k4", "tf32", MMA_tf32_k4, 2, 1},
};

/* mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 d, a, b, c */
static bool decode_mma(Parser *parser, Mnemonic *name, Op *op)
{
    const MmaName *found = NULL;

    if (name->count != 10 || !take(name, "sync") || !take(name, "aligned"))
        return unknown(parser, name);
    for (size_t i = 0; i < sizeof mma_names / sizeof mma_names[0]; i++)
        if (!strcmp(mma_names[i].shape, name->parts[3])
            && !strcmp(mma_names[i].type, name->parts[7])
            && !strcmp(mma_names[i].type, name->parts[8]))
            found = &mma_names[i];
    bool wide = !strcmp(name->parts[6], "f32");
    if (!found || strcmp(name->parts[4], "row") || strcmp(name->parts[5], "col")
        || strcmp(name->parts[6], name->parts[9])
        || (!wide && (strcmp(name->parts[6], "f16") || strcmp(found->type, "f16"))))
        return unknown(parser, name);
    int c_count = wide ? 4 : 2, at = 0;
    const int counts[4] = {c_count, found->a_count, found->b_count, c_count};
    for (int i = 0; i < 4; i++) {
        if (i && !expect(parser, ","))
            return false;
        int count = parse_list(parser, op->r + at, 4, 4, false, i == 0);
        if (count == 0)
            return false;
        if (count != counts[i])
            return parse_error(parser, "operand %d of mma has %d registers, not %d", i + 1, count,
                               counts[i]);
        at += count;
    }
    op->run = run_mma;
    op->kind = found->kind;
    op->width = wide ? 4 : 2;
    op->result_count = (uint8_t)c_count;
    op->register_count = (uint8_t)at;
    ptx_append_op(parser, op);
    return true;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static bool decode_trap(Parser *parser, Mnemonic *name, Op *op)
{
    if (!is_complete(name))
        return unknown(parser, name);
    op->run = run_trap;
    ptx_append_op(parser, op);
    return true;
}

/* A pause: other warps get their turn anyway. */
static bool decode_sleep(Parser *parser, Mnemonic *name, Op *op)
{
    (void)op;
    if (!take(name, "u32") || !is_complete(name))
        return unknown(parser, name);
    return parse_source(parser, 4, false) != NO_REGISTER;
}

Decoder find_warp_decoder(const char *base)
{
    static const struct {
        const char *base;
        Decoder decode;
    } decoders[] = {{"shfl", decode_shuffle},
                    {"vote", decode_vote},
                    {"match", decode_match},
                    {"redux", decode_redux},
                    {"activemask", decode_active_mask},
                    {"elect", decode_elect},
                    {"bar", decode_barrier},
                    {"barrier", decode_barrier},
                    {"ldmatrix", decode_load_matrix},
                    {"movmatrix", decode_move_matrix},
                    {"mma", decode_mma},
                    {"trap", decode_trap},
                    {"nanosleep", decode_sleep}};

    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
        if (strcmp(decoders[i].base, base) == 0)
            return decoders[i].decode;
    return NULL;
}
