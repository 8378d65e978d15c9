/* Each fault that a pipeline of copies invites, planted into the kernels one at a time, is found:
 * by the software GPU, or by a wrong result. The kernels as they are pass conv_test.
 */
#include "card_bench.h"

typedef enum Subject { FORWARD, RESIDENT, STRIDED_GRADIENT, WEIGHT_GRADIENT } Subject;

/* A set of SoftGpuFault, and of what the comparison finds. */
#define BIT(fault) (1u << SOFTGPU_FAULT_##fault)
enum { WRONG = 1 };

typedef struct Fault {
    const char *name, *header, *from, *to;
    Subject subject;
    unsigned found_as;
} Fault;

static const Fault faults[] = {
    {"padding is not zero behind the prologue", "halo.cuh",
     "if (!chunk.is_mine || !chunk.is_inside)", "if (!chunk.is_mine)", FORWARD, WRONG},
    {"padding is not zero in front of it", "halo.cuh",
     "store_shared(place.slot + chunk.offset, uint4{0, 0, 0, 0});", ";", FORWARD, WRONG},
    {"the wait is one too weak", "conv.cuh", "copy_wait<PENDING>()", "copy_wait<PENDING + 1>()",
     FORWARD, BIT(async_pending)},
    {"the wait is one too weak where weights stay", "conv.cuh", "copy_wait<PENDING>()",
     "copy_wait<PENDING + 1>()", RESIDENT, BIT(async_pending)},
    {"no barrier in the main loop", "conv.cuh", "barrier();\n                    if (!IS_RESIDENT)",
     "if (!IS_RESIDENT)", FORWARD, BIT(shared_race) | BIT(async_pending)},
    {"no barrier before the totals", "conv.cuh", "barrier(); /* the last step has been read */", "",
     FORWARD, BIT(shared_race) | BIT(async_pending)},
    {"no barrier after the totals", "conv.cuh", "        }\n    barrier();\n#pragma unroll",
     "        }\n#pragma unroll", FORWARD, BIT(shared_race)},
    {"the ring of weights is off by one", "conv.cuh", "weight_slot(shared, step), rows",
     "weight_slot(shared, step + 1), rows", FORWARD, BIT(async_pending) | BIT(shared_race)},
    {"the ring of halos is off by one", "conv.cuh", "shared + (unsigned)(slice % HALO_SLOTS)",
     "shared + (unsigned)((slice + 1) % HALO_SLOTS)", FORWARD,
     BIT(async_pending) | BIT(shared_race)},
    {"weights are read one row behind the last", "conv.cuh", "if (y < Y_CHANNELS && x <",
     "if (y <= Y_CHANNELS && x <", STRIDED_GRADIENT, BIT(out_of_bounds)},
    {"a vector is misaligned", "conv.cuh", "WEIGHT_PITCH>(y, kernel_row, tap) + x",
     "WEIGHT_PITCH>(y, kernel_row, tap) + x + 1", FORWARD, BIT(misaligned) | BIT(out_of_bounds)},
    {"a phase is another's", "conv.cuh", "tap_phase(2 * k / SLICE_CHUNKS)",
     "(1 - tap_phase(2 * k / SLICE_CHUNKS))", STRIDED_GRADIENT, WRONG},
    {"a block's rows are the next one's, too", "conv.cuh", "|| h >= block.end_row", "", RESIDENT,
     WRONG | BIT(out_of_bounds)},
    {"the weight gradient's wait is one too weak", "wgrad.cuh", "copy_wait<AHEAD - 1>()",
     "copy_wait<AHEAD>()", WEIGHT_GRADIENT, BIT(async_pending)},
    {"the weight gradient has no barrier", "wgrad.cuh", "barrier();", "", WEIGHT_GRADIENT,
     BIT(shared_race) | BIT(async_pending)},
    {"the weight gradient's ring is off by one", "wgrad.cuh",
     "issue_tile(args, shared, block, tile + AHEAD)",
     "issue_tile(args, shared, block, tile + SLOTS)", WEIGHT_GRADIENT,
     WRONG | BIT(async_pending) | BIT(shared_race)},
    {"a split is left out", "wgrad.cuh", "split < SPLITS", "split < SPLITS - 1", WEIGHT_GRADIENT,
     WRONG},
    {"the gradient is written over", "wgrad.cuh", "args.GRADIENT[at] += sum;\n}\n#endif",
     "args.GRADIENT[at] = sum;\n}\n#endif", WEIGHT_GRADIENT, WRONG},
};

/* One kernel that has what the faults need: several tiles and slices, edges, statistics. */
static void add_subject(CardSuite *suite, Subject subject)
{
    static const Case shapes[] = {
        [FORWARD] = {1, 9, 21, 72, 40, 3, 1, 1},
        [RESIDENT] = {1, 17, 40, 24, 32, 3, 1, 1},
        [STRIDED_GRADIENT] = {1, 12, 14, 24, 40, 3, 2, 1},
        [WEIGHT_GRADIENT] = {1, 24, 32, 16, 24, 3, 1, 1},
    };
    const Case *c = &shapes[subject];
    Bench *b = card_add(suite, &small_card, "subject");

    b->kernel.window = window_of(c);
    b->kernel.kind = subject == STRIDED_GRADIENT  ? SNUG_KERNEL_conv_dgrad
                     : subject == WEIGHT_GRADIENT ? SNUG_KERNEL_conv_wgrad
                                                  : SNUG_KERNEL_conv;
    SnugShape source = subject == STRIDED_GRADIENT ? b->kernel.window.y : b->kernel.window.x;
    SnugShape result = subject == STRIDED_GRADIENT ? b->kernel.window.x : b->kernel.window.y;
    normal_prologue(b, 0, SNUG_F16, source);
    if (subject == WEIGHT_GRADIENT) {
        gradient_prologue(b, 1, SNUG_F16, b->kernel.window.y);
        b->kernel.output_arg = weight_arg(b, c, SNUG_F32);
        return;
    }
    b->kernel.weight_arg = weight_arg(b, c, SNUG_F16);
    card_choose_block(b, &small_card);
    identity_epilogue(b, SNUG_F16, result);
    bench_reduction(b, SNUG_REDUCE_moments, 0, 0, result);
}

/* `text` with `from`, which is there exactly once, replaced. */
static char *replace(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    size_t before;
    char *result;

    assert_non_null(at);
    assert_null(strstr(at + 1, from));
    before = (size_t)(at - text);
    result = calloc(strlen(text) + strlen(to) + 1, 1);
    memcpy(result, text, before);
    strcpy(result + before, to);
    strcat(result, at + strlen(from));
    return result;
}

static bool is_as_expected(const CardSuite *suite, int32_t k)
{
    const Bench *b = suite->benches[k];

    for (int32_t a = 0; a < b->kernel.arg_count; a++)
        if (!(card_error(b, a, 0, 1) <= CARD_TOLERANCE))
            return false;
    return true;
}

static unsigned find(const Fault *fault, char report[200])
{
    CardSuite *suite = card_open();
    char *damaged = NULL;
    unsigned found = 0;

    for (int32_t h = 0; fault->header != NULL && h < cuda_header_count; h++)
        if (strcmp(cuda_headers[h].name, fault->header) == 0)
            suite->headers[h] = damaged = replace(cuda_headers[h].text, fault->from, fault->to);
    add_subject(suite, fault->subject);
    card_compile(suite);
    reference_run(suite->benches[0]);
    card_run(suite, 0, suite->images[0].image);
    if (softgpu_status(suite->gpu) != SOFTGPU_OK)
        found = 1u << softgpu_fault(suite->gpu);
    else if (!is_as_expected(suite, 0))
        found = WRONG;
    snprintf(report, 200, "%s", softgpu_report(suite->gpu));
    card_close(suite);
    free(damaged);
    return found;
}

static void every_fault_is_found(void **state)
{
    char report[200];

    (void)state;
    for (Subject subject = FORWARD; subject <= WEIGHT_GRADIENT; subject++)
        assert_int_equal(find(&(Fault){.subject = subject}, report), 0);
    for (size_t k = 0; k < COUNT_OF(faults); k++) {
        unsigned found = find(&faults[k], report);
        if ((found & faults[k].found_as) == 0)
            fail_msg("\"%s\" was found as %#x, not as %#x; %s", faults[k].name, found,
                     faults[k].found_as, report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_fault_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
