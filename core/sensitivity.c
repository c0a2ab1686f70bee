#include "core/sensitivity.h"

#include <math.h>
#include <string.h>

static void pass_back(struct sensitivity *s, int index)
{
    const struct graph_node *node = &s->run->graph->nodes[index];
    struct tensor *inputs = s->tensors, *outputs = inputs + node->input_count;
    struct tensor *parameters = outputs + node->output_count;
    const struct tensor *from = s->run->values;
    for (int k = 0; k < node->input_count; k++) { /* one input at a time: the parts share memory */
        if (!s->depends[node->inputs[k]])
            continue;
        for (int j = 0; j < node->input_count; j++) {
            inputs[j] = from[node->inputs[j]];
            inputs[j].data = j == k ? s->part : NULL;
        }
        for (int j = 0; j < node->output_count; j++) {
            outputs[j] = from[node->first_output + j];
            outputs[j].data = s->gradients[node->first_output + j];
        }
        for (int j = 0; j < node->parameter_count; j++) {
            parameters[j] = s->run->passes[index].parameters[j];
            parameters[j].data = NULL;
        }
        struct layer_pass pass = s->run->passes[index];
        pass.input_gradients = inputs;
        pass.output_gradients = outputs;
        pass.parameter_gradients = parameters;
        pass.workspace = s->workspace;
        pass.steps = NULL;
        node->ops->backward(&pass);
        s->run->graph->kernels->add(s->gradients[node->inputs[k]], s->part, from[node->inputs[k]].count);
    }
}

void sensitivity_find(struct sensitivity *s, int value, int64_t element)
{
    for (int i = 0; i < s->run->graph->value_count; i++)
        memset(s->gradients[i], 0,
               (size_t)s->run->graph->values[i].count * s->run->graph->kernels->real_size);
    if (s->run->graph->kernels->real_size == sizeof(float))
        ((float *)s->gradients[value])[element] = 1;
    else
        ((double *)s->gradients[value])[element] = 1;
    for (int i = s->run->graph->values[value].producer; i >= 0; i--)
        pass_back(s, i);
}

static void find_dependencies(struct sensitivity *s)
{
    for (int i = 0; i < s->run->graph->model_input_count; i++)
        s->depends[i] = !s->run->graph->values[i].integer;
    for (int i = 0; i < s->run->graph->node_count; i++) {
        const struct graph_node *node = &s->run->graph->nodes[i];
        for (int k = 0; k < node->output_count; k++)
            for (int j = 0; j < node->input_count; j++)
                s->depends[node->first_output + k] |= s->depends[node->inputs[j]] && !node->ops->indexes;
    }
}

bool sensitivity_open(struct sensitivity *s, const struct run *run, struct arena *arena)
{
    const struct graph *graph = run->graph;
    size_t values = (size_t)graph->value_count, workspace = 0, most = 0, tensors = 0;
    *s = (struct sensitivity){.run = run};
    s->gradients = arena_array(arena, values, sizeof(void *));
    s->depends = arena_array(arena, values, sizeof(bool));
    if (!s->gradients || !s->depends)
        return false;
    for (int i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        size_t own = (size_t)node->input_count + (size_t)node->output_count + (size_t)node->parameter_count;
        workspace = node->workspace > workspace ? node->workspace : workspace;
        tensors = own > tensors ? own : tensors;
    }
    for (size_t i = 0; i < values; i++) {
        size_t count = (size_t)graph->values[i].count;
        s->gradients[i] = arena_array(arena, count, graph->kernels->real_size);
        most = count > most ? count : most;
        if (!s->gradients[i])
            return false;
    }
    s->workspace = arena_allocate(arena, workspace);
    s->part = arena_array(arena, most, graph->kernels->real_size);
    s->tensors = arena_array(arena, tensors, sizeof(struct tensor));
    find_dependencies(s);
    return s->workspace && s->part && s->tensors;
}

double sensitivity_bytes(const struct graph *graph)
{
    double elements = 0, workspace = 0, most = 0;
    for (int i = 0; i < graph->value_count; i++) {
        elements += (double)graph->values[i].count;
        most = fmax(most, (double)graph->values[i].count);
    }
    for (int i = 0; i < graph->node_count; i++)
        workspace = fmax(workspace, (double)graph->nodes[i].workspace);
    return (elements + most) * (double)graph->kernels->real_size + workspace;
}
