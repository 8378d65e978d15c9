/* What the parts of the parser share: text -> tokens (lex.l, layout.c) -> tree (parse.y).
 *
 * All tokens of a file lie in one array before the first is parsed: so an error can look at the
 * whole statement before it says what is wrong with it.
 */
#ifndef SNUG_PARSER_H
#define SNUG_PARSER_H

#include "ast.h"

enum { NESTING_MAX = 200, NAME_BYTES_MAX = 200 };

typedef struct Token {
    int kind; /* as in parse.h; before the layout also '\n' and ';' */
    Span span;
    uint32_t depth;   /* how many `{` are open around it; `{` and `}` belong to the outside */
    double number;    /* NUMBER */
    const char *name; /* NAME, STRING: interned; STRING without its quotes */
} Token;

typedef struct Parser {
    Arena *arena;
    Interner *names;
    Diagnostics *diags;
    uint32_t file;
    const char *text; /* of the file, NUL at its end */
    uint32_t length;

    uint32_t offset;           /* lex.l: first byte of the next token */
    uint32_t last_comment_end; /* lex.l: where the last star-slash of the file is, or 0 */
    uint32_t division_until;   /* lex.l: up to here `//` is read as `/` */
    ARRAY(Token) raw;          /* as written, the last is 0 */
    ARRAY(Token) tokens; /* laid out: statements end with END, brackets match; the last is 0 */
    uint32_t next;       /* parse.y: the token that yylex gives next */
    bool is_too_deep;    /* reported once a file */
    Node *tree;
} Parser;

/* A chain under construction. */
typedef struct Chain {
    Node *first, *last;
    uint32_t depth; /* of its deepest node */
} Chain;

/* ---- lex.l: text -> raw ---------------------------------------------------------------------- */
void scan_file(Parser *parser);

/* ---- layout.c: raw -> tokens ----------------------------------------------------------------- */
void lay_out(Parser *parser);

/* ---- explain.c: what to say about tokens[found] where the grammar has no place for it -------- */
/* names: what the grammar has a place for instead, as parse.y spells it. */
void explain_syntax_error(Parser *parser, uint32_t found, const char *const *names, int count);
/* A statement that is a word and what follows it, as it is written; NULL for other kinds. */
const char *example_of(int kind);

/* ---- check.c: what is wrong with the whole --------------------------------------------------- */
bool check_text(Parser *parser); /* UTF-8, no NUL; false: not worth parsing */
/* Statements where they do not belong, names twice in one list, settings that do not exist. In a
 * file that has_errors, what stands at its top may be what is left of a function: no error. */
void check_tree(Parser *parser, bool has_errors);

/* ---- ast.c: one function for each action of the grammar -------------------------------------- */
Chain chain_append(Chain chain, Node *node); /* NULL appends nothing */
Node *make_number(Parser *parser, Span span, double number);
Node *make_name(Parser *parser, Span span, const char *name);
/* Any kind with up to three children; NULL where the kind has none. */
Node *make_node(Parser *parser, NodeKind kind, Span span, Node *a, Node *b, Node *c);
Node *make_operation(Parser *parser, Operator op, Span span, Node *a, Node *b);
Node *make_argument(Parser *parser, Span span, Node *value);
/* Kinds with a name and its place, a chain, or both. */
Node *make_named(Parser *parser, NodeKind kind, Span span, Span name_span, const char *name,
                 Node *a, Node *b);
Node *make_chain(Parser *parser, NodeKind kind, Span span, Chain items, Node *a, Node *b);
Node *make_named_chain(Parser *parser, NodeKind kind, Span span, Span name_span, const char *name,
                       Chain items, Node *b);
Node *make_input(Parser *parser, Span span, Span name_span, const char *name, Span kind_span,
                 const char *kind_name, Chain sizes);
Node *make_comprehension(Parser *parser, Span span, Node *element, Span name_span, const char *name,
                         Node *over, Node *condition);

#endif
