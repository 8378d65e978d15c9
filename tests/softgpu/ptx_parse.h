/* What the parser's files share: where it is in the text, which names are known, operands. */
#ifndef SNUG_SOFTGPU_PTX_PARSE_H
#define SNUG_SOFTGPU_PTX_PARSE_H

#include "exec_ops.h"

typedef enum SymbolKind {
    SYMBOL_register,
    SYMBOL_memory, /* a variable: `space` and `offset`, or for globals its address */
    SYMBOL_label,  /* offset: index of the op */
    SYMBOL_targets /* .branchtargets: offset: index of its first token */
} SymbolKind;

typedef struct Symbol {
    const char *name; /* in the text; for a range of registers the prefix */
    int32_t length;
    int32_t range; /* registers: 0: this one; n: prefix0 .. prefix(n-1) */
    uint8_t kind;
    uint8_t bytes; /* registers: of a lane, 0: predicate */
    uint8_t space;
    bool is_dynamic; /* extern shared */
    int32_t first;   /* register number */
    uint64_t offset;
    int64_t size;
    int32_t scope;
} Symbol;

typedef struct Fixup { /* a branch to a label that is not known yet */
    int32_t op, scope;
    const Token *label;
} Fixup;

typedef struct FunctionText { /* a .func: executed where it is called */
    const Token *name;
    int32_t results, params,
        body; /* token indices; results: -1 where it has none; body -1: extern */
} FunctionText;

typedef struct Parser {
    SoftGpu *gpu;
    SoftGpuModule *module;
    const Token *tokens;
    int32_t at;
    bool failed; /* the report is set */

    Symbol *symbols;
    int32_t symbol_count, symbol_capacity;
    int32_t scope, scope_serial;
    int32_t scope_stack[64];
    int32_t scope_depth;
    Fixup *fixups;
    int32_t fixup_count, fixup_capacity;
    FunctionText *functions;
    int32_t function_count, function_capacity;

    SoftGpuKernel *kernel;
    const FunctionText *inlined[16]; /* functions that are being executed in place */
    int32_t inline_depth;
    int32_t return_fixups[256];
    int32_t return_count;
    int32_t source;               /* current .loc */
    int32_t dynamic_align_module; /* of extern shared; 0: there is none */
    int32_t module_shared;        /* bytes of shared variables outside of kernels */
    /* constants found again: open hash of register numbers + 1 */
    int32_t *constants;
    int32_t constant_capacity, constant_count;
} Parser;

/* ---- ptx_parse.c ---- */
static inline const Token *current(const Parser *parser)
{
    return &parser->tokens[parser->at];
}

/* Not beyond the end of the text. */
static inline void advance(Parser *parser)
{
    if (current(parser)->kind != TOKEN_end)
        parser->at++;
}

/* Sets the report (once) and parser->failed; returns false. */
bool parse_error(Parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the token where it is `text`. */
bool accept(Parser *parser, const char *text);
bool expect(Parser *parser, const char *text);
/* The innermost symbol of this name, or NULL. For a range, *index is the register in it. */
const Symbol *find_symbol(const Parser *parser, const Token *name, int32_t *index);
Symbol *add_symbol(Parser *parser, SymbolKind kind, const Token *name);
void open_scope(Parser *parser);
void close_scope(Parser *parser);

/* ---- ptx_function.c: what stands between the braces ---- */
/* At the first token behind "{"; ends behind "}". */
bool parse_body(Parser *parser);
/* .reg .shared .local .const .global .param declarations inside and outside of functions. */
bool parse_registers(Parser *parser);
bool parse_variable(Parser *parser, Space space, bool is_extern);
bool parse_call(Parser *parser, const Op *guard);
/* Type name to bytes (".b32" 4, ".pred" 0), -1: no type. */
int ptx_type_bytes(const Token *token);

/* ---- ptx_operand.c ---- */
int32_t new_register(Parser *parser, int bytes);
int32_t constant_register(Parser *parser, int bytes, uint64_t bits, RegisterRole role);
/* A register, number, special register or address of a variable as a source of this width; 0 bytes:
 * a predicate. `wider` accepts registers of more bytes (st, cvt). */
int32_t parse_source(Parser *parser, int bytes, bool wider);
int32_t parse_result(Parser *parser, int bytes, bool wider);
/* "[register + number]" and its kin: base register to op->r[at], its width to op->kind. */
bool parse_address(Parser *parser, Op *op, int at);
/* "{a, b, c, d}" or one register: numbers to r[], how many returned; 0 after an error. */
int parse_list(Parser *parser, int32_t *r, int limit, int bytes, bool wider, bool results);
bool parse_integer(Parser *parser, int64_t *value);
/* The op's registers as numbers; appended to the kernel. */
Op *ptx_append_op(Parser *parser, const Op *op);
bool append_exit(Parser *parser, const Op *guard);
bool append_branch(Parser *parser, const Op *guard, const Token *label);

/* ---- ptx_decode.c ---- */
/* At the mnemonic; guard holds guard, flags and line. Ends before ";". */
bool decode_instruction(Parser *parser, const Op *guard);

/* The parts of a mnemonic: "ld.global.nc.v4.u32" is ld, global, nc, v4, u32. */
enum { MAX_PARTS = 12, MAX_MNEMONIC = 128 };

typedef struct Mnemonic {
    char text[MAX_MNEMONIC];   /* whole */
    char buffer[MAX_MNEMONIC]; /* cut at the dots */
    const char *parts[MAX_PARTS];
    int count;
    int taken; /* parts understood so far */
} Mnemonic;

const Instruction *find_instruction(const Instruction *table, const char *name);
/* Each takes the next part where it is this one. */
bool take(Mnemonic *name, const char *part);
/* ---- ptx_decode_memory.c, ptx_decode_warp.c: families with operands of their own ---- */
typedef bool (*Decoder)(Parser *parser, Mnemonic *name, Op *op);
Decoder find_memory_decoder(const char *base);
Decoder find_warp_decoder(const char *base);
/* Reports the mnemonic as one that is not executed. */
bool unknown(Parser *parser, const Mnemonic *name);

#endif
