#include "core/fix_init.h"

#include "core/scheme.h"

#include <math.h>
#include <string.h>

const struct fix_scheme fix_scheme_kaiming = {"kaiming_normal_", "nonlinearity", "relu", 0};
const struct fix_scheme fix_scheme_xavier = {"xavier_normal_", NULL, NULL, 0};

void fix_draw(struct revision *revision, const char *layer, const char *parameter,
              const struct fix_scheme *scheme)
{
    struct stability_recipe recipe = {.name = scheme->name};
    if (scheme->argument) {
        struct stability_member *argument = arena_array(revision->arena, 1, sizeof(*argument));
        if (!argument) {
            revision->failed = true;
            return;
        }
        *argument = (struct stability_member){scheme->argument, scheme->word ? revision_string(scheme->word)
                                                                             : revision_real(scheme->number)};
        recipe.arguments = (struct stability_members){1, argument};
    }
    revision_draw(revision, layer, parameter, &recipe);
}

void fix_zero_large_biases(const struct fix_context *context, struct revision *revision, int node)
{
    static const struct fix_scheme zeros = {"zeros_", NULL, NULL, 0};
    const struct stability_layer_report *layer = &context->report->layers[node];
    for (size_t k = 0; k < layer->parameter_count; k++) {
        const struct stability_parameter_report *parameter = &layer->parameters[k];
        bool large = parameter->value && !(parameter->value->all.rms <= 1);
        if (parameter->shape.rank == 1 && strncmp(parameter->name, "bias", 4) == 0 && large &&
            !parameter->shared_with)
            fix_draw(revision, layer->name, parameter->name, &zeros);
    }
}

void fix_init_hidden(const struct fix_context *context, struct revision *revision,
                     const struct fix_scheme *scheme)
{
    const struct graph *graph = context->graph;
    for (int i = 0; i < graph->node_count; i++) {
        if (!fix_is_hidden(context, i) || !fix_owns_parameters(graph, i))
            continue;
        fix_draw(revision, graph->nodes[i].name, graph->nodes[i].parameters[0].name, scheme);
        fix_zero_large_biases(context, revision, i);
    }
}

struct fix_scheme fix_scheme_for(const struct fix_context *context, int node, bool orthogonal)
{
    const struct graph *graph = context->graph;
    int activation = context->observations->forecast.layers[node].activation;
    struct fans fans = fans_of(&graph->nodes[node].parameters[0].shape);
    double rows = (double)graph->nodes[node].parameters[0].shape.sizes[0];
    struct wanted wanted = scheme_wanted(activation < 0 ? NULL : &graph->nodes[activation], &fans);
    if (orthogonal) /* each element has variance gain^2 over the longer side of the matrix */
        return (struct fix_scheme){"orthogonal_", "gain", NULL,
                                   fix_rounded(sqrt(wanted.variance * fmax(fans.in, rows)), 3)};
    if (strcmp(wanted.scheme, "lecun") == 0)
        return (struct fix_scheme){"kaiming_normal_", "nonlinearity", "linear", 0};
    if (strcmp(wanted.scheme, "kaiming") == 0)
        return fix_scheme_kaiming;
    double gain = fix_rounded(sqrt(wanted.variance * (fans.in + fans.out) / 2), 3);
    if (fabs(gain - 1) < 1e-3)
        return fix_scheme_xavier;
    return (struct fix_scheme){"xavier_normal_", "gain", NULL, gain};
}
