/* The syntax tree: what the parser saw, nothing evaluated.
 *
 * Where a statement ends: at the end of its line, or at `;` or the block's `}`. It goes on in the
 * next line inside ( ) and [ ], after an operator, a comma or a word that wants more (then, else,
 * in, as, and, or, not), and where the next line begins with an operator, `{`, `then` or `else`.
 *
 * One struct for all nodes. Each kind says which fields it uses; the others are NULL or 0. A list
 * of nodes is chained by `next`. Names are interned. Everything lives in the arena of the parse.
 */
#ifndef SNUG_AST_H
#define SNUG_AST_H

#include <stdio.h>

#include "compiler/floor/arena.h"
#include "compiler/floor/diag.h"
#include "compiler/floor/text.h"

typedef enum NodeKind {
    /* expressions */
    NODE_number,        /* number */
    NODE_name,          /* name */
    NODE_list,          /* items: the elements                         [a, b] */
    NODE_comprehension, /* a: element, name: variable, b: what it runs over, c: condition or NULL
                                                             [f(x) for x in xs if c] */
    NODE_range,         /* a, b: first and last, both inclusive        a .. b; empty if b < a */
    NODE_unary,         /* op, a                                       -a, not a */
    NODE_binary,        /* op, a, b */
    NODE_conditional,   /* a: condition, b: value if true, c: if false  if a then b else c */
    NODE_call,          /* name: function, items: arguments (NODE_argument) */
    NODE_argument,      /* a: value, name: keyword or NULL */
    NODE_index,         /* a: list, b: index (from 0) */
    NODE_member,        /* a: value, name: member                      x.channels */
    NODE_as,            /* a: value, items: path (NODE_name, or NODE_index whose b is the index and
                           whose a is NULL)                            f(x) as layer1[k].conv1 */

    /* statements */
    NODE_assign,   /* items: targets (NODE_name; more than one unpacks a list), b: value */
    NODE_return,   /* a: value */
    NODE_if,       /* a: condition, b: block, c: else block, another NODE_if, or NULL */
    NODE_for,      /* name: variable, a: range or list, b: block */
    NODE_block,    /* items: statements */
    NODE_evaluate, /* a: an expression that stands alone */

    /* top level */
    NODE_import,    /* name: path as written, relative to this file      import "hrnet.snug" */
    NODE_param,     /* items: NODE_parameter */
    NODE_parameter, /* name, a: default or NULL (functions only: must be given) */
    NODE_function,  /* name, items: NODE_parameter, b: NODE_block, or an expression: fn f(x) = e */
    NODE_train,     /* items: statements and the settings below */

    /* only in `train` */
    NODE_input,      /* name, kind_name: picture | landmarks | tensor, items: sizes */
    NODE_output,     /* a: value that evaluation computes and prediction decodes   output e */
    NODE_minimize,   /* a: loss                                                    minimize e */
    NODE_precision,  /* name: mixed | full */
    NODE_accumulate, /* a: micro-batches an update */
    NODE_optimize, /* a: NODE_call                                      optimize adamw(lr = 3e-4) */
    NODE_schedule, /* items: NODE_argument with names                   schedule epochs = 200 */
    NODE_ema,      /* a: decay */

    NODE_KIND_COUNT
} NodeKind;

typedef enum Operator {
    OPERATOR_none,
    OPERATOR_add,
    OPERATOR_subtract,
    OPERATOR_multiply,
    OPERATOR_divide,
    OPERATOR_remainder,
    OPERATOR_power, /* right-associative, binds tighter than unary minus on its left */
    OPERATOR_negate,
    OPERATOR_equal,
    OPERATOR_not_equal,
    OPERATOR_less,
    OPERATOR_less_equal,
    OPERATOR_greater,
    OPERATOR_greater_equal,
    OPERATOR_and, /* and, or: the right side is evaluated only where it decides */
    OPERATOR_or,
    OPERATOR_not
} Operator;

typedef struct Node Node;
struct Node {
    NodeKind kind;
    Operator op;
    Span span; /* the whole construct; calls: from the name to ')' */
    Span name_span;
    double number;
    const char *name;
    const char *kind_name;
    Node *a, *b, *c;
    Node *items;    /* first of a chain */
    Node *next;     /* the next in the chain that this node is part of */
    uint32_t depth; /* levels of nodes in this one, itself included: at most 200 */
};

/* Parses one file that diagnostics_add_file has taken. Returns the chain of top-level nodes; what
 * could not be parsed is reported (several errors a file) and left out. Never NULL-dereferences on
 * any bytes; nesting deeper than 200 is an error. */
Node *parse_file(Arena *arena, Interner *names, Diagnostics *diags, uint32_t file);

Node *node_create(Arena *arena, NodeKind kind, Span span);

/* Prints valid source: parsing it again gives the same print. */
void print_tree(FILE *out, const Node *top_level);

#endif
