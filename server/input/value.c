#include "server/input/value.h"

#include "server/input/tensor.h"

#include <math.h>

static void use_numbers(struct reader *reader, const struct node *node, struct stability_value *value)
{
    value->kind = STABILITY_LIST;
    value->list.count = node->slab->count;
    value->list.items = reader_numbers(reader, node);
    value->list.integers = node->slab->integers;
}

/* A list of integers and nulls, which become NaN, or an empty one; false: it is something else. */
static bool is_sparse_list(const json_t *list)
{
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_null(item) && !json_is_integer(item)) {
            return false;
        }
    }
    return count <= STABILITY_MAX_RANK;
}

static bool use_list(struct reader *reader, const struct node *node, struct stability_value *value)
{
    size_t count = json_array_size(node->json);
    double *items = reader_allocate(reader, count, sizeof *items);
    for (size_t i = 0; items != NULL && i < count; i++) {
        const json_t *item = json_array_get(node->json, i);
        items[i] = json_is_null(item) ? NAN : (double)json_integer_value(item);
    }
    value->kind = STABILITY_LIST;
    value->list.count = count;
    value->list.items = items;
    value->list.integers = true;
    return items != NULL;
}

/* Whether an object is meant for a tensor. */
static bool has_tensor_member(const json_t *object)
{
    static const char *const members[] = {"shape", "data", "dtype", "base64", "init", "random"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (json_object_get(object, members[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool read_tensor(struct reader *reader, const struct node *node, struct stability_value *value)
{
    value->kind = STABILITY_TENSOR;
    return tensor_read(reader, node, false, &value->tensor);
}

bool value_read(struct reader *reader, const struct node *node, struct stability_value *value)
{
    *value = (struct stability_value){.kind = STABILITY_NULL};
    switch (node->kind) {
    case NODE_NULL:
        return true;
    case NODE_BOOLEAN:
        value->kind = STABILITY_BOOLEAN;
        value->boolean = node->boolean;
        return true;
    case NODE_INTEGER:
        value->kind = STABILITY_INTEGER;
        value->integer = node->integer;
        return true;
    case NODE_REAL:
        value->kind = STABILITY_REAL;
        value->real = node->real;
        return true;
    case NODE_TEXT:
        value->kind = STABILITY_STRING;
        return reader_text(reader, node, &value->string);
    case NODE_NUMBERS:
        if (node->slab->shape.rank == 1) {
            use_numbers(reader, node, value);
            return true;
        }
        return read_tensor(reader, node, value);
    case NODE_LIST:
        return is_sparse_list(node->json) ? use_list(reader, node, value) : read_tensor(reader, node, value);
    case NODE_OBJECT:
        value->kind = STABILITY_OBJECT;
        return !has_tensor_member(node->json) || read_tensor(reader, node, value);
    }
    return true;
}

bool value_members_new(struct reader *reader, const struct node *object, struct value_members *members)
{
    members->count = 0;
    members->items = reader_allocate(reader, json_object_size(object->json), sizeof *members->items);
    return members->items != NULL;
}

bool value_members_add(struct reader *reader, const char *name, const struct node *node, void *target)
{
    struct value_members *members = target;
    struct stability_member *member = &members->items[members->count++];
    member->name = name;
    return value_read(reader, node, &member->value);
}
