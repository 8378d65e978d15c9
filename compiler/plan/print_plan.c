/* --dump=plan: steps in order, with the buffers that each makes.
 *
 *     12 steps, 20 buffers in 69632 bytes; at most 69632 alive, at step 7
 *     1 computed again: +0.4 ms of 12.1 ms; bound 0.2 ms
 *        3  conv2
 *             conv2             [   3,    9)  @     16384    16384 bytes
 *             conv2.partials    [   3,    5)  @     65536      256 bytes
 *        4  conv3 (again)
 *             conv3             [   4,    6)  @     32768    16384 bytes, takes over relu2
 */
#include "plan.h"

static void print_buffer(FILE *out, const Plan *plan, uint32_t b)
{
    const Buffer *buffer = &plan->buffers.items[b];

    fprintf(out, "        %-36s [%4u, %4u)  @ %11lld  %11lld bytes", buffer->name,
            buffer->life.first, buffer->life.last, (long long)buffer->offset,
            (long long)buffer->bytes);
    if (buffer->in_place_of.i != b)
        fprintf(out, ", takes over %s", plan->buffers.items[buffer->in_place_of.i].name);
    fputc('\n', out);
}

/* What computing again costs, where anything is. */
static void print_repeats(FILE *out, const Plan *plan, const KernelSet *kernels)
{
    const Certificate *certificate = &plan->certificate;
    double once_us = -certificate->rebuild_us;
    uint32_t repeats = 0;

    for (uint32_t s = 0; s < plan->steps.count; s++)
        repeats += plan->steps.items[s].is_repeat;
    for (uint32_t k = 0; k < kernels->kernels.count; k++)
        once_us += kernels->kernels.items[k].time_us;
    if (certificate->recompute_us == 0)
        return;
    fprintf(out, "%u computed again: +%.4f ms of %.4f ms; bound %.4f ms\n", repeats,
            certificate->recompute_us / 1e3, once_us / 1e3, certificate->recompute_bound_us / 1e3);
}

void print_plan(FILE *out, const Plan *plan, const KernelSet *kernels)
{
    const Certificate *certificate = &plan->certificate;
    uint32_t in_arena = 0;

    for (uint32_t b = 0; b < plan->buffers.count; b++)
        in_arena += plan->buffers.items[b].storage == STORAGE_arena;
    fprintf(out, "%u steps, %u buffers in %lld bytes; at most %lld alive, at step %u\n",
            plan->steps.count, in_arena, (long long)plan->arena_bytes,
            (long long)certificate->live_bound, certificate->peak_step);
    print_repeats(out, plan, kernels);
    for (uint32_t s = 0; s < plan->steps.count; s++) {
        const Step *step = &plan->steps.items[s];
        const Kernel *kernel = &kernels->kernels.items[step->kernel.i];
        fprintf(out, "%5u  %s%s\n", s, kernel->label, step->is_repeat ? " (again)" : "");
        for (uint32_t a = 0; a < step->buffer_count; a++) {
            bool is_made =
                a >= (uint32_t)kernel->code.arg_count || kernel->code.args[a].access == SNUG_WRITE;
            uint32_t b = step->buffers[a].i;
            if (is_made && b < plan->buffers.count
                && plan->buffers.items[b].storage == STORAGE_arena)
                print_buffer(out, plan, b);
        }
    }
}
