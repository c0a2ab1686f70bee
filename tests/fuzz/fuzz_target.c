/* Any text as a request's target: it is taken apart into what is in it, and every route reads its parameters
 * or says which one it does not take. The same text as an Accept header chooses a format or none. */
#include "server/http/target.h"
#include "server/routes/routes.h"
#include "tests/fuzz/fuzz.h"

static void check_parameters(const struct route *route, const struct http_target *target)
{
    struct http_request request = {0};
    struct stability_error error = {0};
    bool done = route_parameters(route, target, &request, &error);
    require(done == (error.code == STABILITY_OK) && done == (error.message[0] == '\0'));
    for (size_t i = 0; done && i < target->parameter_count; i++) {
        require(route_has_parameter(route, target->parameters[i].name));
    }
}

static void check_route(const char *method, const struct http_target *target)
{
    struct http_response response = {0};
    struct stability_error error = {0};
    const struct route *route = route_find(method, target->path, &response, &error);
    require((route != NULL) == (error.code == STABILITY_OK));
    require(route != NULL || error.message[0] != '\0');
    require((error.code == STABILITY_ERROR_METHOD_NOT_ALLOWED) == (response.header_count == 1));
    http_response_free(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stability_error error = {0};
    char *text = text_of(data, size);
    struct http_target *target = http_target_new(text, &error);
    require((target != NULL) == (error.code == STABILITY_OK));
    if (target != NULL) {
        require(strcmp(target->raw, text) == 0 && strlen(target->path) <= size);
        for (size_t i = 0; i < route_count(); i++) {
            check_parameters(route_at(i), target);
        }
        check_route("GET", target);
        check_route("POST", target);
        check_route("DELETE", target);
    }
    const struct format *format = format_accept(text);
    require(format == NULL || format_find(format->name) == format);
    free(target);
    free(text);
    return 0;
}
