/* Searches the declared ranges for inputs that make an operation give a number that is not finite, by running
 * the engine on them. */
#ifndef CORE_WITNESS_H
#define CORE_WITNESS_H

#include "core/ranges.h"
#include "core/trial.h"

/* An input that was found: the first pass that is not finite in its run is the operation's. */
struct witness {
    const char *found_by;
    double value; /* NaN or an infinity, or a magnitude */
    struct layer_place place;
    struct stability_shape shape; /* of the tensor with that element */
    const char *how;              /* NULL: the type does not explain */
    void **inputs; /* by model input: its data in the trial's precision; NULL: too large to keep */
};

/* What was seen of one operation in runs in which nothing before it was not finite. */
struct observed {
    double low;
    double high;
    struct witness *witness; /* NULL: none was found */
};

struct witness_search {
    struct trial *trial;
    const struct ranges *ranges;
    const struct range *declared; /* by model input */
    uint64_t seed;
    int64_t limit;       /* runs at most */
    int64_t kept;        /* elements of all inputs that a witness may have to be kept */
    struct arena *arena; /* for witnesses */
    /* filled in */
    int64_t runs;
    struct observed *forward;  /* by node */
    struct observed *backward; /* by node */
    struct observed loss;
    struct observed loss_backward;
};

/* Looks for a witness of each operation that is not safe: at the batch as it was sent, at the ranges' ends
 * and middles, at random points, and where the gradient of an operand leads. The trial's inputs are changed.
 * False with the error where memory ran out or the work was stopped. */
bool witness_find(struct witness_search *search, struct stability_error *error);

/* Bytes that witness_find takes beside the trial. */
double witness_bytes(const struct graph *graph);

#endif
