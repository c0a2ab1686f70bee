/* Tensors as they come from outside: a dtype, a shape and bytes that somebody else owns. */
#ifndef STABILITY_TENSOR_H
#define STABILITY_TENSOR_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STABILITY_MAX_RANK 8

/* Row-major, contiguous; rank 0 is a scalar with one element; a size may be 0. */
struct stability_shape {
    int rank;
    int64_t sizes[STABILITY_MAX_RANK];
};

enum stability_dtype {
    STABILITY_FLOAT64,
    STABILITY_FLOAT32,
    STABILITY_FLOAT16,
    STABILITY_BFLOAT16,
    STABILITY_INT64,
    STABILITY_INT32,
    STABILITY_UINT8,
    STABILITY_BOOL,
    STABILITY_DTYPE_COUNT
};

struct stability_tensor {
    enum stability_dtype dtype;
    struct stability_shape shape;
    const void *data; /* little-endian elements, borrowed; need not be aligned */
};

/* "float32" and so on; NULL for a value outside the enumeration. */
const char *stability_dtype_name(enum stability_dtype dtype);
/* Finds a dtype by its name; false where there is none. */
bool stability_dtype_find(const char *name, enum stability_dtype *dtype);
/* Bytes of one element. */
size_t stability_dtype_size(enum stability_dtype dtype);
bool stability_dtype_is_floating(enum stability_dtype dtype);

/* The number of elements, or -1 where a size is negative or the product exceeds 2^47 (so that the bytes of a
 * few such tensors can be added without overflow). Sizes of 0 are left out of that product: those of an empty
 * tensor too can be multiplied without overflow. */
int64_t stability_shape_count(const struct stability_shape *shape);
bool stability_shape_equal(const struct stability_shape *a, const struct stability_shape *b);
/* Writes "(32, 64)" into `buffer` and returns it. A one-dimensional shape is "(32)". 208 bytes always
 * suffice. */
#define STABILITY_SHAPE_TEXT 208
const char *stability_shape_text(const struct stability_shape *shape, char buffer[STABILITY_SHAPE_TEXT]);

/* Converts `count` elements of any dtype to float64, float32 or int64. Floating values become integers by
 * truncation; the caller has checked that they are integral where that matters. */
void stability_convert(enum stability_dtype from, const void *source, enum stability_dtype to,
                       void *destination, int64_t count);

/* Asks the kernel for huge pages under memory that is not yet written to: a large tensor is then taken with
 * one page fault for each 2 MB, not for each 4 KB. Does nothing for less than 32 MB, or where the kernel
 * knows of none. */
void stability_prefer_huge_pages(void *memory, size_t bytes);

#endif
