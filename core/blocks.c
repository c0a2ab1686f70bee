#include "core/blocks.h"

#include "core/segment.h"

#include <string.h>

/* What blocks_find looks at: the nodes and values on paths from blocks.from to blocks.to. */
struct search {
    const struct graph *graph;
    const bool *active; /* by value */
    int *last_readers;  /* by value: the last active node that reads it; the number of nodes for the end */
    struct blocks *blocks;
};

static bool is_source(const struct graph *graph, int value)
{
    int producer = graph->values[value].producer;
    if (graph->values[value].integer)
        return false;
    if (producer < 0)
        return true;
    const struct graph_node *node = &graph->nodes[producer];
    return node->ops->indexes && value == node->first_output;
}

/* Marks what lies between the first source and `to`; returns that source, or -1. */
static int find_source(const struct graph *graph, int to, bool *active, bool *scratch)
{
    for (int v = 0; v < graph->value_count; v++) {
        if (!is_source(graph, v))
            continue;
        memset(active, 0, (size_t)graph->value_count * sizeof(*active));
        memset(scratch, 0, (size_t)graph->value_count * sizeof(*scratch));
        segment_mark(graph, v, to, active, scratch);
        if (active[to] && v != to)
            return v;
    }
    return -1;
}

static void find_last_readers(const struct search *s)
{
    for (int i = 0; i < s->graph->node_count; i++) {
        const struct graph_node *node = &s->graph->nodes[i];
        if (segment_has(s->graph, i, s->active))
            for (int k = 0; k < node->input_count; k++)
                s->last_readers[node->inputs[k]] = i;
    }
    s->last_readers[s->blocks->to] = s->graph->node_count;
}

/* The only active value that is read after `node`, or -1 where there are several. Values that come later than
 * its outputs are not there yet. */
static int bottleneck_after(const struct search *s, int node)
{
    const struct graph_node *last = &s->graph->nodes[node];
    int only = -1;
    for (int v = 0; v < last->first_output + last->output_count; v++) {
        if (!s->active[v] || s->last_readers[v] <= node)
            continue;
        if (only >= 0)
            return -1;
        only = v;
    }
    return only;
}

static bool has_weights(const struct graph_node *node)
{
    for (int k = 0; k < node->parameter_count; k++)
        if (node->parameters[k].present && node->parameters[k].shape.rank >= 2)
            return true;
    return false;
}

/* The nodes from `first` to `last` follow the block: with weights, where both have such, as a new one. */
static bool append(const struct search *s, int first, int last, int to, struct arena *arena, bool *weighted)
{
    struct blocks *blocks = s->blocks;
    bool weights = false;
    for (int i = first; i <= last; i++)
        weights |= segment_has(s->graph, i, s->active) && has_weights(&s->graph->nodes[i]);
    if (blocks->count == 0 || (weights && *weighted)) {
        struct block *block = &blocks->items[blocks->count];
        block->from = blocks->count ? blocks->items[blocks->count - 1].to : blocks->from;
        block->nodes = arena_array(arena, (size_t)s->graph->node_count, sizeof(*block->nodes));
        if (!block->nodes)
            return false;
        blocks->count++;
        *weighted = false;
    }
    struct block *block = &blocks->items[blocks->count - 1];
    for (int i = first; i <= last; i++)
        if (segment_has(s->graph, i, s->active))
            block->nodes[block->node_count++] = i;
    block->to = to;
    *weighted |= weights;
    return true;
}

static bool divide(const struct search *s, struct arena *arena)
{
    bool weighted = false;
    int first = 0;
    for (int i = 0; i < s->graph->node_count; i++) {
        int value = segment_has(s->graph, i, s->active) ? bottleneck_after(s, i) : -1;
        if (value < 0 || s->graph->values[value].producer < first)
            continue;
        if (!append(s, first, i, value, arena, &weighted))
            return false;
        first = i + 1;
    }
    return true;
}

bool blocks_find(struct blocks *blocks, const struct graph *graph, struct arena *arena)
{
    *blocks = (struct blocks){.to = graph->loss_inputs[0]};
    size_t values = (size_t)graph->value_count;
    bool *active = arena_array(arena, values, sizeof(*active));
    bool *scratch = arena_array(arena, values, sizeof(*scratch));
    struct search search = {graph, active, arena_array(arena, values, sizeof(*search.last_readers)), blocks};
    blocks->items = arena_array(arena, (size_t)graph->node_count, sizeof(*blocks->items));
    if (!active || !scratch || !search.last_readers || !blocks->items)
        return false;
    blocks->from = find_source(graph, blocks->to, active, scratch);
    if (blocks->from < 0)
        return true;
    for (size_t v = 0; v < values; v++)
        search.last_readers[v] = -1;
    find_last_readers(&search);
    return divide(&search, arena);
}
