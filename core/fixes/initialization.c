/* Weights drawn anew. */
#include "core/fix_init.h"

#include "core/scheme.h"

#include <math.h>
#include <string.h>

/* Which layers a change takes in. */
enum reach { SUSPICIOUS, ALL };

static bool is_affine(const struct fix_context *context, int node)
{
    return context->observations->forecast.layers[node].affine;
}

static double asked_variance(const struct fix_context *context, int node)
{
    int activation = context->observations->forecast.layers[node].activation;
    struct fans fans = fans_of(&context->graph->nodes[node].parameters[0].shape);
    return scheme_wanted(activation < 0 ? NULL : &context->graph->nodes[activation], &fans).variance;
}

static const struct stability_statistics *weight_of(const struct fix_context *context, int node)
{
    const struct stability_layer_report *layer = &context->report->layers[node];
    return layer->parameter_count > 0 ? layer->parameters[0].value : NULL;
}

/* Linear and Conv layers whose weights are far from what their activation asks for, other than PyTorch's. */
static bool is_suspicious(const struct fix_context *context, int node)
{
    const struct stability_statistics *weight = weight_of(context, node);
    if (!weight || context->graph->nodes[node].parameters[0].drawn_by_default)
        return false;
    double ratio = weight->all.variance / asked_variance(context, node);
    return !(ratio > 1.0 / 3 && ratio < 3);
}

/* A weight, of a layer that is neither Linear nor Conv, that was not drawn as PyTorch draws it. */
static void reset_others(const struct fix_context *context, struct revision *revision)
{
    const struct graph *graph = context->graph;
    for (int i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        for (int k = 0; k < node->parameter_count && !is_affine(context, i); k++) {
            const struct graph_parameter *parameter = &node->parameters[k];
            if (parameter->present && !parameter->is_shared && !parameter->drawn_by_default &&
                !parameter->row->buffer && parameter->shape.rank >= 2 && parameter->row->init &&
                strcmp(parameter->row->init, "constant_") != 0)
                revision_draw(revision, node->name, parameter->name, NULL);
        }
    }
}

static void draw_affine(const struct fix_context *context, struct revision *revision, enum reach reach,
                        bool orthogonal)
{
    const struct graph *graph = context->graph;
    for (int i = 0; i < graph->node_count; i++) {
        if (!is_affine(context, i) || !fix_owns_parameters(graph, i))
            continue;
        if (is_suspicious(context, i) || (reach == ALL && fix_is_hidden(context, i))) {
            struct fix_scheme scheme = fix_scheme_for(context, i, orthogonal);
            fix_draw(revision, graph->nodes[i].name, graph->nodes[i].parameters[0].name, &scheme);
        }
        fix_zero_large_biases(context, revision, i);
    }
    reset_others(context, revision);
}

static void try_reach(const struct fix_context *context, enum reach reach, bool orthogonal,
                      const char *summary)
{
    struct revision revision = fix_begin(context);
    draw_affine(context, &revision, reach, orthogonal);
    fix_offer(context, &revision, "%s", summary);
}

static void try_biases(const struct fix_context *context)
{
    struct revision revision = fix_begin(context);
    for (int i = 0; i < context->graph->node_count; i++)
        if (fix_owns_parameters(context->graph, i))
            fix_zero_large_biases(context, &revision, i);
    fix_offer(context, &revision, "start large biases at 0");
}

static void try_default(const struct fix_context *context)
{
    struct revision revision = fix_begin(context);
    for (int i = 0; i < context->graph->node_count; i++)
        if (is_affine(context, i) && fix_owns_parameters(context->graph, i)) {
            if (!context->graph->nodes[i].parameters[0].drawn_by_default)
                revision_draw(&revision, context->graph->nodes[i].name,
                              context->graph->nodes[i].parameters[0].name, NULL);
            fix_zero_large_biases(context, &revision, i);
        }
    reset_others(context, &revision);
    fix_offer(context, &revision, "draw the weights as PyTorch does by default");
}

/* ---- recurrent weights ---- */

static void try_recurrent(const struct fix_context *context, const struct fix_scheme *scheme,
                          const char *summary)
{
    const struct graph *graph = context->graph;
    struct revision revision = fix_begin(context);
    for (int i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        bool recurrent = node->ops->time_dim && fix_owns_parameters(graph, i);
        for (int k = 0; recurrent && k < node->parameter_count; k++)
            if (node->parameters[k].present && strncmp(node->parameters[k].name, "weight_hh", 9) == 0)
                fix_draw(&revision, node->name, node->parameters[k].name, scheme);
    }
    fix_offer(context, &revision, "%s", summary);
}

/* ---- LSUV ---- */

enum { LSUV_ROUNDS = 3 };

/* Orthogonal weights with gains such that every hidden layer puts out a root mean square of 1: each round
 * divides a gain by what its layer gave, relative to what the hidden layer before it gave. */
static void try_lsuv(const struct fix_context *context)
{
    const struct graph *graph = context->graph;
    double *gains = arena_array(context->arena, (size_t)graph->node_count, sizeof(*gains));
    for (int round = 0; gains && round <= LSUV_ROUNDS; round++) {
        struct revision revision = fix_begin(context);
        for (int i = 0; i < graph->node_count; i++) {
            if (!fix_is_hidden(context, i) || !fix_owns_parameters(graph, i))
                continue;
            struct fix_scheme scheme = fix_scheme_for(context, i, true);
            gains[i] = round == 0 ? scheme.number : gains[i];
            scheme.number = gains[i];
            fix_draw(&revision, graph->nodes[i].name, graph->nodes[i].parameters[0].name, &scheme);
            fix_zero_large_biases(context, &revision, i);
        }
        if (round == LSUV_ROUNDS) {
            fix_offer(context, &revision,
                      "draw orthogonal weights, scaled so that every hidden layer's output has a root mean "
                      "square near 1 on this batch (LSUV)");
            return;
        }
        const double *rms = fix_measure(context, &revision);
        double before = 1;
        for (int i = 0; rms && i < graph->node_count; i++) {
            if (gains[i] <= 0)
                continue;
            double factor = rms[i] > 0 && isfinite(rms[i]) ? before / rms[i] : 1;
            before = rms[i] > 0 && isfinite(rms[i]) ? rms[i] : 1;
            gains[i] = (double)(float)(gains[i] * fmin(fmax(factor, 1e-6), 1e6));
        }
        if (!rms)
            return;
    }
}

static void propose(const struct fix_context *context)
{
    static const struct fix_scheme orthogonal = {"orthogonal_", NULL, NULL, 0};
    static const struct fix_scheme identity = {"eye_", NULL, NULL, 0};
    try_biases(context);
    try_reach(context, SUSPICIOUS, false,
              "draw the weights whose scale is off by what their activation asks for");
    try_reach(context, ALL, false,
              "draw the weights of the hidden layers by what their activation asks for (He for rectifiers, "
              "Xavier for tanh and sigmoid, LeCun for SELU)");
    try_reach(context, ALL, true, "draw orthogonal weights with the gain that the activation asks for");
    try_default(context);
    try_recurrent(context, &orthogonal, "draw the recurrent weights orthogonal");
    try_recurrent(context, &identity, "start the recurrent weights at the identity");
    try_lsuv(context);
}

static const char *const rules[] = {"poor-initialization",
                                    "symmetric-weights",
                                    "vanishing-gradient",
                                    "exploding-gradient",
                                    "vanishing-activation",
                                    "exploding-activation",
                                    "dead-units",
                                    "saturated-units",
                                    "rank-collapse",
                                    "non-finite",
                                    "low-precision-underflow",
                                    "low-precision-overflow",
                                    "update-ratio",
                                    NULL};

FIX_OPS(initialization) = {
    .type =
        {.name = "initialization",
         .documentation =
             "Weights drawn anew: by the scheme that each activation asks for (He, Xavier, "
             "LeCun), the layers whose scale is off or all hidden ones; orthogonal; as PyTorch does; "
             "scaled by the batch (LSUV); recurrent weights orthogonal or the identity; large biases at 0.",
         .source =
             "He et al. 2015; Glorot, Bengio 2010; LeCun et al. 1998; Saxe, McClelland, Ganguli 2014; "
             "Mishkin, Matas 2016, All you need is a good init; Le, Jaitly, Hinton 2015, A simple way to "
             "initialize recurrent networks of rectified linear units",
         .rules = rules},
    .propose = propose,
};
