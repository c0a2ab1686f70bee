/* Any bytes as a Content-Type's parameters, up to the first line feed, and a body behind it: a part is in the
 * body, delimiters are not in a part. */
#define _GNU_SOURCE /* memmem */

#include "server/input/container.h"
#include "server/input/multipart.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static void check_part(const char *bytes, size_t length, const char *body, size_t size, const char *boundary)
{
    char delimiter[4 + MULTIPART_BOUNDARY_SIZE];
    int delimiter_length = snprintf(delimiter, sizeof delimiter, "\r\n--%s", boundary);
    require(bytes >= body && bytes + length <= body + size);
    require(memmem(bytes, length, delimiter, (size_t)delimiter_length) == NULL);
    require(memcmp(bytes + length, delimiter, (size_t)delimiter_length) == 0);
}

static void check_body(char *bytes, size_t size, const char *boundary)
{
    struct stability_error error = {0};
    struct input_body body = {0};
    bool done = container_open(bytes, size, boundary, &body, &error);
    require(done == (error.code == STABILITY_OK));
    require(done == (error.message[0] == '\0'));
    if (!done) {
        return;
    }
    check_part(body.json, body.length, bytes, size, boundary);
    if (body.weights != NULL) {
        check_part(body.weights, body.weights_length, bytes, size, boundary);
        require(body.weights >= body.json + body.length || body.json >= body.weights + body.weights_length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char boundary[MULTIPART_BOUNDARY_SIZE];
    struct stability_error error = {0};
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    if (end == NULL) {
        return 0;
    }
    size_t length = (size_t)(end - data);
    char *type = calloc(1, length + 1);
    char *body = malloc(size - length);
    require(type != NULL && body != NULL);
    memcpy(type, data, length);
    memcpy(body, end + 1, size - length - 1);
    if (multipart_boundary(type, boundary, &error)) {
        require(strlen(boundary) > 0);
        check_body(body, size - length - 1, boundary);
    } else {
        require(error.code == STABILITY_ERROR_MULTIPART && error.message[0] != '\0');
    }
    free(body);
    free(type);
    return 0;
}
