/* A team of threads.
 *
 * Launches follow each other within microseconds, so a waiting thread first looks again and again
 * for some 20 of them; but the machine may be shared, with the trainer's own loaders to begin with,
 * so then it sleeps. A team that only spins loses whole time slices to the thread it waits for.
 *
 *     caller   round = 1: body, context ----> body(0) ----> wait for pending = 0
 *     worker   wait for round to change ----> body(t) ----> pending - 1
 */
#include "host_team.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "runtime/system/os.h"

enum { SPINS = 1500 };

typedef struct Worker {
    struct HostTeam *team;
    OsThread *thread;
    int32_t index;
} Worker;

struct HostTeam {
    Worker *workers; /* size - 1 of them, for threads 1, 2, ... */
    int32_t size;
    HostTeamBody *body;
    void *context;
    atomic_uint round;
    atomic_int pending;
    atomic_bool ends;
    OsMutex *mutex; /* of those who sleep */
    OsCondition *round_began, *round_ended;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Until there is a round other than `seen`. */
static unsigned wait_for_round(HostTeam *team, unsigned seen)
{
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&team->round, memory_order_acquire) != seen)
            return atomic_load_explicit(&team->round, memory_order_acquire);
        relax();
    }
    os_mutex_lock(team->mutex);
    while (atomic_load(&team->round) == seen)
        os_condition_wait(team->round_began, team->mutex);
    os_mutex_unlock(team->mutex);
    return atomic_load(&team->round);
}

static void wait_for_workers(HostTeam *team)
{
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&team->pending, memory_order_acquire) == 0)
            return;
        relax();
    }
    os_mutex_lock(team->mutex);
    while (atomic_load(&team->pending) != 0)
        os_condition_wait(team->round_ended, team->mutex);
    os_mutex_unlock(team->mutex);
}

static void begin_round(HostTeam *team)
{
    os_mutex_lock(team->mutex);
    atomic_fetch_add(&team->round, 1);
    os_condition_signal_all(team->round_began);
    os_mutex_unlock(team->mutex);
}

static void work(void *argument)
{
    Worker *worker = argument;
    HostTeam *team = worker->team;
    unsigned seen = 0;
    omp_set_num_threads(1); /* of oneDNN, in this thread */
    for (;;) {
        seen = wait_for_round(team, seen);
        if (atomic_load(&team->ends))
            return;
        team->body(team->context, worker->index);
        if (atomic_fetch_sub(&team->pending, 1) == 1) {
            os_mutex_lock(team->mutex);
            os_condition_signal_all(team->round_ended);
            os_mutex_unlock(team->mutex);
        }
    }
}

HostTeam *host_team_create(int32_t threads)
{
    HostTeam *team = calloc(1, sizeof *team);
    if (team == NULL)
        return NULL;
    team->size = 1;
    team->workers = calloc((size_t)threads, sizeof *team->workers);
    team->mutex = os_mutex_create();
    team->round_began = os_condition_create();
    team->round_ended = os_condition_create();
    bool ok = team->workers && team->mutex && team->round_began && team->round_ended;
    while (ok && team->size < threads) {
        Worker *worker = &team->workers[team->size - 1];
        *worker = (Worker){.team = team, .index = team->size};
        worker->thread = os_thread_start(work, worker);
        ok = worker->thread != NULL;
        team->size += ok;
    }
    if (!ok) {
        host_team_destroy(team);
        return NULL;
    }
    return team;
}

void host_team_destroy(HostTeam *team)
{
    if (team == NULL)
        return;
    atomic_store(&team->ends, true);
    if (team->size > 1)
        begin_round(team);
    for (int32_t t = 1; t < team->size; t++)
        os_thread_join(team->workers[t - 1].thread);
    if (team->mutex)
        os_mutex_destroy(team->mutex);
    if (team->round_began)
        os_condition_destroy(team->round_began);
    if (team->round_ended)
        os_condition_destroy(team->round_ended);
    free(team->workers);
    free(team);
}

void host_team_run(HostTeam *team, int32_t threads, HostTeamBody *body, void *context)
{
    if (team == NULL || team->size == 1) {
        for (int32_t t = 0; t < threads; t++)
            body(context, t);
        return;
    }
    team->body = body;
    team->context = context;
    atomic_store(&team->pending, team->size - 1);
    begin_round(team);
    body(context, 0);
    wait_for_workers(team);
}
