#include "server/openapi/openapi.h"

#include <stability/stability.h>

static void write_security(struct json_writer *json)
{
    json_key(json, "securitySchemes");
    json_begin_object(json);
    json_key(json, "token");
    json_begin_object(json);
    json_member_text(json, "type", "http");
    json_member_text(json, "scheme", "bearer");
    json_member_text(json, "description", "Where the server was started with --tokens");
    json_end_object(json);
    json_end_object(json);
}

static void write_information(struct json_writer *json)
{
    json_key(json, "info");
    json_begin_object(json);
    json_member_text(json, "title", "stabilityd");
    json_member_text(json, "version", STABILITY_VERSION);
    json_member_text(
        json, "description",
        "Diagnoses the numerical stability of neural networks: a model, its weights and a batch go in, "
        "statistics of every layer and findings come out. Names follow PyTorch.");
    json_key(json, "license");
    json_begin_object(json);
    json_member_text(json, "name", "Apache-2.0");
    json_member_text(json, "identifier", "Apache-2.0");
    json_end_object(json);
    json_end_object(json);
}

bool openapi_write(struct buffer *body)
{
    struct json_writer json = {.buffer = body};
    json_begin_object(&json);
    json_member_text(&json, "openapi", "3.1.0");
    write_information(&json);
    openapi_write_paths(&json);
    json_key(&json, "components");
    json_begin_object(&json);
    json_key(&json, "schemas");
    json_begin_object(&json);
    openapi_write_schemas(&json);
    json_end_object(&json);
    write_security(&json);
    json_end_object(&json);
    json_end_object(&json);
    buffer_append_text(body, "\n");
    return !body->failed;
}

void openapi_reference(struct json_writer *json, const char *key, const char *name)
{
    struct buffer target = {0};
    buffer_format(&target, "#/components/schemas/%s", name);
    if (key != NULL) {
        json_key(json, key);
    }
    json_begin_object(json);
    json_member_text(json, "$ref", target.data);
    json_end_object(json);
    json->buffer->failed = json->buffer->failed || target.failed;
    buffer_free(&target);
}
