#include "compilation.h"

Compilation *compilation_create(const CompileOptions *options)
{
    Arena *arena = arena_create();
    Compilation *c = arena_new(arena, Compilation);

    c->options = *options;
    c->arena = arena;
    c->scratch = arena_create();
    c->names = interner_create(arena);
    c->diags = diagnostics_create(arena);
    return c;
}

void compilation_destroy(Compilation *c)
{
    if (c == NULL)
        return;
    arena_destroy(c->scratch);
    arena_destroy(c->arena); /* c itself lies in it */
}
