/* Layout: tokens as written -> tokens in which every statement ends with END and brackets match.
 *
 *     y = relu(conv(x, 8,        NAME = NAME ( NAME ( NAME , NUMBER ,
 *                   3)                NUMBER )
 *     return y                   <- `(` is never closed: `)` END are put in; RETURN NAME END
 *
 * A newline ends a statement unless the line cannot end there (ast.h has the rule). Inside ( ) and
 * [ ] newlines mean nothing, so that one forgotten bracket would swallow the rest of the file; but
 * no expression goes on with `return`, `x =` or `}` on the next line: there the bracket ends. A
 * forgotten or superfluous `}` is found by the indentation of the lines with braces, which counts
 * only where the braces of the file do not match.
 *
 * The words of settings (`output`, `minimize`, ...) are words at the start of a statement in
 * `train` and names elsewhere. A statement that begins with two operands in a row begins with a
 * misspelt word: it is reported here and read as what it looks like.
 */
#include <string.h>

#include "parse.h"
#include "parser.h"

typedef struct Open {
    int kind; /* '(' '[' '{' */
    Span span;
    uint32_t indent; /* of its line */
    bool is_train;   /* `{`: in `train` */
} Open;

typedef struct Layout {
    Parser *p;
    ARRAY(Open) open;
    uint32_t depth;     /* of `{` */
    uint32_t at;        /* in p->raw */
    uint32_t line;      /* first byte of the line of that token */
    uint32_t indent;    /* blanks and tabs at its start */
    int missing, extra; /* `}` of the file, by count */
    bool is_cut;        /* too deep: the rest of the file is not read */
} Layout;

/* ---- small questions ------------------------------------------------------------------------- */

static const Token *raw_token(const Layout *l, uint32_t index)
{
    uint32_t last = l->p->raw.count - 1;
    return &l->p->raw.items[index < last ? index : last];
}

/* Kind of the token put out last, END at the start. */
static int last_kind(const Layout *l)
{
    uint32_t count = l->p->tokens.count;
    return count == 0 ? END : l->p->tokens.items[count - 1].kind;
}

static int innermost(const Layout *l)
{
    return l->open.count == 0 ? 0 : l->open.items[l->open.count - 1].kind;
}

static bool in_brackets(const Layout *l)
{
    return innermost(l) == '(' || innermost(l) == '[';
}

static int closer_of(int opener)
{
    return opener == '(' ? ')' : opener == '[' ? ']' : '}';
}

static bool is_operator(int kind)
{
    return kind == AND || kind == OR || kind == EQUAL || kind == NOT_EQUAL || kind == LESS_EQUAL
           || kind == GREATER_EQUAL || kind == RANGE || kind == AS || kind == IN
           || (kind > 0 && kind < 256 && strchr("+-*/%^=<>,.:", kind) != NULL);
}

static bool wants_more(int kind)
{
    return is_operator(kind) || kind == NOT || kind == THEN || kind == ELSE;
}

static bool goes_on(int kind)
{
    return is_operator(kind) || kind == THEN || kind == ELSE || kind == '{';
}

/* Whether a statement, and nothing else, begins with the token at `index` of a line. */
static bool begins_statement(const Layout *l, uint32_t index)
{
    int kind = raw_token(l, index)->kind;
    int next = raw_token(l, index + 1)->kind;
    int previous = last_kind(l);

    if (kind == IMPORT || kind == PARAM || kind == FN || kind == TRAIN || kind == RETURN
        || kind == '}' || kind == 0)
        return true;
    return kind == NAME && next == '=' && previous != ',' && previous != '(' && previous != '[';
}

/* Index of the first token at or behind `index` that is no newline. */
static uint32_t skip_newlines(const Layout *l, uint32_t index)
{
    while (raw_token(l, index)->kind == '\n')
        index++;
    return index;
}

static void begin_line(Layout *l, uint32_t byte)
{
    l->line = byte;
    l->indent = (uint32_t)strspn(l->p->text + byte, " \t");
}

/* ---- putting out ----------------------------------------------------------------------------- */

static void put(Layout *l, Token token)
{
    token.depth = l->depth;
    ARRAY_APPEND(l->p->arena, &l->p->tokens, token);
}

/* END, unless no statement has begun. `why` is the token that ends it: a newline's END stands
 * directly behind the statement. */
static void put_end(Layout *l, const Token *why)
{
    uint32_t count = l->p->tokens.count;
    Span span = why->span;

    if (last_kind(l) == END || last_kind(l) == '{')
        return;
    if (why->kind == '\n' || why->kind == 0)
        span.begin = span.end = l->p->tokens.items[count - 1].span.end;
    put(l, (Token){.kind = END, .span = span});
}

/* What follows is `else`: the statement goes on. */
static void drop_end(Layout *l)
{
    if (l->p->tokens.count > 0 && last_kind(l) == END)
        l->p->tokens.count--;
}

/* Closes the innermost bracket with a token that is not in the text. */
static void put_closer(Layout *l, Span place)
{
    Open open = l->open.items[--l->open.count];

    if (open.kind == '{') {
        put_end(l, &(Token){.kind = '}', .span = place});
        l->depth--;
    }
    put(l, (Token){.kind = closer_of(open.kind), .span = {place.file, place.begin, place.begin}});
}

/* Closes the innermost `count` brackets, which should have been closed before `place`: one report,
 * at the innermost. */
static void close_forgotten(Layout *l, uint32_t count, Span place)
{
    Diagnostics *diags = l->p->diags;
    char closers[16] = "";

    if (count == 0)
        return;
    Open open = l->open.items[l->open.count - 1];
    Span last = l->p->tokens.items[l->p->tokens.count - 1].span;
    for (uint32_t k = 0; k < count && k + 1 < sizeof closers; k++)
        closers[k] = (char)closer_of(l->open.items[l->open.count - 1 - k].kind);
    if (!l->is_cut) {
        error_at(diags, ERROR_E007, open.span, "`%c` is never closed", open.kind);
        if (open.kind != '{')
            note_at(diags, (Span){last.file, last.end, last.end}, "`%s` is missing here", closers);
        else if (place.begin < l->p->length)
            note_at(diags, place, "`%s` is missing before this", closers);
        else
            note(diags, "`%s` is missing at the end of the file", closers);
    }
    while (count-- > 0)
        put_closer(l, place);
}

static uint32_t brackets_above_brace(const Layout *l)
{
    uint32_t count = 0;

    while (count < l->open.count && l->open.items[l->open.count - 1 - count].kind != '{')
        count++;
    return count;
}

/* ---- brackets -------------------------------------------------------------------------------- */

static void open_bracket(Layout *l, const Token *token)
{
    bool is_train = l->open.count > 0 && l->open.items[l->open.count - 1].is_train;

    if (token->kind == '{') {
        close_forgotten(l, brackets_above_brace(l), token->span);
        is_train = l->open.count > 0 && l->open.items[l->open.count - 1].is_train;
        is_train |= last_kind(l) == TRAIN;
    }
    if (l->open.count == NESTING_MAX) {
        error_at(l->p->diags, ERROR_E009, token->span, "the nesting is deeper than %d",
                 NESTING_MAX);
        note(l->p->diags, "give parts of it names of their own");
        l->p->is_too_deep = l->is_cut = true;
        put(l, (Token){.kind = BAD, .span = token->span});
        return;
    }
    put(l, *token);
    l->depth += token->kind == '{';
    ARRAY_APPEND(l->p->arena, &l->open,
                 ((Open){.kind = token->kind,
                         .span = token->span,
                         .indent = l->indent,
                         .is_train = is_train}));
}

static void report_closes_nothing(Layout *l, const Token *token)
{
    error_at(l->p->diags, ERROR_E008, token->span, "`%c` closes nothing", token->kind);
    note(l->p->diags, "delete it, or add the `%c` that it belongs to",
         token->kind == ')'   ? '('
         : token->kind == ']' ? '['
                              : '{');
}

static void close_bracket(Layout *l, const Token *token)
{
    uint32_t above = brackets_above_brace(l), k = 0;

    while (k < above && closer_of(l->open.items[l->open.count - 1 - k].kind) != token->kind)
        k++;
    if (k < above) {
        close_forgotten(l, k, token->span);
        l->open.count--;
        put(l, *token);
    } else if (above > 0) {
        Open open = l->open.items[l->open.count - 1];
        error_at(l->p->diags, ERROR_E008, token->span, "`%c` closes a `%c`", token->kind,
                 open.kind);
        note_at(l->p->diags, open.span, "opened here");
        put_closer(l, token->span);
    } else {
        report_closes_nothing(l, token);
    }
}

/* `}`: where braces are missing or superfluous, the indentation tells which. */
static void close_brace(Layout *l, const Token *token)
{
    close_forgotten(l, brackets_above_brace(l), token->span);
    if (token->span.begin == l->line + l->indent) {
        while (l->missing > 0 && l->open.count > 1
               && l->open.items[l->open.count - 1].indent > l->indent) {
            close_forgotten(l, 1, token->span);
            l->missing--;
        }
        if (l->extra > 0 && l->open.count > 0
            && l->open.items[l->open.count - 1].indent < l->indent) {
            report_closes_nothing(l, token);
            l->extra--;
            return;
        }
    }
    if (l->open.count == 0) {
        report_closes_nothing(l, token);
        return;
    }
    put_end(l, token);
    l->depth--;
    l->open.count--;
    put(l, *token);
}

/* ---- words at the start of a statement ------------------------------------------------------- */

typedef struct Word {
    const char *text;
    int kind;
} Word;

static const Word settings[] = {
    {"output", OUTPUT},
    {"minimize", MINIMIZE},
    {"precision", PRECISION},
    {"accumulate", ACCUMULATE},
    {"optimize", OPTIMIZE},
    {"schedule", SCHEDULE},
    {"ema", EMA},
};
static const Word statements[] = {
    {"import", IMPORT}, {"param", PARAM}, {"fn", FN},   {"train", TRAIN},
    {"return", RETURN}, {"if", IF},       {"for", FOR}, {"else", ELSE},
};
/* What other languages, and other tools' settings, call it. */
static const struct {
    const char *text, *ours;
} synonyms[] = {
    {"def", "fn"},
    {"func", "fn"},
    {"function", "fn"},
    {"fun", "fn"},
    {"include", "import"},
    {"use", "import"},
    {"require", "import"},
    {"parameter", "param"},
    {"config", "param"},
    {"option", "param"},
    {"foreach", "for"},
    {"while", "for"},
    {"when", "if"},
    {"give", "return"},
    {"loss", "minimize"},
    {"minimise", "minimize"},
    {"optimise", "optimize"},
    {"optimizer", "optimize"},
    {"optimiser", "optimize"},
    {"scheduler", "schedule"},
    {"accumulation", "accumulate"},
    {"predict", "output"},
    {"outputs", "output"},
    {"dtype", "precision"},
};
static const char *const declarators[] = {"let",   "var",   "const",  "auto",   "int",
                                          "float", "local", "double", "number", "set"};

static const Word *find_word(const Word *words, size_t count, const char *text)
{
    for (size_t k = 0; k < count; k++)
        if (strcmp(words[k].text, text) == 0)
            return &words[k];
    return NULL;
}

/* The statement or setting that was probably meant, or NULL. */
static const Word *guess_word(const char *text, bool is_train)
{
    const char *known[COUNT_OF(statements) + COUNT_OF(settings)];
    size_t count = 0;
    const Word *word;

    for (size_t k = 0; k < COUNT_OF(synonyms); k++)
        if (strcmp(text, synonyms[k].text) == 0)
            text = synonyms[k].ours;
    for (size_t k = 0; k < COUNT_OF(statements); k++)
        known[count++] = statements[k].text;
    for (size_t k = 0; k < COUNT_OF(settings) && is_train; k++)
        known[count++] = settings[k].text;
    text = nearest_name(text, known, count);
    if (text == NULL)
        return NULL;
    word = find_word(statements, COUNT_OF(statements), text);
    return word != NULL ? word : find_word(settings, COUNT_OF(settings), text);
}

/* `elif`, `elsif`: else, if. */
static bool put_else_if(Layout *l, const Token *token)
{
    if (strcmp(token->name, "elif") != 0 && strcmp(token->name, "elsif") != 0
        && strcmp(token->name, "elseif") != 0)
        return false;
    error_at(l->p->diags, ERROR_E011, token->span, "there is no statement `%s`", token->name);
    note(l->p->diags, "write `else if`");
    drop_end(l);
    put(l, (Token){.kind = ELSE, .span = token->span});
    put(l, (Token){.kind = IF, .span = token->span});
    return true;
}

/* `image picture[...]`: the colon is forgotten. */
static bool put_input(Layout *l, const Token *token)
{
    const Token *kind = raw_token(l, l->at + 1);

    if (kind->kind != NAME || raw_token(l, l->at + 2)->kind != '[')
        return false;
    error_at(l->p->diags, ERROR_E010, kind->span, "expected `:`, found `%s`", kind->name);
    note(l->p->diags, "an input is %s : picture[n, h, w, 3]", token->name);
    put(l, *token);
    put(l, (Token){.kind = ':', .span = kind->span});
    return true;
}

/* A name that an operand or `{` follows, where a statement begins. */
static void put_misspelt(Layout *l, Token token, bool is_train)
{
    Diagnostics *diags = l->p->diags;
    const Word *setting = find_word(settings, COUNT_OF(settings), token.name);

    if (put_else_if(l, &token) || (is_train && put_input(l, &token)))
        return;
    if (setting != NULL) {
        error_at(diags, ERROR_E014, token.span, "`%s` stands outside of `train`", token.name);
        note(diags, "it stands directly in train { }");
        put(l, (Token){.kind = BAD, .span = token.span});
        return;
    }
    for (size_t k = 0; k < COUNT_OF(declarators); k++)
        if (strcmp(token.name, declarators[k]) == 0) {
            error_at(diags, ERROR_E011, token.span, "there is no statement `%s`", token.name);
            note(diags, "a value is named by an assignment alone: x = 3");
            return;
        }
    const Word *guess = guess_word(token.name, is_train);
    error_at(diags, ERROR_E011, token.span, "there is no statement `%s`", token.name);
    if (guess == NULL) {
        note(diags, is_train ? "in `train` stand output, minimize, precision, accumulate, "
                               "optimize, schedule, ema, assignments, if and for"
                             : "statements begin with import, param, fn, train, return, if, for, "
                               "or are x = ...");
        token.kind = BAD;
    } else {
        note(diags, "did you mean `%s`?", guess->text);
        token.kind = guess->kind;
        if (token.kind == ELSE)
            drop_end(l);
    }
    put(l, token);
}

static void put_name(Layout *l, Token token)
{
    int last = last_kind(l), next = raw_token(l, l->at + 1)->kind;
    bool is_train = l->open.count > 0 && l->open.items[l->open.count - 1].is_train;
    bool is_first = last == END || last == '{' || last == '}';
    const Word *setting = find_word(settings, COUNT_OF(settings), token.name);

    if (is_first && is_train && setting != NULL && next != ',' && next != ':' && next != '.') {
        token.kind = setting->kind;
        if (next == '=') {
            error_at(l->p->diags, ERROR_E023, raw_token(l, ++l->at)->span,
                     "`%s` is a setting and has no `=`", token.name);
            note(l->p->diags, "write: %s", example_of(token.kind));
        }
    } else if (is_first && (next == NAME || next == NUMBER || next == STRING || next == '{')) {
        put_misspelt(l, token, is_train);
        return;
    }
    put(l, token);
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* `fn`, `param`, `import`, `train` at the very start of a line: every block before it has ended. */
static bool begins_anew(const Layout *l, const Token *token)
{
    return (token->kind == FN || token->kind == PARAM || token->kind == IMPORT
            || token->kind == TRAIN)
           && token->span.begin == l->line;
}

/* A newline, and all that follow it. */
static void end_line(Layout *l, const Token *newline)
{
    uint32_t next = skip_newlines(l, l->at);

    l->at = next - 1;
    begin_line(l, raw_token(l, l->at)->span.end);
    if (in_brackets(l)) {
        if (!begins_statement(l, next))
            return;
        close_forgotten(l, brackets_above_brace(l), raw_token(l, next)->span);
        put_end(l, newline);
    } else if (begins_statement(l, next)
               || (!wants_more(last_kind(l)) && !goes_on(raw_token(l, next)->kind))) {
        put_end(l, newline);
    }
}

static void lay_token(Layout *l, const Token *token)
{
    if (begins_anew(l, token)) {
        close_forgotten(l, l->open.count, token->span);
        put_end(l, token);
    }
    switch (token->kind) {
    case '\n': end_line(l, token); break;
    case ';':
        close_forgotten(l, brackets_above_brace(l), token->span);
        put_end(l, token);
        break;
    case '(':
    case '[':
    case '{': open_bracket(l, token); break;
    case ')':
    case ']': close_bracket(l, token); break;
    case '}': close_brace(l, token); break;
    case NAME: put_name(l, *token); break;
    default: put(l, *token);
    }
}

/* Ensures: the tokens end with END and 0, or with 0 alone; every bracket has its partner. */
void lay_out(Parser *p)
{
    Layout l = {.p = p};
    const Token *end = raw_token(&l, p->raw.count - 1);

    for (uint32_t k = 0; k < p->raw.count; k++) {
        l.missing += p->raw.items[k].kind == '{';
        l.missing -= p->raw.items[k].kind == '}';
    }
    l.extra = -l.missing;
    begin_line(&l, 0);
    for (l.at = 0; raw_token(&l, l.at)->kind != 0 && !l.is_cut; l.at++)
        lay_token(&l, raw_token(&l, l.at));
    close_forgotten(&l, l.open.count, end->span);
    put_end(&l, end);
    put(&l, *end);
}
