/* main of every trainer: chooses the plan, opens the device, runs the command. */
#include <stdlib.h>
#include <string.h>

#include "device_choice.h"
#include "run.h"
#include "runtime/system/os.h"

static void print_version(const SnugProgram *const *programs, int32_t count)
{
    for (int32_t k = 0; k < count; k++) {
        const SnugProgram *p = programs[k];
        printf("%s from %s%s%s, program %s, format %d: batch %d, image %dx%d, device %s, "
               "%lld bytes planned\n",
               p->model, p->model_path, p->overrides[0] ? " " : "", p->overrides, p->model_hash,
               p->version, p->batch_size, p->image_height, p->image_width, p->device,
               (long long)p->total_bytes);
    }
}

/* Finds the checkpoint that the command starts from and takes the run's options out of it. */
static bool find_checkpoint(Run *run, Error *error)
{
    const RunOptions *o = &run->options;
    const char *given = OPTION_TEXT(o, resume);
    char *options = NULL;

    if (o->command == RUN_CHECK_DATA || (o->command == RUN_TRAIN && given[0] == '\0'))
        return true;
    if (o->command == RUN_TRAIN) {
        run->checkpoint = run_folder_find(run, given, "last.safetensors", error);
    } else {
        Error no_best = {0};
        given = OPTION_TEXT(o, checkpoint)[0] ? OPTION_TEXT(o, checkpoint) : given;
        run->checkpoint = run_folder_find(run, given, "best.safetensors", &no_best);
        if (run->checkpoint == NULL)
            run->checkpoint = run_folder_find(run, given, "last.safetensors", error);
    }
    CheckpointFacts facts;
    if (run->checkpoint == NULL || !checkpoint_read_facts(run->checkpoint, &facts, error))
        return false;
    run->is_weights = !facts.is_checkpoint;
    if (run->is_weights && o->command != RUN_TRAIN)
        return true;
    bool ok = checkpoint_read_texts(run->checkpoint, &options, &run->symbols, error)
              && options_keep(&run->options, options, run->checkpoint, error);
    if (ok && !facts.is_at_home) {
        if (facts.format > 1) /* before, no folder was written */
            options_forget_path(&run->options, OPTION_dataset_path, run->checkpoint);
        options_forget_path(&run->options, OPTION_log_dir, run->checkpoint);
    }
    free(options);
    return ok;
}

static bool run_command(Run *run, int *status, Error *error)
{
    DeviceOptions options = {.profile = OPTION_IS(&run->options, profile),
                             .cuda_path = OPTION_TEXT(&run->options, cuda_path)};
    bool ok = false;

    if (run->options.command == RUN_CHECK_DATA)
        return command_check_data(run, status, error);
    run->ops = strcmp(run->program->device, device_cuda.name) == 0 ? &device_cuda : &device_host;
    if (!run->ops->open(&run->device, run->program, &options, error))
        return false;
    switch (run->options.command) {
    case RUN_EVAL: ok = command_eval(run, error); break;
    case RUN_PREDICT: ok = command_predict(run, error); break;
    case RUN_EXPORT: ok = command_export(run, error); break;
    case RUN_TRAIN: ok = train(run, status, error); break;
    case RUN_CHECK_DATA: break; /* above: it needs no device */
    }
    if (ok && options.profile)
        ok = profile_print(run, error);
    run->ops->close(run->device);
    return ok;
}

/* The device, then the program for it; says which and why. */
static bool choose_program(Run *run, Error *error)
{
    const SnugProgram **programs = calloc((size_t)snug_program_count, sizeof(const SnugProgram *));
    char why[512] = "";

    if (programs == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for the list of programs");
    const char *device =
        choose_device(&run->options, snug_programs, snug_program_count, why, sizeof why);
    int32_t count = programs_of(snug_programs, snug_program_count, device, programs);
    if (run->options.command != RUN_CHECK_DATA && why[0] != '\0')
        fprintf(stderr, "device: %s\n", why);
    run->program =
        count > 0 ? options_choose_program(&run->options, programs, count, error)
                  : options_choose_program(&run->options, snug_programs, snug_program_count, error);
    free(programs);
    return run->program != NULL;
}

static bool start(Run *run, int *status, Error *error)
{
    if (!find_checkpoint(run, error))
        return false;
    if (!choose_program(run, error) || !options_set_defaults(&run->options, run->program, error))
        return false;
    os_catch_interrupts();
    return run_command(run, status, error);
}

int main(int argc, char **argv)
{
    Run run = {0};
    Error error = {0};
    int status = 0;

    os_keep_standard_streams();
    bool ok = options_parse(&run.options, argc, argv, &error);

    if (ok && OPTION_IS(&run.options, help))
        options_print_help(stdout, argv[0]);
    else if (ok && OPTION_IS(&run.options, version))
        print_version(snug_programs, snug_program_count);
    else if (ok)
        ok = start(&run, &status, &error);
    free(run.folder);
    free(run.log_folder);
    free(run.checkpoint);
    free(run.symbols);
    options_free(&run.options);
    if (!ok) {
        error_print(&error);
        return error.status != 0 ? error.status : 70;
    }
    if (fflush(stdout) != 0 && os_interrupted() == 0) {
        perror("standard output");
        return ERROR_FILES;
    }
    return status != 0 ? status : os_interrupted();
}
