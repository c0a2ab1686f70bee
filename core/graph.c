#include "core/graph.h"

#include <string.h>

const struct stability_limits stability_default_limits = {
    .layers = 10000,
    .parameters = 1000000000,
    .elements = INT32_MAX,
    .bytes = (int64_t)8 << 30,
};

const struct stability_options stability_default_options = {
    .precision = STABILITY_PRECISION_FLOAT32,
    .learning_rate = 0.01,
    .limits = {.layers = 10000, .parameters = 1000000000, .elements = INT32_MAX, .bytes = (int64_t)8 << 30},
};

int64_t graph_count(const struct graph *graph, const struct stability_shape *shape, const char *what,
                    const char *name, const char *pointer, struct stability_error *error)
{
    /* A BLAS dimension is an int, so no tensor may have more elements than that. */
    int64_t limit = graph->request->options.limits.elements;
    if (limit <= 0 || limit > INT32_MAX)
        limit = INT32_MAX;
    int64_t count = stability_shape_count(shape);
    if (count >= 0 && count <= limit)
        return count;
    char text[STABILITY_SHAPE_TEXT];
    stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, pointer,
                   "%s '%.160s' has shape %s, which is more than the limit of %lld elements for one tensor",
                   what, name, stability_shape_text(shape, text), (long long)limit);
    return -1;
}

bool graph_build(struct graph *graph, const struct stability_request *request, struct stability_error *error)
{
    *graph = (struct graph){.request = request, .kernels = kernels_for(request->options.precision)};
    if (!graph_read_layers(graph, error) || !graph_wire(graph, error) || !graph_infer_shapes(graph, error) ||
        !graph_read_parameters(graph, error) || !graph_check_data(graph, error))
        return false;
    graph_mark_gradients(graph, false);
    return true;
}

void graph_free(struct graph *graph)
{
    arena_free(&graph->arena);
}
