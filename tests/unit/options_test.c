/* The trainer's command line: what every flag takes and refuses, what a checkpoint keeps, which
 * plan of several is chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/run_options.h"

typedef enum Kind { FLAG, WHOLE, REAL, TEXT, SHAPE } Kind;

static const struct {
    const char *name;
    Kind kind;
    double least, most;
} flags[OPTION_COUNT] = {
#define OPTION(name, kind, argument, least, most, initial, scope, commands, help)                  \
    {#name, kind, least, most},
#include "runtime/train/run_options.def"
#undef OPTION
};

static const SnugParam with_ema = {.name = "conv1.weight", .ema = 0};

static const SnugProgram large = {
    .model = "hrnet_w18",
    .model_path = "models/hrnet_w18.snug",
    .model_hash = "0",
    .device = "host",
    .overrides = "",
    .batch_size = 1,
    .image_height = 1024,
    .image_width = 1024,
    .params = &with_ema,
    .param_count = 1,
    .loss = {.kind = SNUG_LOSS_mse},
    .defaults = {.lr = 1e-3f,
                 .min_lr = 1e-6f,
                 .accumulate = 4,
                 .epochs = 100,
                 .warmup_epochs = 5,
                 .mixed_precision = 1,
                 .ema_decay = 0.9999f,
                 .use_ema = 1,
                 .clip = 1},
};

static const SnugProgram small = {
    .model = "hrnet_w18",
    .model_path = "models/hrnet_w18.snug",
    .model_hash = "0",
    .device = "host",
    .overrides = "-D width=48",
    .batch_size = 4,
    .image_height = 512,
    .image_width = 768,
    .params = &with_ema,
    .param_count = 1,
    .loss = {.kind = SNUG_LOSS_mse},
    .defaults = {.mixed_precision = 1, .epochs = 1},
};

/* Up to 31 words, separated by single blanks; '\1' stands for an empty word. */
static bool parse(RunOptions *options, const char *line, Error *error)
{
    static char text[8192];
    static char *words[32];
    int count = 1;

    words[0] = "./trainer";
    snprintf(text, sizeof text, "%s", line);
    for (char *at = strtok(text, " "); at != NULL && count < 31; at = strtok(NULL, " ")) {
        if (*at == '\1')
            at++;
        words[count++] = at;
    }
    words[count] = NULL;
    *error = (Error){0};
    return options_parse(options, count, words, error);
}

static void accept(RunOptions *options, const char *line)
{
    Error error;

    if (!parse(options, line, &error))
        fail_msg("%s: %s", line, error.what);
}

/* Status 2 and a message that has `word` in it. */
static void refuse(const char *line, const char *word)
{
    RunOptions options;
    Error error;

    if (parse(&options, line, &error))
        fail_msg("%s is accepted", line);
    if (error.status != ERROR_USAGE)
        fail_msg("%s: status %d", line, error.status);
    if (strstr(error.what, word) == NULL)
        fail_msg("%s: \"%s\" does not say %s", line, error.what, word);
}

/* ---- one flag -------------------------------------------------------------------------------- */

/* refuse() where %s is --name. */
static void refuse_flag(const char *fmt, int k)
{
    char line[256], flag[64];

    snprintf(flag, sizeof flag, "--%s", flags[k].name);
    snprintf(line, sizeof line, fmt, flag, flag);
    refuse(line, flag);
}

static void each_flag_refuses_what_is_no_value(void **state)
{
    (void)state;
    for (int k = 0; k < OPTION_COUNT; k++) {
        if (flags[k].kind == FLAG) {
            refuse_flag("%s=1", k);
            refuse_flag("%s=", k);
            refuse_flag("%s %s", k);
            continue;
        }
        refuse_flag("%s", k);
        refuse_flag("%s=", k);
        refuse_flag("%s \1", k);
        refuse_flag("%s --help", k);
        if (flags[k].kind == TEXT) {
            refuse_flag("%s=mean %s=mean", k);
            continue;
        }
        refuse_flag("%s 1 %s 1", k);
        refuse_flag("%s -1", k);
        refuse_flag("%s=-1e30", k);
        refuse_flag("%s 1e30", k);
        refuse_flag("%s 1e999", k);
        refuse_flag("%s 99999999999999999999999999999999", k);
        refuse_flag("%s nan", k);
        refuse_flag("%s inf", k);
        refuse_flag("%s 0x1", k);
        refuse_flag("%s 1,5x", k);
        refuse_flag("%s one", k);
        refuse_flag("%s 1e", k);
    }
}

static void limits_are_allowed(void **state)
{
    char line[256];
    RunOptions options;

    (void)state;
    for (int k = 0; k < OPTION_COUNT; k++) {
        if (flags[k].kind == FLAG || flags[k].kind == TEXT)
            continue;
        snprintf(line, sizeof line, "--%s %.17g", flags[k].name, flags[k].least);
        accept(&options, line);
        assert_true(options.values[k].number == flags[k].least);
        snprintf(line, sizeof line, "--%s=%.17g", flags[k].name, flags[k].most);
        accept(&options, line);
        assert_true(options.values[k].number == flags[k].most);
        assert_true(options.values[k].is_given);
        if (flags[k].kind != REAL)
            refuse_flag("%s 1.5", k);
    }
}

static void flags_are_switched(void **state)
{
    char line[256];
    RunOptions options;

    (void)state;
    for (int k = 0; k < OPTION_COUNT; k++) {
        if (flags[k].kind != FLAG)
            continue;
        snprintf(line, sizeof line,
                 k == OPTION_allow_missing ? "--%s --init w"
                 : k == OPTION_json        ? "check-data --%s"
                                           : "--%s",
                 flags[k].name);
        accept(&options, line);
        assert_true(options.values[k].number == 1);
        snprintf(line, sizeof line, "%s--no-%s", k == OPTION_json ? "check-data " : "",
                 flags[k].name);
        accept(&options, line);
        assert_true(options.values[k].number == 0);
        refuse_flag("%s %s", k);
    }
    refuse("--use_ema --no_use_ema", "--use_ema is given twice");
    refuse("--no_epochs", "--no_epochs");
}

static void image_sizes(void **state)
{
    RunOptions options;

    (void)state;
    accept(&options, "--image_size 512 --batch_size 2");
    assert_true(OPTION_NUMBER(&options, image_size) == 512);
    assert_true(options.values[OPTION_image_size].second == 512);
    accept(&options, "--image-size 512 768");
    assert_true(options.values[OPTION_image_size].second == 768);
    accept(&options, "--image_size=512x768");
    assert_true(options.values[OPTION_image_size].second == 768);
    refuse("--image_size 512x", "--image_size");
    refuse("--image_size x512", "--image_size");
    refuse("--image_size 512 0", "--image_size");
    refuse("--image_size 512 1.5", "--image_size");
    refuse("--image_size 512 512 512", "512");
}

static void words_that_are_no_flags(void **state)
{
    RunOptions options;
    Error error;

    (void)state;
    refuse("--epoch 3", "--epoch");
    assert_false(parse(&options, "--epoch 3", &error));
    assert_string_equal(error.hint, "did you mean --epochs?");
    assert_false(parse(&options, "--warm-up-epochs 3", &error));
    assert_string_equal(error.hint, "did you mean --warmup_epochs?");
    assert_false(parse(&options, "--zzzzzzzz", &error));
    assert_string_equal(error.hint, "--help lists the flags");
    refuse("tarin", "tarin");
    refuse("eval predict", "predict");
    refuse("-e 3", "-e");
    refuse("--", "--");
    refuse("--=3", "--=3");
    refuse("--annotation_type best", "--annotation_type best");
    refuse("--split training", "--split training");
    refuse("--loss l2", "--loss l2");
    accept(&options, "check-data");
    assert_true(options.command == RUN_CHECK_DATA);
    accept(&options, "-h");
    assert_true(OPTION_IS(&options, help));
}

/* A flag that a command does not use is refused by it, with the commands that do. */
static void flags_of_other_commands(void **state)
{
    static const char *const names[] = {"train", "eval", "predict", "check-data", "export"};
    static const char *const values[] =
        {[FLAG] = "", [WHOLE] = " 1", [REAL] = " 0.1", [TEXT] = " mean", [SHAPE] = " 64"};
    static const char *const says[] = {
        "predict --init w",        "train --checkpoint w",   "check-data --profile",
        "eval --save_every 2",     "export --split test",    "predict --output x.json",
        "check-data --use_ema",    "train --images x",       "eval --lr 0.1",
        "predict --no_validation", "export --dataset_path d"};
    RunOptions options;
    Error error;
    int refused = 0;

    (void)state;
    for (size_t k = 0; k < sizeof says / sizeof says[0]; k++)
        refuse(says[k], "means nothing to ");
    for (int c = 0; c < 5; c++) {
        for (int k = 0; k < OPTION_COUNT; k++) {
            char line[256];
            snprintf(line, sizeof line, "%s --%s%s", names[c], flags[k].name,
                     values[flags[k].kind]);
            if (parse(&options, line, &error) || strstr(error.what, "means nothing to") == NULL)
                continue;
            refused++;
            if (error.status != ERROR_USAGE || error.hint[0] == '\0')
                fail_msg("%s: status %d, hint %s", line, error.status, error.hint);
        }
    }
    assert_true(refused > 100);
    accept(&options, "predict --epochs 3 --help");
    assert_true(OPTION_IS(&options, help));

    static const char *const pairs[] = {"--resume auto --init w",
                                        "--resume auto --name n",
                                        "--resume runs/a --save_dir b",
                                        "eval --checkpoint a --resume b",
                                        "predict --images a --split test",
                                        "--allow_missing",
                                        "predict --images a --dataset_path b",
                                        "--no_validation --patience 3"};
    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++)
        refuse(pairs[k], "means nothing ");
    accept(&options, "--resume auto --save_dir b");
}

/* ---- whole command lines --------------------------------------------------------------------- */

static const SnugProgram *choose(RunOptions *options, Error *error)
{
    static const SnugProgram *const programs[] = {&large, &small};

    *error = (Error){0};
    return options_choose_program(options, programs, 2, error);
}

static void expect_guide_values(const RunOptions *o)
{
    assert_true(OPTION_WHOLE(o, gradient_accumulation_steps) == 8);
    assert_true(OPTION_WHOLE(o, epochs) == 200 && OPTION_WHOLE(o, warmup_epochs) == 10);
    assert_true(OPTION_NUMBER(o, lr) == 3e-4 && OPTION_WHOLE(o, num_workers) == 2);
    assert_true(OPTION_IS(o, mixed_precision) && OPTION_IS(o, use_ema));
    assert_string_equal(OPTION_TEXT(o, dataset_path), "Aariz");
}

static void command_line_of_the_guide(void **state)
{
    static const char *const lines[] = {
        "--dataset_path Aariz --model hrnet --image_size 1024 1024 --batch_size 1 "
        "--gradient_accumulation_steps 8 --epochs 200 --lr 3e-4 --warmup_epochs 10 "
        "--mixed_precision --use_ema --num_workers 2",
        "train --dataset-path Aariz --model=hrnet_w18 --image-size 1024 1024 --batch-size=1 "
        "--gradient-accumulation-steps 8 --epochs=200 --lr 0.0003 --warmup-epochs 10 "
        "--mixed-precision --use-ema --num-workers 2",
    };
    RunOptions options;
    Error error;

    (void)state;
    for (int k = 0; k < 2; k++) {
        accept(&options, lines[k]);
        assert_true(options.command == RUN_TRAIN);
        assert_ptr_equal(choose(&options, &error), &large);
        assert_true(options_set_defaults(&options, &large, &error));
        expect_guide_values(&options);
    }
}

static void the_model_file_fills_in_the_rest(void **state)
{
    RunOptions options;
    Error error;

    (void)state;
    accept(&options, "--epochs 7");
    assert_ptr_equal(choose(&options, &error), &large);
    assert_true(options_set_defaults(&options, &large, &error));
    assert_true(OPTION_WHOLE(&options, epochs) == 7);
    assert_true(OPTION_WHOLE(&options, gradient_accumulation_steps) == 4);
    assert_true(OPTION_WHOLE(&options, batch_size) == 1);
    assert_true(OPTION_WHOLE(&options, image_size) == 1024);
    assert_true(OPTION_IS(&options, use_ema) && OPTION_IS(&options, augment));
}

/* A plan that was not compiled: what is said, and how to compile it. */
static void contradictions(void **state)
{
    static const struct {
        const char *line, *what, *hint;
    } cases[] = {
        {"--batch_size 2", "this trainer holds no plan for this batch size",
         "compile it: snug compile models/hrnet_w18.snug --image_size 1024 1024 --batch_size 2 "
         "-o ./trainer"},
        {"--image_size 640", "this trainer holds no plan for this image size",
         "compile it: snug compile models/hrnet_w18.snug --image_size 640 640 --batch_size 1 "
         "-o ./trainer"},
        {"--image_size 512 768 --batch_size 1",
         "this trainer holds no plan for this image size with this batch size",
         "compile it: snug compile models/hrnet_w18.snug --image_size 512 768 --batch_size 1 "
         "-o ./trainer"},
        {"--device cuda", "this trainer was compiled for the device host, not cuda",
         "compile it: snug compile models/hrnet_w18.snug --device cuda --image_size 1024 1024 "
         "--batch_size 1 -o ./trainer"},
        {"--no_mixed_precision", "this trainer was compiled with mixed precision",
         "compile it: snug compile models/hrnet_w18.snug --precision full --image_size 1024 1024 "
         "--batch_size 1 -o ./trainer"},
        {"--model hrnet_w32", "this trainer was compiled from hrnet_w18, not from hrnet_w32",
         "compile the other one: snug compile models/hrnet_w32.snug"},
        {"--loss ohkm", "this trainer was compiled with the loss mse, not ohkm",
         "change `minimize` in models/hrnet_w18.snug to ohkm(...) and compile again"},
    };
    RunOptions options;
    Error error;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        accept(&options, cases[k].line);
        assert_null(choose(&options, &error));
        assert_int_equal(error.status, ERROR_USAGE);
        assert_string_equal(error.what, cases[k].what);
        assert_string_equal(error.hint, cases[k].hint);
    }
    accept(&options, "--batch_size 4");
    assert_ptr_equal(choose(&options, &error), &small);
    accept(&options, "--image_size 512 768 --batch_size 4 --mixed_precision");
    assert_ptr_equal(choose(&options, &error), &small);
}

static void values_that_contradict_each_other(void **state)
{
    static const SnugParam without = {.name = "conv1.weight", .ema = -1};
    SnugProgram plain = large;
    RunOptions options;
    Error error = {0};

    (void)state;
    plain.params = &without;
    plain.defaults.use_ema = 0;
    accept(&options, "--use_ema");
    assert_false(options_set_defaults(&options, &plain, &error));
    assert_non_null(strstr(error.hint, "ema 0.9999"));

    static const char *const lines[] = {"--lr 1e-7", "--name a/b", "--name ..", "--min_lr 1"};
    for (int k = 0; k < 4; k++) {
        char flag[32];
        snprintf(flag, sizeof flag, "%.*s", (int)strcspn(lines[k], " "), lines[k]);
        error = (Error){0};
        accept(&options, lines[k]);
        assert_false(options_set_defaults(&options, &large, &error));
        assert_int_equal(error.status, ERROR_USAGE);
        assert_non_null(strstr(error.what, flag));
    }
}

/* ---- a checkpoint's options ------------------------------------------------------------------ */

/* The options of a run as its checkpoint has them; free(). */
static char *kept_json(const char *line, const SnugProgram *program)
{
    RunOptions options;
    Error error = {0};

    accept(&options, line);
    assert_true(options_set_defaults(&options, program, &error));
    return options_json(&options);
}

static void a_resumed_run_keeps_its_options(void **state)
{
    char *json = kept_json("--lr 0.01 --epochs 30 --no_augment --seed 7 --dataset_path set "
                           "--num_workers 5 --max_updates 3 --image_size 512 768",
                           &small);
    RunOptions options;
    Error error = {0};

    (void)state;
    accept(&options, "--resume auto");
    assert_true(options_keep(&options, json, "last", &error));
    assert_ptr_equal(choose(&options, &error), &small);
    assert_true(options_set_defaults(&options, &small, &error));
    assert_true(OPTION_NUMBER(&options, lr) == 0.01 && OPTION_WHOLE(&options, epochs) == 30);
    assert_true(OPTION_WHOLE(&options, seed) == 7 && !OPTION_IS(&options, augment));
    assert_string_equal(OPTION_TEXT(&options, dataset_path), "set");
    /* of the call, not of the run */
    assert_true(OPTION_WHOLE(&options, num_workers) == 2);
    assert_true(OPTION_WHOLE(&options, max_updates) == 0);
    options_free(&options);

    accept(&options, "--resume auto --epochs 40");
    assert_true(options_keep(&options, json, "last", &error));
    assert_true(OPTION_WHOLE(&options, epochs) == 40);
    options_free(&options);

    accept(&options, "--resume auto --seed 8");
    assert_false(options_keep(&options, json, "last", &error));
    assert_int_equal(error.status, ERROR_USAGE);
    assert_string_equal(error.what, "last was trained with --seed 7");
    options_free(&options);
    free(json);
}

static void options_of_a_damaged_checkpoint(void **state)
{
    static const char *const faults[] = {"", "[]", "3", "{\"lr\":", "null"};
    RunOptions options;

    (void)state;
    for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++) {
        Error error = {0};
        accept(&options, "--resume auto");
        assert_false(options_keep(&options, faults[k], "last", &error));
        assert_int_equal(error.status, ERROR_FILES);
        options_free(&options);
    }
    /* values of the wrong kind or out of range are as if they were absent */
    Error error = {0};
    accept(&options, "--resume auto");
    assert_true(options_keep(&options,
                             "{\"lr\":\"x\",\"epochs\":-3,\"use_ema\":1,\"seed\":2.5e99,"
                             "\"image_size\":[0,5],\"dataset_path\":4}",
                             "last", &error));
    assert_true(options_set_defaults(&options, &large, &error));
    assert_true(OPTION_WHOLE(&options, epochs) == 100 && OPTION_WHOLE(&options, seed) == 1);
    assert_true(OPTION_IS(&options, use_ema));
    assert_string_equal(OPTION_TEXT(&options, dataset_path), "");
    options_free(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_flag_refuses_what_is_no_value),
        cmocka_unit_test(limits_are_allowed),
        cmocka_unit_test(flags_are_switched),
        cmocka_unit_test(image_sizes),
        cmocka_unit_test(words_that_are_no_flags),
        cmocka_unit_test(flags_of_other_commands),
        cmocka_unit_test(command_line_of_the_guide),
        cmocka_unit_test(the_model_file_fills_in_the_rest),
        cmocka_unit_test(contradictions),
        cmocka_unit_test(values_that_contradict_each_other),
        cmocka_unit_test(a_resumed_run_keeps_its_options),
        cmocka_unit_test(options_of_a_damaged_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
