#include "server/output/result_json.h"

static void write_children(struct json_writer *json, const struct stability_result *parent)
{
    bool named = parent->kind == STABILITY_RESULT_OBJECT;
    named ? json_begin_object(json) : json_begin_array(json);
    for (const struct stability_result *child = parent->children; child != NULL; child = child->next) {
        if (named) {
            json_key(json, child->name);
        }
        result_write_json(json, child);
    }
    named ? json_end_object(json) : json_end_array(json);
}

void result_write_json(struct json_writer *json, const struct stability_result *result)
{
    switch (result->kind) {
    case STABILITY_RESULT_NULL:
        json_write_null(json);
        break;
    case STABILITY_RESULT_NUMBER:
        json_write_double(json, result->number);
        break;
    case STABILITY_RESULT_INTEGER:
        json_write_integer(json, result->integer);
        break;
    case STABILITY_RESULT_BOOLEAN:
        json_write_boolean(json, result->boolean);
        break;
    case STABILITY_RESULT_TEXT:
        json_write_text(json, result->text);
        break;
    case STABILITY_RESULT_LIST:
    case STABILITY_RESULT_OBJECT:
        write_children(json, result);
        break;
    }
}
