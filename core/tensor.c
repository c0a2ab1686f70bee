#include <stability/tensor.h>

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
    bool floating;
} dtypes[STABILITY_DTYPE_COUNT] = {
    [STABILITY_FLOAT64] = {"float64", 8, true}, [STABILITY_FLOAT32] = {"float32", 4, true},
    [STABILITY_FLOAT16] = {"float16", 2, true}, [STABILITY_BFLOAT16] = {"bfloat16", 2, true},
    [STABILITY_INT64] = {"int64", 8, false},    [STABILITY_INT32] = {"int32", 4, false},
    [STABILITY_UINT8] = {"uint8", 1, false},    [STABILITY_BOOL] = {"bool", 1, false},
};

const char *stability_dtype_name(enum stability_dtype dtype)
{
    return (unsigned)dtype < STABILITY_DTYPE_COUNT ? dtypes[dtype].name : NULL;
}

bool stability_dtype_find(const char *name, enum stability_dtype *dtype)
{
    for (size_t i = 0; i < STABILITY_DTYPE_COUNT; i++)
        if (!strcmp(dtypes[i].name, name)) {
            *dtype = (enum stability_dtype)i;
            return true;
        }
    return false;
}

size_t stability_dtype_size(enum stability_dtype dtype)
{
    return dtypes[dtype].size;
}

bool stability_dtype_is_floating(enum stability_dtype dtype)
{
    return dtypes[dtype].floating;
}

int64_t stability_shape_count(const struct stability_shape *shape)
{
    const int64_t greatest = INT64_C(1) << 47;
    int64_t count = 1;
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        int64_t size = shape->sizes[i];
        if (size == 0)
            empty = true;
        else if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > greatest)
            return -1;
    }
    return empty ? 0 : count;
}

bool stability_shape_equal(const struct stability_shape *a, const struct stability_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->sizes[i] != b->sizes[i])
            return false;
    return true;
}

const char *stability_shape_text(const struct stability_shape *shape, char buffer[STABILITY_SHAPE_TEXT])
{
    size_t length = 0;
    buffer[length++] = '(';
    for (int i = 0; i < shape->rank; i++)
        length += (size_t)snprintf(buffer + length, STABILITY_SHAPE_TEXT - length, "%s%lld", i ? ", " : "",
                                   (long long)shape->sizes[i]);
    buffer[length++] = ')';
    buffer[length] = '\0';
    return buffer;
}
