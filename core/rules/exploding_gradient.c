#include "core/rules/gradient.h"

#include <math.h>

enum { GRADIENT_NORM };
static const struct stability_threshold thresholds[] = {
    [GRADIENT_NORM] = {"gradient_norm", 1e3, "the greatest L2 norm of a gradient that is not a finding"},
    {0},
};

static const char *cause_of(struct rule_context *context, int worst, double greatest, double at_loss)
{
    const char *name = context->report->layers[worst].name;
    if (at_loss > context->thresholds[GRADIENT_NORM])
        return rule_text(
            context,
            "the loss itself starts with a gradient of norm %.3g: its input or target is large, or it sums "
            "where a mean was meant",
            at_loss);
    double steps = (double)(context->report->layer_count - 1) - worst;
    const struct stability_statistics *output = context->report->layers[worst].outputs[0].gradient;
    if (steps == 0 || (output && output->all.norm <= context->thresholds[GRADIENT_NORM]))
        return rule_text(
            context,
            "the gradient of the output of '%s' has norm %.3g; that of its weight is the product with what "
            "'%s' reads, which is large: normalise that, or lower the scale of what makes it",
            name, output ? output->all.norm : NAN, name);
    double factor = pow(greatest / at_loss, 1 / steps);
    return rule_text(
        context,
        "the gradient has norm %.3g at the loss and %.3g at '%s': over the %d layers between them each "
        "multiplies it by %.2g on average; keep each layer's factor near 1 (initialisation for the "
        "activation in use, normalisation), or clip the gradient",
        at_loss, greatest, name, (int)steps, factor);
}

static bool add(struct rule_context *context, const int *nodes, size_t count, double greatest, int worst)
{
    double at_loss = gradient_norm_at_loss(context);
    struct stability_evidence evidence[] = {{"gradient_norm", greatest},
                                            {"threshold", context->thresholds[GRADIENT_NORM]},
                                            {"gradient_norm_at_loss", at_loss}};
    struct finding finding = {
        .severity = STABILITY_ERROR_SEVERITY,
        .nodes = nodes,
        .node_count = count,
        .message = rule_text(
            context,
            "the gradient norm rises to %.3g at layer '%s', above %.3g; %zu of %zu layers are above it",
            greatest, context->report->layers[worst].name, context->thresholds[GRADIENT_NORM], count,
            context->report->layer_count),
        .cause = cause_of(context, worst, greatest, at_loss),
        .evidence = evidence,
        .evidence_count = sizeof(evidence) / sizeof(evidence[0]),
    };
    return rule_add(context, &finding);
}

static bool check(struct rule_context *context)
{
    size_t count = 0;
    int worst = -1;
    double greatest = -1;
    int *nodes = arena_array(context->arena, context->report->layer_count, sizeof(*nodes));
    if (!nodes)
        return stability_fail(context->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for findings");
    for (size_t i = 0; i < context->report->layer_count; i++) {
        struct gradient_norms norms = gradient_norms_of(&context->report->layers[i]);
        if (!norms.any || !norms.finite || norms.greatest <= context->thresholds[GRADIENT_NORM])
            continue;
        nodes[count++] = (int)i;
        if (norms.greatest > greatest) {
            greatest = norms.greatest;
            worst = (int)i;
        }
    }
    return count == 0 || add(context, nodes, count, greatest, worst);
}

RULE_OPS(exploding_gradient) = {
    .type =
        {.name = "exploding-gradient",
         .severity = STABILITY_ERROR_SEVERITY,
         .criterion =
             "the L2 norm of the gradient of a layer's output, or of a weight with two or more dimensions, "
             "is above gradient_norm",
         .documentation =
             "One step along such a gradient throws the weights far away, and the loss with them: a "
             "product of factors above 1 over depth.",
         .source = "Pascanu, Mikolov, Bengio 2013, On the difficulty of training recurrent neural networks",
         .thresholds = thresholds},
    .check = check,
};
