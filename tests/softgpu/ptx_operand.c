/* Operands: registers, numbers, addresses, lists; and ops appended to the kernel. */
#include <stdlib.h>
#include <string.h>

#include "ptx_parse.h"

int ptx_type_bytes(const Token *token)
{
    static const struct {
        const char *name;
        int bytes;
    } types[] = {
        {".b32", 4},    {".u32", 4}, {".s32", 4}, {".f32", 4},  {".f16x2", 4},
        {".bf16x2", 4}, {".b64", 8}, {".u64", 8}, {".s64", 8},  {".f64", 8},
        {".b16", 2},    {".u16", 2}, {".s16", 2}, {".f16", 2},  {".bf16", 2},
        {".b8", 1},     {".u8", 1},  {".s8", 1},  {".pred", 0},
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (token_is(token, types[i].name))
            return types[i].bytes;
    return -1;
}

/* ---- registers ------------------------------------------------------------------------------- */

int32_t new_register(Parser *parser, int bytes)
{
    SoftGpuKernel *kernel = parser->kernel;

    GROW(kernel->registers, kernel->register_count, kernel->register_capacity);
    kernel->registers[kernel->register_count] =
        (Register){.bytes = (uint8_t)(bytes == 1 ? 2 : bytes),
                   .role = REGISTER_virtual,
                   .slot = -1};
    return kernel->register_count++;
}

static void grow_constants(Parser *parser)
{
    int32_t *old = parser->constants, size = parser->constant_capacity;

    parser->constant_capacity *= 2;
    parser->constants = allocate_or_exit(parser->constant_capacity, sizeof *parser->constants);
    for (int32_t i = 0; i < size; i++) {
        if (!old[i])
            continue;
        uint64_t at =
            parser->kernel->registers[old[i] - 1].bits * UINT64_C(0x9e3779b97f4a7c15) >> 32;
        while (parser->constants[at % (uint64_t)parser->constant_capacity])
            at++;
        parser->constants[at % (uint64_t)parser->constant_capacity] = old[i];
    }
    free(old);
}

int32_t constant_register(Parser *parser, int bytes, uint64_t bits, RegisterRole role)
{
    if (2 * parser->constant_count >= parser->constant_capacity)
        grow_constants(parser);
    uint64_t at = bits * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    for (;; at++) {
        int32_t *slot = &parser->constants[at % (uint64_t)parser->constant_capacity];
        if (*slot == 0) {
            int32_t number = new_register(parser, bytes);
            Register *fresh = &parser->kernel->registers[number];
            fresh->bits = bits;
            fresh->role = (uint8_t)role;
            *slot = number + 1;
            parser->constant_count++;
            return number;
        }
        const Register *known = &parser->kernel->registers[*slot - 1];
        if (known->bits == bits && known->bytes == bytes && known->role == role)
            return *slot - 1;
    }
}

typedef struct SpecialName {
    const char *name;
    Special special;
} SpecialName;

static const SpecialName special_names[] = {
    {"%tid.x", SPECIAL_tid_x},
    {"%tid.y", SPECIAL_tid_y},
    {"%tid.z", SPECIAL_tid_z},
    {"%ntid.x", SPECIAL_ntid_x},
    {"%ntid.y", SPECIAL_ntid_y},
    {"%ntid.z", SPECIAL_ntid_z},
    {"%ctaid.x", SPECIAL_ctaid_x},
    {"%ctaid.y", SPECIAL_ctaid_y},
    {"%ctaid.z", SPECIAL_ctaid_z},
    {"%nctaid.x", SPECIAL_nctaid_x},
    {"%nctaid.y", SPECIAL_nctaid_y},
    {"%nctaid.z", SPECIAL_nctaid_z},
    {"%laneid", SPECIAL_laneid},
    {"%warpid", SPECIAL_warpid},
    {"%nwarpid", SPECIAL_nwarpid},
    {"%smid", SPECIAL_smid},
    {"%nsmid", SPECIAL_nsmid},
    {"%gridid", SPECIAL_gridid},
    {"%lanemask_eq", SPECIAL_lanemask_eq},
    {"%lanemask_lt", SPECIAL_lanemask_lt},
    {"%lanemask_le", SPECIAL_lanemask_le},
    {"%lanemask_gt", SPECIAL_lanemask_gt},
    {"%lanemask_ge", SPECIAL_lanemask_ge},
    {"%dynamic_smem_size", SPECIAL_dynamic_smem_size},
    {"%total_smem_size", SPECIAL_total_smem_size},
};

static int32_t find_special(Parser *parser, const Token *name, int bytes)
{
    for (size_t i = 0; i < sizeof special_names / sizeof special_names[0]; i++)
        if (token_is(name, special_names[i].name))
            return constant_register(parser, bytes, (uint64_t)special_names[i].special,
                                     REGISTER_special);
    return NO_REGISTER;
}

/* A register that the text has declared; NO_REGISTER where the name is something else. */
static int32_t find_register(Parser *parser, const Token *name)
{
    int32_t index;
    const Symbol *symbol = find_symbol(parser, name, &index);

    return symbol && symbol->kind == SYMBOL_register ? symbol->first + index : NO_REGISTER;
}

static bool fits(Parser *parser, int32_t number, int bytes, bool wider, const Token *name)
{
    int have = parser->kernel->registers[number].bytes;

    if (have == bytes || (wider && have > bytes && bytes > 0))
        return true;
    return parse_error(parser, "%.*s has %d bits, the instruction takes %d", (int)name->length,
                       name->start, have ? 8 * have : 1, bytes ? 8 * bytes : 1);
}

/* ---- sources and results --------------------------------------------------------------------- */

/* The address of a variable as a constant. */
static int32_t address_register(Parser *parser, const Symbol *symbol, int bytes, int64_t offset)
{
    return constant_register(parser, bytes, symbol->offset + (uint64_t)offset,
                             symbol->is_dynamic ? REGISTER_dynamic_base : REGISTER_constant);
}

static uint64_t narrow_number(const Token *number, int bytes, bool negative)
{
    uint64_t bits = number->bits;

    if (number->is_double && bytes == 4) {
        double wide;
        memcpy(&wide, &bits, sizeof wide);
        float narrow = (float)wide;
        uint32_t narrow_bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
        bits = narrow_bits;
    }
    if (negative && (number->is_double || number->is_float))
        bits ^= bytes == 8 ? UINT64_C(1) << 63 : UINT64_C(1) << 31;
    else if (negative)
        bits = 0 - bits;
    return bytes == 8 ? bits : bits & ((UINT64_C(1) << 8 * (bytes ? bytes : 1)) - 1);
}

int32_t parse_source(Parser *parser, int bytes, bool wider)
{
    bool negative = accept(parser, "-");
    const Token *token = current(parser);
    int32_t index, number;

    advance(parser);
    if (token->kind == TOKEN_number) {
        if (bytes == 0)
            return constant_register(parser, 0, token->bits & 1, REGISTER_constant);
        return constant_register(parser, bytes == 1 ? 2 : bytes,
                                 narrow_number(token, bytes, negative), REGISTER_constant);
    }
    if (token->kind == TOKEN_word && token->start[0] == '%') {
        number = find_special(parser, token, bytes);
        if (number != NO_REGISTER)
            return number;
    }
    if (token->kind == TOKEN_word) {
        number = find_register(parser, token);
        if (number != NO_REGISTER)
            return fits(parser, number, bytes, wider, token) ? number : NO_REGISTER;
        const Symbol *symbol = find_symbol(parser, token, &index);
        if (symbol && symbol->kind == SYMBOL_memory && bytes >= 4) {
            int64_t offset = 0;
            if (accept(parser, "+") && !parse_integer(parser, &offset))
                return NO_REGISTER;
            return address_register(parser, symbol, bytes, offset);
        }
    }
    parser->at--;
    parse_error(parser, "'%.*s' is no register or number that is known here", (int)token->length,
                token->start);
    return NO_REGISTER;
}

int32_t parse_result(Parser *parser, int bytes, bool wider)
{
    const Token *token = current(parser);
    int32_t number = token->kind == TOKEN_word ? find_register(parser, token) : NO_REGISTER;

    if (token->kind == TOKEN_word && token_is(token, "_")) { /* a result that nobody wants */
        advance(parser);
        return new_register(parser, bytes);
    }
    if (number == NO_REGISTER) {
        parse_error(parser, "'%.*s' is no register that is known here", (int)token->length,
                    token->start);
        return NO_REGISTER;
    }
    if (!fits(parser, number, bytes, wider, token))
        return NO_REGISTER;
    advance(parser);
    return number;
}

bool parse_integer(Parser *parser, int64_t *value)
{
    bool negative = accept(parser, "-");

    if (current(parser)->kind != TOKEN_number || current(parser)->is_float
        || current(parser)->is_double)
        return parse_error(parser, "expected an integer before '%.*s'",
                           (int)current(parser)->length, current(parser)->start);
    *value = (int64_t)(negative ? 0 - current(parser)->bits : current(parser)->bits);
    advance(parser);
    return true;
}

bool parse_address(Parser *parser, Op *op, int at)
{
    int64_t offset = 0;
    int32_t index, base = NO_REGISTER;

    if (!expect(parser, "["))
        return false;
    const Token *token = current(parser);
    if (token->kind == TOKEN_number) {
        if (!parse_integer(parser, &offset))
            return false;
        base = constant_register(parser, 8, 0, REGISTER_constant);
    } else {
        advance(parser);
        base = token->kind == TOKEN_word ? find_register(parser, token) : NO_REGISTER;
        const Symbol *symbol = base == NO_REGISTER ? find_symbol(parser, token, &index) : NULL;
        if (symbol && symbol->kind == SYMBOL_memory)
            base = address_register(parser, symbol, 8, 0);
        if (base == NO_REGISTER) {
            parser->at--;
            return parse_error(parser, "'%.*s' is no address that is known here",
                               (int)token->length, token->start);
        }
        if (accept(parser, "+") || token_is(current(parser), "-"))
            if (!parse_integer(parser, &offset))
                return false;
    }
    op->r[at] = base;
    op->imm = offset;
    op->kind = parser->kernel->registers[base].bytes;
    if (op->kind != 4 && op->kind != 8)
        return parse_error(parser, "an address of %d bits", 8 * op->kind);
    return expect(parser, "]");
}

int parse_list(Parser *parser, int32_t *r, int limit, int bytes, bool wider, bool results)
{
    int count = 0;

    if (!accept(parser, "{")) {
        r[0] = results ? parse_result(parser, bytes, wider) : parse_source(parser, bytes, wider);
        return r[0] == NO_REGISTER ? 0 : 1;
    }
    do {
        if (count == limit) {
            parse_error(parser, "more than %d registers in the list", limit);
            return 0;
        }
        r[count] =
            results ? parse_result(parser, bytes, wider) : parse_source(parser, bytes, wider);
        if (r[count++] == NO_REGISTER)
            return 0;
    } while (accept(parser, ","));
    return expect(parser, "}") ? count : 0;
}

/* ---- ops ------------------------------------------------------------------------------------- */

Op *ptx_append_op(Parser *parser, const Op *op)
{
    SoftGpuKernel *kernel = parser->kernel;

    GROW(kernel->ops, kernel->op_count, kernel->op_capacity);
    kernel->ops[kernel->op_count] = *op;
    return &kernel->ops[kernel->op_count++];
}

bool append_exit(Parser *parser, const Op *guard)
{
    Op op = *guard;

    op.run = run_exit;
    op.ends = op.guard == NO_REGISTER;
    ptx_append_op(parser, &op);
    return true;
}

bool append_branch(Parser *parser, const Op *guard, const Token *label)
{
    Op op = *guard;

    op.run = run_branch;
    op.is_branch = 1;
    op.ends = op.guard == NO_REGISTER;
    ptx_append_op(parser, &op);
    GROW(parser->fixups, parser->fixup_count, parser->fixup_capacity);
    parser->fixups[parser->fixup_count++] =
        (Fixup){parser->kernel->op_count - 1, parser->scope, label};
    return true;
}
