/* A model file with what it imports: one tree, in which each param stands once. */
#include "front.h"

#include <errno.h>
#include <string.h>

#include "grammar/ast.h"

enum { MODEL_FILE_MAX_BYTES = 1 << 20, MODEL_FILES_MAX = 64 };

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
