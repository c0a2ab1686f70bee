#include "server/input/tensors.h"

#include "server/input/recipe.h"
#include "server/input/tensor.h"

struct collection {
    bool data;
    struct stability_named_tensor *items;
    size_t count;
};

static bool has(const struct node *node, const char *member)
{
    return node->kind == NODE_OBJECT && json_object_get(node->json, member) != NULL;
}

static bool read_named(struct reader *reader, const char *name, const struct node *node, void *target)
{
    struct collection *collection = target;
    struct stability_named_tensor *item = &collection->items[collection->count++];
    item->name = name;
    if (has(node, collection->data ? "random" : "init")) {
        return recipe_read(reader, node, collection->data ? "random" : "init", collection->data,
                           &item->recipe);
    }
    if (has(node, collection->data ? "init" : "random")) {
        return reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR,
                           "weights are drawn with the member 'init', data with 'random' and 'shape'");
    }
    return tensor_read(reader, node, collection->data, &item->tensor);
}

static bool read_collection(struct reader *reader, const struct node *node, bool data,
                            struct stability_tensors *tensors)
{
    static const struct field fields[] = {{NULL, read_named, 0, false}};
    struct collection collection = {.data = data};
    size_t count = node->kind == NODE_OBJECT ? json_object_size(node->json) : 0;
    collection.items = reader_allocate(reader, count, sizeof *collection.items);
    if (collection.items == NULL ||
        !reader_members(reader, node, data ? "data" : "weights", fields, &collection)) {
        return false;
    }
    *tensors = (struct stability_tensors){collection.count, collection.items};
    return true;
}

bool weights_read(struct reader *reader, const struct node *node, struct stability_tensors *tensors)
{
    return read_collection(reader, node, false, tensors);
}

bool data_read(struct reader *reader, const struct node *node, struct stability_tensors *tensors)
{
    return read_collection(reader, node, true, tensors);
}
