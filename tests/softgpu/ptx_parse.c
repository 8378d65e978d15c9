/* A module: its directives, variables, functions, kernels. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"
#include "ptx_parse.h"

bool parse_error(Parser *parser, const char *format, ...)
{
    char what[512];
    va_list list;

    if (parser->failed)
        return false;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    parser->failed = true;
    return ptx_error(parser->gpu, parser->module->name, current(parser)->line, "%s", what);
}

bool accept(Parser *parser, const char *text)
{
    if (current(parser)->kind == TOKEN_end || !token_is(current(parser), text))
        return false;
    advance(parser);
    return true;
}

bool expect(Parser *parser, const char *text)
{
    if (accept(parser, text))
        return true;
    return parse_error(parser, "expected '%s' before '%.*s'", text, (int)current(parser)->length,
                       current(parser)->start);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool in_range(const Symbol *symbol, const Token *name, int32_t *index)
{
    int32_t value = 0;

    if (name->length <= symbol->length || memcmp(name->start, symbol->name, (size_t)symbol->length))
        return false;
    for (int32_t i = symbol->length; i < name->length; i++) {
        char c = name->start[i];
        if (c < '0' || c > '9' || value > 1 << 24)
            return false;
        value = 10 * value + (c - '0');
    }
    *index = value;
    return value < symbol->range;
}

const Symbol *find_symbol(const Parser *parser, const Token *name, int32_t *index)
{
    *index = 0;
    for (int32_t i = parser->symbol_count - 1; i >= 0; i--) {
        const Symbol *symbol = &parser->symbols[i];
        if (symbol->range ? in_range(symbol, name, index)
                          : symbol->length == name->length
                                && memcmp(symbol->name, name->start, (size_t)name->length) == 0)
            return symbol;
    }
    return NULL;
}

Symbol *add_symbol(Parser *parser, SymbolKind kind, const Token *name)
{
    GROW(parser->symbols, parser->symbol_count, parser->symbol_capacity);
    Symbol *symbol = &parser->symbols[parser->symbol_count++];
    *symbol = (Symbol){.name = name->start,
                       .length = name->length,
                       .kind = (uint8_t)kind,
                       .scope = parser->scope};
    return symbol;
}

void open_scope(Parser *parser)
{
    if (parser->scope_depth == 64) {
        parse_error(parser, "more than 64 nested scopes");
        return;
    }
    parser->scope_stack[parser->scope_depth++] = parser->scope;
    parser->scope = ++parser->scope_serial;
}

static const Symbol *find_label(const Parser *parser, const Token *name)
{
    for (int32_t i = parser->symbol_count - 1; i >= 0; i--) {
        const Symbol *symbol = &parser->symbols[i];
        if (symbol->scope == parser->scope && symbol->kind == SYMBOL_label
            && symbol->length == name->length
            && memcmp(symbol->name, name->start, (size_t)name->length) == 0)
            return symbol;
    }
    return NULL;
}

/* Branches of this scope find their labels; the others are the outer scope's. */
void close_scope(Parser *parser)
{
    int32_t outer = parser->scope_stack[--parser->scope_depth], kept = 0;

    for (int32_t i = 0; i < parser->fixup_count; i++) {
        Fixup *fixup = &parser->fixups[i];
        const Symbol *label =
            fixup->scope == parser->scope ? find_label(parser, fixup->label) : NULL;
        if (label) {
            parser->kernel->ops[fixup->op].imm = (int64_t)label->offset;
            continue;
        }
        if (fixup->scope == parser->scope)
            fixup->scope = outer;
        parser->fixups[kept++] = *fixup;
    }
    parser->fixup_count = kept;
    while (parser->symbol_count && parser->symbols[parser->symbol_count - 1].scope == parser->scope)
        parser->symbol_count--;
    parser->scope = outer;
}

/* ---- functions and kernels ------------------------------------------------------------------- */

/* Behind the bracket that closes the one at the current token. */
static bool skip_brackets(Parser *parser, const char *open, const char *close)
{
    int32_t depth = 0;

    do {
        if (current(parser)->kind == TOKEN_end)
            return parse_error(parser, "'%s' without '%s'", open, close);
        depth += token_is(current(parser), open);
        depth -= token_is(current(parser), close);
        advance(parser);
    } while (depth > 0);
    return true;
}

/* .func (results) name (params) { body } or ; : kept as a place in the text. */
static bool parse_function(Parser *parser)
{
    FunctionText function = {.results = -1, .params = -1, .body = -1};

    if (token_is(current(parser), "(")) {
        function.results = parser->at;
        skip_brackets(parser, "(", ")");
    }
    function.name = current(parser);
    advance(parser);
    if (token_is(current(parser), "(")) {
        function.params = parser->at;
        skip_brackets(parser, "(", ")");
    }
    while (!parser->failed && !token_is(current(parser), "{") && !token_is(current(parser), ";"))
        if (current(parser)->kind == TOKEN_end)
            return parse_error(parser, "function without a body");
        else
            advance(parser);
    if (token_is(current(parser), "{")) {
        function.body = parser->at + 1;
        skip_brackets(parser, "{", "}");
    } else {
        accept(parser, ";");
    }
    for (int32_t i = 0; i < parser->function_count; i++)
        if (parser->functions[i].name->length == function.name->length
            && !memcmp(parser->functions[i].name->start, function.name->start,
                       (size_t)function.name->length)) {
            parser->functions[i] = function; /* the body follows its declaration */
            return !parser->failed;
        }
    GROW(parser->functions, parser->function_count, parser->function_capacity);
    parser->functions[parser->function_count++] = function;
    return !parser->failed;
}

/* .param .u64 name, .param .align 8 .b8 name[32] */
static bool parse_parameter(Parser *parser, int32_t *capacity)
{
    SoftGpuKernel *kernel = parser->kernel;
    int64_t align = 0, count = 1;

    if (!expect(parser, ".param"))
        return false;
    if (accept(parser, ".align") && !parse_integer(parser, &align))
        return false;
    int bytes = ptx_type_bytes(current(parser));
    if (bytes <= 0)
        return parse_error(parser, "'%.*s' is no type of a parameter", (int)current(parser)->length,
                           current(parser)->start);
    advance(parser);
    if (accept(parser, ".ptr")) { /* what it points to: .global .align 16 */
        while (current(parser)->kind == TOKEN_word && token_starts(current(parser), "."))
            if (accept(parser, ".align"))
                advance(parser);
            else
                advance(parser);
    }
    const Token *name = current(parser);
    advance(parser);
    if (accept(parser, "[") && (!parse_integer(parser, &count) || !expect(parser, "]")))
        return false;
    if (align < bytes)
        align = bytes;
    kernel->param_bytes = (int32_t)((kernel->param_bytes + align - 1) / align * align);
    Symbol *symbol = add_symbol(parser, SYMBOL_memory, name);
    symbol->space = SPACE_param;
    symbol->offset = (uint64_t)kernel->param_bytes;
    symbol->size = bytes * count;
    GROW(kernel->params, kernel->param_count, *capacity);
    kernel->params[kernel->param_count++] = (Param){kernel->param_bytes, (int32_t)symbol->size};
    kernel->param_bytes += (int32_t)symbol->size;
    return kernel->param_bytes <= 4096 || parse_error(parser, "more than 4096 bytes of parameters");
}

static bool parse_parameters(Parser *parser)
{
    int32_t capacity = 0;

    if (!accept(parser, "(") || accept(parser, ")"))
        return true;
    do {
        if (!parse_parameter(parser, &capacity))
            return false;
    } while (accept(parser, ","));
    return expect(parser, ")");
}

/* .maxntid, .reqntid: threads; the other directives are for ptxas. */
static bool parse_performance(Parser *parser)
{
    SoftGpuKernel *kernel = parser->kernel;

    while (current(parser)->kind == TOKEN_word && token_starts(current(parser), ".")) {
        const Token *directive = current(parser);
        bool threads = token_is(directive, ".maxntid") || token_is(directive, ".reqntid");
        bool known = threads || token_is(directive, ".minnctapersm")
                     || token_is(directive, ".maxnctapersm") || token_is(directive, ".maxnreg")
                     || token_is(directive, ".pragma") || token_is(directive, ".noreturn");
        int64_t product = 1, number;

        if (!known)
            return parse_error(parser, "the directive '%.*s' is not known", (int)directive->length,
                               directive->start);
        advance(parser);
        if (current(parser)->kind == TOKEN_text) {
            advance(parser);
            accept(parser, ";");
            continue;
        }
        while (current(parser)->kind == TOKEN_number) {
            if (!parse_integer(parser, &number))
                return false;
            product *= number;
            accept(parser, ",");
        }
        if (threads) {
            kernel->max_threads = (int32_t)product;
            kernel->exact_threads = token_is(directive, ".reqntid");
        }
    }
    return true;
}

static char *copy_text(const char *start, int32_t length)
{
    char *copy = allocate_or_exit(length + 1, 1);

    memcpy(copy, start, (size_t)length);
    return copy;
}

/* Ends of the body: labels resolved, shared memory laid out, registers placed. */
static bool finish_kernel(Parser *parser)
{
    SoftGpuKernel *kernel = parser->kernel;
    int32_t align = parser->dynamic_align_module > 16 ? parser->dynamic_align_module : 16;

    if (parser->failed)
        return false;
    if (parser->fixup_count) {
        const Token *label = parser->fixups[0].label;
        return ptx_error(parser->gpu, parser->module->name, label->line, "there is no label '%.*s'",
                         (int)label->length, label->start);
    }
    kernel->dynamic_base = parser->dynamic_align_module
                               ? (kernel->shared_bytes + align - 1) / align * align
                               : kernel->shared_bytes;
    if (kernel->dynamic_base > CARD_SHARED_DEFAULT)
        return ptx_error(parser->gpu, parser->module->name, 0,
                         "%s: %d bytes of static shared memory; the card takes %d", kernel->name,
                         kernel->dynamic_base, CARD_SHARED_DEFAULT);
    return place_registers(kernel);
}

static bool parse_kernel(Parser *parser)
{
    SoftGpuModule *module = parser->module;
    SoftGpuKernel *kernel = allocate_or_exit(1, sizeof *kernel);
    const Token *name = current(parser);

    module->kernels =
        realloc(module->kernels, (size_t)(module->kernel_count + 1) * sizeof *module->kernels);
    module->kernels[module->kernel_count++] = kernel;
    kernel->module = module;
    kernel->name = copy_text(name->start, name->length);
    kernel->max_threads = CARD_THREADS;
    kernel->shared_allowed = CARD_SHARED_DEFAULT;
    kernel->granule_shift = 4;
    kernel->shared_bytes = parser->module_shared; /* whether it uses them or not */
    parser->kernel = kernel;
    parser->source = -1;
    parser->constant_count = 0;
    memset(parser->constants, 0, (size_t)parser->constant_capacity * sizeof *parser->constants);
    advance(parser);
    open_scope(parser);
    if (!parse_parameters(parser) || !parse_performance(parser) || !expect(parser, "{"))
        return false;
    open_scope(parser);
    if (!parse_body(parser))
        return false;
    Op end = {.guard = NO_REGISTER, .line = current(parser)->line, .source = parser->source};
    append_exit(parser, &end);
    close_scope(parser);
    close_scope(parser);
    return finish_kernel(parser);
}

/* ---- the module ------------------------------------------------------------------------------ */

static bool parse_file_directive(Parser *parser)
{
    int64_t number;

    if (!parse_integer(parser, &number))
        return false;
    const Token *name = current(parser);
    if (name->kind == TOKEN_text && number >= 0 && number < 64) {
        free(parser->module->files[number]);
        parser->module->files[number] = copy_text(name->start + 1, name->length - 2);
    }
    advance(parser);
    while (accept(parser, ","))
        advance(parser);
    return true;
}

/* .section .debug_str { ... }: texts of the debugger. */
static bool skip_section(Parser *parser)
{
    advance(parser);
    return skip_brackets(parser, "{", "}");
}

static bool parse_directive(Parser *parser)
{
    bool is_extern = false;

    while (token_is(current(parser), ".visible") || token_is(current(parser), ".extern")
           || token_is(current(parser), ".weak") || token_is(current(parser), ".common")) {
        is_extern = token_is(current(parser), ".extern");
        advance(parser);
    }
    if (accept(parser, ".version") || accept(parser, ".address_size")) {
        advance(parser);
        return true;
    }
    if (accept(parser, ".target")) {
        do
            advance(parser);
        while (accept(parser, ","));
        return true;
    }
    if (accept(parser, ".entry"))
        return parse_kernel(parser);
    if (accept(parser, ".func"))
        return parse_function(parser);
    if (accept(parser, ".global"))
        return parse_variable(parser, SPACE_global, is_extern);
    if (accept(parser, ".const"))
        return parse_variable(parser, SPACE_constant, is_extern);
    if (accept(parser, ".shared"))
        return parse_variable(parser, SPACE_shared, is_extern);
    if (accept(parser, ".file"))
        return parse_file_directive(parser);
    if (accept(parser, ".section"))
        return skip_section(parser);
    return parse_error(parser, "'%.*s' starts nothing that is known here",
                       (int)current(parser)->length, current(parser)->start);
}

/* .file may stand behind the kernels that name it. */
static bool parse_module(Parser *parser)
{
    while (current(parser)->kind != TOKEN_end)
        if (!parse_directive(parser) || parser->failed)
            return false;
    return true;
}

static char *base_name(const char *name)
{
    const char *slash = strrchr(name, '/');

    name = slash ? slash + 1 : name;
    return copy_text(name, (int32_t)strlen(name));
}

SoftGpuModule *softgpu_load(SoftGpu *gpu, const char *ptx, const char *name)
{
    SoftGpuModule *module = allocate_or_exit(1, sizeof *module);
    Parser parser = {.gpu = gpu, .module = module, .constant_capacity = 4096};
    int32_t count = 0, bad_line = 0;
    const char *problem = NULL;
    bool ok = false;

    module->gpu = gpu;
    module->name = base_name(name);
    module->text = copy_text(ptx, (int32_t)strlen(ptx));
    module->next = gpu->modules;
    gpu->modules = module;
    Token *tokens = lex_ptx(module->text, &count, &bad_line, &problem);
    if (!tokens) {
        ptx_error(gpu, module->name, bad_line, "%s", problem);
    } else {
        parser.tokens = tokens;
        parser.constants = allocate_or_exit(parser.constant_capacity, sizeof *parser.constants);
        ok = parse_module(&parser);
    }
    free(tokens);
    free(parser.symbols);
    free(parser.fixups);
    free(parser.functions);
    free(parser.constants);
    if (ok)
        return module;
    softgpu_unload(gpu, module);
    return NULL;
}

static void free_kernel(SoftGpuKernel *kernel)
{
    free(kernel->name);
    free(kernel->ops);
    free(kernel->registers);
    free(kernel->fixed);
    free(kernel->sources);
    free(kernel->params);
    free(kernel);
}

void softgpu_unload(SoftGpu *gpu, SoftGpuModule *module)
{
    for (SoftGpuModule **at = &gpu->modules; *at; at = &(*at)->next)
        if (*at == module) {
            *at = module->next;
            break;
        }
    for (int32_t i = 0; i < module->kernel_count; i++)
        free_kernel(module->kernels[i]);
    for (int32_t i = 0; i < module->global_count; i++) {
        if (module->globals[i].space != SPACE_shared)
            device_unmap(gpu, module->globals[i].address);
        free(module->globals[i].name);
    }
    for (int i = 0; i < 64; i++)
        free(module->files[i]);
    free(module->kernels);
    free(module->globals);
    free(module->name);
    free(module->text);
    free(module);
}

SoftGpuKernel *softgpu_kernel(SoftGpuModule *module, const char *name)
{
    for (int32_t i = 0; i < module->kernel_count; i++)
        if (strcmp(module->kernels[i]->name, name) == 0)
            return module->kernels[i];
    return NULL;
}

uint64_t softgpu_global(SoftGpuModule *module, const char *name, int64_t *bytes)
{
    for (int32_t i = 0; i < module->global_count; i++)
        if (strcmp(module->globals[i].name, name) == 0) {
            if (bytes)
                *bytes = module->globals[i].bytes;
            return module->globals[i].address;
        }
    return 0;
}

SoftGpuKernelInfo softgpu_kernel_info(const SoftGpuKernel *kernel)
{
    return (SoftGpuKernelInfo){
        .name = kernel->name,
        .parameter_count = kernel->param_count,
        .parameters = kernel->params,
        .static_shared_bytes = kernel->shared_bytes,
        .local_bytes = kernel->local_bytes,
        .max_threads = kernel->max_threads,
        .instruction_count = kernel->op_count,
    };
}

bool softgpu_allow_shared(SoftGpuKernel *kernel, int64_t bytes)
{
    if (bytes < 0 || bytes + kernel->dynamic_base > CARD_SHARED_OPT_IN)
        return false;
    int64_t allowed = bytes + kernel->dynamic_base;
    kernel->shared_allowed = allowed > CARD_SHARED_DEFAULT ? allowed : CARD_SHARED_DEFAULT;
    return true;
}
