/* How a model falls into parts one after the other. */
#ifndef CORE_BLOCKS_H
#define CORE_BLOCKS_H

#include "core/graph.h"

/* The layers between two values that everything in between passes through: one layer with weights and what
 * follows it without (activations, pooling, normalisations), or all that lies under a residual connection. */
struct block {
    int from; /* values */
    int to;
    int node_count;
    int *nodes; /* in the order of the model */
};

struct blocks {
    int from; /* the model's first floating input that the loss's first input depends on, or where there is
                 none, the output of the first layer that reads integers */
    int to;   /* the loss's first input */
    int count;
    struct block *items;
};

/* False where memory ran out. No blocks where the loss's input depends on nothing. */
bool blocks_find(struct blocks *blocks, const struct graph *graph, struct arena *arena);

#endif
