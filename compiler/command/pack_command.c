#include "pack_command.h"

#include <errno.h>
#include <string.h>

#include "compiler/check/pack_check.h"
#include "compiler/floor/system.h"
#include "compiler/floor/text.h"
#include "pack_file.h"

/* Without --time_limit the search ends after a number of placements that takes some seconds: one
 * takes about 8 ns an item. */
enum { USUAL_SECONDS = 10 };

static uint64_t usual_nodes(uint32_t count, double seconds)
{
    double nodes = seconds * 1e8 / (count > 64 ? count : 64);

    return nodes < 1e18 ? (uint64_t)nodes : (uint64_t)1e18;
}

static bool read_text(const char *path, Text *text)
{
    char chunk[4096];
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        fprintf(stderr,
                "%s: error: %s\n      note: a file of MiniMalloc's form is needed: "
                "id,lower,upper,size\n",
                path, strerror(errno));
        return false;
    }
    for (size_t got = 1; got > 0 && text->length <= PACK_FILE_MAX_BYTES;) {
        got = fread(chunk, 1, sizeof chunk, file);
        text_append(text, chunk, got);
    }
    bool failed = ferror(file) != 0, too_long = text->length > PACK_FILE_MAX_BYTES;
    if (failed)
        fprintf(stderr, "%s: error: it cannot be read: %s\n", path, strerror(errno));
    else if (too_long)
        fprintf(stderr, "%s: error: over %d MiB\n      note: at most %d buffers are packed\n", path,
                PACK_FILE_MAX_BYTES >> 20, PACK_FILE_MAX_ROWS);
    fclose(file);
    return !failed && !too_long;
}

/* ---- what is printed ------------------------------------------------------------------------- */

static void print_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < 0x20)
            fprintf(out, "\\u%04x", (unsigned)byte);
        else
            putc(byte, out);
    }
    putc('"', out);
}

static void print_json(FILE *out, const PackRequest *request, const PackFile *file,
                       const PackResult *result, double seconds)
{
    fprintf(out, "{\n  \"schema\": 1,\n  \"height\": %lld,\n  \"bound\": %lld,\n",
            (long long)result->height, (long long)result->bound);
    if (request->capacity > 0)
        fprintf(out, "  \"capacity\": %lld,\n", (long long)request->capacity);
    fprintf(out, "  \"seconds\": %lld.%06lld,\n  \"placements\": %llu,\n  \"offsets\": [",
            (long long)seconds, (long long)(seconds * 1e6) % 1000000,
            (unsigned long long)result->nodes);
    for (uint32_t b = 0; b < file->count; b++) {
        fprintf(out, "%s    {\"id\": ", b == 0 ? "\n" : ",\n");
        print_string(out, file->ids[b]);
        fprintf(out, ", \"offset\": %lld}", (long long)result->offsets[b]);
    }
    fprintf(out, "\n  ]\n}\n");
}

static void print_text(FILE *out, const PackRequest *request, const PackFile *file,
                       const PackResult *result, double seconds, Arena *arena)
{
    int64_t over = result->height - result->bound, capacity = request->capacity;
    int64_t tenths = result->bound > 0 ? (int64_t)((double)over * 1000 / (double)result->bound) : 0;

    fprintf(out, "%s: %u buffers\n", request->path, file->count);
    fprintf(out, "height    %15lld  %s\n", (long long)result->height,
            format_bytes(arena, result->height));
    fprintf(out, "bound     %15lld  no packing is lower\n", (long long)result->bound);
    fprintf(out, "gap       %13lld.%lld  %%, %lld bytes\n", (long long)(tenths / 10),
            (long long)(tenths % 10), (long long)over);
    if (capacity > 0)
        fprintf(out, "capacity  %15lld  %s\n", (long long)capacity,
                result->height <= capacity ? "reached"
                : result->bound > capacity ? "missed: the bound proves that nothing fits"
                                           : "missed: more may be found with a --time_limit");
    fprintf(out, "time      %11lld.%03lld  s, %llu placements\n", (long long)seconds,
            (long long)(seconds * 1e3) % 1000, (unsigned long long)result->nodes);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Packs what has bytes; the rest lies at 0. */
static PackResult pack_buffers(const PackRequest *request, const PackFile *file, Arena *arena)
{
    PackItem *items = arena_array(arena, PackItem, file->count);
    PackProblem problem = {.items = items, .capacity = request->capacity};

    for (uint32_t b = 0; b < file->count; b++)
        if (file->items[b].size > 0)
            items[problem.count++] = file->items[b];
    problem.node_limit = usual_nodes(
        problem.count, request->time_limit > USUAL_SECONDS ? request->time_limit : USUAL_SECONDS);
    if (request->time_limit > 0)
        problem.deadline = monotonic_seconds() + request->time_limit;
    PackResult packed = pack(&problem, arena), result = packed;
    result.offsets = arena_array(arena, int64_t, file->count);
    for (uint32_t b = 0, k = 0; b < file->count; b++)
        if (file->items[b].size > 0)
            result.offsets[b] = packed.offsets[k++];
    return result;
}

ExitStatus pack_command(const PackRequest *request, Arena *arena, FILE *out)
{
    PackFile file;
    const char *message;
    Text text = {.arena = arena};

    if (!read_text(request->path, &text))
        return EXIT_STATUS_files;
    if (!pack_file_parse(&file, arena, request->path, text.bytes, text.length, &message)) {
        fputs(message, stderr);
        return EXIT_STATUS_diagnostics;
    }
    double started = monotonic_seconds();
    PackResult result = pack_buffers(request, &file, arena);
    double ended = monotonic_seconds(), seconds = ended > started ? ended - started : 0;
    const char *wrong = pack_check(file.items, file.count, &result, arena);
    if (wrong != NULL)
        BUG("the packing is wrong: %s", wrong);
    if (request->json)
        print_json(out, request, &file, &result, seconds);
    else
        print_text(out, request, &file, &result, seconds, arena);
    return request->capacity == 0 || result.height <= request->capacity ? EXIT_STATUS_ok
                                                                        : EXIT_STATUS_diagnostics;
}
