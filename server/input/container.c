#include "server/input/container.h"

#include "server/input/multipart.h"

enum { REQUEST, WEIGHTS, MODEL, PART_COUNT };

bool container_open(char *bytes, size_t length, const char *boundary, struct input_body *body,
                    struct stability_error *error)
{
    struct multipart_part parts[PART_COUNT] = {
        [REQUEST] = {.name = "request"}, [WEIGHTS] = {.name = "weights"}, [MODEL] = {.name = "model"}};
    if (boundary == NULL) {
        *body = (struct input_body){.json = bytes, .length = length};
        return true;
    }
    if (!multipart_split(bytes, length, boundary, parts, PART_COUNT, error)) {
        return false;
    }
    *body = (struct input_body){.json = parts[REQUEST].bytes,
                                .length = parts[REQUEST].length,
                                .weights = parts[WEIGHTS].bytes,
                                .weights_length = parts[WEIGHTS].length,
                                .model = parts[MODEL].bytes,
                                .model_length = parts[MODEL].length};
    return body->json != NULL || stability_fail(error, STABILITY_ERROR_MISSING_MEMBER, NULL,
                                                "a multipart body needs the part 'request', which is JSON");
}
