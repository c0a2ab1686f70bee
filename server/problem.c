#include "server/problem.h"

#include "server/input/position.h"
#include "server/json_writer.h"

static void write_position(struct json_writer *json, const struct input_position *position)
{
    if (position == NULL || !position->known) {
        return;
    }
    json_member_integer(json, "line", position->line);
    json_member_integer(json, "column", position->column);
    json_member_integer(json, "offset", position->offset);
}

void problem_write(const struct stability_error *error, const struct input_position *position,
                   const char *request_id, struct buffer *body)
{
    struct json_writer json = {.buffer = body};
    const char *code = stability_code_name(error->code);
    struct buffer type = {0};
    buffer_format(&type, "urn:stabilityd:problem:%s", code);

    json_begin_object(&json);
    json_member_text(&json, "type", type.data);
    json_member_text(&json, "title", stability_code_title(error->code));
    json_member_integer(&json, "status", stability_code_status(error->code));
    json_member_text(&json, "detail", error->message);
    json_member_text(&json, "code", code);
    if (error->pointer[0] != '\0') {
        json_member_text(&json, "pointer", error->pointer);
    }
    write_position(&json, position);
    if (request_id != NULL) {
        json_member_text(&json, "request_id", request_id);
    }
    json_member_text(&json, "error", error->message);
    json_end_object(&json);
    buffer_append(body, "\n", 1);
    body->failed = body->failed || type.failed;
    buffer_free(&type);
}
