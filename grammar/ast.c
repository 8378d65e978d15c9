/* Making the tree: one function for each shape of node. Also where its depth is limited, so that
 * everything that walks a tree may do so by recursion. */
#include "parser.h"

#include <string.h>

Node *node_create(Arena *arena, NodeKind kind, Span span)
{
    Node *node = arena_new(arena, Node);

    node->kind = kind;
    node->span = span;
    node->depth = 1;
    return node;
}

Chain chain_append(Chain chain, Node *node)
{
    if (node == NULL)
        return chain;
    if (chain.last == NULL)
        chain.first = node;
    else
        chain.last->next = node;
    chain.last = node;
    if (node->depth > chain.depth)
        chain.depth = node->depth;
    return chain;
}

/* Gives the node what is below it. A node that would be too deep is reported, once a file, and
 * left without children: nothing reads the tree of a file with errors. */
static Node *adopt(Parser *parser, Node *node, Node *a, Node *b, Node *c, Chain items)
{
    const Node *const children[] = {a, b, c};
    uint32_t below = items.depth;

    for (size_t k = 0; k < COUNT_OF(children); k++)
        if (children[k] != NULL && children[k]->depth > below)
            below = children[k]->depth;
    if (below >= NESTING_MAX) {
        if (!parser->is_too_deep) {
            error_at(parser->diags, ERROR_E009, node->span, "the nesting is deeper than %d",
                     NESTING_MAX);
            note(parser->diags, "give parts of it names of their own");
        }
        parser->is_too_deep = true;
        return node;
    }
    node->a = a;
    node->b = b;
    node->c = c;
    node->items = items.first;
    node->depth = below + 1;
    return node;
}

Node *make_number(Parser *parser, Span span, double number)
{
    Node *node = node_create(parser->arena, NODE_number, span);

    node->number = number;
    return node;
}

Node *make_name(Parser *parser, Span span, const char *name)
{
    Node *node = node_create(parser->arena, NODE_name, span);

    node->name = name;
    node->name_span = span;
    return node;
}

Node *make_node(Parser *parser, NodeKind kind, Span span, Node *a, Node *b, Node *c)
{
    return adopt(parser, node_create(parser->arena, kind, span), a, b, c, (Chain){0});
}

Node *make_argument(Parser *parser, Span span, Node *value)
{
    return make_node(parser, NODE_argument, span, value, NULL, NULL);
}

Node *make_operation(Parser *parser, Operator op, Span span, Node *a, Node *b)
{
    Node *node = make_node(parser, b == NULL ? NODE_unary : NODE_binary, span, a, b, NULL);

    node->op = op;
    return node;
}

Node *make_chain(Parser *parser, NodeKind kind, Span span, Chain items, Node *a, Node *b)
{
    return adopt(parser, node_create(parser->arena, kind, span), a, b, NULL, items);
}

Node *make_named_chain(Parser *parser, NodeKind kind, Span span, Span name_span, const char *name,
                       Chain items, Node *b)
{
    Node *node = make_chain(parser, kind, span, items, NULL, b);

    node->name = name;
    node->name_span = name_span;
    return node;
}

Node *make_named(Parser *parser, NodeKind kind, Span span, Span name_span, const char *name,
                 Node *a, Node *b)
{
    Node *node = make_node(parser, kind, span, a, b, NULL);

    node->name = name;
    node->name_span = name_span;
    return node;
}

Node *make_input(Parser *parser, Span span, Span name_span, const char *name, Span kind_span,
                 const char *kind_name, Chain sizes)
{
    static const char *const kinds[] = {"picture", "landmarks", "tensor"};
    Node *node = make_named_chain(parser, NODE_input, span, name_span, name, sizes, NULL);
    const char *nearest = nearest_name(kind_name, kinds, COUNT_OF(kinds));

    node->kind_name = kind_name;
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        if (strcmp(kind_name, kinds[k]) == 0)
            return node;
    error_at(parser->diags, ERROR_E021, kind_span, "there is no input of the kind `%s`", kind_name);
    if (nearest != NULL)
        note(parser->diags, "did you mean `%s`?", nearest);
    note(parser->diags, "inputs are picture[n, h, w, 3], landmarks[n, count], tensor[n, h, w, c]");
    return node;
}

Node *make_comprehension(Parser *parser, Span span, Node *element, Span name_span, const char *name,
                         Node *over, Node *condition)
{
    Node *node = make_node(parser, NODE_comprehension, span, element, over, condition);

    node->name = name;
    node->name_span = name_span;
    return node;
}
