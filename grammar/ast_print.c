/* The tree as model source: --dump=tree. Parsing the print gives the same print. Brackets stand
 * where the tree needs them and nowhere else; comments are lost. */
#include <math.h>
#include <string.h>

#include "ast.h"

/* How tightly an expression holds together; parse.y has the same order. */
typedef enum Level {
    LEVEL_conditional,
    LEVEL_or,
    LEVEL_and,
    LEVEL_not,
    LEVEL_comparison,
    LEVEL_range,
    LEVEL_sum,
    LEVEL_product,
    LEVEL_negate,
    LEVEL_power,
    LEVEL_as,
    LEVEL_postfix
} Level;

static const struct {
    const char *text;
    Level level;
} operators[] = {
    [OPERATOR_none] = {"?", LEVEL_conditional},
    [OPERATOR_add] = {"+", LEVEL_sum},
    [OPERATOR_subtract] = {"-", LEVEL_sum},
    [OPERATOR_multiply] = {"*", LEVEL_product},
    [OPERATOR_divide] = {"/", LEVEL_product},
    [OPERATOR_remainder] = {"%", LEVEL_product},
    [OPERATOR_power] = {"^", LEVEL_power},
    [OPERATOR_negate] = {"-", LEVEL_negate},
    [OPERATOR_equal] = {"==", LEVEL_comparison},
    [OPERATOR_not_equal] = {"!=", LEVEL_comparison},
    [OPERATOR_less] = {"<", LEVEL_comparison},
    [OPERATOR_less_equal] = {"<=", LEVEL_comparison},
    [OPERATOR_greater] = {">", LEVEL_comparison},
    [OPERATOR_greater_equal] = {">=", LEVEL_comparison},
    [OPERATOR_and] = {"and", LEVEL_and},
    [OPERATOR_or] = {"or", LEVEL_or},
    [OPERATOR_not] = {"not ", LEVEL_not},
};

static Level level_of(const Node *node)
{
    switch (node->kind) {
    case NODE_conditional: return LEVEL_conditional;
    case NODE_range: return LEVEL_range;
    case NODE_unary:
    case NODE_binary: return operators[node->op].level;
    case NODE_as: return LEVEL_as;
    default: return LEVEL_postfix;
    }
}

static void print_expression(FILE *out, const Node *node);
static void print_statement(FILE *out, const Node *node, int indent);

/* In brackets where the expression holds together less tightly than `least`. */
static void print_operand(FILE *out, const Node *node, Level least)
{
    bool has_brackets = level_of(node) < least;

    if (has_brackets)
        putc('(', out);
    print_expression(out, node);
    if (has_brackets)
        putc(')', out);
}

/* The shortest decimal number that is read back as the same value; "1e-6", not "1e-06". */
static void print_number(FILE *out, double number)
{
    char text[40];
    double again;

    if (number == floor(number) && number < 1e15) {
        fprintf(out, "%.0f", number);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (parse_number(text, &again) && again == number)
            break;
    }
    char *exponent = strchr(text, 'e');
    if (exponent == NULL) {
        fputs(text, out);
        return;
    }
    const char *digits = exponent + 1 + strspn(exponent + 1, "+-0");
    fprintf(out, "%.*se%s%s", (int)(exponent - text), text, exponent[1] == '-' ? "-" : "", digits);
}

static void print_expressions(FILE *out, const Node *first)
{
    for (const Node *node = first; node != NULL; node = node->next) {
        print_expression(out, node);
        if (node->next != NULL)
            fputs(", ", out);
    }
}

static void print_path(FILE *out, const Node *first)
{
    for (const Node *node = first; node != NULL; node = node->next) {
        if (node->kind == NODE_index) {
            putc('[', out);
            print_expression(out, node->b);
            putc(']', out);
        } else {
            fprintf(out, "%s%s", node == first ? "" : ".", node->name);
        }
    }
}

static void print_binary(FILE *out, const Node *node)
{
    Level level = operators[node->op].level;
    bool binds_right = node->op == OPERATOR_power;
    bool chains = level != LEVEL_comparison;

    print_operand(out, node->a, chains && !binds_right ? level : level + 1);
    fprintf(out, binds_right ? "%s" : " %s ", operators[node->op].text);
    /* the right side of a power may be negative without brackets: 2^-1 */
    print_operand(out, node->b, binds_right ? LEVEL_negate : level + 1);
}

static void print_expression(FILE *out, const Node *node)
{
    switch (node->kind) {
    case NODE_number: print_number(out, node->number); break;
    case NODE_name: fputs(node->name, out); break;
    case NODE_list:
        putc('[', out);
        print_expressions(out, node->items);
        putc(']', out);
        break;
    case NODE_comprehension:
        putc('[', out);
        print_expression(out, node->a);
        fprintf(out, " for %s in ", node->name);
        print_expression(out, node->b);
        if (node->c != NULL) {
            fputs(" if ", out);
            print_expression(out, node->c);
        }
        putc(']', out);
        break;
    case NODE_range:
        print_operand(out, node->a, LEVEL_sum);
        fputs(" .. ", out);
        print_operand(out, node->b, LEVEL_sum);
        break;
    case NODE_unary:
        fputs(operators[node->op].text, out);
        print_operand(out, node->a, operators[node->op].level);
        break;
    case NODE_binary: print_binary(out, node); break;
    case NODE_conditional:
        fputs("if ", out);
        print_expression(out, node->a);
        fputs(" then ", out);
        print_expression(out, node->b);
        fputs(" else ", out);
        print_expression(out, node->c);
        break;
    case NODE_call:
        fprintf(out, "%s(", node->name);
        print_expressions(out, node->items);
        putc(')', out);
        break;
    case NODE_argument:
        if (node->name != NULL)
            fprintf(out, "%s = ", node->name);
        print_expression(out, node->a);
        break;
    case NODE_index:
        print_operand(out, node->a, LEVEL_postfix);
        putc('[', out);
        print_expression(out, node->b);
        putc(']', out);
        break;
    case NODE_member:
        print_operand(out, node->a, LEVEL_postfix);
        fprintf(out, ".%s", node->name);
        break;
    case NODE_as:
        print_operand(out, node->a, LEVEL_postfix);
        fputs(" as ", out);
        print_path(out, node->items);
        break;
    default: BUG("a node of kind %d is no expression", (int)node->kind);
    }
}

static void print_block(FILE *out, const Node *statements, int indent)
{
    fputs("{\n", out);
    for (const Node *node = statements; node != NULL; node = node->next)
        print_statement(out, node, indent + 1);
    fprintf(out, "%*s}", 4 * indent, "");
}

static void print_parameters(FILE *out, const Node *first)
{
    for (const Node *node = first; node != NULL; node = node->next) {
        fputs(node->name, out);
        if (node->a != NULL) {
            fputs(" = ", out);
            print_expression(out, node->a);
        }
        if (node->next != NULL)
            fputs(", ", out);
    }
}

static void print_function(FILE *out, const Node *node, int indent)
{
    fprintf(out, "fn %s(", node->name);
    print_parameters(out, node->items);
    if (node->b->kind == NODE_block) {
        fputs(") ", out);
        print_block(out, node->b->items, indent);
    } else {
        fputs(") = ", out);
        print_expression(out, node->b);
    }
}

static void print_if(FILE *out, const Node *node, int indent)
{
    for (;;) {
        fputs("if ", out);
        print_expression(out, node->a);
        putc(' ', out);
        print_block(out, node->b->items, indent);
        node = node->c;
        if (node == NULL)
            return;
        fputs(" else ", out);
        if (node->kind != NODE_if)
            break;
    }
    print_block(out, node->items, indent);
}

/* A line that begins with `-` would go on from the line before, one that begins with the word of a
 * setting would be one. */
static bool needs_brackets(const Node *node)
{
    static const char *const words[] = {"output",   "minimize", "precision", "accumulate",
                                        "optimize", "schedule", "ema"};

    while (node->kind != NODE_name && node->kind != NODE_call && node->kind != NODE_comprehension
           && node->kind != NODE_conditional && node->kind != NODE_unary && node->a != NULL)
        node = node->a;
    for (size_t k = 0; k < COUNT_OF(words); k++)
        if ((node->kind == NODE_name || node->kind == NODE_call)
            && strcmp(node->name, words[k]) == 0)
            return true;
    return node->kind == NODE_unary && node->op == OPERATOR_negate;
}

/* `word` and the node's expression. */
static void print_setting(FILE *out, const char *word, const Node *node)
{
    fprintf(out, "%s ", word);
    print_expression(out, node->a);
}

static void print_statement(FILE *out, const Node *node, int indent)
{
    fprintf(out, "%*s", 4 * indent, "");
    switch (node->kind) {
    case NODE_import: fprintf(out, "import \"%s\"", node->name); break;
    case NODE_param:
        fputs("param ", out);
        print_parameters(out, node->items);
        break;
    case NODE_function: print_function(out, node, indent); break;
    case NODE_train:
        fputs("train ", out);
        print_block(out, node->items, indent);
        break;
    case NODE_assign:
        print_expressions(out, node->items);
        fputs(" = ", out);
        print_expression(out, node->b);
        break;
    case NODE_return: print_setting(out, "return", node); break;
    case NODE_if: print_if(out, node, indent); break;
    case NODE_for:
        fprintf(out, "for %s in ", node->name);
        print_expression(out, node->a);
        putc(' ', out);
        print_block(out, node->b->items, indent);
        break;
    case NODE_evaluate:
        print_operand(out, node->a, needs_brackets(node->a) ? LEVEL_postfix + 1 : 0);
        break;
    case NODE_input:
        fprintf(out, "%s : %s[", node->name, node->kind_name);
        print_expressions(out, node->items);
        putc(']', out);
        break;
    case NODE_output: print_setting(out, "output", node); break;
    case NODE_minimize: print_setting(out, "minimize", node); break;
    case NODE_precision: fprintf(out, "precision %s", node->name); break;
    case NODE_accumulate: print_setting(out, "accumulate", node); break;
    case NODE_optimize: print_setting(out, "optimize", node); break;
    case NODE_schedule:
        fputs("schedule ", out);
        print_expressions(out, node->items);
        break;
    case NODE_ema: print_setting(out, "ema", node); break;
    default: BUG("a node of kind %d is no statement", (int)node->kind);
    }
    putc('\n', out);
}

void print_tree(FILE *out, const Node *top_level)
{
    for (const Node *node = top_level; node != NULL; node = node->next) {
        bool is_large = node->kind == NODE_train
                        || (node->kind == NODE_function && node->b->kind == NODE_block);
        print_statement(out, node, 0);
        if (is_large && node->next != NULL)
            putc('\n', out);
    }
}
