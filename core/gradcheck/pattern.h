/* What a wrong gradient looks like beside the right one. */
#ifndef GRADCHECK_PATTERN_H
#define GRADCHECK_PATTERN_H

#include "core/arena.h"

#include <stability/gradcheck.h>

/* A parameter's gradient, given and numerical, with the numerical one's uncertainty, all of shape `shape`. */
struct gradient_pair {
    const char *name;
    struct stability_shape shape;
    int64_t count;
    const double *given;
    const double *numerical;
    const double *uncertainty;
};

/* Recognises how `pairs[which]` is wrong; the other pairs are looked at for a gradient that was mixed up with
 * it. Fills in pattern, pattern_factor and pattern_text where one holds within tolerance. False where memory
 * ran out. */
bool pattern_recognise(const struct gradient_pair *pairs, size_t pair_count, size_t which,
                       struct arena *arena, struct stability_gradcheck_parameter *result);

#endif
