/* NAME_plan.h: plan.html of each program as pieces of text, which NAME.c includes and the trainer
 * writes into its run folder. An executable may be moved away from generated/NAME; its page goes
 * with it.
 *
 *     static const char *const plan_page[] = {
 *         "<!doctype html>\n",
 *         ...
 *         NULL,
 *     };
 *
 * A piece ends with a line, or is as long as every compiler takes (C11, 5.2.4.1: 4095 bytes).
 */
#include "compiler/floor/system.h"
#include "compiler/report/report_html.h"
#include "emit.h"

enum { PIECE_BYTES = 2000 };

typedef struct Pages {
    Compilation *const *variants;
    uint32_t count;
} Pages;

/* Octal digits never run into what follows, and there are no trigraphs. */
static void put_byte(FILE *out, int byte)
{
    if (byte == '\n')
        fputs("\\n", out);
    else if (byte == '"' || byte == '\\' || byte == '?')
        fprintf(out, "\\%c", byte);
    else if (byte < ' ' || byte > '~')
        fprintf(out, "\\%03o", (unsigned)byte);
    else
        putc(byte, out);
}

static void put_pieces(FILE *out, FILE *page)
{
    int length = 0, byte;

    while ((byte = getc(page)) != EOF) {
        if (length == 0)
            fputs("    \"", out);
        put_byte(out, byte);
        if (byte == '\n' || ++length == PIECE_BYTES) {
            fputs("\",\n", out);
            length = 0;
        }
    }
    fputs(length > 0 ? "\",\n" : "", out);
}

static bool write_pages(FILE *out, void *context)
{
    const Pages *pages = context;
    Arena *arena = arena_create();
    bool ok = true;

    fprintf(out,
            "/* plan.html, which the trainer puts into its run folder. */\n#include <stddef.h>\n");
    for (uint32_t v = 0; ok && v < pages->count; v++) {
        Compilation *c = pages->variants[v];
        FILE *page = tmpfile();
        ok = page != NULL;
        if (!ok)
            break;
        report_html(page, c, NULL);
        rewind(page);
        fprintf(out, "\nstatic const char *const %splan_page[] = {\n",
                program_prefix(pages->variants, pages->count, v));
        put_pieces(out, page);
        fprintf(out, "    NULL,\n};\n");
        ok = !ferror(page);
        fclose(page);
    }
    arena_destroy(arena);
    return ok && !ferror(out);
}

bool emit_pages(Compilation *const *variants, uint32_t count, const char *folder)
{
    Pages pages = {variants, count};
    Compilation *c = variants[0];

    return write_if_changed(c->arena,
                            arena_printf(c->arena, "%s/%s_plan.h", folder, c->model->name),
                            write_pages, &pages);
}
