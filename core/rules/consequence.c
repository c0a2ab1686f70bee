#include "core/rules/consequence.h"

#include "core/rules/gradient.h"

#include <math.h>
#include <string.h>

static bool is_finite(const struct stability_statistics *statistics)
{
    return !statistics || (statistics->nan_count == 0 && statistics->inf_count == 0);
}

bool is_poisoned(const struct stability_layer_report *layer)
{
    bool finite = true;
    for (int k = 0; k < layer->output_count; k++)
        finite &= is_finite(layer->outputs[k].value) && is_finite(layer->outputs[k].gradient);
    for (size_t k = 0; k < layer->parameter_count; k++)
        finite &= is_finite(layer->parameters[k].value) && is_finite(layer->parameters[k].gradient);
    return !finite;
}

static bool has_weights(const struct stability_layer_report *layer)
{
    for (size_t k = 0; k < layer->parameter_count; k++)
        if (layer->parameters[k].shape.rank >= 2)
            return true;
    return false;
}

/* The first parameter is what the input is multiplied by, in every type that has any. */
static bool multiplies_by_zero(const struct stability_layer_report *layer)
{
    const struct stability_statistics *weight = layer->parameter_count ? layer->parameters[0].value : NULL;
    return weight && weight->all.count > 0 && weight->all.abs_max == 0 && !layer->parameters[0].buffer;
}

/* Marks the values that are made of parameters alone, whatever the data. */
static bool *learned_values(const struct rule_context *context)
{
    const struct graph *graph = context->graph;
    bool *marks = arena_array(context->arena, (size_t)graph->value_count, sizeof(*marks));
    for (int i = 0; marks && i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        bool learned = node->input_count > 0 || node->parameter_count > 0;
        for (int k = 0; k < node->input_count; k++)
            learned &= marks[node->inputs[k]];
        for (int k = 0; k < node->output_count; k++)
            marks[node->first_output + k] = learned;
    }
    return marks;
}

/* Whether a value is a gate that starts at 0, or next to it: LayerScale starts at 1e-6. */
static bool is_closed_gate(const struct rule_context *context, const bool *learned, int value)
{
    static const double closed = 1e-4;
    int producer = context->graph->values[value].producer;
    if (producer < 0 || !learned[value])
        return false;
    const struct stability_layer_report *layer = &context->report->layers[producer];
    const struct stability_statistics *gate = layer->outputs[context->graph->values[value].output].value;
    return gate && gate->all.count > 0 && gate->all.abs_max <= closed;
}

/* Whether a node multiplies its input k by what is 0, or next to it, for now: a weight or a gate that learns.
 */
static bool silences(const struct rule_context *context, const bool *learned, int index, int k)
{
    const struct graph_node *node = &context->graph->nodes[index];
    if (multiplies_by_zero(&context->report->layers[index]))
        return true;
    return node->input_count == 2 && strcmp(node->ops->type.type, "Mul") == 0 &&
           is_closed_gate(context, learned, node->inputs[1 - k]);
}

const bool *silenced_values(struct rule_context *context)
{
    const struct graph *graph = context->graph;
    const bool *learned = learned_values(context);
    bool *marks = arena_array(context->arena, (size_t)graph->value_count, sizeof(*marks));
    if (!learned || !marks)
        return NULL;
    for (int v = 0; v < graph->value_count; v++)
        marks[v] = true;
    for (int k = 0; k < graph->loss_input_count; k++)
        marks[graph->loss_inputs[k]] = false;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->nodes[i];
        bool silent = true;
        for (int k = 0; k < node->output_count; k++)
            silent &= marks[node->first_output + k];
        for (int k = 0; !silent && k < node->input_count; k++)
            marks[node->inputs[k]] &= silences(context, learned, i, k);
    }
    return marks;
}

const bool *read_by_weights(struct rule_context *context)
{
    const struct graph *graph = context->graph;
    bool *marks = arena_array(context->arena, (size_t)graph->value_count, sizeof(*marks));
    for (int i = graph->node_count - 1; marks && i >= 0; i--) {
        const struct graph_node *node = &graph->nodes[i];
        bool behind = has_weights(&context->report->layers[i]);
        for (int k = 0; k < node->output_count; k++)
            behind |= marks[node->first_output + k];
        for (int k = 0; k < node->input_count; k++)
            marks[node->inputs[k]] |= behind;
    }
    return marks;
}

bool is_single_element_norm(const struct rule_context *context, int node)
{
    const struct graph *graph = context->graph;
    const struct graph_value *output = &graph->values[graph->nodes[node].first_output];
    return !context->report->evaluate && strncmp(graph->nodes[node].ops->type.type, "BatchNorm", 9) == 0 &&
           output->shape.rank >= 2 && output->count == output->shape.sizes[1];
}

int single_element_norm_behind(const struct rule_context *context, int node)
{
    for (int i = node; i < context->graph->node_count; i++)
        if (is_single_element_norm(context, i))
            return i;
    return -1;
}

/* NaN where there is none. */
static double gradient_norm_of(const struct rule_context *context, int node)
{
    const struct stability_statistics *gradient = context->report->layers[node].outputs[0].gradient;
    return gradient ? gradient->all.norm : (double)NAN;
}

bool is_large(const struct stability_layer_report *layer)
{
    static const double large = 1e3;
    const struct stability_statistics *value = layer->outputs[0].value;
    return value && value->all.rms > large;
}

static bool shrinks(const struct rule_context *context, int node)
{
    static const double hundredth = 0.01;
    const struct graph_node *norm = &context->graph->nodes[node];
    int producer = norm->input_count > 0 ? context->graph->values[norm->inputs[0]].producer : -1;
    return producer >= 0 && strstr(norm->ops->type.type, "Norm") &&
           is_large(&context->report->layers[producer]) &&
           gradient_norm_of(context, producer) <= hundredth * gradient_norm_of(context, node);
}

int shrinking_norm_behind(const struct rule_context *context, int node)
{
    for (int i = node; i < context->graph->node_count; i++)
        if (shrinks(context, i))
            return i;
    return -1;
}

bool is_starved(const struct rule_context *context, int node)
{
    static const double no_gradient = 1e-6;
    const struct stability_layer_report *layer = &context->report->layers[node];
    struct gradient_norms norms = gradient_norms_of(layer);
    return is_large(layer) && norms.any && norms.least < no_gradient &&
           shrinking_norm_behind(context, node) >= 0;
}

int dead_layer_behind(const struct rule_context *context, int node)
{
    static const double nearly_all = 0.9;
    for (int i = node; i < context->graph->node_count; i++) {
        const struct layer_activation *activation = context->graph->nodes[i].ops->activation;
        if (activation && activation->dies && context->report->layers[i].dead_fraction > nearly_all)
            return i;
    }
    return -1;
}
