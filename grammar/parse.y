/* Tokens to tree. layout.c has made every statement end with END and all brackets match, so that
 * the grammar needs no rules for line ends and an error costs one statement: the parser goes on
 * behind its END. What is grammatical but in the wrong place (a return outside of a function) is
 * for check.c, which can say so better. Each action is one call.
 */
%require "3.6"
%define api.pure full
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param {Parser *parser}
%expect 0

%code requires {
#include "parser.h"
}

%union {
    double number;
    const char *name;
    Node *node;
    Chain chain;
}

%code {
/* From the first part to the last; without parts, the place behind what was read before. */
#define YYLLOC_DEFAULT(current, parts, count)                                                      \
    ((current) = (Span){.file = YYRHSLOC(parts, (count) > 0).file,                                 \
                        .begin = (count) > 0 ? YYRHSLOC(parts, 1).begin : YYRHSLOC(parts, 0).end,  \
                        .end = YYRHSLOC(parts, count).end})

static int yylex(YYSTYPE *value, Span *span, Parser *parser);
static void yyerror(const Span *span, Parser *parser, const char *message);
}

%token END_OF_FILE 0 "the end of the file"
%token END "the end of the line"
%token <number> NUMBER "a number"
%token <name> NAME "a name"
%token <name> STRING "a path in quotes"
%token BAD "what cannot be read"
%token IMPORT "`import`" PARAM "`param`" FN "`fn`" TRAIN "`train`" RETURN "`return`" IF "`if`"
%token THEN "`then`" ELSE "`else`" FOR "`for`" IN "`in`" AS "`as`" AND "`and`" OR "`or`" NOT "`not`"
%token EQUAL "`==`" NOT_EQUAL "`!=`" LESS_EQUAL "`<=`" GREATER_EQUAL "`>=`" RANGE "`..`"
/* words in `train` only; elsewhere they are names */
%token OUTPUT "`output`" MINIMIZE "`minimize`" PRECISION "`precision`" ACCUMULATE "`accumulate`"
%token OPTIMIZE "`optimize`" SCHEDULE "`schedule`" EMA "`ema`"

%precedence ELSE
%left OR
%left AND
%precedence NOT
%nonassoc EQUAL NOT_EQUAL '<' '>' LESS_EQUAL GREATER_EQUAL
%nonassoc RANGE
%left '+' '-'
%left '*' '/' '%'
%precedence NEGATE
%right '^'

%type <node> statement block else_part value parameter expression named postfix argument
%type <node> comprehension step
%type <chain> statements targets parameters some_parameters arguments some_arguments elements
%type <chain> some_elements path

%%

file: statements                    { parser->tree = $1.first; };

statements: %empty                  { $$ = (Chain){0}; }
    | statements statement END      { $$ = chain_append($1, $2); }
    | statements error END          { $$ = $1; yyerrok; }
    ;

statement: IMPORT STRING    { $$ = make_named(parser, NODE_import, @$, @2, $2, NULL, NULL); }
    | PARAM some_parameters         { $$ = make_chain(parser, NODE_param, @$, $2, NULL, NULL); }
    | FN NAME '(' parameters ')' '=' expression
                            { $$ = make_named_chain(parser, NODE_function, @$, @2, $2, $4, $7); }
    | FN NAME '(' parameters ')' block
                            { $$ = make_named_chain(parser, NODE_function, @$, @2, $2, $4, $6); }
    | TRAIN '{' statements '}'      { $$ = make_chain(parser, NODE_train, @$, $3, NULL, NULL); }
    | targets '=' expression        { $$ = make_chain(parser, NODE_assign, @$, $1, NULL, $3); }
    | RETURN expression             { $$ = make_node(parser, NODE_return, @$, $2, NULL, NULL); }
    | IF expression block else_part { $$ = make_node(parser, NODE_if, @$, $2, $3, $4); }
    | FOR NAME IN expression block
                            { $$ = make_named(parser, NODE_for, @$, @2, $2, $4, $5); }
    | expression                    { $$ = make_node(parser, NODE_evaluate, @$, $1, NULL, NULL); }
    | NAME ':' NAME '[' elements ']'
                            { $$ = make_input(parser, @$, @1, $1, @3, $3, $5); }
    | OUTPUT expression             { $$ = make_node(parser, NODE_output, @$, $2, NULL, NULL); }
    | MINIMIZE expression           { $$ = make_node(parser, NODE_minimize, @$, $2, NULL, NULL); }
    | PRECISION NAME        { $$ = make_named(parser, NODE_precision, @$, @2, $2, NULL, NULL); }
    | ACCUMULATE expression         { $$ = make_node(parser, NODE_accumulate, @$, $2, NULL, NULL); }
    | OPTIMIZE expression           { $$ = make_node(parser, NODE_optimize, @$, $2, NULL, NULL); }
    | SCHEDULE some_arguments       { $$ = make_chain(parser, NODE_schedule, @$, $2, NULL, NULL); }
    | EMA expression                { $$ = make_node(parser, NODE_ema, @$, $2, NULL, NULL); }
    ;

block: '{' statements '}'           { $$ = make_chain(parser, NODE_block, @$, $2, NULL, NULL); };

else_part: %empty                   { $$ = NULL; }
    | ELSE block                    { $$ = $2; }
    | ELSE IF expression block else_part
                            { $$ = make_node(parser, NODE_if, @$, $3, $4, $5); }
    ;

targets: NAME                { $$ = chain_append((Chain){0}, make_name(parser, @1, $1)); }
    | targets ',' NAME       { $$ = chain_append($1, make_name(parser, @3, $3)); }
    ;

parameters: %empty                  { $$ = (Chain){0}; }
    | some_parameters
    | some_parameters ','
    ;
some_parameters: parameter          { $$ = chain_append((Chain){0}, $1); }
    | some_parameters ',' parameter { $$ = chain_append($1, $3); }
    ;
parameter: NAME value       { $$ = make_named(parser, NODE_parameter, @$, @1, $1, $2, NULL); };
value: %empty                       { $$ = NULL; }
    | '=' expression                { $$ = $2; }
    ;

/* ---- expressions ----------------------------------------------------------------------------- */

expression: named
    | '-' expression %prec NEGATE
                             { $$ = make_operation(parser, OPERATOR_negate, @$, $2, NULL); }
    | NOT expression         { $$ = make_operation(parser, OPERATOR_not, @$, $2, NULL); }
    | expression '^' expression   { $$ = make_operation(parser, OPERATOR_power, @$, $1, $3); }
    | expression '*' expression   { $$ = make_operation(parser, OPERATOR_multiply, @$, $1, $3); }
    | expression '/' expression   { $$ = make_operation(parser, OPERATOR_divide, @$, $1, $3); }
    | expression '%' expression   { $$ = make_operation(parser, OPERATOR_remainder, @$, $1, $3); }
    | expression '+' expression   { $$ = make_operation(parser, OPERATOR_add, @$, $1, $3); }
    | expression '-' expression   { $$ = make_operation(parser, OPERATOR_subtract, @$, $1, $3); }
    | expression EQUAL expression { $$ = make_operation(parser, OPERATOR_equal, @$, $1, $3); }
    | expression NOT_EQUAL expression
                             { $$ = make_operation(parser, OPERATOR_not_equal, @$, $1, $3); }
    | expression '<' expression   { $$ = make_operation(parser, OPERATOR_less, @$, $1, $3); }
    | expression LESS_EQUAL expression
                             { $$ = make_operation(parser, OPERATOR_less_equal, @$, $1, $3); }
    | expression '>' expression   { $$ = make_operation(parser, OPERATOR_greater, @$, $1, $3); }
    | expression GREATER_EQUAL expression
                             { $$ = make_operation(parser, OPERATOR_greater_equal, @$, $1, $3); }
    | expression AND expression   { $$ = make_operation(parser, OPERATOR_and, @$, $1, $3); }
    | expression OR expression    { $$ = make_operation(parser, OPERATOR_or, @$, $1, $3); }
    | expression RANGE expression { $$ = make_node(parser, NODE_range, @$, $1, $3, NULL); }
    | IF expression THEN expression ELSE expression
                             { $$ = make_node(parser, NODE_conditional, @$, $2, $4, $6); }
    ;

/* `as` binds tighter than every operator; its path takes all `.` and `[` that follow. */
named: postfix
    | postfix AS path        { $$ = make_chain(parser, NODE_as, @$, $3, $1, NULL); }
    ;
path: NAME                   { $$ = chain_append((Chain){0}, make_name(parser, @1, $1)); }
    | step                   { $$ = chain_append((Chain){0}, $1); }
    | path '.' NAME          { $$ = chain_append($1, make_name(parser, @3, $3)); }
    | path step              { $$ = chain_append($1, $2); }
    ;
step: '[' expression ']'     { $$ = make_node(parser, NODE_index, @$, NULL, $2, NULL); };

postfix: NUMBER              { $$ = make_number(parser, @$, $1); }
    | NAME                   { $$ = make_name(parser, @$, $1); }
    | NAME '(' arguments ')'
                        { $$ = make_named_chain(parser, NODE_call, @$, @1, $1, $3, NULL); }
    | '(' expression ')'     { $$ = $2; }
    | '[' elements ']'       { $$ = make_chain(parser, NODE_list, @$, $2, NULL, NULL); }
    | '[' comprehension ']'  { $$ = $2; }
    | postfix '.' NAME  { $$ = make_named(parser, NODE_member, @$, @3, $3, $1, NULL); }
    | postfix '[' expression ']'
                             { $$ = make_node(parser, NODE_index, @$, $1, $3, NULL); }
    ;

comprehension: expression FOR NAME IN expression
                             { $$ = make_comprehension(parser, @$, $1, @3, $3, $5, NULL); }
    | expression FOR NAME IN expression IF expression
                             { $$ = make_comprehension(parser, @$, $1, @3, $3, $5, $7); }
    ;

elements: %empty             { $$ = (Chain){0}; }
    | some_elements
    | some_elements ','
    ;
some_elements: expression    { $$ = chain_append((Chain){0}, $1); }
    | some_elements ',' expression { $$ = chain_append($1, $3); }
    ;

/* sum(f(x) for x in xs) is sum([f(x) for x in xs]) */
arguments: %empty            { $$ = (Chain){0}; }
    | some_arguments
    | some_arguments ','
    | comprehension          { $$ = chain_append((Chain){0}, make_argument(parser, @$, $1)); }
    ;
some_arguments: argument             { $$ = chain_append((Chain){0}, $1); }
    | some_arguments ',' argument    { $$ = chain_append($1, $3); }
    ;
argument: expression         { $$ = make_argument(parser, @$, $1); }
    | NAME '=' expression
                       { $$ = make_named(parser, NODE_argument, @$, @1, $1, $3, NULL); }
    ;

%%

static int yylex(YYSTYPE *value, Span *span, Parser *parser)
{
    const Token *token = &parser->tokens.items[parser->next];

    if (token->kind != END_OF_FILE)
        parser->next++;
    *span = token->span;
    if (token->kind == NUMBER)
        value->number = token->number;
    else
        value->name = token->name;
    return token->kind;
}

/* Called by bison where its stack is full; other errors come through yyreport_syntax_error. */
static void yyerror(const Span *span, Parser *parser, const char *message)
{
    (void)message;
    if (!parser->is_too_deep)
        error_at(parser->diags, ERROR_E009, *span, "the nesting is deeper than %d", NESTING_MAX);
    parser->is_too_deep = true;
}

static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    const Token *tokens = parser->tokens.items;
    uint32_t found = parser->next;

    if (yypcontext_token(context) != YYSYMBOL_YYEOF)
        found--; /* yylex has moved on already */
    for (int k = 0; k < count; k++)
        names[k] = yysymbol_name(kinds[k]);
    explain_syntax_error(parser, found, names, count);

    /* Bison passes over tokens up to the next END: make that the one behind this statement and
     * the blocks that belong to it. */
    uint32_t depth = tokens[found].depth;
    if (tokens[found].kind != END) {
        while (tokens[found].kind != END_OF_FILE
               && (tokens[found].kind != END || tokens[found].depth > depth))
            found++;
        parser->next = found;
    }
    return 0;
}

Node *parse_file(Arena *arena, Interner *names, Diagnostics *diags, uint32_t file)
{
    const SourceFile *source = diagnostics_file(diags, file);
    Parser parser = {.arena = arena, .names = names, .diags = diags, .file = file,
                     .text = source->text, .length = (uint32_t)source->length};

    uint32_t kept = diagnostics_kept_count(diags), errors = diagnostics_error_count(diags);

    if (!check_text(&parser))
        return NULL;
    scan_file(&parser);
    lay_out(&parser);
    if (yyparse(&parser) == 0)
        check_tree(&parser, diagnostics_error_count(diags) > errors);
    diagnostics_sort(diags, kept);
    return parser.tree;
}
