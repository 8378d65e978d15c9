/* The end of a kernel: no macro of its text, nor of what that includes, reaches the next kernel's,
 * and what it included may be included again. The macros of prims.cuh and tensor.cuh stay.
 */
#undef PARAMETERS
#undef ARGS
#undef ENTRY
#undef ENTRY_ADD
#undef ENTRY_REFINE
#undef ENTRY_SCAN
#undef ENTRY_SUM

/* names of args and members */
#undef GRADIENT
#undef OUT
#undef SOURCE
#undef WEIGHTS

/* floats */
#undef ALPHA
#undef EPS
#undef EPSILON
#undef LOG_RATIO
#undef LOSS_STRIDE
#undef MOMENTUM
#undef OMEGA
#undef SIGMA
#undef THETA

/* what an #if asks; of windows the text itself takes it back */
#undef IS_ADAMW
#undef IS_BN_COMBINE
#undef IS_BN_FROZEN
#undef IS_BN_GRAD_COMBINE
#undef IS_GRADIENT
#undef IS_GRAD_NORM
#undef IS_WING
#undef PARTIAL_ROWS
#undef REDUCTIONS
#undef SPLITS
#undef TOP

/* of the hand-written files */
#undef COLLECT_FLOATS
#undef CORE
#undef EACH_FOUR
#undef JOIN_FLOATS
#undef LARGEST
#undef PARTS
#undef PIXELS
#undef ROWS_BYTES
#undef SNUG_COLLECT_CUH
#undef SNUG_HALO_CUH
#undef SNUG_REDUCE_CUH
#undef SNUG_STATISTICS_CUH
#undef SNUG_TARGET_CUH
