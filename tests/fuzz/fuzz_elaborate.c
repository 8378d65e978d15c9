/* Any bytes as a model file, through the stages that read what the user wrote: parsed, elaborated,
 * shapes inferred, differentiated, simplified, with the verifiers between them. What is wrong with
 * the file must have been reported by a stage; BUG stops the fuzzer.
 *
 *     fuzz_elaborate -dict=tests/fuzz/model.dict -timeout=60 WORK_FOLDER \
 *         tests/fuzz/corpus_elaborate models
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/front/front.h"
#include "compiler/graph/graph.h"
#include "grammar/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* The file's tree without its imports, which the fuzzer has no files for. */
static Node *parse_without_imports(Compilation *c, const char *text, size_t length)
{
    uint32_t file = diagnostics_add_file(c->diags, "m.snug", text, length);
    Node *tree = parse_file(c->arena, c->names, c->diags, file), *kept = NULL, **end = &kept;

    for (Node *node = tree; node != NULL; node = node->next)
        if (node->kind != NODE_import) {
            *end = node;
            end = &node->next;
        }
    *end = NULL;
    return kept;
}

static bool stage_done(Compilation *c, const char *stage)
{
    if (diagnostics_error_count(c->diags) > 0)
        return false;
    verify_graph(c->model->train, c->model, stage);
    if (c->model->evaluate != NULL)
        verify_graph(c->model->evaluate, c->model, stage);
    arena_reset(c->scratch);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    Compilation *c = compilation_create(&(CompileOptions){.model_path = "m.snug"});
    char *text = arena_alloc(c->arena, length + 1);
    FILE *out = fopen("/dev/null", "w");

    if (out == NULL)
        abort();
    if (length > 0)
        memcpy(text, bytes, length);
    c->tree = parse_without_imports(c, text, length);
    bool ok = diagnostics_error_count(c->diags) == 0;
    ok = ok && elaborate(c) && stage_done(c, "graph");
    ok = ok && infer_shapes(c) && stage_done(c, "shapes");
    ok = ok && differentiate(c) && stage_done(c, "autodiff");
    ok = ok && simplify(c) && stage_done(c, "simplify");
    if (ok)
        print_graph(out, c->model->train, c->model, c->diags);
    else if (diagnostics_error_count(c->diags) == 0)
        BUG("a stage fails and says nothing");
    diagnostics_print(c->diags, out, true);
    fclose(out);
    compilation_destroy(c);
    return 0;
}
