/* Clients that follow a job by server-sent events. */
#ifndef SERVER_JOBS_EVENTS_H
#define SERVER_JOBS_EVENTS_H

#include "server/jobs/worker.h"

/* Tells every follower what has changed since it was told last. Called by the keeper, with nothing locked. */
void events_tell(struct jobs *jobs);
/* Ends every stream. */
void events_end(struct jobs *jobs);

#endif
