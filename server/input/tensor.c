#include "server/input/tensor.h"

#include <inttypes.h>
#include <string.h>

/* Every integer below it is exact in float64. */
#define EXACT_INTEGERS 9007199254740992.0

/* Fails at the element of a tensor that has the given index. */
static bool fail_at_element(struct reader *reader, const struct stability_shape *shape, size_t index,
                            double value)
{
    size_t indices[STABILITY_MAX_RANK] = {0};
    for (int i = shape->rank - 1; i >= 0; i--) {
        indices[i] = index % (size_t)shape->sizes[i];
        index /= (size_t)shape->sizes[i];
    }
    for (int i = 0; i < shape->rank; i++) {
        reader_enter_item(reader, indices[i]);
    }
    return reader_fail(
        reader, STABILITY_ERROR_INVALID_TENSOR,
        "integers in JSON must be below 2^53, found %.17g: write it in base64 with dtype int64", value);
}

/* Turns float64 elements, which are whole numbers, into int64 where they are. */
static bool make_integers(struct reader *reader, const struct stability_shape *shape, double *elements,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double value = elements[i];
        if (!(value < EXACT_INTEGERS && value > -EXACT_INTEGERS)) {
            return fail_at_element(reader, shape, i, value);
        }
        int64_t integer = (int64_t)value;
        memcpy(&elements[i], &integer, sizeof integer);
    }
    return true;
}

static bool read_numbers(struct reader *reader, const struct slab *slab, bool integers,
                         const struct stability_shape *shape, struct stability_tensor *tensor)
{
    double *elements = reader->scan->numbers + slab->start;
    integers = integers && slab->integers;
    *tensor = (struct stability_tensor){integers ? STABILITY_INT64 : STABILITY_FLOAT64, *shape, elements};
    return !integers || make_integers(reader, &slab->shape, elements, slab->count);
}

static bool read_scalar(struct reader *reader, const struct node *node, bool integers,
                        struct stability_tensor *tensor)
{
    static const struct stability_shape scalar = {0};
    double *element = reader_allocate(reader, 1, sizeof *element);
    integers = integers && node->kind == NODE_INTEGER;
    *tensor = (struct stability_tensor){integers ? STABILITY_INT64 : STABILITY_FLOAT64, scalar, element};
    return element != NULL && reader_number(reader, node, element) &&
           (!integers || make_integers(reader, &scalar, element, 1));
}

/* Fails at the first item that is neither a number nor a list of such. */
static bool find_stranger(struct reader *reader, const struct node *list)
{
    for (size_t i = 0; i < json_array_size(list->json); i++) {
        double number;
        size_t mark = reader_enter_item(reader, i);
        struct node item = reader_node(reader, json_array_get(list->json, i));
        if (item.kind == NODE_LIST) {
            if (!find_stranger(reader, &item)) {
                return false;
            }
        } else if (item.kind != NODE_NUMBERS && item.kind != NODE_INTEGER && item.kind != NODE_REAL &&
                   !node_word(&item, &number)) {
            return reader_expected(reader, "a number, \"NaN\", \"Infinity\" or \"-Infinity\" in a tensor",
                                   &item);
        }
        reader_leave(reader, mark);
    }
    return true;
}

static void use_no_elements(const struct stability_shape *shape, struct stability_tensor *tensor)
{
    *tensor = (struct stability_tensor){.dtype = STABILITY_FLOAT64, .shape = *shape, .data = ""};
}

/* A list that the scan did not take: it has a stranger in it, or nothing but (equally long) empty lists. */
static bool read_empty(struct reader *reader, const struct node *node, struct stability_tensor *tensor)
{
    if (!find_stranger(reader, node)) {
        return false;
    }
    struct stability_shape shape = {0};
    const json_t *list = node->json;
    while (json_array_size(list) > 0 && shape.rank < STABILITY_MAX_RANK - 1) {
        shape.sizes[shape.rank++] = (int64_t)json_array_size(list);
        list = json_array_get(list, 0);
    }
    shape.sizes[shape.rank++] = 0;
    use_no_elements(&shape, tensor);
    return true;
}

bool tensor_read_flat(struct reader *reader, const struct node *node, bool integers,
                      const struct stability_shape *shape, struct stability_tensor *tensor)
{
    bool empty = node->kind == NODE_LIST;
    if (empty && !find_stranger(reader, node)) {
        return false;
    }
    bool flat =
        empty ? json_array_size(node->json) == 0 : node->kind == NODE_NUMBERS && node->slab->shape.rank == 1;
    if (!flat) {
        return reader_expected(reader, "a flat list of numbers", node);
    }
    int64_t needed = stability_shape_count(shape);
    int64_t found = empty ? 0 : (int64_t)node->slab->count;
    if (found != needed) {
        char text[STABILITY_SHAPE_TEXT];
        return reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR,
                           "shape %s needs %" PRId64 " number%s, found %" PRId64,
                           stability_shape_text(shape, text), needed, needed == 1 ? "" : "s", found);
    }
    if (empty) {
        use_no_elements(shape, tensor);
        return true;
    }
    return read_numbers(reader, node->slab, integers, shape, tensor);
}

bool tensor_read(struct reader *reader, const struct node *node, bool integers,
                 struct stability_tensor *tensor)
{
    switch (node->kind) {
    case NODE_OBJECT:
        return tensor_read_object(reader, node, integers, tensor);
    case NODE_NUMBERS:
        return read_numbers(reader, node->slab, integers, &node->slab->shape, tensor);
    case NODE_LIST:
        return read_empty(reader, node, tensor);
    case NODE_NULL:
    case NODE_BOOLEAN:
        return reader_expected(reader, "a tensor", node);
    default:
        return read_scalar(reader, node, integers, tensor);
    }
}
