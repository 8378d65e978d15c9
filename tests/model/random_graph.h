/* Small random models: chains, residuals, branches of several resolutions, with every op of the
 * forward pass, odd sizes, strides, pads and factors. The same seed gives the same model.
 */
#ifndef SNUG_TESTS_RANDOM_GRAPH_H
#define SNUG_TESTS_RANDOM_GRAPH_H

#include "compiler/ir/compilation.h"
#include "interpreter.h"

typedef struct RandomOptions {
    uint64_t seed;
    int32_t blocks;    /* of the network; 0: chosen by the seed, 1 .. 5 */
    bool mixed;        /* mixed precision */
    bool no_picture;   /* the input is a tensor of numbers; otherwise the seed chooses */
    bool only_picture; /* the input is a picture and its size even: what a trainer can run */
} RandomOptions;

/* An op, and the op behind it that reads it at other places or side by side with others. */
typedef struct RandomPair {
    OpKind op, resampler;
} RandomPair;
enum { MAX_RANDOM_PAIRS = OP_COUNT * 8 };

/* All pairs that models can have; model k contains pair k modulo their count and mostly another,
 * behind a batch norm where it is not the picture's. Returns how many. */
uint32_t random_pairs(RandomPair pairs[MAX_RANDOM_PAIRS]);

/* A compilation as elaborate and infer_shapes leave it: model->train is the forward pass with its
 * loss. Freed by random_model_destroy. */
Compilation *random_model(const RandomOptions *options);
void random_model_destroy(Compilation *c);

/* The value of element `index` of a parameter or an input of the model, points and image weights
 * that fit: the same for every graph made of the model. Exact in fp32; bytes for a picture. */
double random_param_value(const Model *model, ParamId param, uint64_t seed, int64_t index);
double random_input_value(const Model *model, const Value *input, uint64_t seed, int64_t index);

/* Fills parameters and inputs so, and sets gradients and the loss to zero. */
void random_fill(Interpreter *interpreter, const Graph *graph, const Model *model, uint64_t seed);

#endif
