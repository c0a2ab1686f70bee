#include "core/rules/gradient.h"

#include <math.h>

enum { GRADIENT_NORM };
static const struct stability_threshold thresholds[] = {
    [GRADIENT_NORM] = {"gradient_norm", 1e-6, "the smallest L2 norm of a gradient that is not a finding"},
    {0},
};

/* How the gradient got lost, seen from where it starts. */
static const char *cause_of(struct rule_context *context, int first, double least, double at_loss)
{
    const struct stability_layer_report *layer = &context->report->layers[first];
    if (least == 0)
        return rule_text(
            context,
            "no gradient at all reaches '%s': every path from it to the loss has a derivative of 0 for "
            "this batch (dead units, a zero weight, or underflow)",
            layer->name);
    double steps = (double)(context->report->layer_count - 1) - first;
    double factor = steps > 0 ? pow(least / at_loss, 1 / steps) : 1;
    return rule_text(
        context,
        "the gradient has norm %.3g at the loss and %.3g at '%s': over the %d layers between them each "
        "multiplies it by %.2g on average; keep each layer's factor near 1 (initialisation for the "
        "activation in use, normalisation, residual additions)",
        at_loss, least, layer->name, (int)steps, factor);
}

static bool add(struct rule_context *context, const int *nodes, size_t count, double least, int worst)
{
    double threshold = context->thresholds[GRADIENT_NORM];
    double at_loss = gradient_norm_at_loss(context);
    bool from_loss = at_loss < threshold;
    struct stability_evidence evidence[] = {
        {"gradient_norm", least}, {"threshold", threshold}, {"gradient_norm_at_loss", at_loss}};
    const char *name = context->report->layers[worst].name;
    struct finding finding = {
        .severity = from_loss ? STABILITY_INFO : STABILITY_ERROR_SEVERITY,
        .nodes = nodes,
        .node_count = count,
        .message =
            rule_text(context,
                      "the gradient norm falls to %.3g at layer '%s', below %.3g; %zu of %zu layers are "
                      "below it",
                      least, name, threshold, count, context->report->layer_count),
        .cause = from_loss
                     ? rule_text(context,
                                 "the loss itself starts with a gradient of norm %.3g: on this batch it "
                                 "is at a minimum, or its input is saturated",
                                 at_loss)
                     : cause_of(context, worst, least, at_loss),
        .evidence = evidence,
        .evidence_count = sizeof(evidence) / sizeof(evidence[0]),
    };
    return rule_add(context, &finding);
}

static bool check(struct rule_context *context)
{
    size_t count = 0;
    int worst = -1;
    double least = INFINITY;
    int *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    if (!nodes)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (size_t i = 0; i < context->report->layer_count; i++) {
        struct gradient_norms norms = gradient_norms_of(&context->report->layers[i]);
        if (!norms.any || !norms.finite || norms.least >= context->thresholds[GRADIENT_NORM])
            continue;
        nodes[count++] = (int)i;
        if (norms.least < least) {
            least = norms.least;
            worst = (int)i;
        }
    }
    return count == 0 || add(context, nodes, count, least, worst);
}

RULE_OPS(vanishing_gradient) = {
    .type =
        {.name = "vanishing-gradient",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "the L2 norm of the gradient of a layer's output, or of a weight with two or more dimensions, "
             "is below gradient_norm; info where the gradient at the loss itself is",
         .documentation =
             "Layers that get almost no gradient do not learn: a product of factors below 1 over "
             "depth, saturated or dead units, or underflow.",
         .source =
             "Bengio, Simard, Frasconi 1994, Learning long-term dependencies with gradient descent is "
             "difficult; Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward "
             "neural networks",
         .thresholds = thresholds},
    .check = check,
};
