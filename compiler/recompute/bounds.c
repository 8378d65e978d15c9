/* Bounds: bytes that no plan can do without, and time that no plan within a budget saves.
 *
 * The cut bound. Take a task g. When it runs for the first time, its ancestors have run and its
 * descendants have not. A value that an ancestor made and that a descendant reads is either in
 * memory then (kept) or computed again behind (repeated), and what is repeated needs its own inputs
 * kept or repeated:
 *
 *     kept(v) + repeated(v) >= 1                    v read by a descendant of g, or an output
 *     repeated(v) <= kept(u) + repeated(u)          u read when v is made again
 *     sum of bytes(v) kept(v) <= budget - results and workspace of g
 *     least sum of cost(v) repeated(v)
 *
 * holds for every order and any number of recomputations. With a price p for a byte in place of the
 * budget it is a minimum cut; each price gives a bound for every budget,
 *
 *     cost >= cut(p) - p (budget - results and workspace of g)
 *
 * and the best of them is the bound. A value is two nodes; the source's side is "yes":
 *
 *     source --unlimited--> needed(v) --p bytes(v)--> repeated(v) --cost(v)--> sink
 *     repeated(v) --unlimited--> needed(u),  repeated(v) --unlimited--> needed(v)
 *
 * Capacities are integers rounded down, so that the flow is a bound whatever the rounding.
 */
#include "recompute.h"

#include <math.h>
#include <stdlib.h>

#include "max_flow.h"

enum {
    COST_BITS = 40,   /* all tasks together cost 2^40 units */
    MAX_SOLVES = 400, /* minimum cuts of a frontier */
    TRIED_CUTS = 6,   /* tasks for which a bound is computed in full */
    FRONTIER_CUTS = 3
};

int64_t feasibility_floor(const TaskGraph *graph)
{
    int64_t floor = 0;

    for (uint32_t t = 0; t < graph->task_count; t++) {
        const Task *task = &graph->tasks[t];
        int64_t bytes = task->workspace;
        for (uint32_t r = 0; r < task->read_count; r++)
            bytes += graph->bytes[task->reads[r]];
        for (uint32_t w = 0; w < task->write_count; w++)
            bytes += graph->bytes[task->writes[w]];
        for (uint32_t r = 0; r < task->read_count && r < 64; r++)
            if ((task->in_place >> r & 1) != 0
                && graph->bytes[task->reads[r]] == graph->bytes[task->writes[0]]) {
                bytes -= graph->bytes[task->writes[0]];
                break;
            }
        floor = max_i64(floor, bytes);
    }
    return floor;
}

/* ---- the model of one cut -------------------------------------------------------------------- */

typedef struct CutModel {
    const TaskGraph *graph;
    uint32_t task;           /* g */
    bool *is_past;           /* by task: ancestor of g */
    bool *is_future;         /* by task: descendant of g */
    uint32_t *values, count; /* what may be kept or repeated */
    uint32_t *index;         /* by value: place in values, or FLOW_NONE */
    bool *is_needed;         /* by value */
    const bool *is_forced;   /* by value: never repeated; or NULL */
    bool *is_read;           /* by value: g reads it, so that it is in memory anyhow */
    int64_t fixed_bytes;     /* of g: reads, results, workspace */
    FlowNetwork network;
    uint32_t *keep_edge, *repeat_edge;  /* by place */
    uint32_t *other_edges, other_count; /* unlimited */
    double cost_unit;                   /* cost of a unit */
} CutModel;

static void mark_past(CutModel *model, uint32_t *stack)
{
    const TaskGraph *graph = model->graph;
    uint32_t count = 0;

    stack[count++] = model->task;
    while (count > 0) {
        const Task *task = &graph->tasks[stack[--count]];
        for (uint32_t k = 0; k < task->read_count + task->after_count; k++) {
            uint32_t before = k < task->read_count ? graph->maker[task->reads[k]]
                                                   : task->after[k - task->read_count];
            if (!model->is_past[before]) {
                model->is_past[before] = true;
                stack[count++] = before;
            }
        }
    }
}

/* Tasks are in an order in which makers precede users. */
static void mark_future(CutModel *model)
{
    const TaskGraph *graph = model->graph;

    for (uint32_t t = 0; t < graph->task_count; t++) {
        const Task *task = &graph->tasks[t];
        for (uint32_t k = 0; k < task->read_count + task->after_count; k++) {
            uint32_t before = k < task->read_count ? graph->maker[task->reads[k]]
                                                   : task->after[k - task->read_count];
            if (before == model->task || model->is_future[before])
                model->is_future[t] = true;
        }
    }
}

static bool can_repeat(const CutModel *model, uint32_t value)
{
    const Task *maker = &model->graph->tasks[model->graph->maker[value]];

    return maker->may_repeat && maker->writes[0] == value
           && (model->is_forced == NULL || !model->is_forced[value]);
}

static void add_value(CutModel *model, uint32_t value)
{
    if (model->index[value] != FLOW_NONE)
        return;
    model->index[value] = model->count;
    model->values[model->count++] = value;
}

/* What the future reads of the past, and what making that again reads. */
static void find_values(CutModel *model)
{
    const TaskGraph *graph = model->graph;

    for (uint32_t t = 0; t < graph->task_count; t++)
        for (uint32_t r = 0; r < graph->tasks[t].read_count && model->is_future[t]; r++)
            if (model->is_past[graph->maker[graph->tasks[t].reads[r]]])
                model->is_needed[graph->tasks[t].reads[r]] = true;
    for (uint32_t v = 1; v < graph->value_count; v++) {
        if (graph->is_output[v] && model->is_past[graph->maker[v]])
            model->is_needed[v] = true;
        if (model->is_needed[v])
            add_value(model, v);
    }
    for (uint32_t k = 0; k < model->count; k++) {
        const Task *maker = &graph->tasks[graph->maker[model->values[k]]];
        for (uint32_t r = 0; r < maker->repeat_reads && can_repeat(model, model->values[k]); r++)
            add_value(model, maker->reads[r]);
    }
}

static void connect(CutModel *model, Arena *arena)
{
    const TaskGraph *graph = model->graph;
    uint32_t edges = 4 * model->count, source = 2 * model->count, sink = source + 1;

    for (uint32_t k = 0; k < model->count; k++)
        edges += graph->tasks[graph->maker[model->values[k]]].repeat_reads;
    flow_begin(&model->network, 2 * model->count + 2, edges, arena);
    model->keep_edge = arena_array(arena, uint32_t, model->count);
    model->repeat_edge = arena_array(arena, uint32_t, model->count);
    model->other_edges = arena_array(arena, uint32_t, edges);
    for (uint32_t k = 0; k < model->count; k++) {
        uint32_t value = model->values[k], needed = 2 * k, repeated = 2 * k + 1;
        const Task *maker = &graph->tasks[graph->maker[value]];
        model->keep_edge[k] = flow_edge(&model->network, needed, repeated, 0);
        model->repeat_edge[k] = flow_edge(&model->network, repeated, sink, 0);
        model->other_edges[model->other_count++] = flow_edge(&model->network, repeated, needed, 0);
        if (model->is_needed[value])
            model->other_edges[model->other_count++] =
                flow_edge(&model->network, source, needed, 0);
        for (uint32_t r = 0; r < maker->repeat_reads && can_repeat(model, value); r++)
            model->other_edges[model->other_count++] =
                flow_edge(&model->network, repeated, 2 * model->index[maker->reads[r]], 0);
    }
}

static CutModel *cut_model(const TaskGraph *graph, uint32_t task, const bool *is_forced,
                           Arena *arena)
{
    CutModel *model = arena_new(arena, CutModel);
    const Task *g = &graph->tasks[task];
    double sum = 0;

    *model = (CutModel){
        .graph = graph,
        .task = task,
        .is_past = arena_array(arena, bool, graph->task_count),
        .is_future = arena_array(arena, bool, graph->task_count),
        .values = arena_array(arena, uint32_t, graph->value_count),
        .index = arena_array(arena, uint32_t, graph->value_count),
        .is_needed = arena_array(arena, bool, graph->value_count),
        .is_read = arena_array(arena, bool, graph->value_count),
        .is_forced = is_forced,
        .fixed_bytes = g->workspace,
    };
    for (uint32_t v = 0; v < graph->value_count; v++)
        model->index[v] = FLOW_NONE;
    for (uint32_t t = 0; t < graph->task_count; t++)
        sum += graph->tasks[t].cost;
    model->cost_unit = sum > 0 ? sum / (double)(INT64_C(1) << COST_BITS) : 1;
    mark_past(model, arena_array(arena, uint32_t, graph->task_count));
    mark_future(model);
    find_values(model);
    for (uint32_t r = 0; r < g->read_count; r++) {
        model->is_read[g->reads[r]] = true;
        model->fixed_bytes += graph->bytes[g->reads[r]];
    }
    for (uint32_t w = 0; w < g->write_count; w++)
        model->fixed_bytes += graph->bytes[g->writes[w]];
    /* the result may take the bytes of a read, which is then made again where it is needed */
    for (uint32_t r = 0; r < g->read_count && r < 64; r++)
        if ((g->in_place >> r & 1) != 0
            && graph->bytes[g->reads[r]] == graph->bytes[g->writes[0]]) {
            model->fixed_bytes -= graph->bytes[g->writes[0]];
            break;
        }
    connect(model, arena);
    return model;
}

/* ---- cuts at a price ------------------------------------------------------------------------- */

typedef struct CutPoint {
    int64_t bytes; /* at g */
    int64_t cost;  /* units, of what is repeated */
    int64_t bound; /* units: the flow at the price, with the fixed bytes priced too */
    double price;  /* units a byte */
} CutPoint;

/* Rounded down: a bound stays one. */
static int64_t cost_units(const CutModel *model, uint32_t value)
{
    return (int64_t)(model->graph->tasks[model->graph->maker[value]].cost / model->cost_unit);
}

static int64_t solve(CutModel *model, double price, bool is_repeat_free)
{
    FlowNetwork *network = &model->network;
    uint32_t source = 2 * model->count, sink = source + 1;

    for (uint32_t k = 0; k < model->other_count; k++)
        flow_set_capacity(network, model->other_edges[k], FLOW_UNLIMITED);
    for (uint32_t k = 0; k < model->count; k++) {
        uint32_t value = model->values[k];
        double keep = price * (double)model->graph->bytes[value];
        flow_set_capacity(network, model->keep_edge[k], model->is_read[value] ? 0 : (int64_t)keep);
        flow_set_capacity(network, model->repeat_edge[k],
                          !can_repeat(model, value) ? FLOW_UNLIMITED / 1024
                          : is_repeat_free          ? 0
                                                    : cost_units(model, value));
    }
    return max_flow(network, source, sink);
}

static CutPoint point_at(CutModel *model, double price)
{
    CutPoint point = {.bytes = model->fixed_bytes, .price = price};

    point.bound = solve(model, price, false);
    for (uint32_t k = 0; k < model->count; k++) {
        if (!flow_reaches(&model->network, 2 * k))
            continue;
        if (flow_reaches(&model->network, 2 * k + 1))
            point.cost += cost_units(model, model->values[k]);
        else if (!model->is_read[model->values[k]])
            point.bytes += model->graph->bytes[model->values[k]];
    }
    return point;
}

/* Least cost, in units, that the point's price proves for a budget. */
static double proven_units(const CutModel *model, const CutPoint *point, int64_t budget)
{
    return (double)point->bound - point->price * (double)(budget - model->fixed_bytes);
}

/* Everything kept: no cost. */
static CutPoint keep_all(const CutModel *model)
{
    CutPoint point = {.bytes = model->fixed_bytes};

    for (uint32_t k = 0; k < model->count; k++)
        if (model->is_needed[model->values[k]] && !model->is_read[model->values[k]])
            point.bytes += model->graph->bytes[model->values[k]];
    return point;
}

/* Least bytes at g, whatever is repeated. */
static int64_t least_bytes(CutModel *model)
{
    return model->fixed_bytes + solve(model, 1, true);
}

/* A price so high that no further byte can be saved. */
static CutPoint least_bytes_point(CutModel *model)
{
    CutPoint all = keep_all(model), point = {0};
    double units = (double)(INT64_C(1) << COST_BITS);
    double highest = (double)FLOW_UNLIMITED / 4096 / (double)max_i64(all.bytes, 1);
    int64_t least = least_bytes(model);

    for (double price = units / (double)max_i64(all.bytes, 1);; price *= 32) {
        point = point_at(model, price < highest ? price : highest);
        if (point.bytes <= least || price >= highest)
            return point;
    }
}

/* The best bound at the budget, and in *best the cut that gives it: where the line through the
 * points on both sides of the budget has its price, until no point lies below the line. */
static double bound_at(CutModel *model, int64_t budget, CutPoint *cheap, CutPoint *lean)
{
    double best = 0;

    *cheap = keep_all(model);
    if (cheap->bytes <= budget) {
        *lean = *cheap;
        return 0;
    }
    *lean = least_bytes_point(model);
    for (int k = 0; k < 60 && lean->bytes < cheap->bytes; k++) {
        double price = (double)(lean->cost - cheap->cost) / (double)(cheap->bytes - lean->bytes);
        CutPoint point = point_at(model, price);
        double proven = proven_units(model, &point, budget);
        best = proven > best ? proven : best;
        double line = (double)cheap->cost + price * (double)(cheap->bytes - model->fixed_bytes);
        if ((double)point.bound >= line - 0.5 - 2 * (double)model->count
            || (point.bytes >= cheap->bytes || point.bytes <= lean->bytes))
            break;
        if (point.bytes > budget)
            *cheap = point;
        else
            *lean = point;
    }
    return best;
}

/* ---- which tasks to cut at ------------------------------------------------------------------- */

typedef struct Score {
    uint32_t task;
    double cost; /* bound by knapsack */
    int64_t bytes;
} Score;

typedef struct Candidate {
    double price; /* cost a byte */
    int64_t bytes;
} Candidate;

static int by_price(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;

    if (x->price != y->price)
        return x->price < y->price ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* As if what is repeated needed nothing: the cheapest bytes first, the last one in part. */
static Score score_task(const TaskGraph *graph, uint32_t task, int64_t budget, Arena *scratch)
{
    CutModel *model = cut_model(graph, task, NULL, scratch);
    Candidate *items = arena_array(scratch, Candidate, model->count);
    Score score = {.task = task, .bytes = keep_all(model).bytes};
    int64_t over = score.bytes - budget;
    uint32_t count = 0;

    for (uint32_t k = 0; k < model->count; k++) {
        uint32_t value = model->values[k];
        if (!model->is_needed[value] || model->is_read[value] || !can_repeat(model, value))
            continue;
        items[count++] = (Candidate){graph->tasks[graph->maker[value]].cost
                                         / (double)max_i64(graph->bytes[value], 1),
                                     graph->bytes[value]};
    }
    qsort(items, count, sizeof *items, by_price);
    for (uint32_t k = 0; k < count && over > 0; over -= items[k++].bytes)
        score.cost += items[k].price * (double)min_i64(items[k].bytes, over);
    if (over > 0)
        score.cost = INFINITY;
    return score;
}

static int by_score(const void *a, const void *b)
{
    const Score *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->task < y->task ? -1 : x->task > y->task;
}

/* All tasks, the most telling cut for the budget first. */
static Score *rank_cuts(const TaskGraph *graph, int64_t budget, Arena *arena)
{
    Score *scores = arena_array(arena, Score, graph->task_count);

    for (uint32_t t = 0; t < graph->task_count; t++) {
        Arena *scratch = arena_create();
        scores[t] = score_task(graph, t, budget, scratch);
        arena_destroy(scratch);
    }
    qsort(scores, graph->task_count, sizeof *scores, by_score);
    return scores;
}

/* ---- what others ask for --------------------------------------------------------------------- */

CostBound cost_bound_at(const TaskGraph *graph, uint32_t task, int64_t budget)
{
    Arena *scratch = arena_create();
    CutModel *model = cut_model(graph, task, NULL, scratch);
    CostBound bound = {.task = task, .is_impossible = least_bytes(model) > budget};
    CutPoint cheap, lean;

    /* a rounding error of the sum in 2^-40 of all tasks is no bound */
    double units = bound_at(model, budget, &cheap, &lean) - (double)(model->count + 4);
    if (!bound.is_impossible && units > 0)
        bound.cost = units * model->cost_unit;
    arena_destroy(scratch);
    return bound;
}

CostBound cost_bound(const TaskGraph *graph, int64_t budget)
{
    Arena *scratch = arena_create();
    const Score *scores = rank_cuts(graph, budget, scratch);
    CostBound best = {.task = scores[0].task, .is_impossible = feasibility_floor(graph) > budget};

    for (uint32_t k = 0; k < graph->task_count && k < TRIED_CUTS; k++) {
        CostBound bound = cost_bound_at(graph, scores[k].task, budget);
        best.is_impossible |= bound.is_impossible;
        if (bound.cost > best.cost) {
            best.cost = bound.cost;
            best.task = bound.task;
        }
    }
    arena_destroy(scratch);
    return best;
}

bool *choose_repeated(const TaskGraph *graph, uint32_t task, int64_t budget, const bool *is_forced,
                      Arena *arena)
{
    Arena *scratch = arena_create();
    bool *is_repeated = arena_array(arena, bool, graph->value_count);
    CutModel *model = cut_model(graph, task, is_forced, scratch);
    CutPoint cheap, lean;

    bound_at(model, budget, &cheap, &lean);
    for (uint32_t t = 0; t < graph->task_count; t++)
        for (uint32_t w = 0; w < graph->tasks[t].write_count && model->is_past[t]; w++)
            is_repeated[graph->tasks[t].writes[w]] = can_repeat(model, graph->tasks[t].writes[w]);
    if (lean.price == 0) /* everything is kept */
        for (uint32_t v = 0; v < graph->value_count; v++)
            is_repeated[v] &= !model->is_needed[v];
    else
        solve(model, lean.price, false);
    for (uint32_t k = 0; k < model->count && lean.price > 0; k++)
        if (flow_reaches(&model->network, 2 * k) && !flow_reaches(&model->network, 2 * k + 1))
            is_repeated[model->values[k]] = false;
    arena_destroy(scratch);
    return is_repeated;
}

/* ---- the frontier ---------------------------------------------------------------------------- */

typedef ARRAY(CutPoint) Points;

/* The vertices between two of the lower hull of (bytes, cost), each from one cut. */
static void split(CutModel *model, const CutPoint *cheap, const CutPoint *lean, Points *points,
                  Arena *scratch, int depth)
{
    if (lean->bytes >= cheap->bytes || points->count >= MAX_SOLVES || depth > 64)
        return;
    double price = (double)(lean->cost - cheap->cost) / (double)(cheap->bytes - lean->bytes);
    CutPoint point = point_at(model, price);
    double line = (double)cheap->cost + price * (double)(cheap->bytes - model->fixed_bytes);
    ARRAY_APPEND(scratch, points, point);
    if ((double)point.bound >= line - 0.5 - 2 * (double)model->count || point.bytes >= cheap->bytes
        || point.bytes <= lean->bytes)
        return;
    split(model, cheap, &point, points, scratch, depth + 1);
    split(model, &point, lean, points, scratch, depth + 1);
}

static int by_budget(const void *a, const void *b)
{
    const BoundPoint *x = a, *y = b;

    return x->budget > y->budget ? -1 : x->budget < y->budget;
}

/* Each price is a line that is below the true cost; the highest of them at a budget counts. */
BoundFrontier bound_frontier(const TaskGraph *graph, Arena *arena)
{
    Arena *scratch = arena_create();
    CutModel *models[FRONTIER_CUTS];
    Points points[FRONTIER_CUTS] = {0};
    uint32_t count = 0, total = 0;
    const Score *largest = rank_cuts(graph, 0, scratch);

    for (uint32_t k = 0; k < FRONTIER_CUTS; k++) {
        /* where everything is kept, half of that, a quarter */
        int64_t budget = largest[0].bytes >> k;
        uint32_t task = k == 0 ? largest[0].task : rank_cuts(graph, budget, scratch)[0].task;
        bool is_new = true;
        for (uint32_t m = 0; m < count; m++)
            is_new &= models[m]->task != task;
        if (!is_new)
            continue;
        models[count] = cut_model(graph, task, NULL, scratch);
        CutPoint cheap = keep_all(models[count]), lean = least_bytes_point(models[count]);
        ARRAY_APPEND(scratch, &points[count], lean);
        split(models[count], &cheap, &lean, &points[count], scratch, 0);
        total += points[count++].count + 1;
    }
    BoundFrontier frontier = {arena_array(arena, BoundPoint, total), 0};
    for (uint32_t m = 0; m < count; m++) {
        frontier.points[frontier.count++].budget = keep_all(models[m]).bytes;
        for (uint32_t k = 0; k < points[m].count; k++)
            frontier.points[frontier.count++].budget = points[m].items[k].bytes;
    }
    for (uint32_t p = 0; p < frontier.count; p++)
        for (uint32_t m = 0; m < count; m++)
            for (uint32_t k = 0; k < points[m].count; k++) {
                double cost =
                    proven_units(models[m], &points[m].items[k], frontier.points[p].budget)
                    - (double)(models[m]->count + 4);
                cost *= models[m]->cost_unit;
                if (cost > frontier.points[p].bound_cost)
                    frontier.points[p].bound_cost = cost;
            }
    qsort(frontier.points, frontier.count, sizeof *frontier.points, by_budget);
    arena_destroy(scratch);
    return frontier;
}
