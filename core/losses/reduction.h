/* The attribute `reduction` of every loss. */
#ifndef LOSSES_REDUCTION_H
#define LOSSES_REDUCTION_H

#include "core/layer.h"

enum reduction { REDUCTION_MEAN, REDUCTION_SUM };

/* Every loss's private struct begins with it; it is the whole of one without further attributes. */
struct reduced {
    int reduction; /* enum reduction */
};

#define REDUCTION_ROW                                                                                     \
    {                                                                                                     \
        "reduction", STABILITY_ATTRIBUTE_CHOICE, offsetof(struct reduced, reduction),                     \
            .choice = "mean", .choices = "mean sum", .documentation = "mean over the terms, or their sum" \
    }

/* What the sum over `count` terms is divided by. */
static inline double reduction_divisor(const struct loss_pass *pass, int64_t count)
{
    const struct reduced *reduced = pass->attributes;
    return reduced->reduction == REDUCTION_SUM ? 1.0 : (double)count;
}

#endif
