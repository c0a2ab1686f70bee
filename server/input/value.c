#include "server/input/value.h"

#include "server/input/tensor.h"

#include <string.h>

static void use_list(struct reader *reader, const struct node *node, struct stability_value *value)
{
    value->kind = STABILITY_LIST;
    value->list.count = node->kind == NODE_LIST ? 0 : node->slab->count;
    value->list.items = node->kind == NODE_LIST ? NULL : reader_numbers(reader, node);
    value->list.integers = node->kind == NODE_LIST || node->slab->integers;
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
            use_list(reader, node, value);
            return true;
        }
        return read_tensor(reader, node, value);
    case NODE_LIST:
        if (json_array_size(node->json) == 0) {
            use_list(reader, node, value);
            return true;
        }
        return read_tensor(reader, node, value);
    case NODE_OBJECT:
        break;
    }
    return read_tensor(reader, node, value);
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
