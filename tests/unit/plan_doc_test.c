/* docs/memory-plans.md names every field of plan.json, every class of buffer and every form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/inspect/inspect.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/report/report.h"
#include "runtime/system/os.h"

static char *read_page(void)
{
    uint8_t *page;
    int64_t size;
    Error error = {0};

    assert_true(os_read_file(SOURCE_DIR "/docs/memory-plans.md", 1 << 20, &page, &size, &error));
    return (char *)page;
}

static char *json_of(const char *path)
{
    CompileOptions options = {.model_path = path,
                              .device = DEVICE_cuda,
                              .vram_bytes = 1 << 30,
                              .reserve_bytes = 0};
    Compilation *c = compilation_create(&options);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(run_pipeline(c, "check", stdout), EXIT_STATUS_ok);
    report_json(out, c, true);
    fclose(out);
    compilation_destroy(c);
    return text;
}

static void names_every_field(void **state)
{
    char *page = read_page(), *json = json_of(SOURCE_DIR "/tests/golden/plan/residual.snug");
    char key[80], quoted[84];
    int fields = 0;

    (void)state;
    for (const char *at = json; (at = strchr(at, '"')) != NULL;) {
        size_t length = strcspn(at + 1, "\"");
        const char *end = at + 1 + length;
        if (strncmp(end, "\": ", 3) == 0 && length < sizeof key) {
            snprintf(key, sizeof key, "%.*s", (int)length, at + 1);
            snprintf(quoted, sizeof quoted, "`%s`", key);
            if (strstr(page, quoted) == NULL)
                fail_msg("docs/memory-plans.md does not explain %s of plan.json", key);
            fields++;
        }
        at = end + 1;
    }
    assert_true(fields > 500); /* most of them many times */
    free(json);
    free(page);
}

static void names_every_class(void **state)
{
    char *page = read_page(), row[64];

    (void)state;
    for (int k = 0; k < CLASS_COUNT; k++) {
        snprintf(row, sizeof row, "| %s |", class_names[k]);
        if (strstr(page, row) == NULL)
            fail_msg("docs/memory-plans.md has no row of %s buffers", class_names[k]);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_field),
        cmocka_unit_test(names_every_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
