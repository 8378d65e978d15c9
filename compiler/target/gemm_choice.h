/* Who makes a plain matrix product: the cost model's choice, or the user's (--gemm). */
#ifndef SNUG_GEMM_CHOICE_H
#define SNUG_GEMM_CHOICE_H

#include "compiler/ir/ir.h"

/* Whether cuBLAS is to make it: target->gemm decides, or (auto) the estimates of both. Requires a
 * card. */
bool choose_gemm(const Target *target, const SnugKernel *kernel);

#endif
