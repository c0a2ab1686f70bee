/* Requests written down in a test. Everything is copied into the builder but texts, which must outlive it.
 *
 *     struct builder b = {0};
 *     builder_data(&b, "input", SHAPE(2, 3), (double[]){1, 2, 3, 4, 5, 6});
 *     builder_layer(&b, "fc", "Linear", NULL);
 *     builder_integer(&b, "in_features", 3);
 *     ...
 *     builder_weight(&b, "fc.weight", SHAPE(2, 3), (double[]){...});
 *     builder_loss(&b, "MSELoss", NULL);
 *     struct stability_report *report = builder_diagnose(&b);
 */
#ifndef TESTS_REQUEST_BUILDER_H
#define TESTS_REQUEST_BUILDER_H

#include "core/arena.h"

#include <stability/stability.h>

enum {
    BUILDER_LAYERS = 32,
    BUILDER_ATTRIBUTES = 12,
    BUILDER_INPUTS = 8,
    BUILDER_TENSORS = 32,
    BUILDER_RULES = 4
};

struct builder_node {
    const char *inputs[BUILDER_INPUTS];
    struct stability_member attributes[BUILDER_ATTRIBUTES];
};

struct builder {
    struct stability_request request;
    bool started;
    struct arena arena;
    const char *inputs[BUILDER_INPUTS];
    struct stability_layer layers[BUILDER_LAYERS];
    struct builder_node nodes[BUILDER_LAYERS + 1]; /* the loss's comes last */
    struct stability_named_tensor data[BUILDER_TENSORS];
    struct stability_named_tensor weights[BUILDER_TENSORS];
    struct stability_rule_thresholds rules[BUILDER_RULES];
    struct stability_member thresholds[BUILDER_RULES];
    struct stability_analysis asked;
    struct stability_members *attributes; /* of the layer or loss that was begun last */
    struct stability_member *next_attribute;
};

#define SHAPE(...) \
    ((struct stability_shape){sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), {__VA_ARGS__}})
#define SCALAR ((struct stability_shape){0})

/* Data that is no target becomes an input of the model. */
void builder_data(struct builder *b, const char *name, struct stability_shape shape, const double *values);
void builder_integers(struct builder *b, const char *name, struct stability_shape shape,
                      const int64_t *values);
/* The same, drawn from the normal distribution. */
void builder_drawn(struct builder *b, const char *name, struct stability_shape shape);
/* Begins a layer; `inputs` are names separated by spaces, NULL: the layer before. */
void builder_layer(struct builder *b, const char *name, const char *type, const char *inputs);
void builder_loss(struct builder *b, const char *type, const char *inputs);
/* Attributes of the layer or loss that was begun last. */
void builder_integer(struct builder *b, const char *name, int64_t value);
void builder_real(struct builder *b, const char *name, double value);
void builder_boolean(struct builder *b, const char *name, bool value);
void builder_string(struct builder *b, const char *name, const char *value);
void builder_weight(struct builder *b, const char *name, struct stability_shape shape, const double *values);
/* A Linear layer without a bias. */
void builder_linear(struct builder *b, const char *name, const char *inputs, int64_t in_features,
                    int64_t out_features);
/* A loss of Σ (x - t)², whose gradient is 2 (x - t). */
void builder_sum_of_squares(struct builder *b);
/* Sets a rule's threshold; "" is its first one. */
void builder_threshold(struct builder *b, const char *rule, const char *name, double value);
/* For options: default ones before the first call. */
struct stability_options *builder_options(struct builder *b);

/* One analysis to run, in place of another; its settings are borrowed. */
void builder_ask(struct builder *b, const char *analysis, size_t count,
                 const struct stability_member *settings);

/* The report; the test fails where the request is refused. */
struct stability_report *builder_diagnose(struct builder *b);
/* Expects the request to be refused with this code. */
void builder_expect_error(struct builder *b, enum stability_code code, const char *pointer);
/* Expects the diagnosis to be cancelled by progress that says stop at its call number `calls` of a stage. */
void builder_expect_stop(struct builder *b, const char *stage, int calls);
void builder_free(struct builder *b);

/* Of a report; the test fails where there is none by that name. */
const struct stability_layer_report *report_layer(const struct stability_report *report, const char *name);
const struct stability_parameter_report *report_parameter(const struct stability_report *report,
                                                          const char *layer, const char *name);
/* NULL where there is none. */
const struct stability_finding *report_finding(const struct stability_report *report, const char *rule);
/* The severity of a rule's finding; -1: there is none. */
int report_severity(const struct stability_report *report, const char *rule);
/* The same of the request's report; frees the builder. */
int builder_severity(struct builder *b, const char *rule);
double finding_evidence(const struct stability_finding *finding, const char *name);

/* Of an analysis's result; the test fails where there is none. */
const struct stability_result *result_member(const struct stability_result *object, const char *name);
const struct stability_result *result_item(const struct stability_result *list, size_t index);
/* A member that is a number or an integer; NaN where it is neither. */
double result_number_of(const struct stability_result *object, const char *name);

#endif
