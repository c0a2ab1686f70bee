#include "server/output/describe.h"

#include <math.h>
#include <string.h>

static const char *const kind_names[] = {
    [STABILITY_ATTRIBUTE_INTEGER] = "integer",   [STABILITY_ATTRIBUTE_REAL] = "real",
    [STABILITY_ATTRIBUTE_BOOLEAN] = "boolean",   [STABILITY_ATTRIBUTE_CHOICE] = "choice",
    [STABILITY_ATTRIBUTE_INTEGERS] = "integers", [STABILITY_ATTRIBUTE_TENSOR] = "tensor",
};

static void write_default(struct json_writer *json, const struct stability_attribute *attribute)
{
    if (attribute->kind == STABILITY_ATTRIBUTE_BOOLEAN) {
        json_write_boolean(json, attribute->number != 0);
    } else if (attribute->choice != NULL) {
        json_write_text(json, attribute->choice);
    } else if (attribute->kind == STABILITY_ATTRIBUTE_CHOICE ||
               attribute->kind == STABILITY_ATTRIBUTE_TENSOR ||
               (attribute->nullable && attribute->number == 0)) {
        json_write_null(json);
    } else {
        json_write_double(json, attribute->number);
    }
}

/* See stability_attribute: both 0 is no range, and a maximum of 0 or infinity no upper bound. */
static void members_range(struct json_writer *json, const struct stability_attribute *attribute)
{
    bool ranged = attribute->minimum != 0 || attribute->maximum != 0 || attribute->exclusive;
    if (ranged && isfinite(attribute->minimum)) {
        json_member_double(json, attribute->exclusive ? "exclusive_minimum" : "minimum", attribute->minimum);
    }
    if (attribute->maximum != 0 && isfinite(attribute->maximum)) {
        json_member_double(json, "maximum", attribute->maximum);
    }
}

static void member_choices(struct json_writer *json, const char *choices)
{
    if (choices == NULL) {
        return;
    }
    json_key(json, "choices");
    json_begin_array(json);
    for (const char *word = choices + strspn(choices, " "); *word != '\0'; word += strspn(word, " ")) {
        size_t length = strcspn(word, " ");
        json_write_bytes(json, word, length);
        word += length;
    }
    json_end_array(json);
}

static void write_attribute(struct json_writer *json, const struct stability_attribute *attribute)
{
    json_begin_object(json);
    json_member_text(json, "name", attribute->name);
    json_member_text(json, "kind", kind_names[attribute->kind]);
    json_member_boolean(json, "required", attribute->required);
    json_member_boolean(json, "nullable", attribute->nullable);
    if (!attribute->required) {
        json_key(json, "default");
        write_default(json, attribute);
    }
    members_range(json, attribute);
    member_choices(json, attribute->choices);
    if (attribute->items > 0) {
        json_member_integer(json, "items", attribute->items);
    }
    if (attribute->null_items) {
        json_member_boolean(json, "null_items", true);
    }
    json_member_text(json, "documentation", attribute->documentation);
    json_end_object(json);
}

static void member_attributes(struct json_writer *json, const char *key,
                              const struct stability_attribute *attributes)
{
    json_key(json, key);
    json_begin_array(json);
    for (; attributes != NULL && attributes->name != NULL; attributes++) {
        write_attribute(json, attributes);
    }
    json_end_array(json);
}

/* In the form that a request has for it: {"init": "constant_", "value": 1}, {"init": "uniform_", "bound":
 * "1/sqrt(…)"} where the bound, on both sides of 0, depends on attributes. */
static void member_init(struct json_writer *json, const struct stability_parameter *parameter)
{
    json_key(json, "init");
    if (parameter->init == NULL) {
        json_write_null(json);
        return;
    }
    json_begin_object(json);
    json_member_text(json, "init", parameter->init);
    if (strcmp(parameter->init, "constant_") == 0) {
        json_member_double(json, "value", parameter->init_argument);
    }
    if (parameter->init_bound != NULL) {
        struct buffer bound = {0};
        buffer_format(&bound, "1/sqrt(%s)", parameter->init_bound);
        json_member_text(json, "bound", bound.data);
        json->buffer->failed = json->buffer->failed || bound.failed;
        buffer_free(&bound);
    }
    json_end_object(json);
}

static void member_parameters(struct json_writer *json, const struct stability_parameter *parameters)
{
    json_key(json, "parameters");
    json_begin_array(json);
    for (; parameters != NULL && parameters->name != NULL; parameters++) {
        json_begin_object(json);
        json_member_text(json, "name", parameters->name);
        json_member_text(json, "shape", parameters->shape);
        json_member_text(json, "when", parameters->when);
        json_member_boolean(json, "buffer", parameters->buffer);
        member_init(json, parameters);
        json_member_text(json, "documentation", parameters->documentation);
        json_end_object(json);
    }
    json_end_array(json);
}

static void member_names(struct json_writer *json, const char *key, const char *const *names)
{
    json_key(json, key);
    json_begin_array(json);
    for (; names != NULL && *names != NULL; names++) {
        json_write_text(json, *names);
    }
    json_end_array(json);
}

void describe_layer_type(struct json_writer *json, const struct stability_layer_type *type)
{
    json_begin_object(json);
    json_member_text(json, "type", type->type);
    json_member_text(json, "torch", type->torch);
    json_member_text(json, "documentation", type->documentation);
    json_key(json, "inputs");
    json_begin_object(json);
    json_member_integer(json, "minimum", type->minimum_inputs);
    if (type->maximum_inputs < 0) {
        json_member_null(json, "maximum");
    } else {
        json_member_integer(json, "maximum", type->maximum_inputs);
    }
    json_end_object(json);
    member_names(json, "outputs", type->outputs);
    member_attributes(json, "attributes", type->attributes);
    member_parameters(json, type->parameters);
    json_end_object(json);
}

void describe_loss_type(struct json_writer *json, const struct stability_loss_type *type)
{
    json_begin_object(json);
    json_member_text(json, "type", type->type);
    json_member_text(json, "torch", type->torch);
    json_member_text(json, "documentation", type->documentation);
    json_member_integer(json, "inputs", type->inputs);
    member_attributes(json, "attributes", type->attributes);
    json_end_object(json);
}

void describe_rule_type(struct json_writer *json, const struct stability_rule_type *type)
{
    json_begin_object(json);
    json_member_text(json, "name", type->name);
    json_member_text(json, "severity", stability_severity_name(type->severity));
    json_member_text(json, "criterion", type->criterion);
    json_member_text(json, "documentation", type->documentation);
    json_member_text(json, "source", type->source);
    json_key(json, "thresholds");
    json_begin_array(json);
    for (const struct stability_threshold *row = type->thresholds; row != NULL && row->name != NULL; row++) {
        json_begin_object(json);
        json_member_text(json, "name", row->name);
        json_member_double(json, "default", row->number);
        json_member_text(json, "documentation", row->documentation);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

void describe_analysis_type(struct json_writer *json, const struct stability_analysis_type *type)
{
    json_begin_object(json);
    json_member_text(json, "name", type->name);
    json_member_text(json, "documentation", type->documentation);
    json_member_text(json, "source", type->source);
    json_member_boolean(json, "always", type->always);
    member_attributes(json, "settings", type->settings);
    json_end_object(json);
}

void describe_fix_type(struct json_writer *json, const struct stability_fix_type *type)
{
    json_begin_object(json);
    json_member_text(json, "name", type->name);
    json_member_text(json, "documentation", type->documentation);
    json_member_text(json, "source", type->source);
    member_names(json, "rules", type->rules);
    json_end_object(json);
}

static struct json_writer begin_body(struct buffer *buffer)
{
    struct json_writer json = {.buffer = buffer};
    json_begin_object(&json);
    return json;
}

static bool end_body(struct json_writer *json)
{
    json_end_object(json);
    buffer_append(json->buffer, "\n", 1);
    return !json->buffer->failed;
}

bool describe_layers(struct buffer *buffer)
{
    struct json_writer json = begin_body(buffer);
    json_key(&json, "layers");
    json_begin_array(&json);
    for (size_t i = 0; i < stability_layer_type_count(); i++) {
        describe_layer_type(&json, stability_layer_type_at(i));
    }
    json_end_array(&json);
    member_names(&json, "inits", stability_init_names());
    return end_body(&json);
}

bool describe_losses(struct buffer *buffer)
{
    struct json_writer json = begin_body(buffer);
    json_key(&json, "losses");
    json_begin_array(&json);
    for (size_t i = 0; i < stability_loss_type_count(); i++) {
        describe_loss_type(&json, stability_loss_type_at(i));
    }
    json_end_array(&json);
    return end_body(&json);
}

bool describe_rules(struct buffer *buffer)
{
    struct json_writer json = begin_body(buffer);
    json_key(&json, "rules");
    json_begin_array(&json);
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        describe_rule_type(&json, stability_rule_type_at(i));
    }
    json_end_array(&json);
    json_key(&json, "analyses");
    json_begin_array(&json);
    for (size_t i = 0; i < stability_analysis_type_count(); i++) {
        describe_analysis_type(&json, stability_analysis_type_at(i));
    }
    json_end_array(&json);
    json_key(&json, "fixes");
    json_begin_array(&json);
    for (size_t i = 0; i < stability_fix_type_count(); i++) {
        describe_fix_type(&json, stability_fix_type_at(i));
    }
    json_end_array(&json);
    return end_body(&json);
}

static void member_limit(struct json_writer *json, const char *key, double limit)
{
    if (limit == 0) {
        json_member_null(json, key);
    } else {
        json_member_double(json, key, limit);
    }
}

bool describe_limits(const struct describe_limits *limits, struct buffer *buffer)
{
    struct json_writer json = begin_body(buffer);
    json_key(&json, "limits");
    json_begin_object(&json);
    member_limit(&json, "layers", (double)limits->model.layers);
    member_limit(&json, "parameters", (double)limits->model.parameters);
    member_limit(&json, "elements", (double)limits->model.elements);
    member_limit(&json, "bytes", (double)limits->model.bytes);
    json_member_integer(&json, "rank", STABILITY_MAX_RANK);
    member_limit(&json, "body_bytes", (double)limits->body_bytes);
    member_limit(&json, "body_seconds", limits->body_seconds);
    member_limit(&json, "work_seconds", limits->work_seconds);
    json_end_object(&json);
    return end_body(&json);
}
