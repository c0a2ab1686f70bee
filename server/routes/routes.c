#include "server/routes/routes.h"

#include "server/nearest.h"

#include <string.h>

static const struct route routes[] = {
#define ROUTE(method, path, traits, handler, documentation) {method, path, traits, handler, documentation},
#include "server/routes/routes.def"
#undef ROUTE
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

/* A parameter of a query, and the routes that have it. */
struct parameter {
    const char *name;
    unsigned trait;
    bool (*read)(struct report_choice *choice, const char *value, struct stability_error *error);
};

static const struct parameter parameters[] = {
    {"format", ROUTE_REPORT, report_choose_format},
    {"fail_on", ROUTE_REPORT, report_choose_fail_on},
};

#define PARAMETER_COUNT (sizeof(parameters) / sizeof(parameters[0]))

size_t route_count(void)
{
    return ROUTE_COUNT;
}

const struct route *route_at(size_t index)
{
    return &routes[index];
}

size_t route_index(const struct route *route)
{
    return route == NULL ? ROUTE_COUNT : (size_t)(route - routes);
}

static bool has_method(const struct route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void append_method(struct buffer *allowed, const char *method)
{
    buffer_append_text(allowed, allowed->length == 0 ? "" : ", ");
    buffer_append_text(allowed, method);
}

static void list_methods(const char *path, struct buffer *allowed)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (strcmp(routes[i].path, path) != 0) {
            continue;
        }
        append_method(allowed, routes[i].method);
        if (strcmp(routes[i].method, "GET") == 0) {
            append_method(allowed, "HEAD");
        }
    }
}

static void fail_not_found(const char *path, struct stability_error *error)
{
    char hint[NEAREST_HINT];
    struct nearest nearest = {0};
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        nearest_offer(&nearest, routes[i].path);
    }
    stability_fail(error, STABILITY_ERROR_NOT_FOUND, NULL, "there is nothing at '%.128s'%s", path,
                   nearest_hint(&nearest, path, hint));
}

const struct route *route_find(const char *method, const char *path, struct http_response *response,
                               struct stability_error *error)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (strcmp(routes[i].path, path) == 0 && has_method(&routes[i], method)) {
            return &routes[i];
        }
    }
    struct buffer allowed = {0};
    list_methods(path, &allowed);
    if (allowed.length == 0) {
        fail_not_found(path, error);
    } else {
        http_response_header(response, "Allow", "%s", allowed.data);
        stability_fail(error, STABILITY_ERROR_METHOD_NOT_ALLOWED, NULL, "%s takes %s, not %.32s", path,
                       allowed.data, method);
    }
    buffer_free(&allowed);
    return NULL;
}

static const struct parameter *find_parameter(const struct route *route, const char *name)
{
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        if ((parameters[i].trait & route->traits) && strcmp(parameters[i].name, name) == 0) {
            return &parameters[i];
        }
    }
    return NULL;
}

static bool fail_unknown(const struct route *route, const char *name, struct stability_error *error)
{
    char hint[NEAREST_HINT];
    struct nearest nearest = {0};
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        if (parameters[i].trait & route->traits) {
            nearest_offer(&nearest, parameters[i].name);
        }
    }
    return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "%s has no query parameter '%.64s'%s",
                          route->path, name, nearest_hint(&nearest, name, hint));
}

bool route_parameters(const struct route *route, const struct http_target *target,
                      struct report_choice *choice, struct stability_error *error)
{
    bool seen[PARAMETER_COUNT] = {false};
    for (size_t i = 0; i < target->parameter_count; i++) {
        const struct http_parameter *given = &target->parameters[i];
        const struct parameter *known = find_parameter(route, given->name);
        if (known == NULL) {
            return fail_unknown(route, given->name, error);
        }
        if (seen[known - parameters]) {
            return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                                  "the query parameter '%s' comes twice", known->name);
        }
        seen[known - parameters] = true;
        if (!known->read(choice, given->value, error)) {
            return false;
        }
    }
    return true;
}
