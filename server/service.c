#include "server/service.h"

#include "server/jobs/jobs.h"
#include "server/routes/job_work.h"
#include "server/routes/routes.h"

#define STORE_SHARE 8       /* a store in memory may take this part of --memory, beside it */
#define STORE_THREADS 4     /* requests that wait for the store at once */
#define STORE_QUEUE 1024    /* requests that may wait for one of these threads */
#define QUEUE_PER_THREAD 64 /* requests that may wait for each thread of the compute pool */

static bool open_jobs(struct service *service, struct stability_error *error)
{
    const struct config *config = service->config;
    service->store = store_open(config->store, config->memory / STORE_SHARE, error);
    if (service->store != NULL) {
        service->store_pool = pool_new(STORE_THREADS, STORE_QUEUE, error);
    }
    if (service->store_pool != NULL) {
        service->jobs = jobs_new(service, job_work, error);
    }
    return service->jobs != NULL;
}

bool service_open(struct service *service, const struct config *config, struct stability_error *error)
{
    service->config = config;
    service->limits = stability_default_limits;
    if (service->limits.bytes == 0 || service->limits.bytes > config->memory) {
        service->limits.bytes = config->memory;
    }
    service->memory.total = config->memory;
    service->access = access_new(config->tokens, (double)config->rate, error);
    service->metrics = metrics_new(route_count(), error);
    if (service->access != NULL && service->metrics != NULL) {
        service->pool = pool_new((int)config->threads, (int)config->threads * QUEUE_PER_THREAD, error);
    }
    return service->pool != NULL && open_jobs(service, error);
}

void service_close(struct service *service)
{
    jobs_stop(service->jobs);
    pool_free(service->pool);
    pool_free(service->store_pool);
    jobs_free(service->jobs);
    store_close(service->store);
    access_free(service->access);
    metrics_free(service->metrics);
}
