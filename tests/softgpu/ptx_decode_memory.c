/* Decoding ld, st, atom, red, cvta, cp.async, prefetch, fences. */
#include <string.h>

#include "ptx_parse.h"

/* Hints to the caches and orders of memory: warps of a block run one at a time and memory is the
 * host's, so that they change nothing here. */
static bool take_hint(Mnemonic *name)
{
    static const char *const hints[] = {
        "weak",
        "volatile",
        "relaxed",
        "acquire",
        "release",
        "acq_rel",
        "sc",
        "cta",
        "cluster",
        "gpu",
        "sys",
        "ca",
        "cg",
        "cs",
        "lu",
        "cv",
        "wb",
        "wt",
        "nc",
        "L1::evict_normal",
        "L1::evict_unchanged",
        "L1::evict_first",
        "L1::evict_last",
        "L1::no_allocate",
        "L2::64B",
        "L2::128B",
        "L2::256B",
    };

    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (take(name, hints[i]))
            return true;
    return false;
}

static bool take_space(Mnemonic *name, Op *op)
{
    static const struct {
        const char *name;
        Space space;
    } spaces[] = {{"global", SPACE_global},      {"shared", SPACE_shared},
                  {"shared::cta", SPACE_shared}, {"local", SPACE_local},
                  {"const", SPACE_constant},     {"param", SPACE_param},
                  {"param::entry", SPACE_param}, {"param::func", SPACE_param}};

    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        if (take(name, spaces[i].name)) {
            op->space = (uint8_t)spaces[i].space;
            return true;
        }
    return false;
}

typedef struct ElementType {
    const char *name;
    uint8_t size;
    bool is_signed;
    NumberType type;
} ElementType;

static const ElementType element_types[] = {
    {"b8", 1, false, NUMBER_u8},     {"u8", 1, false, NUMBER_u8},
    {"s8", 1, true, NUMBER_s8},      {"b16", 2, false, NUMBER_u16},
    {"u16", 2, false, NUMBER_u16},   {"s16", 2, true, NUMBER_s16},
    {"f16", 2, false, NUMBER_f16},   {"bf16", 2, false, NUMBER_bf16},
    {"b32", 4, false, NUMBER_u32},   {"u32", 4, false, NUMBER_u32},
    {"s32", 4, true, NUMBER_s32},    {"f32", 4, false, NUMBER_f32},
    {"f16x2", 4, false, NUMBER_f16}, {"bf16x2", 4, false, NUMBER_bf16},
    {"b64", 8, false, NUMBER_u64},   {"u64", 8, false, NUMBER_u64},
    {"s64", 8, true, NUMBER_s64},    {"f64", 8, false, NUMBER_f64},
};

static const ElementType *take_type(Mnemonic *name)
{
    for (size_t i = 0; i < sizeof element_types / sizeof element_types[0]; i++)
        if (take(name, element_types[i].name))
            return &element_types[i];
    return NULL;
}

/* Shared memory's race detector works in granules of the smallest access that may go there. */
static void note_granule(Parser *parser, const Op *op, int bytes)
{
    int shift = __builtin_ctz((unsigned)bytes);

    if ((op->space == SPACE_shared || op->space == SPACE_generic)
        && shift < parser->kernel->granule_shift)
        parser->kernel->granule_shift = shift;
}

/* Hints, space, .v2, type: what ld and st have in common. */
static const ElementType *take_access(Parser *parser, Mnemonic *name, Op *op, bool *policy)
{
    *policy = false;
    op->space = SPACE_generic;
    op->count = 1;
    for (;;) {
        if (take_hint(name) || take_space(name, op))
            continue;
        if (take(name, "L2::cache_hint"))
            *policy = true;
        else
            break;
    }
    if (take(name, "v2"))
        op->count = 2;
    else if (take(name, "v4"))
        op->count = 4;
    const ElementType *type = take_type(name);
    if (!type || name->taken != name->count || type->size * op->count > 16) {
        unknown(parser, name);
        return NULL;
    }
    op->size = type->size;
    note_granule(parser, op, op->size * op->count);
    return type;
}

static bool skip_policy(Parser *parser, bool policy)
{
    return !policy || (expect(parser, ",") && parse_source(parser, 8, false) != NO_REGISTER);
}

/* A parameter of a function that is executed in place is local memory. */
static void resolve_param(Parser *parser, Op *op)
{
    int32_t index;
    const Symbol *symbol = find_symbol(parser, &parser->tokens[parser->at + 1], &index);

    if (symbol && symbol->kind == SYMBOL_memory && symbol->space == SPACE_local)
        op->space = SPACE_local;
}

static bool decode_load(Parser *parser, Mnemonic *name, Op *op)
{
    bool policy;
    const ElementType *type = take_access(parser, name, op, &policy);

    if (!type)
        return false;
    op->flags |= type->is_signed ? OP_SIGNED : 0;
    int count = parse_list(parser, op->r, 4, op->size, true, true);
    if (count == 0)
        return false;
    if (count != op->count)
        return parse_error(parser, "%d registers for a vector of %d", count, op->count);
    op->width = parser->kernel->registers[op->r[0]].bytes;
    for (int i = 1; i < count; i++)
        if (parser->kernel->registers[op->r[i]].bytes != op->width)
            return parse_error(parser, "registers of different width in one list");
    if (!expect(parser, ","))
        return false;
    if (op->space == SPACE_param)
        resolve_param(parser, op);
    if (!parse_address(parser, op, count) || !skip_policy(parser, policy))
        return false;
    op->run = op->space == SPACE_param ? run_load_param : run_load;
    op->result_count = (uint8_t)count;
    op->register_count = (uint8_t)(count + 1);
    ptx_append_op(parser, op);
    return true;
}

static bool decode_store(Parser *parser, Mnemonic *name, Op *op)
{
    bool policy;

    if (!take_access(parser, name, op, &policy))
        return false;
    if (op->space == SPACE_param) {
        resolve_param(parser, op);
        if (op->space == SPACE_param)
            return parse_error(parser, "a store to a parameter of the kernel");
    }
    if (op->space == SPACE_constant)
        return unknown(parser, name);
    if (!parse_address(parser, op, 0) || !expect(parser, ","))
        return false;
    int count = parse_list(parser, op->r + 1, 4, op->size, true, false);
    if (count == 0)
        return false;
    if (count != op->count)
        return parse_error(parser, "%d registers for a vector of %d", count, op->count);
    op->width = parser->kernel->registers[op->r[1]].bytes;
    for (int i = 1; i < count; i++)
        if (parser->kernel->registers[op->r[1 + i]].bytes != op->width)
            return parse_error(parser, "registers of different width in one list");
    if (!skip_policy(parser, policy))
        return false;
    op->run = run_store;
    op->register_count = (uint8_t)(count + 1);
    ptx_append_op(parser, op);
    return true;
}

/* ---- atom, red ------------------------------------------------------------------------------- */

static bool take_atomic(Mnemonic *name, AtomicOp *what)
{
    static const char *const names[] = {"add", "and", "or",  "xor", "exch",
                                        "cas", "min", "max", "inc", "dec"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (take(name, names[i])) {
            *what = (AtomicOp)i;
            return true;
        }
    return false;
}

static bool decode_atomic(Parser *parser, Mnemonic *name, Op *op)
{
    bool returns = strcmp(name->parts[0], "atom") == 0;
    AtomicOp what;

    op->space = SPACE_generic;
    while (take_hint(name) || take_space(name, op))
        ;
    if (!take_atomic(name, &what))
        return unknown(parser, name);
    take(name, "noftz");
    bool pair = name->taken < name->count && strstr(name->parts[name->taken], "x2");
    const ElementType *type = take_type(name);
    if (!type || name->taken != name->count || type->size < 2
        || (number_is_float((int)type->type) && what != ATOMIC_add))
        return unknown(parser, name);
    op->from = (uint8_t)what;
    op->to = (uint8_t)type->type;
    op->size = op->width = type->size;
    op->count = pair ? 2 : 1;
    note_granule(parser, op, op->size);
    if (returns) {
        op->r[0] = parse_result(parser, op->size, false);
        if (op->r[0] == NO_REGISTER || !expect(parser, ","))
            return false;
    }
    if (!parse_address(parser, op, 1))
        return false;
    for (int i = 0; i < (what == ATOMIC_cas ? 2 : 1); i++) {
        if (!expect(parser, ","))
            return false;
        op->r[2 + i] = parse_source(parser, op->size, false);
        if (op->r[2 + i] == NO_REGISTER)
            return false;
    }
    parser->kernel->has_atomics |= op->space != SPACE_shared;
    op->run = run_atomic;
    op->result_count = 1;
    op->register_count = 4;
    ptx_append_op(parser, op);
    return true;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* cvta.global.u64 d, a; cvta.to.shared.u64 d, a */
static bool decode_convert_address(Parser *parser, Mnemonic *name, Op *op)
{
    bool to = take(name, "to");

    if (!take_space(name, op) || op->space == SPACE_param || !take(name, "u64")
        || name->taken != name->count)
        return unknown(parser, name);
    op->run = to ? run_from_generic : run_to_generic;
    op->r[0] = parse_result(parser, 8, false);
    if (op->r[0] == NO_REGISTER || !expect(parser, ","))
        return false;
    op->r[1] = parse_source(parser, 8, false);
    op->result_count = 1;
    op->register_count = 2;
    ptx_append_op(parser, op);
    return op->r[1] != NO_REGISTER;
}

static bool decode_is_space(Parser *parser, Mnemonic *name, Op *op)
{
    if (!take_space(name, op) || name->taken != name->count)
        return unknown(parser, name);
    op->run = run_is_space;
    op->r[0] = parse_result(parser, 0, false);
    if (op->r[0] == NO_REGISTER || !expect(parser, ","))
        return false;
    op->r[1] = parse_source(parser, 8, false);
    op->result_count = 1;
    op->register_count = 2;
    ptx_append_op(parser, op);
    return op->r[1] != NO_REGISTER;
}

static bool decode_prefetch(Parser *parser, Mnemonic *name, Op *op)
{
    take_space(name, op);
    if (!(take(name, "L1") || take(name, "L2") || take(name, "L2::evict_last")
          || take(name, "L2::evict_normal"))
        || name->taken != name->count)
        return unknown(parser, name);
    return parse_address(parser, op, 0);
}

/* membar.gl, fence.acq_rel.gpu: order between threads, which the executor always gives. */
static bool decode_fence(Parser *parser, Mnemonic *name, Op *op)
{
    (void)op;
    while (take_hint(name) || take(name, "gl"))
        ;
    return name->taken == name->count || unknown(parser, name);
}

/* ---- cp.async -------------------------------------------------------------------------------- */

static bool parse_copy(Parser *parser, Op *op, bool policy)
{
    Op to = *op, from = *op;
    int64_t bytes;

    if (!parse_address(parser, &to, 0) || !expect(parser, ",") || !parse_address(parser, &from, 1)
        || !expect(parser, ",") || !parse_integer(parser, &bytes))
        return false;
    if (from.kind != 8)
        return parse_error(parser, "a global address of 32 bits");
    if (bytes != 4 && bytes != 8 && bytes != 16)
        return parse_error(parser, "cp.async of %lld bytes; it copies 4, 8 or 16",
                           (long long)bytes);
    op->r[0] = to.r[0];
    op->r[1] = from.r[1];
    op->imm = from.imm;
    op->imm2 = (uint32_t)to.imm;
    op->kind = to.kind == 8;
    op->size = (uint8_t)bytes;
    op->space = SPACE_shared;
    op->register_count = 2;
    note_granule(parser, op, (int)bytes);
    if (accept(parser, ",") && !(policy && token_starts(current(parser), "%rd"))) {
        const Token *operand = current(parser);
        int32_t index;
        const Symbol *symbol = find_symbol(parser, operand, &index);
        bool is_predicate = symbol && symbol->kind == SYMBOL_register && symbol->bytes == 0;
        op->r[2] = parse_source(parser, is_predicate ? 0 : 4, false);
        op->kind |= is_predicate ? 2 : 0;
        op->register_count = 3;
        if (op->r[2] == NO_REGISTER)
            return false;
        if (policy && !expect(parser, ","))
            return false;
    }
    return !policy || parse_source(parser, 8, false) != NO_REGISTER;
}

static bool decode_copy(Parser *parser, Mnemonic *name, Op *op)
{
    int64_t groups = -1;

    if (!take(name, "async"))
        return unknown(parser, name);
    if (take(name, "commit_group") && name->taken == name->count) {
        op->run = run_copy_commit;
    } else if (take(name, "wait_all") && name->taken == name->count) {
        op->run = run_copy_wait;
        op->imm = -1;
    } else if (take(name, "wait_group") && name->taken == name->count) {
        if (!parse_integer(parser, &groups))
            return false;
        op->run = run_copy_wait;
        op->imm = groups;
    } else {
        bool cg = take(name, "cg");
        if ((!cg && !take(name, "ca")) || !(take(name, "shared") || take(name, "shared::cta"))
            || !take(name, "global"))
            return unknown(parser, name);
        bool policy = take(name, "L2::cache_hint");
        take_hint(name);
        if (name->taken != name->count)
            return unknown(parser, name);
        op->run = run_copy_async;
        if (!parse_copy(parser, op, policy))
            return false;
        if (cg && op->size != 16)
            return parse_error(parser, "cp.async.cg of %d bytes; it copies 16", op->size);
    }
    ptx_append_op(parser, op);
    return true;
}

Decoder find_memory_decoder(const char *base)
{
    static const struct {
        const char *base;
        Decoder decode;
    } decoders[] = {{"ld", decode_load},
                    {"ldu", decode_load},
                    {"st", decode_store},
                    {"atom", decode_atomic},
                    {"red", decode_atomic},
                    {"cvta", decode_convert_address},
                    {"isspacep", decode_is_space},
                    {"prefetch", decode_prefetch},
                    {"membar", decode_fence},
                    {"fence", decode_fence},
                    {"cp", decode_copy}};

    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
        if (strcmp(decoders[i].base, base) == 0)
            return decoders[i].decode;
    return NULL;
}
