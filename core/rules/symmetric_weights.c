#include "core/rules/consequence.h"

#include <math.h>

enum { FRACTION, FRACTION_ERROR };
static const struct stability_threshold thresholds[] = {
    [FRACTION] = {"fraction", 0.25, "the greatest fraction of units with a twin that is not a finding"},
    [FRACTION_ERROR] = {"fraction_error", 0.75, "the same, from which on it is an error"},
    {0},
};

/* Greatest over a layer's weights. */
struct twins {
    double fraction; /* with equal gradients too */
    double equal;    /* with equal weights that are not 0, whatever their gradients */
    bool constant;   /* all elements of a weight are the same number */
};

static struct twins twins_of(const struct rule_context *context, int node)
{
    const struct stability_layer_report *layer = &context->report->layers[node];
    struct twins twins = {0};
    for (int k = 0; k < context->graph->nodes[node].parameter_count; k++) {
        const struct weight_probe *probe =
            &context->observations->probes.weights[graph_slot(context->graph, node, k)];
        twins.fraction = fmax(twins.fraction, probe->twin_fraction);
        twins.equal = fmax(twins.equal, probe->equal_fraction);
    }
    for (size_t k = 0; k < layer->parameter_count; k++) {
        const struct stability_statistics *weight = layer->parameters[k].value;
        twins.constant |= layer->parameters[k].shape.rank >= 2 && weight &&
                          weight->all.max == weight->all.min && weight->all.count > 1 && weight->all.max != 0;
    }
    return twins;
}

static bool add(struct rule_context *context, int node, const struct twins *twins)
{
    const char *name = context->report->layers[node].name;
    bool alike = twins->fraction > context->thresholds[FRACTION];
    double alikeness = twins->constant ? fmax(twins->fraction, twins->equal) : twins->fraction;
    bool error = alikeness > context->thresholds[FRACTION_ERROR];
    struct measured measured = {"twin_fraction", alike ? twins->fraction : twins->equal,
                                context->thresholds[error ? FRACTION_ERROR : FRACTION]};
    return rule_add_measured(
        context, node, error ? STABILITY_ERROR_SEVERITY : STABILITY_WARNING, &measured,
        rule_text(context, "%.3g %% of the units of '%s' have the same weights as another one%s",
                  100 * measured.value, name,
                  alike ? ", and the same gradients" : "; only their biases tell them apart"),
        rule_text(context,
                  "'%s' was initialised to a constant, or from copies: units that start equal and get equal "
                  "gradients stay equal, and count as one; draw the weights at random",
                  name));
}

static bool check(struct rule_context *context)
{
    const bool *hidden = read_by_weights(context);
    if (!hidden)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (int i = 0; i < context->graph->node_count; i++) {
        const struct graph_node *node = &context->graph->nodes[i];
        if (node->ops->indexes || !hidden[node->first_output])
            continue;
        struct twins twins = twins_of(context, i);
        if (fmax(twins.fraction, twins.equal) > context->thresholds[FRACTION] && !add(context, i, &twins))
            return false;
    }
    return true;
}

RULE_OPS(symmetric_weights) = {
    .type = {.name = "symmetric-weights",
             .severity = STABILITY_ERROR_SEVERITY,
             .criterion =
                 "the fraction of a hidden layer's units whose incoming weights, and the gradients of these, "
                 "equal those of another unit is above fraction (warning) or fraction_error (error); or of "
                 "those with equal weights that are not 0 and other gradients, above fraction (warning; "
                 "error above fraction_error where the whole weight is one constant)",
             .documentation =
                 "Units that compute the same and are corrected by the same never become different.",
             .source = "Goodfellow, Bengio, Courville 2016, Deep Learning, section 8.4",
             .thresholds = thresholds},
    .check = check,
};
