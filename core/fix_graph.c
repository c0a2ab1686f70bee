#include "core/fix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double fix_rounded(double number, int digits)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*g", digits, number);
    return strtod(text, NULL);
}

bool fix_is_last(const struct graph *graph, int node)
{
    for (int k = 0; k < graph->loss_input_count; k++)
        if (graph->values[graph->loss_inputs[k]].producer == node)
            return true;
    return false;
}

int fix_producer(const struct graph *graph, int node, int index)
{
    return index < graph->nodes[node].input_count ? graph->values[graph->nodes[node].inputs[index]].producer
                                                  : -1;
}

int fix_only_reader(const struct graph *graph, int node)
{
    int reader = -1;
    if (fix_is_last(graph, node))
        return -1;
    for (int i = node + 1; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++) {
            if (graph->nodes[i].inputs[k] != graph->nodes[node].first_output)
                continue;
            if (reader >= 0)
                return -1;
            reader = i;
        }
    return reader;
}

bool fix_is_type(const struct graph *graph, int node, const char *type)
{
    return node >= 0 && strcmp(graph->nodes[node].ops->type.type, type) == 0;
}

/* Past layers that only move elements, the loss reads it. */
static bool leads_to_loss(const struct graph *graph, int node)
{
    while (node >= 0 && !fix_is_last(graph, node)) {
        node = fix_only_reader(graph, node);
        if (node < 0 || graph->nodes[node].parameter_count > 0)
            return false;
    }
    return node >= 0;
}

bool fix_is_hidden(const struct fix_context *context, int node)
{
    const struct forecast_layer *layer = &context->observations->forecast.layers[node];
    const struct graph_value *value = &context->graph->values[context->graph->nodes[node].first_output];
    return layer->affine && !layer->normalised && value->reaches_loss && !leads_to_loss(context->graph, node);
}

bool fix_owns_parameters(const struct graph *graph, int node)
{
    for (int k = 0; k < graph->nodes[node].parameter_count; k++)
        if (graph->nodes[node].parameters[k].present && graph->nodes[node].parameters[k].is_shared)
            return false;
    return true;
}
