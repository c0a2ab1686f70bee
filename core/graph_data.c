/* Data whose elements are read as integers: whole, and within range. Data that is drawn. */
#include "core/graph.h"
#include "core/init.h"

#include <math.h>

enum { CHUNK = 1024 };

struct integer_range {
    int64_t low;
    int64_t high;       /* exclusive */
    int64_t also;       /* allowed besides */
    const char *reader; /* "loss CrossEntropyLoss" */
    const char *name;   /* of the data */
    const char *pointer;
};

static bool check_chunk(const int64_t *elements, int64_t start, int64_t count,
                        const struct integer_range *range, struct stability_error *error)
{
    for (int64_t i = 0; i < count; i++)
        if ((elements[i] < range->low || elements[i] >= range->high) && elements[i] != range->also)
            return stability_fail(error, STABILITY_ERROR_INVALID_TENSOR, range->pointer,
                                  "%s reads data '%s' as indices from %lld to %lld, but element %lld is %lld",
                                  range->reader, range->name, (long long)range->low,
                                  (long long)range->high - 1, (long long)(start + i), (long long)elements[i]);
    return true;
}

static bool check_range(const struct stability_tensor *tensor, const struct integer_range *range,
                        struct stability_error *error)
{
    int64_t chunk[CHUNK];
    int64_t total = stability_shape_count(&tensor->shape);
    for (int64_t start = 0; start < total; start += CHUNK) {
        int64_t count = total - start < CHUNK ? total - start : CHUNK;
        const char *source = (const char *)tensor->data + (size_t)start * stability_dtype_size(tensor->dtype);
        stability_convert(tensor->dtype, source, STABILITY_INT64, chunk, count);
        if (!check_chunk(chunk, start, count, range, error))
            return false;
    }
    return true;
}

static bool check_drawn_range(const struct init *init, const struct integer_range *range,
                              struct stability_error *error)
{
    int64_t low, high;
    init_integer_range(init, &low, &high);
    if (low >= range->low && high <= range->high)
        return true;
    return stability_fail(
        error, STABILITY_ERROR_INVALID_TENSOR, range->pointer,
        "%s reads data '%s' as indices from %lld to %lld, but it is drawn from %lld to %lld", range->reader,
        range->name, (long long)range->low, (long long)range->high - 1, (long long)low, (long long)high - 1);
}

static bool check_integers(const struct stability_named_tensor *data, const struct init *init,
                           struct integer_range range, struct stability_error *error)
{
    char pointer[384] = "/data";
    stability_pointer_append(pointer, sizeof(pointer), data->name);
    range.pointer = pointer;
    range.name = data->name;
    return init ? check_drawn_range(init, &range, error) : check_range(&data->tensor, &range, error);
}

/* Marks the values that the indices of node `index` come from: integers only move on their way. */
static void mark_origins(const struct graph *graph, int index, bool *marked)
{
    marked[graph->nodes[index].inputs[0]] = true;
    for (int i = index - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->nodes[i];
        for (int k = 0; marked[node->first_output] && k < node->input_count; k++)
            marked[node->inputs[k]] = true;
    }
}

static bool read_recipe(struct graph *graph, const struct stability_named_tensor *data,
                        const struct init **init, struct stability_error *error)
{
    if (!data->recipe.name)
        return true;
    char pointer[384] = "/data";
    stability_pointer_append(pointer, sizeof(pointer), data->name);
    *init = init_read(&data->recipe, &data->recipe.shape, pointer, &graph->arena, error);
    return *init != NULL;
}

static bool check_indices(struct graph *graph, int index, struct stability_error *error)
{
    const struct graph_node *node = &graph->nodes[index];
    /* float32 holds integers exactly up to 2^24 */
    int64_t bound = node->ops->index_bound(node->attributes);
    int64_t exact = (int64_t)1 << (graph->kernels->dtype == STABILITY_FLOAT32 ? 24 : 53);
    if (bound > exact)
        return stability_fail(error, STABILITY_ERROR_MODEL_TOO_LARGE, node->pointer,
                              "layer '%s' (%s) indexes %lld rows, in this precision the limit is %lld",
                              node->name, node->ops->type.type, (long long)bound, (long long)exact);
    struct integer_range range = {0,    bound, 0, arena_format(&graph->arena, "layer '%s'", node->name),
                                  NULL, NULL};
    bool *marked = arena_array(&graph->arena, (size_t)graph->value_count, sizeof(*marked));
    if (!range.reader || !marked)
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for the model's data");
    mark_origins(graph, index, marked);
    for (int i = 0; i < graph->model_input_count; i++) {
        graph->values[i].indexes |= marked[i];
        if (marked[i] && !check_integers(graph->values[i].data, graph->values[i].init, range, error))
            return false;
    }
    return true;
}

bool graph_check_data(struct graph *graph, struct stability_error *error)
{
    for (int i = 0; i < graph->model_input_count; i++)
        if (!read_recipe(graph, graph->values[i].data, &graph->values[i].init, error))
            return false;
    if (!read_recipe(graph, graph->target, &graph->target_init, error))
        return false;
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].ops->indexes && !check_indices(graph, i, error))
            return false;
    if (!graph->target_is_integer)
        return true;
    struct integer_range range = {0,   graph->target_classes, graph->target_ignore_index, "the loss", NULL,
                                  NULL};
    return check_integers(graph->target, graph->target_init, range, error);
}
