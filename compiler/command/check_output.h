#ifndef SNUG_CHECK_OUTPUT_H
#define SNUG_CHECK_OUTPUT_H

#include "compiler/ir/compilation.h"

/* Refuses, after a message, an output that is an input of the compilation, of another kind than its
 * name says, or no file. flag: that names it; path NULL or "-": no file is written; own: the ending
 * that the kind has, NULL: none of the known ones; kind: in words. */
ExitStatus check_output(const Compilation *c, const char *flag, const char *path, const char *own,
                        const char *kind);

#endif
