/* What a rule is: from the statistics of a run to findings. One const struct each, in a file of its own under
 * rules/, listed in rules.def. */
#ifndef CORE_RULE_H
#define CORE_RULE_H

#include "core/arena.h"
#include "core/forecast.h"
#include "core/probe.h"

#include <stability/registry.h>

/* Where the first non-finite number of a run arose. */
struct non_finite_origin {
    bool found;
    bool sent; /* in the data or a parameter: before anything was computed */
    bool backward;
    int node;          /* -1: in the data or the loss */
    const char *where; /* "the output", "parameter 'weight'", "data 'input'", "the loss" */
    struct stability_shape shape;
    int64_t element; /* flat index */
    double value;
    const char *how; /* "overflow: finite operands give an infinite result" */
    int operand_count;
    struct layer_operand operands[LAYER_MAX_OPERANDS];
};

/* What is known of a run beside the report's statistics. */
struct observations {
    struct probes probes;
    struct forecast forecast;
    struct non_finite_origin non_finite;
    struct non_finite_origin first_nan;     /* found where that is an infinity and a NaN came of it later */
    const struct rate_result *rates;        /* of the analysis learning_rate; NULL: it does not run */
    const struct training_result *training; /* NULL: that analysis does not run */
};

struct rule_context {
    const struct graph *graph;
    const struct stability_report *report; /* layers filled in, findings not yet */
    const struct observations *observations;
    const double *thresholds; /* of this rule, in the order of its rows */
    const struct rule_ops *rule;
    struct arena *arena; /* the report's */
    struct finding_list *findings;
    struct stability_error *error;
};

struct rule_ops {
    struct stability_rule_type type;
    unsigned least; /* bits by row of its thresholds: it speaks below the number; else above it */
    /* Adds findings with rule_add. False where memory ran out. */
    bool (*check)(struct rule_context *context);
};

#define RULE_OPS(identifier) const struct rule_ops rule_##identifier

/* A finding in the making: the context copies what it needs. */
struct finding {
    enum stability_severity severity;
    const int *nodes; /* which layers, in the order of the model */
    size_t node_count;
    const char *message; /* what was found, with numbers */
    const char *cause;   /* why, as far as this rule can say */
    const struct stability_evidence *evidence;
    size_t evidence_count;
};

/* Records a finding. Texts are copied into the report. False where memory ran out. */
bool rule_add(struct rule_context *context, const struct finding *finding);
/* The same of one layer, for one number that broke a threshold. */
struct measured {
    const char *name; /* of the evidence */
    double value;
    double threshold;
};
bool rule_add_measured(struct rule_context *context, int node, enum stability_severity severity,
                       const struct measured *measured, const char *message, const char *cause);
/* Text for a finding, in the report's memory; NULL where memory ran out: rule_add then fails. */
const char *rule_text(struct rule_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Findings as they are collected. */
struct finding_list {
    struct stability_finding *items;
    size_t count;
    size_t capacity;
    /* by node: the rules that name it */
    size_t *flag_counts;
    const char **(*flags);
};

/* Reads the thresholds of all rules (NULL on error) and checks their names: one array for each rule. */
double **rules_read_thresholds(const struct graph *graph, struct arena *arena, struct stability_error *error);
/* What the evidence of a finding would read in another run, whether or not the finding stands there: its rule
 * runs with the threshold that the finding broke moved to where it always speaks. NULL with no error where
 * the rule has nothing to say of the same layer, or memory ran out. */
const struct stability_finding *rules_measure(const struct stability_finding *finding,
                                              const struct stability_report *report,
                                              const struct graph *graph,
                                              const struct observations *observations,
                                              double *const *thresholds, struct arena *arena);
/* Runs every rule; findings end up in report, most severe first. */
bool rules_run(struct stability_report *report, const struct graph *graph,
               const struct observations *observations, double *const *thresholds, struct arena *arena,
               struct stability_error *error);

#endif
