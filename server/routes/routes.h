/* The endpoints: routes.def lists them, each handler is in a file of its own. */
#ifndef SERVER_ROUTES_ROUTES_H
#define SERVER_ROUTES_ROUTES_H

#include "server/http/message.h"
#include "server/http/target.h"

/* What a route is like, as bits. */
enum route_trait {
    ROUTE_LIGHT = 0,     /* answered at once, by the thread that read the request */
    ROUTE_HEAVY = 1,     /* runs in the compute pool; refused while draining */
    ROUTE_BODY = 2,      /* takes a JSON body */
    ROUTE_REPORT = 4,    /* answers with a report: takes `format`, `fail_on` and Accept */
    ROUTE_STORE = 8,     /* waits for the store: runs in a pool of its own */
    ROUTE_SAVE = 16,     /* takes `save`, and may be a job */
    ROUTE_BASELINE = 32, /* takes `baseline` */
    ROUTE_LIST = 64,     /* lists reports: takes `model`, `name`, `after`, `limit` */
    ROUTE_OPEN = 256,    /* answers without a token, and is not counted by rates */
};

struct route {
    const char *method; /* GET answers HEAD too */
    const char *path;   /* {id} stands for any one segment */
    unsigned traits;    /* enum route_trait, combined */
    void (*handle)(const struct http_request *request, struct http_response *response);
    const char *documentation;
};

size_t route_count(void);
const struct route *route_at(size_t index);
/* The index of a route; NULL: route_count(). */
size_t route_index(const struct route *route);

/* Whether the route takes the query parameter `name`. */
bool route_has_parameter(const struct route *route, const char *name);

/* Finds the route of a method and a path. NULL with NOT_FOUND or METHOD_NOT_ALLOWED; the latter adds the
 * Allow header to `response`. */
const struct route *route_find(const char *method, const char *path, struct http_response *response,
                               struct stability_error *error);

/* Reads the parameters of a query for `route` into the request, and what its path has for {id}; the target
 * must outlive it. False on a parameter that the route does not have, one that comes twice, or a value that
 * is not valid. */
bool route_parameters(const struct route *route, const struct http_target *target,
                      struct http_request *request, struct stability_error *error);

/* Answers a request that is to become a job. */
void route_submit(const struct http_request *request, struct http_response *response);

/* The handlers that the table names. */
#define ROUTE(method, path, traits, handler, documentation) \
    void handler(const struct http_request *request, struct http_response *response);
#include "server/routes/routes.def"
#undef ROUTE

#endif
