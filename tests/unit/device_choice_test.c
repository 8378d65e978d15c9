/* Which device a trainer takes, and what it says of it. The machine's cards are hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/train/device_choice.h"

static const SnugProgram on_host = {.device = "host", .host_threads = 2};
static const SnugProgram on_card = {.device = "cuda"};
static const SnugProgram *const both[] = {&on_card, &on_host};
static const SnugProgram *const host_alone[] = {&on_host};
static const SnugProgram *const card_alone[] = {&on_card};

typedef struct Case {
    const char *asked;
    const SnugProgram *const *programs;
    int32_t count;
    const char *device, *why; /* why: words of it */
} Case;

static const Case cases[] = {
    {"", both, 2, "host", "the processor, 2 threads (no card: "},
    {"auto", both, 2, "host", "(no card: "},
    {"host", both, 2, "host", "(--device host)"},
    {"cuda", both, 2, "cuda", "(--device cuda)"},
    {"", host_alone, 1, "host", "(compiled for it alone)"},
    {"", card_alone, 1, "cuda", "(compiled for a card alone)"},
    {"cuda", host_alone, 1, "cuda", ""}, /* there is none: the caller refuses */
    {"host", card_alone, 1, "host", ""},
};

static void the_device_and_why(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const Case *c = &cases[k];
        RunOptions options = {0};
        char why[512];
        OPTION_TEXT(&options, device) = c->asked;
        OPTION_TEXT(&options, cuda_path) = "";
        const char *device = choose_device(&options, c->programs, c->count, why, sizeof why);
        assert_string_equal(device, c->device);
        assert_non_null(strstr(why, c->why));
        assert_int_equal(why[0] == '\0', c->why[0] == '\0');
    }
}

static void programs_of_a_device(void **state)
{
    const SnugProgram *chosen[2];

    (void)state;
    assert_int_equal(programs_of(both, 2, "host", chosen), 1);
    assert_ptr_equal(chosen[0], &on_host);
    assert_int_equal(programs_of(card_alone, 1, "host", chosen), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_and_why),
        cmocka_unit_test(programs_of_a_device),
    };

    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
