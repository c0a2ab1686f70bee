/* The work of a job. */
#ifndef SERVER_ROUTES_JOB_WORK_H
#define SERVER_ROUTES_JOB_WORK_H

#include "server/jobs/jobs.h"

/* Does what a job asks; for jobs_new. */
void job_work(struct service *service, struct job_task *task, struct job_outcome *outcome);

#endif
