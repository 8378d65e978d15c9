/* A PTX module made ready to execute: the nouns that parser, decoder and executor share.
 *
 *     text --lex--> tokens --parse--> declarations and statements --decode--> Op[] --place--> slots
 *
 * An Op names its registers by number while it is decoded; `place` replaces the numbers by byte
 * offsets into the register file of a warp, in which registers that do not live at the same time
 * share bytes.
 */
#ifndef SNUG_SOFTGPU_PTX_H
#define SNUG_SOFTGPU_PTX_H

#include "half.h"
#include "softgpu.h"

typedef struct Warp Warp;
typedef struct Op Op;

/* ---- tokens ---------------------------------------------------------------------------------- */

typedef enum TokenKind { TOKEN_end, TOKEN_word, TOKEN_number, TOKEN_text, TOKEN_mark } TokenKind;

typedef struct Token {
    TokenKind kind;
    const char *start; /* in the module's text */
    int32_t length;
    int32_t line;
    uint64_t bits;  /* number: its integer, or the bits of its float */
    bool is_double; /* number: written 0d... or with a decimal point: bits are a double's */
    bool is_float;  /* number: written 0f...: bits are a float's */
} Token;

/* NULL, with *bad_line and *problem set, where a character starts no token. Ends with TOKEN_end;
 * free it. */
Token *lex_ptx(const char *text, int32_t *count, int32_t *bad_line, const char **problem);
bool token_is(const Token *token, const char *text);
bool token_starts(const Token *token, const char *prefix);

/* ---- operations ------------------------------------------------------------------------------ */

typedef enum Space {
    SPACE_generic,
    SPACE_global,
    SPACE_shared,
    SPACE_local,
    SPACE_constant,
    SPACE_param
} Space;

/* Generic addresses: shared and local memory appear in windows that no host address reaches. */
#define SHARED_WINDOW (UINT64_C(1) << 60)
#define LOCAL_WINDOW  (UINT64_C(1) << 61)

enum OpFlag {
    OP_FLUSH = 1 << 0,    /* .ftz */
    OP_SATURATE = 1 << 1, /* .sat: to [0, 1] */
    OP_ROUND = 1 << 2,    /* rounding is not to nearest even: see Op.rounding */
    OP_NEGATED = 1 << 3,  /* the guard is @!p */
    OP_RELU = 1 << 4,
    OP_NAN = 1 << 5,     /* min.NaN, max.NaN */
    OP_ALIGNED = 1 << 6, /* all threads of a warp execute it together */
    OP_SIGNED = 1 << 7,
    OP_UNIFORM = 1 << 8, /* memory: the address is the same for all lanes (param) */
    OP_TRANSPOSE = 1 << 9,
    OP_SECOND = 1 << 10 /* shfl, match: it has the predicate result */
};

enum { OP_REGISTERS = 15, NO_REGISTER = -1 };

struct Op {
    void (*run)(Warp *warp, const Op *op);
    int64_t imm;             /* branch: index of the target; memory: offset; else as the op says */
    uint32_t imm2;           /* cp.async: offset of the destination */
    int32_t r[OP_REGISTERS]; /* results first, then sources */
    int32_t guard;           /* predicate, or NO_REGISTER */
    int32_t line;            /* of the PTX text */
    int32_t source;          /* index into Kernel.sources, -1: unknown */
    uint16_t flags;
    uint8_t result_count, register_count;
    uint8_t space, size, count; /* memory: state space, bytes an element, elements a lane */
    uint8_t width;              /* bytes of the register an element goes to */
    uint8_t rounding, kind;     /* kind: a choice that the op's own code defines */
    uint8_t from, to;           /* cvt: NumberType */
    uint8_t second_result;      /* r[2] is a result too (bar.red) */
    uint8_t is_branch, ends; /* control flow, for `place`: may jump to imm; never falls through */
};

/* One row of the tables: a mnemonic, what executes it, and its operands as one letter each:
 * p predicate, 2 4 8 a register of so many bytes, '=' between results and sources. */
typedef struct Instruction {
    const char *name;
    void (*run)(Warp *warp, const Op *op);
    const char *operands;
    uint16_t allowed; /* modifiers: OP_FLUSH, OP_SATURATE, OP_ROUND, OP_RELU, OP_NAN */
} Instruction;

extern const Instruction instructions_integer[], instructions_float[], instructions_half[],
    instructions_bits[], instructions_compare[];

/* ---- registers ------------------------------------------------------------------------------- */

typedef enum RegisterRole {
    REGISTER_virtual,
    REGISTER_constant,     /* the same bits in every lane */
    REGISTER_dynamic_base, /* constant: where dynamic shared memory starts, plus `bits` */
    REGISTER_special       /* %tid.x and the like: `bits` is a Special */
} RegisterRole;

typedef enum Special {
    SPECIAL_tid_x,
    SPECIAL_tid_y,
    SPECIAL_tid_z,
    SPECIAL_ntid_x,
    SPECIAL_ntid_y,
    SPECIAL_ntid_z,
    SPECIAL_ctaid_x,
    SPECIAL_ctaid_y,
    SPECIAL_ctaid_z,
    SPECIAL_nctaid_x,
    SPECIAL_nctaid_y,
    SPECIAL_nctaid_z,
    SPECIAL_laneid,
    SPECIAL_warpid,
    SPECIAL_nwarpid,
    SPECIAL_smid,
    SPECIAL_nsmid,
    SPECIAL_gridid,
    SPECIAL_lanemask_eq,
    SPECIAL_lanemask_lt,
    SPECIAL_lanemask_le,
    SPECIAL_lanemask_gt,
    SPECIAL_lanemask_ge,
    SPECIAL_dynamic_smem_size,
    SPECIAL_total_smem_size,
    SPECIAL_COUNT
} Special;

typedef struct Register {
    uint8_t bytes; /* of a lane: 2, 4, 8; 0: predicate */
    uint8_t role;
    uint64_t bits;
    int32_t slot; /* byte offset in the register file; -1: never used */
} Register;

/* ---- kernels and modules --------------------------------------------------------------------- */

typedef struct Source { /* a .loc */
    int32_t file, line;
} Source;

typedef SoftGpuParameter Param;

struct SoftGpuKernel {
    SoftGpuModule *module;
    char *name;
    Op *ops;
    int32_t op_count, op_capacity;
    Register *registers;
    int32_t register_count, register_capacity;
    int32_t *fixed; /* registers that hold constants or special values */
    int32_t fixed_count;
    Source *sources;
    int32_t source_count, source_capacity;
    Param *params;
    int32_t param_count;
    int32_t param_bytes;
    int64_t file_bytes;   /* register file of one warp */
    int32_t shared_bytes; /* static */
    int32_t dynamic_base; /* offset of dynamic shared memory */
    int32_t local_bytes;  /* of one thread */
    int32_t max_threads;
    bool exact_threads;     /* .reqntid */
    bool has_atomics;       /* on memory that may be global */
    int32_t granule_shift;  /* smallest access that may go to shared memory: 1 << shift bytes */
    int64_t shared_allowed; /* dynamic + static */
    SoftGpuCounters counters;
};

typedef struct Global { /* a module's variable in global or constant memory */
    char *name;
    uint64_t address;
    int64_t bytes;
    uint8_t space;
} Global;

struct SoftGpuModule {
    SoftGpu *gpu;
    char *name;
    SoftGpuKernel **kernels;
    int32_t kernel_count;
    Global *globals;
    int32_t global_count;
    char *text;
    char *files[64]; /* .file N "name" */
    SoftGpuModule *next;
};

/* Sets the report: "NAME:LINE: what". Returns false. */
bool ptx_error(SoftGpu *gpu, const char *module, int32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- ptx_place.c ---- */
/* Liveness of the registers, then a slot for each; Op.r becomes offsets. */
bool place_registers(SoftGpuKernel *kernel);

#define GROW(array, count, capacity)                                                               \
    ((count) < (capacity) ? true                                                                   \
                          : grow_array((void **)&(array), &(capacity), (int64_t)sizeof *(array)))
/* Doubles *capacity; out of memory ends the program: a test tool has nothing better to do. */
bool grow_array(void **array, int32_t *capacity, int64_t element_bytes);
void *allocate_or_exit(int64_t count, int64_t bytes);

#endif
