/* A team of threads that runs one function at a time, side by side. */
#ifndef SNUG_HOST_TEAM_H
#define SNUG_HOST_TEAM_H

#include <stdint.h>

typedef struct HostTeam HostTeam;
typedef void HostTeamBody(void *context, int32_t thread);

/* NULL where the threads cannot be had. The caller is thread 0 of the team. */
HostTeam *host_team_create(int32_t threads);
void host_team_destroy(HostTeam *team);

/* Calls body for threads 0 .. threads - 1 and returns when all have returned. `threads` is the
 * team's size; without a team (NULL) the caller does all, one after the other. */
void host_team_run(HostTeam *team, int32_t threads, HostTeamBody *body, void *context);

#endif
