#include "server/input/base64.h"
#include "server/input/tensor.h"

#include <inttypes.h>

/* As stability_shape_count has it. */
#define LARGEST_COUNT ((int64_t)1 << 47)

/* The members of a tensor that is written as an object. */
struct parts {
    bool has_dtype;
    bool has_data;
    bool has_base64;
    enum stability_dtype dtype;
    struct stability_shape shape;
    struct node data;
    struct node base64;
};

static bool check_count(struct reader *reader, const struct stability_shape *shape)
{
    char text[STABILITY_SHAPE_TEXT];
    int64_t count = stability_shape_count(shape);
    int64_t limit = reader->limits->elements;
    if (count < 0) {
        return reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR, "shape %s has more than 2^47 elements",
                           stability_shape_text(shape, text));
    }
    if (limit > 0 && count > limit) {
        return reader_fail(reader, STABILITY_ERROR_MODEL_TOO_LARGE,
                           "a tensor may have %" PRId64 " elements, and shape %s has %" PRId64, limit,
                           stability_shape_text(shape, text), count);
    }
    return true;
}

bool shape_read(struct reader *reader, const struct node *node, struct stability_shape *shape)
{
    *shape = (struct stability_shape){0};
    if (node->kind == NODE_LIST && json_array_size(node->json) == 0) {
        return true;
    }
    if (node->kind != NODE_NUMBERS || !node->slab->integers || node->slab->shape.rank != 1) {
        return reader_expected(reader, "a shape as a list of integers", node);
    }
    if (node->slab->count > STABILITY_MAX_RANK) {
        return reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR,
                           "a tensor has at most %d dimensions, found %zu", STABILITY_MAX_RANK,
                           node->slab->count);
    }
    const double *sizes = reader_numbers(reader, node);
    for (size_t i = 0; i < node->slab->count; i++) {
        if (!(sizes[i] >= 0 && sizes[i] <= (double)LARGEST_COUNT)) {
            return reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR,
                               "a size in a shape must be an integer from 0 to 2^47, found %.17g at [%zu]",
                               sizes[i], i);
        }
        shape->sizes[shape->rank++] = (int64_t)sizes[i];
    }
    return check_count(reader, shape);
}

static bool read_dtype(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    struct parts *parts = target;
    const char *known[STABILITY_DTYPE_COUNT + 1] = {NULL};
    for (int i = 0; i < STABILITY_DTYPE_COUNT; i++) {
        known[i] = stability_dtype_name((enum stability_dtype)i);
    }
    int dtype;
    parts->has_dtype = true;
    if (!reader_choice(reader, node, known, &dtype)) {
        return false;
    }
    parts->dtype = (enum stability_dtype)dtype;
    return true;
}

static bool read_shape(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return shape_read(reader, node, target);
}

static bool keep_data(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)reader;
    (void)name;
    struct parts *parts = target;
    parts->has_data = true;
    parts->data = *node;
    return true;
}

static bool keep_base64(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    struct parts *parts = target;
    parts->has_base64 = true;
    parts->base64 = *node;
    return node->kind == NODE_TEXT || reader_expected(reader, "a string of base64", node);
}

static const struct field tensor_fields[] = {{"dtype", read_dtype, 0, false},
                                             {"shape", read_shape, offsetof(struct parts, shape), true},
                                             {"data", keep_data, 0, false},
                                             {"base64", keep_base64, 0, false},
                                             {NULL, NULL, 0, false}};

/* Where a text's bytes go. One that is still in the body makes room for its bytes itself: they are fewer, and
 * where they are to be aligned, `"base64":"` is before them, which was read. */
static unsigned char *place_bytes(struct reader *reader, const struct node *text, size_t count)
{
    if (text->json != NULL) {
        return reader_allocate(reader, count, 1);
    }
    char *start = reader->body + (text->text - reader->body);
    return (unsigned char *)(start - (uintptr_t)start % sizeof(uint64_t));
}

static bool decode_base64(struct reader *reader, const struct parts *parts, struct stability_tensor *tensor)
{
    const char *text = parts->base64.text;
    size_t length = parts->base64.length;
    size_t needed = (size_t)stability_shape_count(&parts->shape) * stability_dtype_size(parts->dtype);
    size_t found = base64_decoded_size(text, length);
    if (found != needed && length % 4 == 0) {
        char shape[STABILITY_SHAPE_TEXT];
        return reader_fail(
            reader, STABILITY_ERROR_INVALID_TENSOR, "shape %s of %s needs %zu bytes, found %zu",
            stability_shape_text(&parts->shape, shape), stability_dtype_name(parts->dtype), needed, found);
    }
    unsigned char *bytes = place_bytes(reader, &parts->base64, found);
    if (bytes == NULL) {
        return false;
    }
    const char *problem;
    size_t done = base64_decode(text, length, bytes, &problem);
    if (done < length) {
        return reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR,
                           "the character at offset %zu of the base64 text %s", done, problem);
    }
    *tensor = (struct stability_tensor){.dtype = parts->dtype, .shape = parts->shape, .data = bytes};
    return true;
}

static bool read_base64(struct reader *reader, const struct parts *parts, struct stability_tensor *tensor)
{
    if (!parts->has_dtype) {
        return reader_fail(reader, STABILITY_ERROR_MISSING_MEMBER,
                           "a tensor in base64 needs the member 'dtype'");
    }
    size_t mark = reader_enter(reader, "base64");
    bool done = decode_base64(reader, parts, tensor);
    reader_leave(reader, mark);
    return done;
}

static bool read_data(struct reader *reader, const struct parts *parts, bool integers,
                      struct stability_tensor *tensor)
{
    size_t mark = reader_enter(reader, parts->has_dtype ? "dtype" : "data");
    bool done = parts->has_dtype ? reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR,
                                               "'dtype' goes with 'base64', not with 'data'")
                                 : tensor_read_flat(reader, &parts->data, integers, &parts->shape, tensor);
    reader_leave(reader, mark);
    return done;
}

bool tensor_read_object(struct reader *reader, const struct node *node, bool integers,
                        struct stability_tensor *tensor)
{
    struct parts parts = {0};
    if (!reader_members(reader, node, "a tensor", tensor_fields, &parts)) {
        return false;
    }
    if (parts.has_data == parts.has_base64) {
        return reader_fail(reader,
                           parts.has_data ? STABILITY_ERROR_INVALID_TENSOR : STABILITY_ERROR_MISSING_MEMBER,
                           "a tensor needs one of the members 'data' and 'base64', found %s",
                           parts.has_data ? "both" : "neither");
    }
    return parts.has_data ? read_data(reader, &parts, integers, tensor) : read_base64(reader, &parts, tensor);
}
