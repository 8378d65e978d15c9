/* What stands between the braces of a function: declarations, labels, instructions, calls. */
#include <stdlib.h>
#include <string.h>

#include "gpu.h"
#include "ptx_parse.h"

/* .reg .b32 %r<10>; or .reg .pred p, q; */
bool parse_registers(Parser *parser)
{
    int bytes = ptx_type_bytes(current(parser));

    if (bytes < 0)
        return parse_error(parser, "'%.*s' is no type of a register", (int)current(parser)->length,
                           current(parser)->start);
    advance(parser);
    do {
        const Token *name = current(parser);
        int64_t count = 1;
        bool range = false;

        advance(parser);
        if (accept(parser, "<")) {
            range = true;
            if (!parse_integer(parser, &count) || !expect(parser, ">"))
                return false;
        }
        if (count < 1 || count > 1 << 20)
            return parse_error(parser, "%lld registers", (long long)count);
        Symbol *symbol = add_symbol(parser, SYMBOL_register, name);
        symbol->bytes = (uint8_t)bytes;
        symbol->range = range ? (int32_t)count : 0;
        symbol->first = parser->kernel->register_count;
        for (int64_t i = 0; i < count; i++)
            new_register(parser, bytes);
    } while (accept(parser, ","));
    return expect(parser, ";");
}

/* ---- variables ------------------------------------------------------------------------------- */

/* {1, 2, {3, 4}} or one number, into the bytes at `to`. */
static bool parse_initial(Parser *parser, uint8_t *to, int64_t *offset, int64_t size, int bytes)
{
    if (accept(parser, "{")) {
        do {
            if (!parse_initial(parser, to, offset, size, bytes))
                return false;
        } while (accept(parser, ","));
        return expect(parser, "}");
    }
    bool negative = accept(parser, "-");
    const Token *token = current(parser);
    uint64_t bits = token->bits;
    int32_t index;
    if (token->kind == TOKEN_word) {
        const Symbol *symbol = find_symbol(parser, token, &index);
        if (!symbol || symbol->kind != SYMBOL_memory)
            return parse_error(parser, "'%.*s' is not known", (int)token->length, token->start);
        bits = symbol->offset;
    } else if (token->kind != TOKEN_number) {
        return parse_error(parser, "expected a number before '%.*s'", (int)token->length,
                           token->start);
    } else if (negative) {
        bits = token->is_double  ? bits ^ UINT64_C(1) << 63
               : token->is_float ? bits ^ UINT64_C(1) << 31
                                 : 0 - bits;
    }
    advance(parser);
    if (*offset + bytes > size)
        return parse_error(parser, "more values than the variable holds");
    memcpy(to + *offset, &bits, (size_t)bytes);
    *offset += bytes;
    return true;
}

static bool add_global(Parser *parser, Symbol *symbol, int bytes)
{
    SoftGpuModule *module = parser->module;
    int64_t offset = 0;

    uint64_t address = device_map(parser->gpu, symbol->size, symbol->space == SPACE_constant, true);
    if (!address)
        return parse_error(parser, "no memory for %lld bytes", (long long)symbol->size);
    memset((void *)(uintptr_t)address, 0, (size_t)symbol->size);
    symbol->offset = address;
    module->globals =
        realloc(module->globals, (size_t)(module->global_count + 1) * sizeof *module->globals);
    char *name = allocate_or_exit(symbol->length + 1, 1);
    memcpy(name, symbol->name, (size_t)symbol->length);
    module->globals[module->global_count++] =
        (Global){.name = name, .address = address, .bytes = symbol->size, .space = symbol->space};
    if (!accept(parser, "="))
        return true;
    return parse_initial(parser, (uint8_t *)(uintptr_t)address, &offset, symbol->size, bytes);
}

/* Where shared and local variables go: offsets in their space. Shared variables outside of kernels
 * come first in every kernel. */
static bool place_variable(Parser *parser, Symbol *symbol, int64_t align, bool is_extern, int bytes)
{
    SoftGpuKernel *kernel = parser->kernel;
    int32_t *used = NULL;

    if (symbol->space == SPACE_global || symbol->space == SPACE_constant)
        return add_global(parser, symbol, bytes);
    if (symbol->space == SPACE_shared && is_extern) {
        symbol->is_dynamic = true;
        parser->dynamic_align_module =
            align > parser->dynamic_align_module ? (int32_t)align : parser->dynamic_align_module;
        return true;
    }
    if (symbol->space == SPACE_shared && parser->scope_depth == 0) {
        int32_t at = (int32_t)((parser->module_shared + align - 1) / align * align);
        symbol->offset = (uint64_t)at;
        parser->module_shared = at + (int32_t)symbol->size;
        return true;
    }
    used = symbol->space == SPACE_shared ? &kernel->shared_bytes : &kernel->local_bytes;
    int64_t at = (*used + align - 1) / align * align;
    symbol->offset = (uint64_t)at;
    if (at + symbol->size > 1 << 24)
        return parse_error(parser, "a variable of %lld bytes", (long long)symbol->size);
    *used = (int32_t)(at + symbol->size);
    return true;
}

/* Behind ".shared": .align 16 .b8 name[1024] = {...}, other; */
bool parse_variable(Parser *parser, Space space, bool is_extern)
{
    int64_t align = 0;

    if (accept(parser, ".align") && !parse_integer(parser, &align))
        return false;
    int bytes = ptx_type_bytes(current(parser));
    if (bytes <= 0)
        return parse_error(parser, "'%.*s' is no type of a variable", (int)current(parser)->length,
                           current(parser)->start);
    advance(parser);
    do {
        Symbol *symbol = add_symbol(parser, SYMBOL_memory, current(parser));
        symbol->space = (uint8_t)space;
        symbol->size = bytes;
        advance(parser);
        while (accept(parser, "[")) {
            int64_t count = 0;
            if (!token_is(current(parser), "]") && !parse_integer(parser, &count))
                return false;
            symbol->size *= count;
            if (!expect(parser, "]"))
                return false;
        }
        if (!place_variable(parser, symbol, align > bytes ? align : bytes, is_extern, bytes))
            return false;
    } while (accept(parser, ","));
    return expect(parser, ";");
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* "(a, b)" of a call: the caller's parameter variables. */
static int parse_call_list(Parser *parser, Symbol *found, int limit)
{
    int count = 0;
    int32_t index;

    if (!accept(parser, "("))
        return 0;
    if (accept(parser, ")"))
        return 0;
    do {
        const Symbol *symbol = find_symbol(parser, current(parser), &index);
        if (!symbol || symbol->kind != SYMBOL_memory || count == limit) {
            parse_error(parser, "'%.*s' is no parameter of a call", (int)current(parser)->length,
                        current(parser)->start);
            return -1;
        }
        found[count++] = *symbol;
        advance(parser);
    } while (accept(parser, ","));
    return expect(parser, ")") ? count : -1;
}

/* Names of the function's parameters for the caller's variables. */
static bool bind_parameters(Parser *parser, int32_t at, const Symbol *given, int count)
{
    int32_t back = parser->at;
    int bound = 0;

    if (at < 0)
        return count == 0 || parse_error(parser, "%d values for a function that takes none", count);
    for (parser->at = at + 1; !token_is(current(parser), ")");) {
        const Token *name = NULL;
        while (!token_is(current(parser), ",") && !token_is(current(parser), ")")) {
            if (accept(parser, "["))
                break;
            name = current(parser);
            advance(parser);
        }
        while (!token_is(current(parser), ",") && !token_is(current(parser), ")"))
            advance(parser);
        accept(parser, ",");
        if (bound == count || !name)
            return parse_error(parser, "a call with too few values");
        Symbol *symbol = add_symbol(parser, SYMBOL_memory, name);
        symbol->space = SPACE_local;
        symbol->offset = given[bound].offset;
        symbol->size = given[bound++].size;
    }
    parser->at = back;
    return bound == count || parse_error(parser, "a call with too many values");
}

static const FunctionText *find_function(const Parser *parser, const Token *name)
{
    for (int32_t i = 0; i < parser->function_count; i++) {
        const Token *known = parser->functions[i].name;
        if (known->length == name->length
            && !memcmp(known->start, name->start, (size_t)name->length))
            return &parser->functions[i];
    }
    return NULL;
}

/* The function's body in place of the call; ret branches behind it. */
static bool inline_function(Parser *parser, const FunctionText *function, const Symbol *results,
                            int result_count, const Symbol *values, int value_count)
{
    int32_t back = parser->at, first_return = parser->return_count;

    for (int32_t i = 0; i < parser->inline_depth; i++)
        if (parser->inlined[i] == function)
            return parse_error(parser, "'%.*s' calls itself, which is not executed",
                               (int)function->name->length, function->name->start);
    if (parser->inline_depth == 16)
        return parse_error(parser, "calls nested deeper than 16");
    parser->inlined[parser->inline_depth++] = function;
    open_scope(parser);
    if (!bind_parameters(parser, function->results, results, result_count)
        || !bind_parameters(parser, function->params, values, value_count))
        return false;
    parser->at = function->body;
    if (!parse_body(parser))
        return false;
    close_scope(parser);
    parser->inline_depth--;
    for (int32_t i = first_return; i < parser->return_count; i++)
        parser->kernel->ops[parser->return_fixups[i]].imm = parser->kernel->op_count;
    parser->return_count = first_return;
    parser->at = back;
    return true;
}

/* Behind "call": (results), name, (values). */
bool parse_call(Parser *parser, const Op *guard)
{
    Symbol results[4], values[32];
    int result_count = parse_call_list(parser, results, 4);

    if (result_count < 0 || (result_count > 0 && !expect(parser, ",")))
        return false;
    const Token *name = current(parser);
    advance(parser);
    int value_count = accept(parser, ",") ? parse_call_list(parser, values, 32) : 0;
    if (value_count < 0)
        return false;
    if (guard->guard != NO_REGISTER)
        return parse_error(parser, "a call under a predicate is not executed");
    if (token_is(name, "__assertfail")) {
        Op op = *guard;
        op.run = run_trap;
        op.kind = 1;
        ptx_append_op(parser, &op);
        return true;
    }
    const FunctionText *function = find_function(parser, name);
    if (!function || function->body < 0)
        return parse_error(parser, "calls '%.*s', which this module does not have",
                           (int)name->length, name->start);
    return inline_function(parser, function, results, result_count, values, value_count);
}

static bool parse_return(Parser *parser, const Op *guard)
{
    if (parser->inline_depth == 0)
        return append_exit(parser, guard);
    if (parser->return_count == 256)
        return parse_error(parser, "more than 256 returns");
    Op op = *guard;
    op.run = run_branch;
    op.is_branch = 1;
    op.ends = op.guard == NO_REGISTER;
    ptx_append_op(parser, &op);
    parser->return_fixups[parser->return_count++] = parser->kernel->op_count - 1;
    return true;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* .loc file line column [, function_name label [+ offset], inlined_at file line column] */
static bool parse_location(Parser *parser)
{
    SoftGpuKernel *kernel = parser->kernel;
    int64_t file, line, column;

    if (!parse_integer(parser, &file) || !parse_integer(parser, &line)
        || !parse_integer(parser, &column))
        return false;
    while (accept(parser, ","))
        while (!token_is(current(parser), ",") && current(parser)->kind != TOKEN_end
               && current(parser)->line == parser->tokens[parser->at - 1].line)
            advance(parser);
    if (line == 0)
        return true;
    GROW(kernel->sources, kernel->source_count, kernel->source_capacity);
    parser->source = kernel->source_count;
    kernel->sources[kernel->source_count++] = (Source){(int32_t)file, (int32_t)line};
    return true;
}

static bool parse_targets(Parser *parser, const Token *name)
{
    Symbol *symbol = add_symbol(parser, SYMBOL_targets, name);

    symbol->offset = (uint64_t)parser->at;
    while (!token_is(current(parser), ";") && current(parser)->kind != TOKEN_end)
        advance(parser);
    return expect(parser, ";");
}

/* brx.idx index, targets: a chain of comparisons. */
static bool parse_indexed_branch(Parser *parser, const Op *guard)
{
    int32_t number, equal = new_register(parser, 0), index;

    if (guard->guard != NO_REGISTER)
        return parse_error(parser, "brx.idx under a predicate is not executed");
    number = parse_source(parser, 4, false);
    if (number == NO_REGISTER || !expect(parser, ","))
        return false;
    const Symbol *targets = find_symbol(parser, current(parser), &index);
    if (!targets || targets->kind != SYMBOL_targets)
        return parse_error(parser, "'%.*s' is no list of targets", (int)current(parser)->length,
                           current(parser)->start);
    advance(parser);
    uint64_t value = 0;
    for (int32_t at = (int32_t)targets->offset; !token_is(&parser->tokens[at], ";"); at++) {
        if (token_is(&parser->tokens[at], ","))
            continue;
        Op compare = *guard;
        compare.run = find_instruction(instructions_compare, "eq.u32")->run;
        compare.r[0] = equal;
        compare.r[1] = NO_REGISTER;
        compare.r[2] = number;
        compare.r[3] = constant_register(parser, 4, value++, REGISTER_constant);
        compare.result_count = 2;
        compare.register_count = 4;
        ptx_append_op(parser, &compare);
        Op branch = *guard;
        branch.guard = equal;
        append_branch(parser, &branch, &parser->tokens[at]);
    }
    Op trap = *guard;
    trap.run = run_trap;
    ptx_append_op(parser, &trap);
    return true;
}

static bool parse_guard(Parser *parser, Op *op)
{
    *op = (Op){.guard = NO_REGISTER, .source = parser->source};
    for (int i = 0; i < OP_REGISTERS; i++)
        op->r[i] = NO_REGISTER;
    if (accept(parser, "@")) {
        if (accept(parser, "!"))
            op->flags |= OP_NEGATED;
        op->guard = parse_result(parser, 0, false);
        if (op->guard == NO_REGISTER)
            return false;
    }
    op->line = current(parser)->line;
    return true;
}

static bool parse_instruction(Parser *parser)
{
    Op guard;

    if (!parse_guard(parser, &guard))
        return false;
    const Token *name = current(parser);
    bool ok;
    advance(parser);
    if (token_is(name, "call") || token_is(name, "call.uni")) {
        ok = parse_call(parser, &guard);
    } else if (token_is(name, "ret") || token_is(name, "ret.uni")) {
        ok = parse_return(parser, &guard);
    } else if (token_is(name, "exit")) {
        ok = append_exit(parser, &guard);
    } else if (token_is(name, "bra") || token_is(name, "bra.uni")) {
        advance(parser);
        ok = append_branch(parser, &guard, &parser->tokens[parser->at - 1]);
    } else if (token_is(name, "brx.idx") || token_is(name, "brx.idx.uni")) {
        ok = parse_indexed_branch(parser, &guard);
    } else {
        parser->at--;
        ok = decode_instruction(parser, &guard);
    }
    return ok && expect(parser, ";");
}

static bool parse_label(Parser *parser)
{
    const Token *name = current(parser);

    advance(parser);
    advance(parser);
    if (accept(parser, ".branchtargets"))
        return parse_targets(parser, name);
    add_symbol(parser, SYMBOL_label, name)->offset = (uint64_t)parser->kernel->op_count;
    return true;
}

static bool parse_statement(Parser *parser)
{
    if (accept(parser, ";"))
        return true;
    if (accept(parser, "{")) {
        open_scope(parser);
        if (!parse_body(parser))
            return false;
        close_scope(parser);
        return !parser->failed;
    }
    if (accept(parser, ".reg"))
        return parse_registers(parser);
    if (accept(parser, ".shared"))
        return parse_variable(parser, SPACE_shared, false);
    if (accept(parser, ".local"))
        return parse_variable(parser, SPACE_local, false);
    if (accept(parser, ".param"))
        return parse_variable(parser, SPACE_local, false);
    if (accept(parser, ".const"))
        return parse_variable(parser, SPACE_constant, false);
    if (accept(parser, ".global"))
        return parse_variable(parser, SPACE_global, false);
    if (accept(parser, ".loc"))
        return parse_location(parser);
    if (accept(parser, ".pragma")) {
        advance(parser);
        return expect(parser, ";");
    }
    if (current(parser)->kind == TOKEN_word && token_is(&parser->tokens[parser->at + 1], ":"))
        return parse_label(parser);
    return parse_instruction(parser);
}

bool parse_body(Parser *parser)
{
    while (!accept(parser, "}")) {
        if (current(parser)->kind == TOKEN_end)
            return parse_error(parser, "the text ends inside of a function");
        if (!parse_statement(parser) || parser->failed)
            return false;
    }
    return true;
}
