/* main of every trainer: chooses the plan, opens the device, runs the command. */
#include <stdlib.h>

#include "os.h"
#include "run.h"

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

static bool run_command(Run *run, int *status, Error *error)
{
    DeviceOptions options = {.profile = OPTION_IS(&run->options, profile)};
    bool ok;

    if (run->options.command == RUN_CHECK_DATA)
        return command_check_data(run, error);
    run->ops = &device_host;
    if (!run->ops->open(&run->device, run->program, &options, error))
        return false;
    switch (run->options.command) {
    case RUN_EVAL:    ok = command_eval(run, error); break;
    case RUN_PREDICT: ok = command_predict(run, error); break;
    case RUN_EXPORT:  ok = command_export(run, error); break;
    default:          ok = train(run, status, error); break;
    }
    run->ops->close(run->device);
    return ok;
}

int main(int argc, char **argv)
{
    Run run = {0};
    Error error = {0};
    int status = 0;
    bool ok = options_parse(&run.options, argc, argv, &error);

    if (ok && OPTION_IS(&run.options, help)) {
        options_print_help(stdout, argv[0]);
        return 0;
    }
    if (ok && OPTION_IS(&run.options, version)) {
        print_version(snug_programs, snug_program_count);
        return 0;
    }
    if (ok)
        run.program = options_choose_program(&run.options, snug_programs, snug_program_count,
                                             &error);
    ok = ok && run.program != NULL;
    if (ok) {
        options_set_defaults(&run.options, &run.program->defaults);
        os_catch_interrupts();
        ok = run_command(&run, &status, &error);
    }
    free(run.folder);
    if (!ok) {
        error_print(&error);
        return error.status != 0 ? error.status : 1;
    }
    return status;
}
