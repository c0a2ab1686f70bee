/* The part of a model between two of its values, as a map from one to the other: its Jacobian applied from
 * the left (exactly, by the layers' backward passes) and from the right (by differences).
 *
 * A segment looks at a run in float64 that has been executed with RUN_KEEP, and never changes it. */
#ifndef CORE_SEGMENT_H
#define CORE_SEGMENT_H

#include "core/extrapolation.h"
#include "core/run.h"

struct segment {
    const struct run *run;
    int from; /* values */
    int to;
    int node_count;
    int *nodes;                         /* on a path from `from` to `to`, in the order of the model */
    bool *active;                       /* by value: on such a path */
    struct tensor *tensors;             /* of all passes */
    struct layer_pass *pull;            /* backward passes, by position in `nodes` */
    struct tensor **output_gradients;   /* of these */
    struct layer_pass *push;            /* forward passes, likewise */
    double **gradients;                 /* by value, while segment_pull runs */
    double **places;                    /* by value: where segment_push computes what changes */
    double *block;                      /* all that is computed */
    double *seed;                       /* (to) */
    uint64_t switches;                  /* of the run itself */
    struct extrapolation extrapolation; /* of segment_push */
    struct arena arena;
};

/* Marks the values on a path from `from` to `to` through layers that have gradients: none where `to` does not
 * depend on `from`. `scratch` and `active` are by value and false. */
void segment_mark(const struct graph *graph, int from, int to, bool *active, bool *scratch);
/* Whether a node lies on such a path. */
bool segment_has(const struct graph *graph, int node, const bool *active);
/* Bytes that segment_open takes; -1 where there is no memory to tell. */
double segment_bytes(const struct graph *graph, int from, int to, struct arena *arena);
/* The struct must not be moved until segment_close, which follows in both cases. */
bool segment_open(struct segment *segment, const struct run *run, int from, int to,
                  struct stability_error *error);
void segment_close(struct segment *segment);

/* J^T seed: `seed` has the elements of `to`, the result those of `from`. Valid until the next call. */
const double *segment_pull(struct segment *segment, const double *seed);
/* product (to) = J direction (from), by differences (core/extrapolation.h). */
void segment_push(struct segment *segment, const double *direction, double *product);

#endif
