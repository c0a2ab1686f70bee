#include "request_builder.h"

#include "support.h"

#include <math.h>
#include <string.h>

static void start(struct builder *b)
{
    if (b->started)
        return;
    b->started = true;
    b->request.options = stability_default_options;
    b->request.model.inputs = b->inputs;
    b->request.model.layers = b->layers;
    b->request.data.items = b->data;
    b->request.weights.items = b->weights;
    b->request.options.thresholds = b->rules;
}

static void *copy(struct builder *b, const void *source, size_t bytes)
{
    void *memory = arena_allocate(&b->arena, bytes);
    assert_non_null(memory);
    if (bytes > 0)
        memcpy(memory, source, bytes);
    return memory;
}

static struct stability_named_tensor tensor(struct builder *b, const char *name, enum stability_dtype dtype,
                                            const struct stability_shape *shape, const void *values)
{
    size_t bytes = (size_t)stability_shape_count(shape) * stability_dtype_size(dtype);
    return (struct stability_named_tensor){name, {dtype, *shape, copy(b, values, bytes)}, {0}, NULL};
}

static void add_data(struct builder *b, const struct stability_named_tensor *data)
{
    start(b);
    assert_true(b->request.data.count < BUILDER_TENSORS && b->request.model.input_count < BUILDER_INPUTS);
    b->data[b->request.data.count++] = *data;
    if (strcmp(data->name, "target") != 0)
        b->inputs[b->request.model.input_count++] = data->name;
}

void builder_data(struct builder *b, const char *name, struct stability_shape shape, const double *values)
{
    struct stability_named_tensor data = tensor(b, name, STABILITY_FLOAT64, &shape, values);
    add_data(b, &data);
}

void builder_integers(struct builder *b, const char *name, struct stability_shape shape,
                      const int64_t *values)
{
    struct stability_named_tensor data = tensor(b, name, STABILITY_INT64, &shape, values);
    add_data(b, &data);
}

void builder_drawn(struct builder *b, const char *name, struct stability_shape shape)
{
    add_data(b, &(struct stability_named_tensor){name, {0}, {.name = "normal", .shape = shape}, NULL});
}

static size_t split(struct builder *b, const char *names, const char *list[BUILDER_INPUTS])
{
    size_t count = 0;
    char *text = names ? arena_string(&b->arena, names) : NULL;
    assert_true(!names == !text);
    for (char *state, *name = text ? strtok_r(text, " ", &state) : NULL; name;
         name = strtok_r(NULL, " ", &state)) {
        assert_true(count < BUILDER_INPUTS);
        list[count++] = name;
    }
    return count;
}

void builder_layer(struct builder *b, const char *name, const char *type, const char *inputs)
{
    start(b);
    size_t index = b->request.model.layer_count++;
    assert_true(index < BUILDER_LAYERS);
    struct builder_node *node = &b->nodes[index];
    size_t count = split(b, inputs, node->inputs);
    b->layers[index] = (struct stability_layer){.name = name,
                                                .type = type,
                                                .input_count = count,
                                                .inputs = count ? node->inputs : NULL,
                                                .attributes = {0, node->attributes}};
    b->attributes = &b->layers[index].attributes;
    b->next_attribute = node->attributes;
}

void builder_loss(struct builder *b, const char *type, const char *inputs)
{
    start(b);
    struct builder_node *node = &b->nodes[BUILDER_LAYERS];
    size_t count = split(b, inputs, node->inputs);
    b->request.model.loss = (struct stability_loss){.type = type,
                                                    .input_count = count,
                                                    .inputs = count ? node->inputs : NULL,
                                                    .attributes = {0, node->attributes}};
    b->attributes = &b->request.model.loss.attributes;
    b->next_attribute = node->attributes;
}

static void add_attribute(struct builder *b, const char *name, struct stability_value value)
{
    assert_true(b->attributes->count < BUILDER_ATTRIBUTES);
    *b->next_attribute++ = (struct stability_member){name, value};
    b->attributes->count++;
}

void builder_integer(struct builder *b, const char *name, int64_t value)
{
    add_attribute(b, name, (struct stability_value){STABILITY_INTEGER, .integer = value});
}

void builder_real(struct builder *b, const char *name, double value)
{
    add_attribute(b, name, (struct stability_value){STABILITY_REAL, .real = value});
}

void builder_boolean(struct builder *b, const char *name, bool value)
{
    add_attribute(b, name, (struct stability_value){STABILITY_BOOLEAN, .boolean = value});
}

void builder_string(struct builder *b, const char *name, const char *value)
{
    add_attribute(b, name, (struct stability_value){STABILITY_STRING, .string = value});
}

void builder_weight(struct builder *b, const char *name, struct stability_shape shape, const double *values)
{
    start(b);
    assert_true(b->request.weights.count < BUILDER_TENSORS);
    b->weights[b->request.weights.count++] = tensor(b, name, STABILITY_FLOAT64, &shape, values);
}

void builder_linear(struct builder *b, const char *name, const char *inputs, int64_t in_features,
                    int64_t out_features)
{
    builder_layer(b, name, "Linear", inputs);
    builder_integer(b, "in_features", in_features);
    builder_integer(b, "out_features", out_features);
    builder_boolean(b, "bias", false);
}

void builder_sum_of_squares(struct builder *b)
{
    builder_loss(b, "MSELoss", NULL);
    builder_string(b, "reduction", "sum");
}

void builder_threshold(struct builder *b, const char *rule, const char *name, double value)
{
    start(b);
    size_t index = b->request.options.threshold_count++;
    assert_true(index < BUILDER_RULES);
    b->thresholds[index] = (struct stability_member){name, {STABILITY_REAL, .real = value}};
    b->rules[index] = (struct stability_rule_thresholds){rule, {1, &b->thresholds[index]}};
}

struct stability_options *builder_options(struct builder *b)
{
    start(b);
    return &b->request.options;
}

void builder_ask(struct builder *b, const char *analysis, size_t count,
                 const struct stability_member *settings)
{
    b->asked = (struct stability_analysis){analysis, {count, settings}};
    builder_options(b)->analyses = &b->asked;
    builder_options(b)->analysis_count = 1;
}

struct stability_report *builder_diagnose(struct builder *b)
{
    struct stability_error error = {0};
    struct stability_plan *plan = stability_plan_new(&b->request, &error);
    struct stability_report *report = plan ? stability_diagnose(plan, &error) : NULL;
    stability_plan_free(plan);
    if (!report)
        fail_msg("%s: %s", error.pointer, error.message);
    return report;
}

void builder_expect_error(struct builder *b, enum stability_code code, const char *pointer)
{
    struct stability_error error = {0};
    struct stability_plan *plan = stability_plan_new(&b->request, &error);
    assert_null(plan);
    if (error.code != code)
        fail_msg("%s at '%s': %s", stability_code_name(error.code), error.pointer, error.message);
    assert_string_equal(error.pointer, pointer);
}

struct stopping {
    const char *stage;
    int left;
};

static bool stop_at_last(void *context, const char *stage, int64_t done, int64_t total)
{
    struct stopping *stopping = context;
    assert_true(done >= 0 && done <= total);
    stopping->left -= strcmp(stage, stopping->stage) == 0;
    return stopping->left > 0;
}

void builder_expect_stop(struct builder *b, const char *stage, int calls)
{
    struct stopping stopping = {stage, calls};
    struct stability_error error = {0};
    builder_options(b)->progress = stop_at_last;
    builder_options(b)->progress_context = &stopping;
    struct stability_plan *plan = stability_plan_new(&b->request, &error);
    assert_non_null(plan);
    assert_null(stability_diagnose(plan, &error));
    assert_int_equal(error.code, STABILITY_ERROR_CANCELLED);
    assert_int_equal(stopping.left, 0);
    stability_plan_free(plan);
}

void builder_free(struct builder *b)
{
    arena_free(&b->arena);
}

/* ---- reports ---------------------------------------------------------------------------------------- */

const struct stability_layer_report *report_layer(const struct stability_report *report, const char *name)
{
    for (size_t i = 0; i < report->layer_count; i++)
        if (strcmp(report->layers[i].name, name) == 0)
            return &report->layers[i];
    fail_msg("the report has no layer '%s'", name);
    return NULL;
}

const struct stability_parameter_report *report_parameter(const struct stability_report *report,
                                                          const char *layer, const char *name)
{
    const struct stability_layer_report *found = report_layer(report, layer);
    for (size_t k = 0; k < found->parameter_count; k++)
        if (strcmp(found->parameters[k].name, name) == 0)
            return &found->parameters[k];
    fail_msg("the report has no parameter '%s.%s'", layer, name);
    return NULL;
}

const struct stability_finding *report_finding(const struct stability_report *report, const char *rule)
{
    for (size_t i = 0; i < report->finding_count; i++)
        if (strcmp(report->findings[i].rule, rule) == 0)
            return &report->findings[i];
    return NULL;
}

int report_severity(const struct stability_report *report, const char *rule)
{
    const struct stability_finding *finding = report_finding(report, rule);
    return finding ? (int)finding->severity : -1;
}

int builder_severity(struct builder *b, const char *rule)
{
    struct stability_report *report = builder_diagnose(b);
    int severity = report_severity(report, rule);
    stability_report_free(report);
    builder_free(b);
    return severity;
}

double finding_evidence(const struct stability_finding *finding, const char *name)
{
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (strcmp(finding->evidence[i].name, name) == 0)
            return finding->evidence[i].value;
    fail_msg("the finding has no evidence '%s'", name);
    return 0;
}

const struct stability_result *result_member(const struct stability_result *object, const char *name)
{
    const struct stability_result *found = stability_result_member(object, name);
    if (!found)
        fail_msg("the result has no member '%s'", name);
    return found;
}

const struct stability_result *result_item(const struct stability_result *list, size_t index)
{
    const struct stability_result *item = list->children;
    for (size_t i = 0; item && i < index; i++)
        item = item->next;
    if (!item)
        fail_msg("the list has no item %zu", index);
    return item;
}

double result_number_of(const struct stability_result *object, const char *name)
{
    const struct stability_result *found = result_member(object, name);
    return found->kind == STABILITY_RESULT_NUMBER    ? found->number
           : found->kind == STABILITY_RESULT_INTEGER ? (double)found->integer
                                                     : NAN;
}
