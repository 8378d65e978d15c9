/* Syntax errors in words. The grammar knows which tokens could have come; people want to know what
 * is wrong. First come the mistakes that have a face, each a function that looks at the statement
 * around the token; then "expected ..., found ...". */
#include <stdio.h>
#include <string.h>

#include "parse.h"
#include "parser.h"

typedef struct Mistake {
    Parser *p;
    const Token *tokens;
    uint32_t begin; /* first token of the statement */
    uint32_t found;
    const char *const *names; /* of what was expected */
    int count;
} Mistake;

static bool expects(const Mistake *m, const char *name)
{
    for (int k = 0; k < m->count; k++)
        if (strcmp(m->names[k], name) == 0)
            return true;
    return false;
}

static bool expects_expression(const Mistake *m)
{
    return expects(m, "a number");
}

static bool expects_operator(const Mistake *m)
{
    return expects(m, "'+'");
}

static int kind_at(const Mistake *m, uint32_t index)
{
    return m->tokens[index].kind;
}

static bool is_word(int kind)
{
    return kind >= IMPORT && kind <= NOT;
}

/* Whether a token of the kind stands between the statement's start and the found token. */
static bool has_before(const Mistake *m, int kind)
{
    for (uint32_t k = m->begin; k < m->found; k++)
        if (m->tokens[k].kind == kind)
            return true;
    return false;
}

/* How many ( and [ are open at the found token, in this statement. */
static int open_brackets(const Mistake *m)
{
    int open = 0;

    for (uint32_t k = m->begin; k < m->found; k++) {
        int kind = m->tokens[k].kind;
        open += kind == '(' || kind == '[';
        open -= kind == ')' || kind == ']';
    }
    return open;
}

static int text_length(const Token *token)
{
    return (int)(token->span.end - token->span.begin);
}

static const char *text_of(const Mistake *m, const Token *token)
{
    return m->p->text + token->span.begin;
}

/* ---- mistakes with a face: each returns whether it was one ----------------------------------- */

static bool explain_equals(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];
    int first = kind_at(m, m->begin);

    if (found->kind != '=' || expects(m, "`in`"))
        return false;
    if (has_before(m, IF) || first == FOR || first == RETURN || first == ELSE
        || (expects_operator(m) && has_before(m, '=') && open_brackets(m) == 0)) {
        error_at(m->p->diags, ERROR_E012, found->span, "`=` gives a name to a value");
        note(m->p->diags, "to compare, write `==`");
        return true;
    }
    if (expects_operator(m) && open_brackets(m) == 0) {
        Span span = {found->span.file, m->tokens[m->begin].span.begin, found->span.end};
        error_at(m->p->diags, ERROR_E013, span, "only a name can stand before `=`");
        note(m->p->diags, "values do not change: make a new one, as in ys = [f(x) for x in xs]");
        return true;
    }
    if (expects_operator(m)) {
        error_at(m->p->diags, ERROR_E013, found->span, "only a name can stand before `=`");
        note(m->p->diags, "an argument is named f(x, stride = 2); to compare, write `==`");
        return true;
    }
    return false;
}

static bool explain_comma(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];

    if (found->kind != ',' || !expects_operator(m) || open_brackets(m) > 0)
        return false;
    error_at(m->p->diags, ERROR_E019, found->span, "several values need brackets");
    note(m->p->diags, "a list is written [a, b]; it is taken apart by: a, b = list");
    return true;
}

static bool explain_comparison(const Mistake *m)
{
    static const int kinds[] = {EQUAL, NOT_EQUAL, LESS_EQUAL, GREATER_EQUAL, '<', '>'};
    const Token *found = &m->tokens[m->found];
    bool is_comparison = false;

    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        is_comparison |= found->kind == kinds[k];
    if (!expects_operator(m) || !(is_comparison || found->kind == RANGE))
        return false;
    error_at(m->p->diags, ERROR_E015, found->span, "`%.*s` does not chain", text_length(found),
             text_of(m, found));
    if (is_comparison)
        note(m->p->diags, "write a < b and b < c");
    else
        note(m->p->diags, "a range has two ends; steps are written [2 * i for i in 0 .. n - 1]");
    return true;
}

/* `in = 3`, fn train(x), for if in xs */
static bool explain_reserved(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];
    bool wants_name = expects(m, "a name") && !expects_expression(m);
    int next = found->kind == 0 ? 0 : kind_at(m, m->found + 1);

    if (found->kind == IN && next != IN && has_before(m, FOR))
        return false; /* the name is forgotten */
    if (!is_word(found->kind) || !expects(m, "a name") || !(wants_name || next == '='))
        return false;
    error_at(m->p->diags, ERROR_E020, found->span, "`%.*s` is a word of the language, not a name",
             text_length(found), text_of(m, found));
    note(m->p->diags, "choose another name, such as %.*s_", text_length(found), text_of(m, found));
    return true;
}

static bool explain_colon(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];
    int first = kind_at(m, m->begin);

    if (found->kind != ':')
        return false;
    if (first == IF || first == FOR || first == FN || first == ELSE || first == TRAIN) {
        error_at(m->p->diags, ERROR_E010, found->span, "expected `{`, found `:`");
        note(m->p->diags, "a block stands in braces: if a > b { ... }");
        return true;
    }
    if (open_brackets(m) > 0) {
        error_at(m->p->diags, ERROR_E010, found->span, "`:` has no place in an expression");
        note(m->p->diags, "an argument is named f(x, stride = 2); a part of a list is "
                          "[xs[i] for i in 1 .. 3]");
        return true;
    }
    return false;
}

/* 2(x + 1), (a)(b), 2 x, a b */
static bool explain_adjacent(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];
    const Token *before = m->found > m->begin ? &m->tokens[m->found - 1] : NULL;

    if (before == NULL || !expects_operator(m))
        return false;
    if (found->kind == '(') {
        error_at(m->p->diags, ERROR_E025, found->span, "only a name can be called");
        if (before->kind == NUMBER)
            note(m->p->diags, "for a product write %.*s * (...)", text_length(before),
                 text_of(m, before));
        else
            note(m->p->diags, "a function is called by its name: f(x); for a product write `*`");
        return true;
    }
    if (before->kind == NUMBER && found->kind == NAME && !expects(m, "`then`")) {
        error_at(m->p->diags, ERROR_E010, found->span,
                 "an operator is missing between `%.*s` and `%.*s`", text_length(before),
                 text_of(m, before), text_length(found), text_of(m, found));
        note(m->p->diags, "for a product write %.*s * %.*s", text_length(before),
             text_of(m, before), text_length(found), text_of(m, found));
        return true;
    }
    return false;
}

static bool explain_string(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];

    if (found->kind != STRING)
        return false;
    error_at(m->p->diags, ERROR_E005, found->span, "text in quotes stands after `import` only");
    if (kind_at(m, m->begin) == PRECISION || kind_at(m, m->begin) == OPTIMIZE)
        note(m->p->diags, "leave the quotes away: %.*s", text_length(found) - 2,
             text_of(m, found) + 1);
    else
        note(m->p->diags, "the language has numbers, lists, tensors and functions, no text");
    return true;
}

static bool explain_else(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];

    if (found->kind == ELSE && m->found == m->begin) {
        error_at(m->p->diags, ERROR_E010, found->span, "`else` has no `if` before it");
        note(m->p->diags, "it follows the block of an `if`: if a { ... } else { ... }");
        return true;
    }
    if (kind_at(m, m->begin) == IF && found->kind != '{' && expects(m, "'{'")
        && expects(m, "`then`")) {
        bool is_line_end = found->kind == END;
        error_at(m->p->diags, ERROR_E010, found->span, "expected `{` or `then`, found %s%.*s%s",
                 is_line_end ? "" : "`", is_line_end ? 19 : text_length(found),
                 is_line_end ? "the end of the line" : text_of(m, found), is_line_end ? "" : "`");
        note(m->p->diags, "a statement is if a { ... } else { ... }, a value if a then b else c");
        return true;
    }
    if (found->kind != ELSE && expects(m, "`else`") && expects_operator(m)) {
        error_at(m->p->diags, ERROR_E026, found->span, "the choice has no `else`");
        note(m->p->diags, "a value has both branches: if a then b else c");
        return true;
    }
    return false;
}

static bool explain_import(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];

    if (kind_at(m, m->begin) != IMPORT || m->found != m->begin + 1)
        return false;
    error_at(m->p->diags, ERROR_E010, found->span, "`import` needs a path in quotes");
    if (found->kind == NAME)
        note(m->p->diags, "write: import \"%s.snug\"", found->name);
    else
        note(m->p->diags, "write: import \"hrnet.snug\"");
    return true;
}

/* ---- the rest: expected ..., found ... ------------------------------------------------------- */

static void put_name_of(Text *text, const char *name)
{
    if (name[0] == '\'' && name[1] != '\0' && name[2] == '\'')
        text_printf(text, "`%c`", name[1]);
    else
        text_put(text, name);
}

static bool is_operator_name(const char *name)
{
    static const char *const names[] = {"'+'",  "'-'",  "'*'",  "'/'",  "'%'",  "'^'",  "'<'",
                                        "'>'",  "`==`", "`!=`", "`<=`", "`>=`", "`..`", "`and`",
                                        "`or`", "`as`", "'.'",  "'['",  "'('"};

    for (size_t k = 0; k < COUNT_OF(names); k++)
        if (strcmp(name, names[k]) == 0)
            return true;
    return false;
}

static bool is_start_of_expression(const char *name)
{
    static const char *const names[] = {"a number", "a name", "'('", "'['", "'-'", "`not`", "`if`"};

    for (size_t k = 0; k < COUNT_OF(names); k++)
        if (strcmp(name, names[k]) == 0)
            return true;
    return false;
}

/* What could stand there, the obvious left out: operators where a value could end as well, the many
 * ways in which an expression or a statement can begin. */
static const char *describe_expected(const Mistake *m)
{
    Text text = {.arena = m->p->arena};
    const char *kept[64];
    int count = 0;

    if (expects(m, "`return`"))
        return "a statement";
    if (expects_expression(m))
        kept[count++] = "an expression";
    for (int k = 0; k < m->count && count < (int)COUNT_OF(kept); k++) {
        const char *name = m->names[k];
        bool is_obvious = expects_expression(m) ? is_start_of_expression(name)
                                                : expects_operator(m) && is_operator_name(name);
        bool is_rare = expects_operator(m) && expects(m, "','")
                       && (strcmp(name, "'='") == 0 || strcmp(name, "`for`") == 0);
        if (is_obvious || is_rare)
            continue;
        kept[count++] = name;
    }
    for (int k = 0; k < count; k++) {
        text_put(&text, k == 0 ? "" : k + 1 < count ? ", " : " or ");
        put_name_of(&text, kept[k]);
    }
    return count == 0 ? "an operator" : text.bytes;
}

static const char *describe_found(const Mistake *m, const Token *found)
{
    char first = m->p->text[found->span.begin];

    if (found->kind == 0
        || (found->kind == END && m->tokens[m->found + 1].kind == 0
            && found->span.end >= m->p->length))
        return "the end of the file";
    if (found->kind == END && first != ';' && first != '}')
        return "the end of the line";
    if (found->span.begin == found->span.end) /* a bracket that layout.c has put in */
        return arena_printf(m->p->arena, "`%c`", found->kind < 256 ? found->kind : first);
    return arena_printf(m->p->arena, "`%.*s`", text_length(found), text_of(m, found));
}

const char *example_of(int kind)
{
    switch (kind) {
    case RETURN: return "return x";
    case OUTPUT: return "output heat";
    case MINIMIZE: return "minimize mse(heat, target)";
    case PRECISION: return "precision mixed";
    case ACCUMULATE: return "accumulate 8";
    case OPTIMIZE: return "optimize adamw(lr = 3e-4)";
    case SCHEDULE: return "schedule warmup = 10, epochs = 200";
    case EMA: return "ema 0.9999";
    default: return NULL;
    }
}

static void explain_others(const Mistake *m)
{
    const Token *found = &m->tokens[m->found];
    int first = kind_at(m, m->begin);

    error_at(m->p->diags, ERROR_E010, found->span, "expected %s, found %s", describe_expected(m),
             describe_found(m, found));
    if (first == FN && expects(m, "'{'"))
        note(m->p->diags, "a function is fn f(x) { return x } or fn f(x) = x");
    else if (first == FN && m->found == m->begin + 2)
        note(m->p->diags, "a function has its parameters in brackets, also where it has none: "
                          "fn f()");
    else if (has_before(m, FOR) && !has_before(m, IN))
        note(m->p->diags, "a loop is for x in xs { ... } or for i in 0 .. n - 1 { ... }");
    else if (first == PARAM && !expects_operator(m))
        note(m->p->diags, "write: param width = 32, landmarks = 29");
    else if (example_of(first) != NULL
             && (m->found == m->begin + 1 || (first != RETURN && open_brackets(m) == 0)))
        note(m->p->diags, "write: %s", example_of(first));
    else if (kind_at(m, m->begin) == NAME && kind_at(m, m->begin + 1) == ':')
        note(m->p->diags, "write: image : picture[n, h, w, 3]");
}

void explain_syntax_error(Parser *parser, uint32_t found, const char *const *names, int count)
{
    Mistake m = {.p = parser,
                 .tokens = parser->tokens.items,
                 .begin = found,
                 .found = found,
                 .names = names,
                 .count = count};

    if (kind_at(&m, found) == BAD)
        return; /* reported when it was read */
    while (m.begin > 0 && kind_at(&m, m.begin - 1) != END && kind_at(&m, m.begin - 1) != '{'
           && kind_at(&m, m.begin - 1) != '}')
        m.begin--;
    if (explain_import(&m) || explain_equals(&m) || explain_string(&m) || explain_reserved(&m)
        || explain_colon(&m) || explain_comparison(&m) || explain_else(&m) || explain_comma(&m)
        || explain_adjacent(&m))
        return;
    explain_others(&m);
}
