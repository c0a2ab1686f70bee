#include "server/openapi/attribute.h"

#include "server/openapi/openapi.h"

#include <math.h>
#include <string.h>

static void write_range(struct json_writer *json, const struct stability_attribute *attribute)
{
    bool ranged = attribute->minimum != 0 || attribute->maximum != 0 || attribute->exclusive;
    if (ranged && isfinite(attribute->minimum)) {
        json_member_double(json, attribute->exclusive ? "exclusiveMinimum" : "minimum", attribute->minimum);
    }
    if (attribute->maximum != 0 && isfinite(attribute->maximum)) {
        json_member_double(json, "maximum", attribute->maximum);
    }
}

static void write_number(struct json_writer *json, const struct stability_attribute *attribute,
                         const char *type)
{
    json_begin_object(json);
    json_member_text(json, "type", type);
    write_range(json, attribute);
    json_end_object(json);
}

static void write_choices(struct json_writer *json, const char *choices)
{
    json_begin_object(json);
    json_key(json, "enum");
    json_begin_array(json);
    for (const char *word = choices + strspn(choices, " "); *word != '\0'; word += strspn(word, " ")) {
        size_t length = strcspn(word, " ");
        json_write_bytes(json, word, length);
        word += length;
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_type(struct json_writer *json, const char *type)
{
    json_begin_object(json);
    json_member_text(json, "type", type);
    json_end_object(json);
}

static void write_item(struct json_writer *json, const struct stability_attribute *attribute)
{
    if (!attribute->null_items) {
        write_number(json, attribute, "integer");
        return;
    }
    json_begin_object(json);
    json_key(json, "anyOf");
    json_begin_array(json);
    write_number(json, attribute, "integer");
    write_type(json, "null");
    json_end_array(json);
    json_end_object(json);
}

static void write_integers(struct json_writer *json, const struct stability_attribute *attribute)
{
    write_number(json, attribute, "integer");
    json_begin_object(json);
    json_member_text(json, "type", "array");
    json_key(json, "items");
    write_item(json, attribute);
    json_end_object(json);
    if (attribute->choices != NULL) {
        write_choices(json, attribute->choices);
    }
}

/* The forms that a value may have, as the items of an "anyOf". */
static void write_forms(struct json_writer *json, const struct stability_attribute *attribute)
{
    switch (attribute->kind) {
    case STABILITY_ATTRIBUTE_INTEGER:
        write_number(json, attribute, "integer");
        break;
    case STABILITY_ATTRIBUTE_REAL:
        write_number(json, attribute, "number");
        write_choices(json, "NaN Infinity -Infinity");
        break;
    case STABILITY_ATTRIBUTE_BOOLEAN:
        write_type(json, "boolean");
        break;
    case STABILITY_ATTRIBUTE_CHOICE:
        write_choices(json, attribute->choices);
        break;
    case STABILITY_ATTRIBUTE_INTEGERS:
        write_integers(json, attribute);
        break;
    case STABILITY_ATTRIBUTE_TENSOR:
        openapi_reference(json, NULL, "GivenTensor");
        break;
    }
    if (attribute->nullable) {
        write_type(json, "null");
    }
}

static void write_attribute(struct json_writer *json, const struct stability_attribute *attribute)
{
    json_key(json, attribute->name);
    json_begin_object(json);
    json_member_text(json, "description", attribute->documentation);
    json_key(json, "anyOf");
    json_begin_array(json);
    write_forms(json, attribute);
    json_end_array(json);
    json_end_object(json);
}

void attributes_write(struct json_writer *json, const struct stability_attribute *attributes,
                      void (*before)(struct json_writer *json, const void *context), const void *context,
                      const char *const *required)
{
    json_member_boolean(json, "additionalProperties", false);
    json_key(json, "properties");
    json_begin_object(json);
    if (before != NULL) {
        before(json, context);
    }
    for (const struct stability_attribute *row = attributes; row != NULL && row->name != NULL; row++) {
        write_attribute(json, row);
    }
    json_end_object(json);
    json_key(json, "required");
    json_begin_array(json);
    for (; required != NULL && *required != NULL; required++) {
        json_write_text(json, *required);
    }
    for (const struct stability_attribute *row = attributes; row != NULL && row->name != NULL; row++) {
        if (row->required) {
            json_write_text(json, row->name);
        }
    }
    json_end_array(json);
}
