/* The parser: what it prints parses to the same print; what is not to be printed in a golden test
 * (bytes that are no text, other line ends) is an error with the right place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/ast.h"

typedef struct Parse {
    Arena *arena;
    Diagnostics *diags;
    uint32_t file;
    Node *tree;
} Parse;

static Parse parse_bytes_of(const char *text, size_t length)
{
    Parse parse = {.arena = arena_create()};
    char *copy = arena_alloc(parse.arena, length + 1);

    memcpy(copy, text, length);
    parse.diags = diagnostics_create(parse.arena);
    parse.file = diagnostics_add_file(parse.diags, "m.snug", copy, length);
    parse.tree = parse_file(parse.arena, interner_create(parse.arena), parse.diags, parse.file);
    return parse;
}

static Parse parse_text(const char *text)
{
    return parse_bytes_of(text, strlen(text));
}

/* The tree as source, or the diagnostics; to be freed. */
static char *print(const Parse *parse)
{
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&bytes, &length);

    assert_non_null(out);
    if (diagnostics_error_count(parse->diags) > 0)
        diagnostics_print(parse->diags, out, false);
    else
        print_tree(out, parse->tree);
    fclose(out);
    return bytes;
}

/* Parses, prints, parses the print, prints again. */
static void check_print(const char *text, const char *expected)
{
    Parse first = parse_text(text);
    char *once = print(&first);
    Parse second = parse_text(once);
    char *twice = print(&second);

    assert_string_equal(once, expected);
    assert_string_equal(twice, expected);
    free(once);
    free(twice);
    arena_destroy(first.arena);
    arena_destroy(second.arena);
}

static const char sketch[] =
    "param width = 32, landmarks = 29, image_size = 1024, batch_size = 1\n"
    "fn unit(x, channels, kernel = 3, stride = 1) = bn(conv(x, channels, kernel, stride))\n"
    "fn basic(x) {\n"
    "    y = relu(unit(x, x.channels))\n"
    "    return relu(unit(y, x.channels) + x)\n"
    "}\n"
    "\n"
    "fn bring(x, from, to) {\n"
    "    if from == to {\n"
    "        return x\n"
    "    }\n"
    "    if from > to {\n"
    "        return upsample(unit(x, width * 2^to, 1), 2^(from - to))\n"
    "    }\n"
    "    for _ in from .. to - 2 {\n"
    "        x = relu(unit(x, x.channels, stride = 2))\n"
    "    }\n"
    "    return unit(x, width * 2^to, stride = 2)\n"
    "}\n"
    "\n"
    "fn module(branches, rows) {\n"
    "    ys = [basic(basic(basic(basic(b)))) for b in branches]\n"
    "    return [relu(sum([bring(ys[j], j, i) for j in indices(ys)])) for i in 0 .. rows - 1]\n"
    "}\n"
    "\n"
    "train {\n"
    "    image : picture[batch_size, image_size, image_size, 3]\n"
    "    points : landmarks[batch_size, landmarks]\n"
    "    heat = hrnet(normalize(image))\n"
    "    output heat\n"
    "    minimize mse(heat, gaussian(points, sigma = 2))\n"
    "    precision mixed\n"
    "    accumulate 8\n"
    "    optimize adamw(lr = 0.0003, weight_decay = 0.0001, clip = 1)\n"
    "    schedule warmup = 10, cosine_to = 1e-6, epochs = 200\n"
    "    ema 0.9999\n"
    "}\n";

static void whole_files_print_as_they_were(void **state)
{
    (void)state;
    check_print(sketch, sketch);
    check_print("", "");
    check_print("# nothing but a comment", "");
    check_print("import \"nets/hrnet.snug\"\n", "import \"nets/hrnet.snug\"\n");
    check_print("train {}", "train {\n}\n");
}

/* One expression as the body of a function. */
static void check_expression(const char *written, const char *expected)
{
    char text[600], whole[600];

    snprintf(text, sizeof text, "fn f(x) = %s\n", written);
    snprintf(whole, sizeof whole, "fn f(x) = %s\n", expected);
    check_print(text, whole);
}

static void expressions_keep_the_brackets_that_they_need(void **state)
{
    static const struct {
        const char *written, *printed;
    } cases[] = {
        {"1+2*3", "1 + 2 * 3"},
        {"(1 + 2) * 3", "(1 + 2) * 3"},
        {"((1)) - (2 - 3)", "1 - (2 - 3)"},
        {"1 - 2 - 3", "1 - 2 - 3"},
        {"a / (b * c) % d", "a / (b * c) % d"},
        {"-2^2", "-2^2"},
        {"(-2)^2", "(-2)^2"},
        {"2^-1", "2^-1"},
        {"2^-x^2", "2^-x^2"},
        {"2^3^2", "2^3^2"},
        {"(2^3)^2", "(2^3)^2"},
        {"2 ^ (1 + 1)", "2^(1 + 1)"},
        {"a - -b", "a - -b"},
        {"- - b", "--b"},
        {"-(a + b)", "-(a + b)"},
        {"-a * b", "-a * b"},
        {"not a == b", "not a == b"},
        {"(not a) == b", "(not a) == b"},
        {"not not a and b or c", "not not a and b or c"},
        {"a and (b or c)", "a and (b or c)"},
        {"(a < b) == (c < d)", "(a < b) == (c < d)"},
        {"0..n-1", "0 .. n - 1"},
        {"(0 .. 3) == x", "0 .. 3 == x"},
        {"1..3", "1 .. 3"},
        {"0.5..1.5", "0.5 .. 1.5"},
        {"if a then b else c + 1", "if a then b else c + 1"},
        {"(if a then b else c) + 1", "(if a then b else c) + 1"},
        {"1 + if a then b else c", "1 + (if a then b else c)"},
        {"if a then b else if c then d else e", "if a then b else if c then d else e"},
        {"conv(x, 64) as layer1[0].conv1", "conv(x, 64) as layer1[0].conv1"},
        {"x as a + y as b[i+1][2].c", "x as a + y as b[i + 1][2].c"},
        {"bn(conv(x, 8) as [0]) as [1].bn[2]", "bn(conv(x, 8) as [0]) as [1].bn[2]"},
        {"-x as a", "-x as a"},
        {"(x as a).channels", "(x as a).channels"},
        {"(a + b) as c", "(a + b) as c"},
        {"(x as a) as b", "(x as a) as b"},
        {"xs[0][1].channels", "xs[0][1].channels"},
        {"f(x)[2].height", "f(x)[2].height"},
        {"[]", "[]"},
        {"[1, 2, 3,]", "[1, 2, 3]"},
        {"[[1], [x for x in xs], [y for y in ys if y > 3]]",
         "[[1], [x for x in xs], [y for y in ys if y > 3]]"},
        {"sum(f(x) for x in xs)", "sum([f(x) for x in xs])"},
        {"f()", "f()"},
        {"f(a, k = b,)", "f(a, k = b)"},
        {"f(output, train_ = ema)", "f(output, train_ = ema)"},
        {"1e6 + 1E-6 + 0.1 + 1e300", "1000000 + 1e-6 + 0.1 + 1e300"},
        {"123456789.125 + 12345678901234567890", "123456789.125 + 1.2345678901234567e19"},
        {"5e-324 + 0.30000000000000004", "5e-324 + 0.30000000000000004"},
    };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++)
        check_expression(cases[k].written, cases[k].printed);
}

static void statements_end_where_the_line_can_end(void **state)
{
    static const struct {
        const char *written, *printed; /* bodies of a function */
    } cases[] = {
        {"a = 1; b = 2;; c = 3", "    a = 1\n    b = 2\n    c = 3\n"},
        {"a = f(\n 1,\n\n 2 # two\n)\nb = [\n1\n]", "    a = f(1, 2)\n    b = [1]\n"},
        {"a = 1 +\n\n 2", "    a = 1 + 2\n"},
        {"a = 1 # one\n + 2\n - 3", "    a = 1 + 2 - 3\n"},
        {"a =\n 1", "    a = 1\n"},
        {"a,\nb = xs", "    a, b = xs\n"},
        {"a = if b then\n 1 else\n 2", "    a = if b then 1 else 2\n"},
        {"a = if b\n then 1\n else 2", "    a = if b then 1 else 2\n"},
        {"a = x\n as b", "    a = x as b\n"},
        {"if a\n{ b\n}\nelse\n{ c }\nd",
         "    if a {\n        b\n    } else {\n        c\n    }\n    d\n"},
        {"if a { b } else if c { d } else { e }",
         "    if a {\n        b\n    } else if c {\n        d\n    } else {\n        e\n    }\n"},
        {"for i in xs { for j in ys { } }",
         "    for i in xs {\n        for j in ys {\n        }\n    }\n"},
        {"a; (-b)", "    a\n    (-b)\n"},
        {"a\r\n\r\nb\rc", "    a\n    b\n    c\n"},
        {"return [\nx\n]", "    return [x]\n"},
        {"output = 3\nema = output", "    output = 3\n    ema = output\n"},
        {"a = x\n(b)", "    a = x\n    b\n"},
    };
    char text[400], whole[400];

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        snprintf(text, sizeof text, "fn f(x) {%s}", cases[k].written);
        snprintf(whole, sizeof whole, "fn f(x) {\n%s}\n", cases[k].printed);
        check_print(text, whole);
    }
}

static void settings_are_words_in_train_only(void **state)
{
    (void)state;
    check_print("fn output(x) = x\ntrain { output output(ema); minimize (a) + b; (output) }",
                "fn output(x) = x\n"
                "train {\n"
                "    output output(ema)\n"
                "    minimize a + b\n"
                "    (output)\n"
                "}\n");
    check_print("train { output : tensor[1, 2, 3, 4] }",
                "train {\n    output : tensor[1, 2, 3, 4]\n}\n");
}

static void spans_cover_what_they_name(void **state)
{
    const char *text = "fn f(x, k = 3) = relu(conv(x, k) + x) as a.b\n";
    Parse parse = parse_text(text);
    const Node *function = parse.tree, *as = function->b, *call = as->a;
    const Node *sum = call->items->a;
    const struct {
        Span span;
        const char *text;
    } cases[] = {
        {function->span, "fn f(x, k = 3) = relu(conv(x, k) + x) as a.b"},
        {function->name_span, "f"},
        {function->items->next->span, "k = 3"},
        {as->span, "relu(conv(x, k) + x) as a.b"},
        {as->items->next->span, "b"},
        {call->span, "relu(conv(x, k) + x)"},
        {call->name_span, "relu"},
        {sum->span, "conv(x, k) + x"},
        {sum->b->span, "x"},
    };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        assert_int_equal(cases[k].span.file, parse.file);
        assert_int_equal(cases[k].span.end - cases[k].span.begin, strlen(cases[k].text));
        assert_memory_equal(text + cases[k].span.begin, cases[k].text, strlen(cases[k].text));
    }
    arena_destroy(parse.arena);
}

static void what_is_no_text_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *first_line;
    } cases[] = {
        {"param a = 1\0", 12, "m.snug:1:12: error[E001]: the file is no text: byte 11 is 0\n"},
        {"\xFF\xFEp\0a\0", 6, "m.snug:1:1: error[E001]: the file is not UTF-8: byte 0 is 0xFF\n"},
        {"p\0a\0r\0", 6, "m.snug:1:2: error[E001]: the file is no text: byte 1 is 0\n"},
        {"# gr\xF6n\n", 7, "m.snug:1:5: error[E001]: the file is not UTF-8: byte 4 is 0xF6\n"},
        {"# ok\n# \xC0\x80", 9, "m.snug:2:3: error[E001]: the file is not UTF-8: byte 7 is 0xC0\n"},
        {"# \xED\xA0\x80", 5, "m.snug:1:3: error[E001]: the file is not UTF-8: byte 2 is 0xED\n"},
        {"# \xE2\x82", 4, "m.snug:1:3: error[E001]: the file is not UTF-8: byte 2 is 0xE2\n"},
    };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        Parse parse = parse_bytes_of(cases[k].bytes, cases[k].length);
        char *text = print(&parse);
        assert_int_equal(diagnostics_error_count(parse.diags), 1);
        assert_memory_equal(text, cases[k].first_line, strlen(cases[k].first_line));
        free(text);
        arena_destroy(parse.arena);
    }
    check_print("\xEF\xBB\xBFparam a = 1 # \xC3\xB6\xF0\x9F\x98\x80\r\n", "param a = 1\n");
}

/* Nesting of every kind ends in one error, long before the stack does. */
static void deep_nesting_is_refused(void **state)
{
    static const struct {
        const char *before, *between, *after;
    } kinds[] = {
        {"(", "x", ")"},
        {"[", "x", "]"},
        {"f(", "x", ")"},
        {"-", "x", ""},
        {"not ", "x", ""},
        {"2^", "x", ""},
        {"x + ", "x", ""},
        {"", "x", ".a"},
        {"", "x", "[0]"},
        {"if a then b else ", "x", ""},
        {"f(x for x in ", "x", ")"},
    };
    enum { TIMES = 30000 };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        Arena *arena = arena_create();
        Text text = {.arena = arena};
        text_put(&text, "fn f(x) = ");
        for (int n = 0; n < TIMES; n++)
            text_put(&text, kinds[k].before);
        text_put(&text, kinds[k].between);
        for (int n = 0; n < TIMES; n++)
            text_put(&text, kinds[k].after);
        Parse parse = parse_bytes_of(text.bytes, text.length);
        char *message = print(&parse);
        assert_int_equal(diagnostics_error_count(parse.diags), 1);
        assert_non_null(strstr(message, "error[E009]"));
        free(message);
        arena_destroy(parse.arena);
        arena_destroy(arena);
    }
}

static void blocks_nest_as_deep_as_brackets(void **state)
{
    Arena *arena = arena_create();

    (void)state;
    for (int depth = 90; depth <= 1000; depth += 910) { /* two levels of nodes a block */
        Text text = {.arena = arena};
        text_put(&text, "fn f(x) {");
        for (int n = 0; n < depth; n++)
            text_put(&text, "if x {");
        for (int n = 0; n < depth; n++)
            text_put(&text, "}");
        text_put(&text, "}");
        Parse parse = parse_bytes_of(text.bytes, text.length);
        assert_int_equal(diagnostics_error_count(parse.diags), depth > 90);
        arena_destroy(parse.arena);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_files_print_as_they_were),
        cmocka_unit_test(expressions_keep_the_brackets_that_they_need),
        cmocka_unit_test(statements_end_where_the_line_can_end),
        cmocka_unit_test(settings_are_words_in_train_only),
        cmocka_unit_test(spans_cover_what_they_name),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(blocks_nest_as_deep_as_brackets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
