#include "server/openapi/attribute.h"
#include "server/openapi/openapi.h"

#include <stability/error.h>
#include <stability/registry.h>

#include <string.h>

/* schemas.json: those that follow from no table. */
extern const char openapi_schemas[];

static void member_type(struct json_writer *json, const char *key, const char *type)
{
    json_key(json, key);
    json_begin_object(json);
    json_member_text(json, "type", type);
    json_end_object(json);
}

static void member_constant(struct json_writer *json, const char *key, const char *value)
{
    json_key(json, key);
    json_begin_object(json);
    json_member_text(json, "const", value);
    json_end_object(json);
}

static void member_names(struct json_writer *json, const char *key)
{
    json_key(json, key);
    json_begin_object(json);
    json_member_text(json, "type", "array");
    member_type(json, "items", "string");
    json_end_object(json);
}

static void begin_schema(struct json_writer *json, const char *prefix, const char *name,
                         const char *documentation)
{
    struct buffer key = {0};
    buffer_format(&key, "%s%s", prefix, name);
    json_key(json, key.failed ? name : key.data);
    buffer_free(&key);
    json_begin_object(json);
    if (documentation != NULL) {
        json_member_text(json, "description", documentation);
    }
}

static void write_layer_members(struct json_writer *json, const void *context)
{
    const struct stability_layer_type *type = context;
    json_key(json, "name");
    json_begin_object(json);
    json_member_text(json, "type", "string");
    json_member_integer(json, "minLength", 1);
    json_member_integer(json, "maxLength", 128);
    json_end_object(json);
    member_constant(json, "type", type->type);
    member_names(json, "inputs");
    member_type(json, "init", "object");
    member_type(json, "weights_from", "string");
}

static void write_loss_members(struct json_writer *json, const void *context)
{
    const struct stability_loss_type *type = context;
    member_constant(json, "type", type->type);
    member_names(json, "inputs");
}

static void write_layers(struct json_writer *json)
{
    static const char *const required[] = {"name", "type", NULL};
    for (size_t i = 0; i < stability_layer_type_count(); i++) {
        const struct stability_layer_type *type = stability_layer_type_at(i);
        begin_schema(json, "Layer_", type->type, type->documentation);
        json_member_text(json, "type", "object");
        attributes_write(json, type->attributes, write_layer_members, type, required);
        json_end_object(json);
    }
}

static void write_losses(struct json_writer *json)
{
    static const char *const required[] = {"type", NULL};
    for (size_t i = 0; i < stability_loss_type_count(); i++) {
        const struct stability_loss_type *type = stability_loss_type_at(i);
        begin_schema(json, "Loss_", type->type, type->documentation);
        json_member_text(json, "type", "object");
        attributes_write(json, type->attributes, write_loss_members, type, required);
        json_end_object(json);
    }
}

static const char *layer_at(size_t index)
{
    return index < stability_layer_type_count() ? stability_layer_type_at(index)->type : NULL;
}

static const char *loss_at(size_t index)
{
    return index < stability_loss_type_count() ? stability_loss_type_at(index)->type : NULL;
}

static const char *rule_at(size_t index)
{
    return index < stability_rule_type_count() ? stability_rule_type_at(index)->name : NULL;
}

static const char *analysis_at(size_t index)
{
    return index < stability_analysis_type_count() ? stability_analysis_type_at(index)->name : NULL;
}

static const char *init_at(size_t index)
{
    return stability_init_names()[index];
}

static const char *severity_at(size_t index)
{
    return index < 3 ? stability_severity_name((enum stability_severity)index) : NULL;
}

static const char *error_at(size_t index)
{
    return index + 1 < STABILITY_CODE_COUNT ? stability_code_name((enum stability_code)(index + 1)) : NULL;
}

/* One of the schemas of a table, told apart by `type`. */
static void write_union(struct json_writer *json, const char *name, const char *(*at)(size_t index))
{
    begin_schema(json, name, "", NULL);
    json_key(json, "oneOf");
    json_begin_array(json);
    for (size_t i = 0; at(i) != NULL; i++) {
        struct buffer item = {0};
        buffer_format(&item, "%s_%s", name, at(i));
        openapi_reference(json, NULL, item.failed ? "" : item.data);
        buffer_free(&item);
    }
    json_end_array(json);
    json_key(json, "discriminator");
    json_begin_object(json);
    json_member_text(json, "propertyName", "type");
    json_end_object(json);
    json_end_object(json);
}

static void write_enum(struct json_writer *json, const char *name, const char *(*at)(size_t index))
{
    begin_schema(json, name, "", NULL);
    json_key(json, "enum");
    json_begin_array(json);
    for (size_t i = 0; at(i) != NULL; i++) {
        json_write_text(json, at(i));
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_init(struct json_writer *json)
{
    begin_schema(json, "Init", "", "A tensor to be drawn by a scheme of torch.nn.init, with its arguments");
    json_member_text(json, "type", "object");
    json_key(json, "required");
    json_begin_array(json);
    json_write_text(json, "init");
    json_end_array(json);
    json_key(json, "properties");
    json_begin_object(json);
    openapi_reference(json, "init", "InitName");
    member_type(json, "seed", "integer");
    json_end_object(json);
    json_end_object(json);
}

/* A number for a rule's first threshold, or an object of them by name. */
static void write_rule_thresholds(struct json_writer *json, const struct stability_rule_type *rule)
{
    json_key(json, rule->name);
    json_begin_object(json);
    json_member_text(json, "description", rule->criterion);
    json_key(json, "anyOf");
    json_begin_array(json);
    openapi_reference(json, NULL, "Number");
    json_begin_object(json);
    json_member_text(json, "type", "object");
    json_member_boolean(json, "additionalProperties", false);
    json_key(json, "properties");
    json_begin_object(json);
    for (const struct stability_threshold *row = rule->thresholds; row != NULL && row->name != NULL; row++) {
        json_key(json, row->name);
        json_begin_object(json);
        json_member_text(json, "description", row->documentation);
        json_member_double(json, "default", row->number);
        json_end_object(json);
    }
    json_end_object(json);
    json_end_object(json);
    json_end_array(json);
    json_end_object(json);
}

static void write_thresholds(struct json_writer *json)
{
    begin_schema(json, "Thresholds", "", "By rule");
    json_member_text(json, "type", "object");
    json_member_boolean(json, "additionalProperties", false);
    json_key(json, "properties");
    json_begin_object(json);
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        write_rule_thresholds(json, stability_rule_type_at(i));
    }
    json_end_object(json);
    json_end_object(json);
}

/* A list of names, or an object from names to settings. */
static void write_analyses(struct json_writer *json)
{
    begin_schema(json, "Analyses", "", "Which analyses run beside those that always do");
    json_key(json, "anyOf");
    json_begin_array(json);
    json_begin_object(json);
    json_member_text(json, "type", "array");
    openapi_reference(json, "items", "AnalysisName");
    json_end_object(json);
    json_begin_object(json);
    json_member_text(json, "type", "object");
    json_member_boolean(json, "additionalProperties", false);
    json_key(json, "properties");
    json_begin_object(json);
    for (size_t i = 0; i < stability_analysis_type_count(); i++) {
        const struct stability_analysis_type *type = stability_analysis_type_at(i);
        begin_schema(json, type->name, "", type->documentation);
        json_member_text(json, "type", "object");
        attributes_write(json, type->settings, NULL, NULL, NULL);
        json_end_object(json);
    }
    json_end_object(json);
    json_end_object(json);
    json_end_array(json);
    json_end_object(json);
}

/* What stands between the braces of schemas.json. */
static void write_fixed(struct json_writer *json)
{
    const char *begin = strchr(openapi_schemas, '{') + 1;
    const char *end = strrchr(openapi_schemas, '}');
    buffer_append(json->buffer, begin, (size_t)(end - begin));
    json->separate = true;
}

void openapi_write_schemas(struct json_writer *json)
{
    write_fixed(json);
    write_union(json, "Layer", layer_at);
    write_layers(json);
    write_union(json, "Loss", loss_at);
    write_losses(json);
    write_enum(json, "RuleName", rule_at);
    write_enum(json, "AnalysisName", analysis_at);
    write_enum(json, "InitName", init_at);
    write_enum(json, "Severity", severity_at);
    write_enum(json, "ErrorCode", error_at);
    write_init(json);
    write_thresholds(json);
    write_analyses(json);
}
