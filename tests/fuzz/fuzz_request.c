/* Any bytes as the JSON of a request: they are read or refused with an error, and as to what is JSON and what
 * is not, jansson agrees. In which pieces they arrive makes no difference. */
#include "server/input/request.h"
#include "tests/fuzz/fuzz.h"

#include "tests/server/arrival_case.h"

#include <jansson.h>

/* jansson takes a NUL after a number for the end, nests deeper, and has smaller numbers. */
static void compare(const char *body, size_t length, const struct stability_error *error, bool known)
{
    json_error_t problem = {0};
    json_t *json = json_loadb(body, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &problem);
    bool nested = strstr(error->message, "nested") != NULL;
    if (error->code == STABILITY_ERROR_SYNTAX) {
        require(json == NULL || nested || memchr(body, 0, length) != NULL);
    } else if (!known || error->code == STABILITY_ERROR_DUPLICATE_KEY) {
        require(json != NULL || json_error_code(&problem) == json_error_numeric_overflow);
    }
    json_decref(json);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    input_initialize();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stability_limits limits = {.layers = 100, .elements = 100000};
    const char *body = (const char *)data;
    struct stability_error error = {0};
    struct input_position where;
    char *copy = malloc(size + (size == 0));
    require(copy != NULL);
    memcpy(copy, data, size);
    struct input_request *request = input_request_parse(&(struct input_body){.json = copy, .length = size},
                                                        INPUT_DIAGNOSE, &limits, &where, &error);
    require((request == NULL) == (error.code != STABILITY_OK));
    require((error.code != STABILITY_OK) == (error.message[0] != '\0'));
    require(!where.known ||
            (error.code != STABILITY_OK && where.offset >= 0 && (size_t)where.offset <= size));
    compare(body, size, &error, where.known);
    input_request_free(request);
    size_t step = 1 + (size > 0 ? data[size / 2] % 16 : 0);
    require(arrives_alike(body, size, &limits, step, step));
    free(copy);
    return 0;
}
