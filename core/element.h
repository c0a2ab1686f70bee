/* Elements of a tensor of float32 or float64, one at a time: for samples, not for passes over tensors. */
#ifndef CORE_ELEMENT_H
#define CORE_ELEMENT_H

#include <stability/tensor.h>

static inline double element_at(const void *data, enum stability_dtype dtype, int64_t index)
{
    return dtype == STABILITY_FLOAT64 ? ((const double *)data)[index] : (double)((const float *)data)[index];
}

#endif
