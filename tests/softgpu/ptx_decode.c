/* From a mnemonic and its operands to an Op: by table where the operands are registers in a row, by
 * a decoder for the families that have more to say. What is in neither is an error: nothing is
 * skipped.
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

bool unknown(Parser *parser, const Mnemonic *name)
{
    return parse_error(parser, "the instruction '%s' is not executed", name->text);
}

bool take(Mnemonic *name, const char *part)
{
    if (name->taken >= name->count || strcmp(name->parts[name->taken], part) != 0)
        return false;
    name->taken++;
    return true;
}

static bool split(Parser *parser, Mnemonic *name)
{
    const Token *token = current(parser);

    *name = (Mnemonic){0};
    if (token->kind != TOKEN_word || token->length >= MAX_MNEMONIC)
        return parse_error(parser, "expected an instruction before '%.*s'", (int)token->length,
                           token->start);
    memcpy(name->text, token->start, (size_t)token->length);
    memcpy(name->buffer, name->text, sizeof name->buffer);
    for (char *at = name->buffer; at; name->count++) {
        if (name->count == MAX_PARTS)
            return unknown(parser, name);
        name->parts[name->count] = at;
        at = strchr(at, '.');
        if (at)
            *at++ = '\0';
    }
    advance(parser);
    return true;
}

const Instruction *find_instruction(const Instruction *table, const char *name)
{
    for (const Instruction *row = table; row->name; row++)
        if (row->name[0] == name[0] && strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

/* ---- by table -------------------------------------------------------------------------------- */

/* Modifiers that are flags of the Op, not part of the row's name. */
static bool take_modifier(const char *part, bool is_float, Op *op)
{
    static const struct {
        const char *name;
        uint16_t flags;
        uint8_t rounding;
    } modifiers[] = {
        {"ftz", OP_FLUSH, 0},          {"relu", OP_RELU, 0},         {"NaN", OP_NAN, 0},
        {"rn", 0, ROUND_nearest_even}, {"rz", OP_ROUND, ROUND_zero}, {"rm", OP_ROUND, ROUND_down},
        {"rp", OP_ROUND, ROUND_up},
    };

    if (is_float && strcmp(part, "sat") == 0) {
        op->flags |= OP_SATURATE;
        return true;
    }
    for (size_t i = 0; i < sizeof modifiers / sizeof modifiers[0]; i++)
        if (strcmp(part, modifiers[i].name) == 0) {
            op->flags |= modifiers[i].flags;
            if (modifiers[i].rounding)
                op->rounding = modifiers[i].rounding;
            return true;
        }
    return false;
}

static void row_name(const Mnemonic *name, Op *op, char *text)
{
    const char *type = name->parts[name->count - 1];
    bool is_float = type[0] == 'f' || (type[0] == 'b' && type[1] == 'f');
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < name->count; i++) {
        if (i > 0 && take_modifier(name->parts[i], is_float, op))
            continue;
        used += (size_t)snprintf(text + used, MAX_MNEMONIC - used, "%s%s", i ? "." : "",
                                 name->parts[i]);
    }
}

/* The letters of Instruction.operands; 'i': an integer, to imm. */
static bool parse_operands(Parser *parser, Op *op, const char *letters)
{
    bool results = true;
    int count = 0;

    for (const char *at = letters; *at; at++) {
        if (*at == '=') {
            op->result_count = (uint8_t)count;
            results = false;
            continue;
        }
        if (at != letters && !expect(parser, ","))
            return false;
        if (*at == 'i') {
            if (!parse_integer(parser, &op->imm))
                return false;
            continue;
        }
        int bytes = *at == 'p' ? 0 : *at - '0';
        op->r[count] =
            results ? parse_result(parser, bytes, false) : parse_source(parser, bytes, false);
        if (op->r[count++] == NO_REGISTER)
            return false;
    }
    op->register_count = (uint8_t)count;
    return true;
}

static bool decode_by_table(Parser *parser, const Mnemonic *name, Op *op)
{
    static const Instruction *const tables[] = {instructions_integer, instructions_float,
                                                instructions_half, instructions_bits};
    char text[MAX_MNEMONIC];
    const Instruction *row = NULL;
    uint16_t before = op->flags;

    row_name(name, op, text);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && !row; i++)
        row = find_instruction(tables[i], text);
    if (!row || (op->flags & ~before & ~row->allowed))
        return unknown(parser, name);
    op->run = row->run;
    if (!parse_operands(parser, op, row->operands))
        return false;
    ptx_append_op(parser, op);
    return true;
}

/* ---- setp, set, slct ------------------------------------------------------------------------- */

/* REL.type of the comparison table; p | q, a, b, c are parsed by the caller. */
static const Instruction *find_comparison(Mnemonic *name, const char *relation, Op *op)
{
    char text[MAX_MNEMONIC];

    if (take(name, "ftz"))
        op->flags |= OP_FLUSH;
    if (name->taken != name->count - 1)
        return NULL;
    snprintf(text, sizeof text, "%s.%s", relation, name->parts[name->taken]);
    const Instruction *row = find_instruction(instructions_compare, text);
    if (!row || (op->flags & OP_FLUSH & ~row->allowed))
        return NULL;
    return row;
}

static bool parse_compared(Parser *parser, Op *op, const Instruction *row)
{
    for (int i = 0; i < 2; i++) {
        if ((i || op->r[0] != NO_REGISTER) && !expect(parser, ","))
            return false;
        op->r[2 + i] = parse_source(parser, row->operands[i] - '0', false);
        if (op->r[2 + i] == NO_REGISTER)
            return false;
    }
    op->run = row->run;
    op->result_count = 2;
    op->register_count = 4;
    return true;
}

static bool decode_setp(Parser *parser, Mnemonic *name, Op *op)
{
    const char *relation = name->count > 1 ? name->parts[1] : "";

    name->taken = 2;
    op->kind = take(name, "and") ? 1 : take(name, "or") ? 2 : take(name, "xor") ? 3 : 0;
    const Instruction *row = find_comparison(name, relation, op);
    if (!row)
        return unknown(parser, name);
    op->r[0] = parse_result(parser, 0, false);
    if (op->r[0] == NO_REGISTER)
        return false;
    if (accept(parser, "|")) {
        op->r[1] = parse_result(parser, 0, false);
        op->flags |= OP_SECOND;
    }
    if (!parse_compared(parser, op, row))
        return false;
    if (op->kind) {
        if (!expect(parser, ","))
            return false;
        op->to = accept(parser, "!");
        op->r[4] = parse_source(parser, 0, false);
        op->register_count = 5;
        if (op->r[4] == NO_REGISTER)
            return false;
    }
    ptx_append_op(parser, op);
    return true;
}

/* set.REL.dtype.stype d, a, b: a comparison into a predicate of its own, then the predicate into d.
 */
static bool decode_set(Parser *parser, Mnemonic *name, Op *op)
{
    const char *relation = name->count > 1 ? name->parts[1] : "";
    Op store = *op;

    name->taken = 2;
    bool flush = take(name, "ftz");
    if (take(name, "f32"))
        store.imm = 0x3f800000;
    else if (take(name, "u32") || take(name, "s32"))
        store.imm = 0xffffffff;
    else
        return unknown(parser, name);
    op->flags |= flush ? OP_FLUSH : 0;
    const Instruction *row = find_comparison(name, relation, op);
    if (!row)
        return unknown(parser, name);
    store.r[0] = parse_result(parser, 4, false);
    if (store.r[0] == NO_REGISTER)
        return false;
    op->r[0] = new_register(parser, 0);
    if (!parse_compared(parser, op, row))
        return false;
    ptx_append_op(parser, op);
    store.run = run_compare_to_register;
    store.r[1] = op->r[0];
    store.result_count = 1;
    store.register_count = 2;
    ptx_append_op(parser, &store);
    return true;
}

/* slct.type.s32 d, a, b, c: a where c >= 0, else b. */
static bool decode_select_sign(Parser *parser, Mnemonic *name, Op *op)
{
    char row_text[MAX_MNEMONIC];
    Op compare = *op;

    if (name->count != 3 || strcmp(name->parts[2], "s32") != 0)
        return unknown(parser, name);
    snprintf(row_text, sizeof row_text, "selp.%s", name->parts[1]);
    const Instruction *row = find_instruction(instructions_bits, row_text);
    if (!row)
        return unknown(parser, name);
    if (!parse_operands(
            parser, op,
            (char[]){row->operands[0], '=', row->operands[0], row->operands[0], '4', '\0'}))
        return false;
    compare.run = find_instruction(instructions_compare, "ge.s32")->run;
    compare.r[0] = new_register(parser, 0);
    compare.r[2] = op->r[3];
    compare.r[3] = constant_register(parser, 4, 0, REGISTER_constant);
    compare.result_count = 2;
    compare.register_count = 4;
    ptx_append_op(parser, &compare);
    op->run = row->run;
    op->r[3] = compare.r[0];
    ptx_append_op(parser, op);
    return true;
}

/* ---- mov ------------------------------------------------------------------------------------- */

static bool finish_pack(Parser *parser, Op *op, int count, int wide)
{
    op->count = (uint8_t)count;
    op->size = (uint8_t)wide;
    op->width = (uint8_t)(wide / count);
    op->register_count = (uint8_t)(1 + count);
    ptx_append_op(parser, op);
    return true;
}

/* Elements of "{a, b}" at the current token. */
static int list_length(const Parser *parser)
{
    int count = 1;

    for (int32_t at = parser->at; !token_is(&parser->tokens[at], "}"); at++) {
        if (token_is(&parser->tokens[at], ";") || parser->tokens[at].kind == TOKEN_end)
            return 0;
        count += token_is(&parser->tokens[at], ",");
    }
    return count;
}

static bool decode_mov(Parser *parser, Mnemonic *name, Op *op)
{
    static const char *const clocks[] = {"%clock", "%clock64", "%clock_hi", "%globaltimer"};
    int wide = name->count == 2 && strchr(name->parts[1], '6') ? 8 : 4;

    if (name->count == 2 && token_is(current(parser), "{")) { /* unpack */
        int count = list_length(parser);
        if (wide % (count ? count : 3) || wide / count < 2 || wide / count > 4)
            return unknown(parser, name);
        if (parse_list(parser, op->r, 4, wide / count, false, true) != count
            || !expect(parser, ","))
            return false;
        op->r[count] = parse_source(parser, wide, false);
        op->run = run_unpack;
        op->result_count = (uint8_t)count;
        return op->r[count] != NO_REGISTER && finish_pack(parser, op, count, wide);
    }
    if (token_is(&parser->tokens[parser->at + 1], ",")
        && token_is(&parser->tokens[parser->at + 2], "{")) { /* pack */
        op->r[0] = parse_result(parser, wide, false);
        if (op->r[0] == NO_REGISTER || !expect(parser, ","))
            return false;
        int count = list_length(parser);
        if (wide % (count ? count : 3) || wide / count < 2 || wide / count > 4)
            return unknown(parser, name);
        op->run = run_pack;
        op->result_count = 1;
        return parse_list(parser, op->r + 1, 4, wide / count, false, false) == count
               && finish_pack(parser, op, count, wide);
    }
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++)
        if (token_is(&parser->tokens[parser->at + 2], clocks[i])) {
            op->r[0] = parse_result(parser, wide, false);
            advance(parser);
            advance(parser);
            op->run = run_clock;
            op->width = (uint8_t)wide;
            op->result_count = op->register_count = 1;
            ptx_append_op(parser, op);
            return op->r[0] != NO_REGISTER;
        }
    return decode_by_table(parser, name, op);
}

/* ---- cvt ------------------------------------------------------------------------------------- */

static NumberType number_type(const char *name)
{
    static const struct {
        const char *name;
        NumberType type;
    } types[] = {{"u8", NUMBER_u8},     {"s8", NUMBER_s8},     {"u16", NUMBER_u16},
                 {"s16", NUMBER_s16},   {"u32", NUMBER_u32},   {"s32", NUMBER_s32},
                 {"u64", NUMBER_u64},   {"s64", NUMBER_s64},   {"f16", NUMBER_f16},
                 {"bf16", NUMBER_bf16}, {"tf32", NUMBER_tf32}, {"f32", NUMBER_f32},
                 {"f64", NUMBER_f64}};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    return NUMBER_none;
}

static bool take_rounding(Mnemonic *name, Op *op, bool *whole)
{
    static const struct {
        const char *name;
        Rounding mode;
        bool whole;
    } modes[] = {{"rn", ROUND_nearest_even, false},
                 {"rz", ROUND_zero, false},
                 {"rm", ROUND_down, false},
                 {"rp", ROUND_up, false},
                 {"rna", ROUND_nearest_away, false},
                 {"rni", ROUND_nearest_even, true},
                 {"rzi", ROUND_zero, true},
                 {"rmi", ROUND_down, true},
                 {"rpi", ROUND_up, true}};

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (take(name, modes[i].name)) {
            op->rounding = (uint8_t)modes[i].mode;
            *whole = modes[i].whole;
            return true;
        }
    return false;
}

/* cvt.rn.f16x2.f32 d, a, b */
static bool decode_convert_pair(Parser *parser, Mnemonic *name, Op *op)
{
    op->to = take(name, "f16x2") ? NUMBER_f16 : take(name, "bf16x2") ? NUMBER_bf16 : NUMBER_none;
    op->from = NUMBER_f32;
    if (op->to == NUMBER_none || !take(name, "f32") || name->taken != name->count)
        return unknown(parser, name);
    bool plain =
        op->to == NUMBER_f16 && op->rounding == ROUND_nearest_even && !(op->flags & OP_RELU);
    op->run = plain ? run_f16x2_from_f32 : run_convert_pair;
    if (!parse_operands(parser, op, "4=44"))
        return false;
    ptx_append_op(parser, op);
    return true;
}

typedef struct FastConversion {
    NumberType to, from;
    int to_bytes, from_bytes;
    void (*run)(Warp *warp, const Op *op);
} FastConversion;

/* Those without rounding modes, saturation or registers wider than the type. */
static const FastConversion fast_conversions[] = {
    {NUMBER_f32, NUMBER_f16, 4, 2, run_f32_from_f16},
    {NUMBER_f16, NUMBER_f32, 2, 4, run_f16_from_f32},
    {NUMBER_u32, NUMBER_u64, 4, 8, run_u32_from_u64},
    {NUMBER_s32, NUMBER_u64, 4, 8, run_u32_from_u64},
    {NUMBER_u32, NUMBER_s64, 4, 8, run_u32_from_u64},
    {NUMBER_s32, NUMBER_s64, 4, 8, run_u32_from_u64},
    {NUMBER_u64, NUMBER_u32, 8, 4, run_u64_from_u32},
    {NUMBER_s64, NUMBER_u32, 8, 4, run_u64_from_u32},
    {NUMBER_s64, NUMBER_s32, 8, 4, run_s64_from_s32},
    {NUMBER_u64, NUMBER_s32, 8, 4, run_s64_from_s32},
    {NUMBER_u32, NUMBER_u16, 4, 2, run_u32_from_u16},
    {NUMBER_s32, NUMBER_u16, 4, 2, run_u32_from_u16},
    {NUMBER_u16, NUMBER_u32, 2, 4, run_u16_from_u32},
    {NUMBER_s16, NUMBER_u32, 2, 4, run_u16_from_u32},
    {NUMBER_u16, NUMBER_s32, 2, 4, run_u16_from_u32},
    {NUMBER_s16, NUMBER_s32, 2, 4, run_u16_from_u32},
    {NUMBER_f32, NUMBER_s32, 4, 4, run_f32_from_s32},
    {NUMBER_f32, NUMBER_u32, 4, 4, run_f32_from_u32},
};

static void choose_conversion(Op *op)
{
    op->run = run_convert;
    if (op->flags & (OP_SATURATE | OP_RELU | OP_FLUSH) || op->rounding != ROUND_nearest_even)
        return;
    for (size_t i = 0; i < sizeof fast_conversions / sizeof fast_conversions[0]; i++) {
        const FastConversion *fast = &fast_conversions[i];
        if (fast->to == op->to && fast->from == op->from && fast->to_bytes == op->width
            && fast->from_bytes == op->size)
            op->run = fast->run;
    }
}

static bool decode_convert(Parser *parser, Mnemonic *name, Op *op)
{
    bool whole = false;

    name->taken = 1;
    bool rounds = take_rounding(name, op, &whole);
    if (take(name, "ftz"))
        op->flags |= OP_FLUSH;
    if (take(name, "sat"))
        op->flags |= OP_SATURATE;
    if (take(name, "relu"))
        op->flags |= OP_RELU;
    if (name->count - name->taken != 2)
        return unknown(parser, name);
    op->to = (uint8_t)number_type(name->parts[name->taken]);
    op->from = (uint8_t)number_type(name->parts[name->taken + 1]);
    if (op->to == NUMBER_none && rounds)
        return decode_convert_pair(parser, name, op);
    if (op->to == NUMBER_none || op->from == NUMBER_none)
        return unknown(parser, name);
    if (whole && number_is_float(op->to))
        op->kind = CONVERT_to_whole;
    if (!rounds && number_is_float(op->from) && op->from == op->to) /* cvt.sat.f32.f32 */
        op->rounding = ROUND_nearest_even;
    op->r[0] = parse_result(parser, number_bytes(op->to), true);
    if (op->r[0] == NO_REGISTER || !expect(parser, ","))
        return false;
    op->r[1] = parse_source(parser, number_bytes(op->from), true);
    if (op->r[1] == NO_REGISTER)
        return false;
    op->width = parser->kernel->registers[op->r[0]].bytes;
    op->size = parser->kernel->registers[op->r[1]].bytes;
    op->result_count = 1;
    op->register_count = 2;
    choose_conversion(op);
    ptx_append_op(parser, op);
    return true;
}

/* ---- which ----------------------------------------------------------------------------------- */

static Decoder find_decoder(const char *base)
{
    static const struct {
        const char *base;
        Decoder decode;
    } decoders[] = {{"setp", decode_setp},
                    {"set", decode_set},
                    {"slct", decode_select_sign},
                    {"mov", decode_mov},
                    {"cvt", decode_convert}};

    for (size_t i = 0; i < sizeof decoders / sizeof decoders[0]; i++)
        if (strcmp(decoders[i].base, base) == 0)
            return decoders[i].decode;
    Decoder found = find_memory_decoder(base);
    return found ? found : find_warp_decoder(base);
}

bool decode_instruction(Parser *parser, const Op *guard)
{
    Mnemonic name;
    Op op = *guard;

    if (!split(parser, &name))
        return false;
    Decoder decode = find_decoder(name.parts[0]);
    if (decode) {
        name.taken = 1;
        return decode(parser, &name, &op) && !parser->failed;
    }
    return decode_by_table(parser, &name, &op);
}
