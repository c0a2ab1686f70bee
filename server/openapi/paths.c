#include "server/openapi/openapi.h"

#include "server/output/format.h"
#include "server/problem.h"
#include "server/routes/routes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What is known of parameters beside their names: their schemas as JSON. `where` is "query" or "header"; a
 * header's `traits` say which routes read it, a query parameter's are in the table of routes.c. */
static const struct {
    const char *name;
    const char *where;
    unsigned traits;
    const char *schema;
    const char *documentation;
} parameters[] = {
    {"format", "query", 0, NULL, "Output format, in place of Accept"},
    {"fail_on", "query", 0, "{\"$ref\":\"#/components/schemas/Severity\"}",
     "A report with findings that reach this severity, or a gradient check that fails, has the status 412"},
    {"save", "query", 0, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":128}",
     "Keeps the report under this name; Location says where"},
    {"baseline", "query", 0, "{\"$ref\":\"#/components/schemas/Id\"}",
     "A saved report: only findings that it lacks count"},
    {"model", "query", 0, "{\"type\":\"string\"}", "Only reports of this model"},
    {"name", "query", 0, "{\"type\":\"string\"}", "Only reports that were saved under this name"},
    {"after", "query", 0, "{\"$ref\":\"#/components/schemas/Id\"}",
     "Begins behind this report: `next` of a list"},
    {"limit", "query", 0, "{\"type\":\"integer\",\"minimum\":1}", "Reports at most"},
    {"Prefer", "header", ROUTE_SAVE, "{\"type\":\"string\"}",
     "respond-async: answered with 202 and the Location of a job"},
    {"Idempotency-Key", "header", ROUTE_SAVE, "{\"type\":\"string\"}",
     "With Prefer: respond-async: the same key gives the same job"},
    {"Content-Encoding", "header", ROUTE_BODY, "{\"enum\":[\"identity\",\"gzip\",\"x-gzip\",\"zstd\"]}",
     "How the body is compressed"},
    {"X-Request-Id", "header", 0, "{\"type\":\"string\"}", "Comes back, and is in the log"},
    {"traceparent", "header", 0, "{\"type\":\"string\"}", "W3C Trace Context; comes back, and is in the log"},
};

/* What a route gives where it is no report; by path. */
static const struct {
    const char *path;
    const char *media_type;
    const char *schema; /* NULL: text */
} answers[] = {
    {"/v1/layers", "application/json", "Layers"},
    {"/v1/losses", "application/json", "Losses"},
    {"/v1/rules", "application/json", "Rules"},
    {"/v1/limits", "application/json", "Limits"},
    {"/v1/jobs/{id}", "application/json", "Job"},
    {"/v1/jobs/{id}/events", "text/event-stream", NULL},
    {"/v1/reports", "application/json", "SavedReports"},
    {"/openapi.json", "application/json", "OpenApi"},
    {"/metrics", "text/plain", NULL},
    {"/livez", "application/json", "Health"},
    {"/readyz", "application/json", "Health"},
    {"/", "text/html", NULL},
    {"/web/{id}", "text/html", NULL},
    {"/web/{id}", "text/css", NULL},
    {"/web/{id}", "text/javascript", NULL},
};

/* Refusals, and the traits of the routes that may give them; 0: every route. */
static const struct {
    int status;
    unsigned traits;
    const char *documentation;
} refusals[] = {
    {400, 0, "Malformed: the HTTP request, a parameter, or the body's JSON"},
    {401, 0, "A token is required, and missing or wrong"},
    {404, ROUTE_STORE | ROUTE_BASELINE, "No such job or report"},
    {406, ROUTE_REPORT, "No such output format"},
    {408, 0, "The request did not arrive in time"},
    {409, ROUTE_STORE | ROUTE_SAVE, "In conflict with the state of a job, or with an earlier use of its key"},
    {413, 0, "The body or the model is over a limit"},
    {414, 0, "The target is too long"},
    {415, ROUTE_BODY, "The media type or encoding is not supported"},
    {422, ROUTE_BODY | ROUTE_BASELINE, "Well-formed, but impossible"},
    {429, 0, "Too many requests; Retry-After says when to come again"},
    {431, 0, "The header is too large"},
    {500, 0, "The server failed"},
    {503, 0, "The queue is full, memory is short, or the server drains; Retry-After says when to come again"},
    {504, ROUTE_HEAVY, "The deadline passed; the work was stopped"},
    {505, 0, "The version of HTTP is not supported"},
};

static void member_raw(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    buffer_append_text(json->buffer, text);
    json->separate = true;
}

static void write_formats(struct json_writer *json)
{
    json_key(json, "schema");
    json_begin_object(json);
    json_key(json, "enum");
    json_begin_array(json);
    for (size_t i = 0; i < format_count(); i++) {
        json_write_text(json, format_at(i)->name);
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_parameter(struct json_writer *json, size_t index)
{
    json_begin_object(json);
    json_member_text(json, "name", parameters[index].name);
    json_member_text(json, "in", parameters[index].where);
    json_member_text(json, "description", parameters[index].documentation);
    if (parameters[index].schema == NULL) {
        write_formats(json);
    } else {
        member_raw(json, "schema", parameters[index].schema);
    }
    json_end_object(json);
}

static bool applies(size_t index, const struct route *route)
{
    if (strcmp(parameters[index].where, "query") == 0) {
        return route_has_parameter(route, parameters[index].name);
    }
    return parameters[index].traits == 0 || (parameters[index].traits & route->traits) != 0;
}

static void write_parameters(struct json_writer *json, const struct route *route)
{
    json_key(json, "parameters");
    json_begin_array(json);
    if (strstr(route->path, "{id}") != NULL) {
        json_begin_object(json);
        json_member_text(json, "name", "id");
        json_member_text(json, "in", "path");
        json_member_boolean(json, "required", true);
        openapi_reference(json, "schema", route->traits & ROUTE_STORE ? "Id" : "FileName");
        json_end_object(json);
    }
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        if (applies(i, route)) {
            write_parameter(json, i);
        }
    }
    json_end_array(json);
}

static void write_content(struct json_writer *json, const char *media_type, const char *schema)
{
    json_key(json, media_type);
    json_begin_object(json);
    if (schema != NULL) {
        openapi_reference(json, "schema", schema);
    } else {
        /* The published schemas of SARIF and code quality are not repeated here. */
        member_raw(json, "schema", strstr(media_type, "+json") != NULL ? "{}" : "{\"type\":\"string\"}");
    }
    json_end_object(json);
}

static void write_body(struct json_writer *json, const struct route *route)
{
    bool gradcheck = route->handle == route_gradcheck;
    json_key(json, "requestBody");
    json_begin_object(json);
    json_member_boolean(json, "required", true);
    json_key(json, "content");
    json_begin_object(json);
    write_content(json, "application/json", gradcheck ? "GradientCheckRequest" : "Request");
    write_content(json, "multipart/form-data", "Form");
    json_end_object(json);
    json_end_object(json);
}

static void begin_response(struct json_writer *json, int status, const char *description)
{
    char key[16];
    snprintf(key, sizeof(key), "%d", status);
    json_key(json, key);
    json_begin_object(json);
    json_member_text(json, "description", description);
    json_key(json, "content");
    json_begin_object(json);
}

static void end_response(struct json_writer *json)
{
    json_end_object(json);
    json_end_object(json);
}

/* The bare media type: parameters of "text/html; charset=utf-8" are left out. */
static void write_report_format(struct json_writer *json, const struct route *route,
                                const struct format *format, bool json_format)
{
    char media_type[96];
    bool gradcheck = route->handle == route_gradcheck;
    snprintf(media_type, sizeof(media_type), "%.*s", (int)strcspn(format->media_type, ";"),
             format->media_type);
    if (!json_format) {
        write_content(json, media_type, NULL);
    } else if (gradcheck || (route->traits & ROUTE_HEAVY)) {
        write_content(json, media_type, gradcheck ? "GradientCheck" : "Report");
    } else {
        json_key(json, media_type);
        json_begin_object(json);
        member_raw(json, "schema",
                   "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Report\"},"
                   "{\"$ref\":\"#/components/schemas/GradientCheck\"}]}");
        json_end_object(json);
    }
}

static void write_report(struct json_writer *json, const struct route *route, int status,
                         const char *description)
{
    begin_response(json, status, description);
    for (size_t i = 0; i < format_count(); i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++) {
            first = first && strcmp(format_at(k)->media_type, format_at(i)->media_type) != 0;
        }
        if (first) {
            write_report_format(json, route, format_at(i), i == 0);
        }
    }
    end_response(json);
}

static bool has_answer(const struct route *route)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (strcmp(answers[i].path, route->path) == 0) {
            return true;
        }
    }
    return false;
}

static void write_success(struct json_writer *json, const struct route *route)
{
    if (route->traits & ROUTE_REPORT) {
        write_report(json, route, 200, "The report");
        write_report(json, route, 412, "The report, which fails by fail_on");
        return;
    }
    if (has_answer(route)) {
        begin_response(json, 200, route->documentation);
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
            if (strcmp(answers[i].path, route->path) == 0) {
                write_content(json, answers[i].media_type, answers[i].schema);
            }
        }
        end_response(json);
    }
    if (strcmp(route->method, "DELETE") == 0) {
        json_key(json, "204");
        json_begin_object(json);
        json_member_text(json, "description", "Done");
        json_end_object(json);
    }
}

static void write_responses(struct json_writer *json, const struct route *route)
{
    json_key(json, "responses");
    json_begin_object(json);
    write_success(json, route);
    if (route->traits & ROUTE_SAVE) {
        begin_response(json, 202, "The request has become a job; Location says where it is");
        write_content(json, "application/json", "Job");
        end_response(json);
    }
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        bool open = (refusals[i].status == 401 || refusals[i].status == 429) && (route->traits & ROUTE_OPEN);
        bool missing = refusals[i].status == 404 && strstr(route->path, "{id}") != NULL;
        /* A job that has failed gives what its request would have been answered. */
        bool of_job = strstr(route->path, "/result") != NULL;
        if (!open && (missing || of_job || refusals[i].traits == 0 || (refusals[i].traits & route->traits))) {
            begin_response(json, refusals[i].status, refusals[i].documentation);
            write_content(json, PROBLEM_MEDIA_TYPE, "Problem");
            end_response(json);
        }
    }
    json_end_object(json);
}

/* "get_v1_jobs_id_result" */
static void write_operation_id(struct json_writer *json, const struct route *route)
{
    struct buffer id = {0};
    buffer_append_text(&id, route->method);
    for (const char *at = route->path; *at != '\0'; at++) {
        if (*at != '{' && *at != '}') {
            buffer_append(&id, isalnum((unsigned char)*at) ? at : "_", 1);
        }
    }
    for (size_t i = 0; i < id.length; i++) {
        id.data[i] = (char)tolower((unsigned char)id.data[i]);
    }
    json_member_text(json, "operationId", id.data);
    buffer_free(&id);
}

static void write_operation(struct json_writer *json, const struct route *route)
{
    char method[16];
    size_t length = strlen(route->method);
    for (size_t i = 0; i <= length && i < sizeof(method); i++) {
        method[i] = (char)tolower((unsigned char)route->method[i]);
    }
    json_key(json, method);
    json_begin_object(json);
    write_operation_id(json, route);
    json_member_text(json, "summary", route->documentation);
    if (!(route->traits & ROUTE_OPEN)) {
        member_raw(json, "security", "[{\"token\":[]},{}]");
    }
    write_parameters(json, route);
    if (route->traits & ROUTE_BODY) {
        write_body(json, route);
    }
    write_responses(json, route);
    json_end_object(json);
}

static bool came_before(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(route_at(i)->path, route_at(index)->path) == 0) {
            return true;
        }
    }
    return false;
}

void openapi_write_paths(struct json_writer *json)
{
    json_key(json, "paths");
    json_begin_object(json);
    for (size_t i = 0; i < route_count(); i++) {
        if (came_before(i)) {
            continue;
        }
        json_key(json, route_at(i)->path);
        json_begin_object(json);
        for (size_t k = i; k < route_count(); k++) {
            if (strcmp(route_at(k)->path, route_at(i)->path) == 0) {
                write_operation(json, route_at(k));
            }
        }
        json_end_object(json);
    }
    json_end_object(json);
}
