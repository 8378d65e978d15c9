/* The pipeline: every stage of the compiler, in order, one call a line.
 *
 * Between the stages stands stage_done, in one place for all of them: it stops after errors, prints
 * the dump that was asked for, runs the verifier and takes the time. A stage knows of none of it.
 */
#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/floor/system.h"
#include "grammar/ast.h"

enum { MODEL_FILE_MAX_BYTES = 1 << 20, MODEL_FILES_MAX = 64 };

/* ---- reading: a file and what it imports ------------------------------------------------------ */

typedef struct Importer {
    Compilation *c;
    ARRAY(const char *) paths; /* interned, in the order in which reading began */
    ARRAY(bool) is_done;       /* false: its own imports are being read, a second time is a cycle */
    Node *first, *last;        /* the tree so far */
} Importer;

/* Reads a whole file into the arena. Returns false with errno, or EFBIG where it is too large. */
static bool read_source(Arena *arena, const char *path, const char **text, size_t *length)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    bool ok;

    if (file == NULL)
        return false;
    bytes = arena_alloc(arena, MODEL_FILE_MAX_BYTES + 1);
    *length = fread(bytes, 1, MODEL_FILE_MAX_BYTES + 1, file);
    ok = !ferror(file);
    if (ok && *length > MODEL_FILE_MAX_BYTES) {
        errno = EFBIG;
        ok = false;
    }
    if (ok)
        bytes[*length] = '\0';
    *text = bytes;
    fclose(file);
    return ok;
}

/* The path of `import "name"` in the file at `from`: relative to that file's folder, which each
 * leading "../" leaves. */
static const char *import_path(Importer *importer, const char *from, const char *name)
{
    const char *slash = strrchr(from, '/');
    size_t folder = slash != NULL && name[0] != '/' ? (size_t)(slash - from) + 1 : 0;
    Text path = {.arena = importer->c->scratch};

    while (strncmp(name, "../", 3) == 0 && folder > 1
           && (folder < 3 || strncmp(from + folder - 3, "../", 3) != 0)) {
        for (folder--; folder > 0 && from[folder - 1] != '/'; folder--)
            continue;
        name += 3;
    }
    text_append(&path, from, folder);
    text_put(&path, name);
    return intern(importer->c->names, path.bytes, path.length);
}

static void append_tree(Importer *importer, Node *node)
{
    node->next = NULL;
    if (importer->last == NULL)
        importer->first = node;
    else
        importer->last->next = node;
    importer->last = node;
}

static void import_file(Importer *importer, const char *path, Span asked_at)
{
    Compilation *c = importer->c;
    const char *text;
    size_t length;
    uint32_t index = importer->paths.count;

    for (uint32_t k = 0; k < importer->paths.count; k++) {
        if (importer->paths.items[k] != path)
            continue;
        if (!importer->is_done.items[k]) {
            error_at(c->diags, ERROR_E027, asked_at, "\"%s\" imports itself", path);
            note(c->diags, "move what both files need into a third file and import that");
        }
        return;
    }
    if (importer->paths.count == MODEL_FILES_MAX) {
        error_at(c->diags, ERROR_E029, asked_at, "more than %d files are imported",
                 MODEL_FILES_MAX);
        return;
    }
    if (!read_source(c->arena, path, &text, &length)) {
        error_at(c->diags, ERROR_E028, asked_at, "cannot read \"%s\": %s", path,
                 errno == EFBIG ? "it has more than 1 MiB" : strerror(errno));
        if (asked_at.file != 0)
            note(c->diags, "the path of an import is relative to the file that imports");
        return;
    }
    ARRAY_APPEND(c->scratch, &importer->paths, path);
    ARRAY_APPEND(c->scratch, &importer->is_done, false);

    uint32_t file = diagnostics_add_file(c->diags, path, text, length);
    uint32_t errors = diagnostics_error_count(c->diags);
    Node *first = parse_file(c->arena, c->names, c->diags, file);
    bool is_clean =
        diagnostics_error_count(c->diags) == errors; /* else its paths may be wrong too */
    for (Node *node = first, *next; node != NULL; node = next) {
        next = node->next;
        if (node->kind == NODE_import && is_clean)
            import_file(importer, import_path(importer, path, node->name), node->span);
        else if (node->kind != NODE_import)
            append_tree(importer, node);
    }
    importer->is_done.items[index] = true;
}

typedef struct NewestDefault {
    const Node *param;
    bool is_twice; /* in one file: elaborate reports it */
} NewestDefault;

/* A file that imports another may declare a param of it again, which gives that a new default: the
 * old declaration is dropped, so that the tree has each param once. */
static void drop_old_defaults(Compilation *c, Node **tree)
{
    Map newest = {0};

    for (Node *node = *tree; node != NULL; node = node->next) {
        for (Node *p = node->kind == NODE_param ? node->items : NULL; p != NULL; p = p->next) {
            const NewestDefault *old = map_get(&newest, p->name);
            NewestDefault *this = arena_new(c->scratch, NewestDefault);
            bool is_again = old != NULL && old->param->span.file == p->span.file;
            *this = (NewestDefault){p, old != NULL && (old->is_twice || is_again)};
            map_set(&newest, c->scratch, p->name, this);
        }
    }
    for (Node **node = tree; *node != NULL;) {
        for (Node **p = &(*node)->items; (*node)->kind == NODE_param && *p != NULL;) {
            const NewestDefault *last = map_get(&newest, (*p)->name);
            if (last->param->span.file != (*p)->span.file && !last->is_twice)
                *p = (*p)->next;
            else
                p = &(*p)->next;
        }
        if ((*node)->kind == NODE_param && (*node)->items == NULL)
            *node = (*node)->next;
        else
            node = &(*node)->next;
    }
}

bool parse_model(Compilation *c)
{
    Importer importer = {.c = c};
    const char *path = c->options.model_path;

    import_file(&importer, intern(c->names, path, strlen(path)), (Span){0});
    drop_old_defaults(c, &importer.first);
    c->tree = importer.first;
    return diagnostics_error_count(c->diags) == 0;
}

/* ---- the column --------------------------------------------------------------------------------- */

const char *const stage_names[] = {
#define STAGE(name) #name,
    SNUG_STAGES(STAGE)
#undef STAGE
};
const uint32_t stage_count = COUNT_OF(stage_names);

uint32_t find_stage(const char *name)
{
    uint32_t k = 0;

    while (k < stage_count && strcmp(stage_names[k], name) != 0)
        k++;
    return k;
}

typedef struct Progress {
    Compilation *c;
    uint32_t done;    /* stages */
    const char *last; /* stop after this stage */
    FILE *out;
    Text previous; /* --dump=all: the dump of the stage before, to say "unchanged" */
    double started;
    bool is_finished;
} Progress;

static void dump_segments(FILE *out, const Compilation *c, bool plans)
{
    static const char *const names[] = {"micro_step", "update", "evaluate"};

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        if (c->kernels[s] == NULL)
            continue;
        fprintf(out, "%s:\n", names[s]);
        if (plans)
            print_plan(out, c->plans[s], c->kernels[s]);
        else
            print_kernels(out, c->kernels[s], c->model);
    }
}

static void dump_stage(FILE *out, const Compilation *c, const char *stage)
{
    if (strcmp(stage, "tree") == 0)
        print_tree(out, c->tree);
    else if (c->plans[SNUG_SEGMENT_evaluate] != NULL)
        dump_segments(out, c, true);
    else if (c->kernels[SNUG_SEGMENT_evaluate] != NULL)
        dump_segments(out, c, false);
    else
        print_graph(out, c->model->train, c->model, c->diags);
}

static void verify_stage(const Compilation *c, const char *stage)
{
    if (c->kernels[SNUG_SEGMENT_evaluate] == NULL && c->model != NULL) {
        verify_graph(c->model->train, c->model, stage);
        if (c->model->evaluate != NULL)
            verify_graph(c->model->evaluate, c->model, stage);
    }
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (c->kernels[s] != NULL && c->plans[s] == NULL)
            verify_kernels(c->kernels[s], c->model, stage);
}

/* --dump=all: the stage's dump under its name, or that it has changed nothing. */
static void dump_change(Progress *progress, const char *stage)
{
    Text text = {.arena = progress->c->arena};
    FILE *file = tmpfile();
    int byte;

    if (file == NULL)
        BUG("no temporary file for the dump of stage %s", stage);
    dump_stage(file, progress->c, stage);
    rewind(file);
    while ((byte = getc(file)) != EOF)
        text_append(&text, &(char){(char)byte}, 1);
    fclose(file);
    bool is_same = text.length > 0 && text.length == progress->previous.length
                   && memcmp(text.bytes, progress->previous.bytes, text.length) == 0;
    fprintf(progress->out, "---- %s%s\n", stage, is_same ? ": unchanged" : "");
    if (!is_same && text.length > 0)
        fwrite(text.bytes, 1, text.length, progress->out);
    progress->previous = text;
}

/* Returns whether the next stage is to run. */
static bool stage_done(Progress *progress, const char *stage)
{
    Compilation *c = progress->c;

    if (find_stage(stage) != progress->done++)
        BUG("stage %s is out of order", stage);
    if (c->options.time_stages)
        fprintf(stderr, "%-10s %9.2f ms\n", stage, 1e3 * (monotonic_seconds() - progress->started));
    if (diagnostics_error_count(c->diags) > 0)
        return false;
    verify_stage(c, stage);
    if (c->options.dump != NULL && strcmp(c->options.dump, stage) == 0)
        dump_stage(progress->out, c, stage);
    if (c->options.dump != NULL && strcmp(c->options.dump, "all") == 0)
        dump_change(progress, stage);
    arena_reset(c->scratch);
    progress->is_finished = strcmp(progress->last, stage) == 0;
    progress->started = monotonic_seconds();
    return !progress->is_finished;
}

ExitStatus run_pipeline(Compilation *c, const char *last, FILE *dump_out)
{
    Progress progress = {.c = c, .last = last, .out = dump_out, .started = monotonic_seconds()};
    bool ok = true;

    ok = ok && parse_model(c) && stage_done(&progress, "tree");
    ok = ok && elaborate(c) && stage_done(&progress, "graph");
    ok = ok && infer_shapes(c) && stage_done(&progress, "shapes");
    ok = ok && differentiate(c) && stage_done(&progress, "autodiff");
    ok = ok && simplify(c) && stage_done(&progress, "simplify");
    ok = ok && choose_target(c) && stage_done(&progress, "target");
    ok = ok && fuse(c) && stage_done(&progress, "fuse");
    ok = ok && estimate_costs(c) && stage_done(&progress, "kernels");
    ok = ok && plan_memory(c) && stage_done(&progress, "plan");
    ok = ok && check_plans(c) && stage_done(&progress, "check");

    if (diagnostics_error_count(c->diags) == 0 && (ok || progress.is_finished))
        return EXIT_STATUS_ok;
    return c->model != NULL && c->plans[SNUG_SEGMENT_evaluate] != NULL && !c->fits
               ? EXIT_STATUS_memory
               : EXIT_STATUS_diagnostics;
}

/* ---- the compilation ------------------------------------------------------------------------------ */

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
