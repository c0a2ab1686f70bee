#include "server/routes/routes.h"

#include "server/nearest.h"
#include "server/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LISTED 1000

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
    bool (*read)(struct http_request *request, const char *value, struct stability_error *error);
};

static bool read_format(struct http_request *request, const char *value, struct stability_error *error)
{
    return report_choose_format(&request->choice, value, error);
}

static bool read_fail_on(struct http_request *request, const char *value, struct stability_error *error)
{
    return report_choose_fail_on(&request->choice, value, error);
}

/* Names of reports are text for people: up to 128 characters, none of them a control character. */
static bool is_name(const char *value)
{
    size_t length = strlen(value);
    size_t count = 0;
    for (size_t at = 0; at < length; count++) {
        uint32_t character;
        size_t bytes = utf8_decode(value + at, length - at, &character);
        if (bytes == 0 || character < ' ' || (character >= 0x7f && character < 0xa0)) {
            return false;
        }
        at += bytes;
    }
    return count > 0 && count <= 128;
}

static bool read_name(const char *parameter, const char *value, const char **name,
                      struct stability_error *error)
{
    *name = value;
    return is_name(value) ||
           stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "%s must be a text of 1 to 128 characters, none of them a control character",
                          parameter);
}

static bool read_save(struct http_request *request, const char *value, struct stability_error *error)
{
    return read_name("save", value, &request->save, error);
}

static bool read_baseline(struct http_request *request, const char *value, struct stability_error *error)
{
    request->baseline = value;
    return store_is_id(value) ||
           stability_fail(error, STABILITY_ERROR_UNKNOWN_BASELINE, NULL,
                          "baseline must be the id of a saved report (32 hexadecimal digits), not '%.64s'",
                          value);
}

static bool read_model(struct http_request *request, const char *value, struct stability_error *error)
{
    return read_name("model", value, &request->listing.model, error);
}

static bool read_report_name(struct http_request *request, const char *value, struct stability_error *error)
{
    return read_name("name", value, &request->listing.name, error);
}

static bool read_after(struct http_request *request, const char *value, struct stability_error *error)
{
    request->listing.after = value;
    return store_is_id(value) ||
           stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "after must be the id of a saved report (32 hexadecimal digits), not '%.64s'",
                          value);
}

static bool read_limit(struct http_request *request, const char *value, struct stability_error *error)
{
    char *end;
    long limit = strtol(value, &end, 10);
    request->listing.limit = limit;
    return (end != value && *end == '\0' && limit >= 1 && limit <= MOST_LISTED) ||
           stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "limit must be a number from 1 to %d, not '%.64s'", MOST_LISTED, value);
}

static const struct parameter parameters[] = {
    {"format", ROUTE_REPORT, read_format}, {"fail_on", ROUTE_REPORT, read_fail_on},
    {"save", ROUTE_SAVE, read_save},       {"baseline", ROUTE_BASELINE, read_baseline},
    {"model", ROUTE_LIST, read_model},     {"name", ROUTE_LIST, read_report_name},
    {"after", ROUTE_LIST, read_after},     {"limit", ROUTE_LIST, read_limit},
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

/* Whether a path is one that the pattern describes; *segment is then what stands for {id}, to its end or to
 * the next slash, or NULL. */
static bool matches(const char *pattern, const char *path, const char **segment)
{
    static const char placeholder[] = "{id}";
    size_t fixed = strcspn(pattern, "{");
    *segment = NULL;
    if (pattern[fixed] == '\0') {
        return strcmp(pattern, path) == 0;
    }
    size_t length = strncmp(pattern, path, fixed) == 0 ? strcspn(path + fixed, "/") : 0;
    *segment = path + fixed;
    return length > 0 && strcmp(pattern + fixed + sizeof(placeholder) - 1, path + fixed + length) == 0;
}

static bool is_at(const struct route *route, const char *path)
{
    const char *segment;
    return matches(route->path, path, &segment);
}

static void note_segment(const struct route *route, const char *path, struct http_request *request)
{
    const char *segment;
    if (matches(route->path, path, &segment) && segment != NULL) {
        snprintf(request->resource, sizeof(request->resource), "%.*s", (int)strcspn(segment, "/"), segment);
    }
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
        if (!is_at(&routes[i], path)) {
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
        if (is_at(&routes[i], path) && has_method(&routes[i], method)) {
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

bool route_has_parameter(const struct route *route, const char *name)
{
    return find_parameter(route, name) != NULL;
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
                      struct http_request *request, struct stability_error *error)
{
    bool seen[PARAMETER_COUNT] = {false};
    request->target = target->raw;
    note_segment(route, target->path, request);
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
        if (!known->read(request, given->value, error)) {
            return false;
        }
    }
    return true;
}
