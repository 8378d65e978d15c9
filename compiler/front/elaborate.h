/* What the parts of elaboration share: the values of the language and the state of its evaluation.
 *
 *     elaborate.c         names of the file, -D, --batch_size, --image_size; the whole
 *     elaborate_names.c   before anything is evaluated: every name known, every call complete
 *     evaluate.c          expressions and statements
 *     evaluate_calls.c    calls, and the paths of what they make
 *     builtins.c          conv, bn, concat, mse, ...: what appends to the graph
 *     elaborate_train.c   the block `train`: inputs, output, loss, settings
 *
 * An error makes its result DATUM_unknown; whatever reads that is unknown too and stays silent, so
 * that one mistake gives one message.
 */
#ifndef SNUG_ELABORATE_H
#define SNUG_ELABORATE_H

#include "compiler/ir/compilation.h"
#include "grammar/ast.h"

/* ---- values of the language ------------------------------------------------------------------ */

typedef enum DatumKind {
    DATUM_unknown, /* after an error */
    DATUM_number,  /* number */
    DATUM_boolean, /* boolean */
    DATUM_list,    /* items, count */
    DATUM_tensor,  /* tensor */
    DATUM_target,  /* tensor: the landmarks, number: sigma */
    DATUM_loss     /* tensor: one loss a map; of the op that made it */
} DatumKind;

typedef struct Datum Datum;
struct Datum {
    DatumKind kind;
    uint32_t count;
    union {
        double number;
        bool boolean;
        const Datum *items;
    };
    ValueId tensor;
};

/* ---- builtin functions ----------------------------------------------------------------------- */

enum { BUILTIN_MAX_PARAMETERS = 7, FUNCTION_MAX_PARAMETERS = 16 };

typedef enum ArgumentKind {
    ARGUMENT_none, /* past the last */
    ARGUMENT_tensor,
    ARGUMENT_number,
    ARGUMENT_whole, /* a whole number */
    ARGUMENT_flag,  /* 0, 1 or a boolean: given as a number */
    ARGUMENT_list,
    ARGUMENT_target
} ArgumentKind;

typedef struct BuiltinParameter {
    const char *name;
    ArgumentKind kind;
    bool is_optional;
    double preset;      /* optional numbers */
    double least, most; /* numbers */
} BuiltinParameter;

typedef struct Elaborator Elaborator;

/* One call of a builtin, its arguments complete and of the kinds that its table asks for. An
 * optional list that was not given has no items. */
typedef struct BuiltinCall {
    Datum arguments[BUILTIN_MAX_PARAMETERS];
    const Node *node; /* the call */
    const char *path; /* prefix of what it makes: "layer1.0.conv1"; NULL: not is_op, and no `as` */
} BuiltinCall;

typedef struct Builtin {
    const char *name;
    Datum (*build)(Elaborator *e, const BuiltinCall *call);
    bool is_op; /* always appends to the graph, so that a call without `as` is counted */
    BuiltinParameter parameters[BUILTIN_MAX_PARAMETERS + 1];
} Builtin;

extern const Builtin builtins[];
extern const uint32_t builtin_count;

/* ---- the state ------------------------------------------------------------------------------- */

typedef enum GlobalKind { GLOBAL_param, GLOBAL_function, GLOBAL_builtin } GlobalKind;

typedef struct Global {
    GlobalKind kind;
    const Node *node; /* NODE_parameter or NODE_function */
    const Builtin *builtin;
    Override *given; /* param: by -D */
    uint32_t calls;  /* function: places in the file that call it */
    enum { PARAM_waiting, PARAM_evaluating, PARAM_known } state;
    Datum value; /* param, once known */
} Global;

typedef struct Variable {
    const char *name; /* NULL: free for the next */
    Datum value;
} Variable;

/* One call of a function of the file; the outermost is the train block, or a param's default. */
typedef struct Frame Frame;
struct Frame {
    const Node *function; /* NULL: the outermost */
    Span call;            /* where it was called */
    const char *scope;    /* prefix of the names of what it makes; "" at the top */
    Frame *caller;
    uint32_t first_variable;
    bool is_uncertain; /* something was skipped after an error: names may be missing */
    bool has_result;
    Datum result;
};

struct Elaborator {
    Compilation *c;
    Arena *arena;
    Diagnostics *diags;
    Model *model;
    Graph *graph;
    const Node *train;          /* NULL: the file has none */
    Map globals;                /* name -> Global */
    Map params;                 /* full name of a parameter of the network -> Param */
    Map counters;               /* "scope.kind" -> how many unnamed ops of it (uint32_t) */
    ARRAY(Variable) variables;  /* of all frames, the current one last */
    ARRAY(Global *) evaluating; /* params of which the value is being made, outermost first */
    Frame *frame;
    uint32_t call_depth, depth;
    int64_t steps, total_bytes;
    bool is_exhausted; /* a limit was passed: all that follows is unknown */
    bool sizes_explained;
    /* A trial looks whether another image size works; see note_sizes_that_work. 0: no trial. */
    int64_t trial_height, trial_width;
};

static inline Datum unknown_datum(void)
{
    return (Datum){.kind = DATUM_unknown};
}

static inline Datum number_datum(double number)
{
    return (Datum){.kind = DATUM_number, .number = number};
}

/* ---- elaborate.c ----------------------------------------------------------------------------- */

/* "a number", "a list of 3", "a tensor of 1x64x64x32": for messages. */
const char *describe(const Elaborator *e, Datum datum);
bool is_whole(double number);
/* A number as a person writes it: "3", "0.5", "1e+300". */
const char *number_text(const Elaborator *e, double number);
/* Below an error about sizes: which image sizes near the given one work, found by trying. */
void note_sizes_that_work(Elaborator *e);

/* The value of a param of the file. */
Datum param_value(Elaborator *e, Global *global, Span asked_at);

/* ---- elaborate_names.c ----------------------------------------------------------------------- */

/* Reports unknown names, and calls with too few, too many or unknown arguments, in every function,
 * called or not. Afterwards every call can be bound without a question. */
void check_names(Elaborator *e, const Node *tree);
const BuiltinParameter *find_parameter(const BuiltinParameter *parameters, const char *name);

/* ---- evaluate.c ------------------------------------------------------------------------------ */

Datum evaluate(Elaborator *e, const Node *node);
void execute(Elaborator *e, const Node *statement);
void define_variable(Elaborator *e, const char *name, Datum value, Span at);
/* After a limit was passed: all that follows is unknown. */
Datum give_up(Elaborator *e);

/* ---- evaluate_calls.c ------------------------------------------------------------------------ */

/* path: of the `as` around the call, or NULL. */
Datum evaluate_call(Elaborator *e, const Node *node, const char *path);
Datum evaluate_as(Elaborator *e, const Node *node);
/* Notes below the error reported last: which calls lead here, where the place of the error does not
 * already say so: functions that are called in several places, or under a path. */
void note_calls(Elaborator *e);
/* "scope.name", interned. */
const char *join_path(const Elaborator *e, const char *scope, const char *name);
/* "scope.conv_2": for an op that no `as` names. */
const char *count_unnamed(Elaborator *e, const char *kind);

/* ---- builtins.c ------------------------------------------------------------------------------ */

/* Appends an op with these attributes, infers its shape, and returns its first output; unknown
 * after an error. */
Datum append_op(Elaborator *e, const Node *node, OpKind kind, const ValueId *inputs,
                uint32_t input_count, const char *name, const Op *attributes);
/* tensor + tensor, tensor * number. */
Datum add_tensors(Elaborator *e, const Node *node, Datum a, Datum b);
Datum scale_tensor(Elaborator *e, const Node *node, Datum x, double factor);

/* ---- elaborate_train.c ----------------------------------------------------------------------- */

void elaborate_train(Elaborator *e);

#endif
