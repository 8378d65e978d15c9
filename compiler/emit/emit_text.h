/* How the emitted C is written: names, literals, comments and lines of at most LINE_COLUMNS. Shared
 * by emit_program.c and emit_buffers.c. */
#ifndef SNUG_EMIT_TEXT_H
#define SNUG_EMIT_TEXT_H

#include "emit.h"

enum { LINE_COLUMNS = 100 };

typedef struct Emitter {
    Compilation *c;
    Arena *arena;
    const ProgramTables *tables;
    const SnugProgram *program;
    const char *prefix;   /* of all names of the variant: "", or "b8_512x512_" */
    Interner *interner;   /* one for all variants */
    Map *names;           /* taken: interned name -> int32_t, how often it was asked for */
    const char **buffers; /* names of buffers and kernels, by index */
    const char **kernels;
    uint32_t file; /* that a `.line` is of where no other is named; 0: none */
    FILE *out;
} Emitter;

/* ---- names ----------------------------------------------------------------------------------- */
/* So that nothing in the file gets a name that C, its headers or the file itself need. */
void reserve_names(Emitter *emitter);
/* Fills buffers and kernels: C identifiers like the program's names, unique in the file. */
void name_everything(Emitter *emitter);

/* ---- literals and comments ------------------------------------------------------------------- */
/* "text" as a C string; trigraphs and bytes beyond ASCII are escaped. */
const char *c_string(const Emitter *emitter, const char *string);
/* The shortest decimal that reads back as the same float. */
const char *c_float(const Emitter *emitter, float number);
const char *c_shape(const Emitter *emitter, SnugShape shape); /* "{1, 64, 64, 3}" */
const char *c_type(SnugType type);                            /* "SNUG_F32" */
/* `string` within a comment: it cannot end it. */
const char *comment_text(Arena *arena, const char *string);
const char *file_path(const Emitter *emitter, uint32_t file);
/* A comment of as many lines as it needs, broken between words. */
void emit_comment(const Emitter *emitter, int indent, const char *text);

/* ---- rows ------------------------------------------------------------------------------------ */
/* Items with ", " between them; one that does not fit into the line begins the next. */
typedef struct Row {
    const Emitter *emitter;
    int indent; /* of the lines after the first */
    int column; /* where the line ends so far */
    bool has_items;
} Row;

/* `head` begins the line. */
Row row_open(const Emitter *emitter, int indent, const char *head);
void row_item(Row *row, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The item `.field = "string"`, the string in pieces where it is longer than a line. */
void row_string(Row *row, const char *field, const char *string);
/* The item `.line = 6`, with the file where it is not the emitter's; nothing where there is no
 * line. */
void row_line(Row *row, Span source);
void row_close(const Row *row, const char *tail);

/* ---- emit_buffers.c -------------------------------------------------------------------------- */
/* The banner of the variant with the map of its memory; its buffers in order of address. */
void emit_memory_map(const Emitter *emitter);
void emit_buffers(const Emitter *emitter);

#endif
