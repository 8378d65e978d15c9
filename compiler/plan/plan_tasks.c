/* Kernels -> tasks for the searches, and the sequence that they found -> steps and buffers. */
#include "compiler/fuse/fuse_repeat.h"
#include "planner.h"

/* ---- kernels -> tasks ------------------------------------------------------------------------ */

typedef struct Access {
    ARRAY(uint32_t) since; /* kernels that read it after `writer` */
    uint32_t writer;       /* the last that added to it, or NO_TASK */
} Access;

typedef struct TaskMaker {
    const KernelSet *set;
    TaskGraph *graph;
    Arena *arena, *scratch;
    Access *access[STORAGE_scalars + 1]; /* by storage, then by param (one entry for the others) */
    uint32_t param_count;
} TaskMaker;

static const Value *value_of(const KernelSet *set, ValueId value)
{
    return &set->graph->values.items[value.i];
}

static int64_t arg_bytes(const SnugArg *arg)
{
    Shape shape = {arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c};
    return align_up(tensor_bytes(shape, arg->type, arg->pitch), SNUG_ALIGNMENT);
}

/* What lies in the arena is tied by its maker; what lies outside by the order of those who change
 * it: a kernel that adds comes after all who saw it before, one that reads after the last that
 * added. */
static void order_access(TaskMaker *maker, uint32_t k, const Value *value, bool adds)
{
    bool by_param = value->storage == STORAGE_param || value->storage == STORAGE_half
                    || value->storage == STORAGE_grad;
    Access *access = &maker->access[value->storage][by_param ? value->param.i : 0];
    Task *task = &maker->graph->tasks[k];
    uint32_t *after =
        arena_array(maker->arena, uint32_t, (size_t)task->after_count + access->since.count + 1);

    for (uint32_t i = 0; i < task->after_count; i++)
        after[i] = task->after[i];
    task->after = after;
    if (access->writer != NO_TASK && access->writer != k)
        after[task->after_count++] = access->writer;
    for (uint32_t i = 0; adds && i < access->since.count; i++)
        if (access->since.items[i] != k)
            after[task->after_count++] = access->since.items[i];
    if (adds) {
        access->writer = k;
        access->since.count = 0;
    } else {
        ARRAY_APPEND(maker->scratch, &access->since, k);
    }
}

/* Reads that a repeat needs come first; the result before the partials. */
static void add_values(TaskMaker *maker, uint32_t k)
{
    const Kernel *kernel = &maker->set->kernels.items[k];
    const SnugKernel *code = &kernel->code;
    Task *task = &maker->graph->tasks[k];
    uint32_t *reads = arena_array(maker->arena, uint32_t, (size_t)code->arg_count);
    uint32_t *writes = arena_array(maker->arena, uint32_t, (size_t)code->arg_count);

    for (int pass = 0; pass < 2; pass++) {
        for (int32_t a = 0; a < code->arg_count; a++) {
            uint32_t value = kernel->args[a].i;
            bool is_first =
                code->args[a].access == SNUG_READ ? repeat_needs(code, a) : a == code->output_arg;
            if (value_of(maker->set, kernel->args[a])->storage != STORAGE_arena
                || is_first != (pass == 0))
                continue;
            maker->graph->bytes[value] = arg_bytes(&code->args[a]);
            if (code->args[a].access == SNUG_READ) {
                if (a < 32 && (kernel->in_place >> a & 1) != 0 && task->read_count < 64)
                    task->in_place |= (uint64_t)1 << task->read_count;
                reads[task->read_count++] = value;
            } else {
                maker->graph->maker[value] = k;
                writes[task->write_count++] = value;
            }
        }
        if (pass == 0)
            task->repeat_reads = task->read_count;
    }
    task->reads = reads;
    task->writes = writes;
}

TaskGraph kernel_tasks(const KernelSet *set, Arena *arena, Arena *scratch)
{
    uint32_t count = set->kernels.count, value_count = set->graph->values.count;
    TaskGraph graph = {
        .tasks = arena_array(arena, Task, count),
        .task_count = count,
        .bytes = arena_array(arena, int64_t, value_count),
        .maker = arena_array(arena, uint32_t, value_count),
        .is_output = arena_array(arena, bool, value_count),
        .value_count = value_count,
    };
    TaskMaker maker = {.set = set, .graph = &graph, .arena = arena, .scratch = scratch};

    for (uint32_t v = 1; v < value_count; v++) {
        const Value *value = &set->graph->values.items[v];
        graph.is_output[v] = value->is_output && value->storage == STORAGE_arena;
        graph.maker[v] = NO_TASK;
        if (value->param.i >= maker.param_count)
            maker.param_count = value->param.i + 1;
    }
    for (int storage = 0; storage <= STORAGE_scalars; storage++) {
        maker.access[storage] = arena_array(scratch, Access, (size_t)maker.param_count + 1);
        for (uint32_t p = 0; p <= maker.param_count; p++)
            maker.access[storage][p].writer = NO_TASK;
    }
    for (uint32_t k = 0; k < count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        graph.tasks[k].workspace = align_up(kernel->code.workspace_bytes, SNUG_ALIGNMENT);
        graph.tasks[k].cost = kernel->time_us;
        graph.tasks[k].may_repeat = kernel->may_repeat;
        add_values(&maker, k);
        for (int32_t a = 0; a < kernel->code.arg_count; a++) {
            const Value *value = value_of(set, kernel->args[a]);
            if (value->storage != STORAGE_arena)
                order_access(&maker, k, value, kernel->code.args[a].access != SNUG_READ);
        }
    }
    return graph;
}

/* ---- sequence -> steps and buffers ----------------------------------------------------------- */

typedef struct Planner {
    const KernelSet *set;
    const Layout *layout;
    SnugSegmentId segment;
    Arena *arena;
    Plan *plan;
    uint32_t *persistent; /* by value: its buffer + 1, 0: none yet */
} Planner;

static BufferId push_buffer(Planner *planner, Buffer buffer)
{
    BufferId id = {planner->plan->buffers.count};

    if (buffer.in_place_of.i == NO_BUFFER)
        buffer.in_place_of = id;
    ARRAY_APPEND(planner->arena, &planner->plan->buffers, buffer);
    return id;
}

static BufferId persistent_buffer(Planner *planner, ValueId id, const SnugArg *arg)
{
    const Value *value = value_of(planner->set, id);

    if (planner->persistent[id.i] == 0)
        planner->persistent[id.i] =
            push_buffer(planner, (Buffer){.value = id,
                                          .name = value->name,
                                          .storage = value->storage,
                                          .bytes = arg_bytes(arg),
                                          .in_place_of = {NO_BUFFER},
                                          .offset = persistent_offset(planner->layout, value,
                                                                      planner->segment),
                                          .source = value->source})
                .i
            + 1;
    return (BufferId){planner->persistent[id.i] - 1};
}

/* Buffers 0 .. instance_count - 1 are the instances, in order; others follow. */
static void push_instances(Planner *planner, const TaskGraph *graph, const Lives *lives)
{
    for (uint32_t i = 0; i < lives->instance_count; i++) {
        const Instance *instance = &lives->instances[i];
        const Value *value = value_of(planner->set, (ValueId){instance->value});
        push_buffer(planner, (Buffer){.value = {instance->value},
                                      .name = value->name,
                                      .storage = STORAGE_arena,
                                      .bytes = graph->bytes[instance->value],
                                      .life = {instance->first, instance->last},
                                      .in_place_of = {instance->takes},
                                      .source = value->source});
    }
}

static void push_step(Planner *planner, const Lives *lives, uint32_t s, uint32_t k, bool again)
{
    const Kernel *kernel = &planner->set->kernels.items[k];
    uint32_t count = (uint32_t)kernel->code.arg_count;
    Step step = {.kernel = {k}, .is_repeat = again, .buffer_count = count};

    step.buffers = arena_array(planner->arena, BufferId, (size_t)count + 1);
    for (uint32_t a = 0; a < count; a++) {
        ValueId value = kernel->args[a];
        step.buffers[a].i = NO_BUFFER;
        if (value_of(planner->set, value)->storage != STORAGE_arena) {
            step.buffers[a] = persistent_buffer(planner, value, &kernel->code.args[a]);
            continue;
        }
        for (uint32_t u = lives->use_begin[s]; u < lives->use_begin[s + 1]; u++)
            if (lives->instances[lives->uses[u]].value == value.i)
                step.buffers[a].i = lives->uses[u];
    }
    if (kernel->code.workspace_bytes > 0) {
        Buffer workspace = {
            .name = arena_printf(planner->arena, "%s.workspace", kernel->label),
            .storage = STORAGE_arena,
            .bytes = align_up(kernel->code.workspace_bytes, SNUG_ALIGNMENT),
            .life = {s, s + 1},
            .in_place_of = {NO_BUFFER},
            .source = kernel->source,
        };
        step.buffers[step.buffer_count++] = push_buffer(planner, workspace);
    }
    ARRAY_APPEND(planner->arena, &planner->plan->steps, step);
}

Plan *plan_sequence(const KernelSet *set, const TaskGraph *graph, const Sequence *sequence,
                    const Layout *layout, SnugSegmentId segment, Arena *arena)
{
    Arena *scratch = arena_create();
    Lives lives = find_lives(graph, sequence, scratch);
    bool *has_run = arena_array(scratch, bool, graph->task_count);
    Planner planner = {.set = set,
                       .layout = layout,
                       .segment = segment,
                       .arena = arena,
                       .plan = arena_new(arena, Plan),
                       .persistent = arena_array(scratch, uint32_t, graph->value_count)};

    push_instances(&planner, graph, &lives);
    for (uint32_t s = 0; s < sequence->count; s++) {
        uint32_t k = sequence->tasks[s];
        push_step(&planner, &lives, s, k, has_run[k]);
        has_run[k] = true;
    }
    arena_destroy(scratch);
    return planner.plan;
}
