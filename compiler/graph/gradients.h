/* The seam between the reverse walk (autodiff.c) and the gradient of each op (gradients.c). */
#ifndef SNUG_GRADIENTS_H
#define SNUG_GRADIENTS_H

#include "compiler/ir/ir.h"

typedef ARRAY(ValueId) Contributions;

/* The state of one reverse walk. Indexed by the handles of the forward pass. */
typedef struct Tape {
    Graph *graph;
    Arena *arena;
    const bool *needs_grad; /* by ValueId: a trained parameter lies above it */
    Contributions *of;      /* by ValueId: the gradients that its readers have sent so far */
} Tape;

/* Appends a backward op, named after the value whose gradient it makes. */
OpId tape_append(Tape *tape, OpKind kind, const ValueId *inputs, uint32_t input_count,
                 ValueId gradient_of);

/* Sends `gradient` to `value`; nothing where that needs none. */
void tape_send(Tape *tape, ValueId value, ValueId gradient);

/* Appends what sends the gradient of every input of `op`, given the gradient of its output. */
void append_gradients(Tape *tape, OpId op, ValueId dy);

#endif
