/* What the running service shares between its requests. */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "server/access/access.h"
#include "server/config.h"
#include "server/jobs/budget.h"
#include "server/jobs/pool.h"
#include "server/metrics/metrics.h"
#include "server/store/store.h"

#include <stability/request.h>

struct jobs;

struct service {
    const struct config *config;
    struct stability_limits limits; /* of each request */
    struct budget memory;
    struct pool *pool;
    struct pool *store_pool; /* threads that wait for the store */
    struct store *store;
    struct jobs *jobs;
    struct access *access;
    struct metrics *metrics;
    atomic_bool draining; /* nothing new is accepted */
    atomic_bool stopping; /* what is running stops */
};

/* Starts the pools and opens the store, as the configuration says, which is borrowed; `service` was zeroed.
 * False on error; either way service_close releases it. */
bool service_open(struct service *service, const struct config *config, struct stability_error *error);
/* Nothing may use the service any more. */
void service_close(struct service *service);

#endif
