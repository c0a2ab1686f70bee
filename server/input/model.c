#include "server/input/model.h"

#include "server/input/recipe.h"
#include "server/input/value.h"

#include <inttypes.h>

struct layer_target {
    struct stability_layer layer;
    struct name_list inputs;
    struct value_members attributes;
};

struct loss_target {
    const char *type;
    struct name_list inputs;
    struct value_members attributes;
};

struct model_target {
    const char *name;
    struct name_list inputs;
    size_t layer_count;
    struct stability_layer *layers;
    struct stability_loss loss;
};

static bool read_init(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return inits_read(reader, node, false, target);
}

static bool read_layer(struct reader *reader, const struct node *node, struct stability_layer *layer)
{
    static const struct field fields[] = {
        {"name", member_text, offsetof(struct layer_target, layer.name), true},
        {"type", member_text, offsetof(struct layer_target, layer.type), true},
        {"inputs", member_names, offsetof(struct layer_target, inputs), false},
        {"init", read_init, offsetof(struct layer_target, layer.init), false},
        {"weights_from", member_text, offsetof(struct layer_target, layer.weights_from), false},
        {NULL, value_members_add, offsetof(struct layer_target, attributes), false}};
    struct layer_target target = {0};
    if (node->kind != NODE_OBJECT) {
        return reader_expected(reader, "a layer as an object", node);
    }
    if (!value_members_new(reader, node, &target.attributes) ||
        !reader_members(reader, node, "a layer", fields, &target)) {
        return false;
    }
    *layer = target.layer;
    layer->inputs = target.inputs.items;
    layer->input_count = target.inputs.count;
    layer->attributes = (struct stability_members){target.attributes.count, target.attributes.items};
    return true;
}

static bool read_layers(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    struct model_target *model = target;
    if (node->kind != NODE_LIST) {
        return reader_expected(reader, "a list of layers", node);
    }
    size_t count = json_array_size(node->json);
    int64_t limit = reader->limits->layers;
    if (limit > 0 && count > (uint64_t)limit) {
        return reader_fail(reader, STABILITY_ERROR_MODEL_TOO_LARGE,
                           "a model may have %" PRId64 " layers, and this one has %zu", limit, count);
    }
    model->layer_count = count;
    model->layers = reader_allocate(reader, count, sizeof *model->layers);
    for (size_t i = 0; model->layers != NULL && i < count; i++) {
        size_t mark = reader_enter_item(reader, i);
        struct node layer = reader_node(reader, json_array_get(node->json, i));
        if (!read_layer(reader, &layer, &model->layers[i])) {
            return false;
        }
        reader_leave(reader, mark);
    }
    return model->layers != NULL;
}

static bool read_loss(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {
        {"type", member_text, offsetof(struct loss_target, type), true},
        {"inputs", member_names, offsetof(struct loss_target, inputs), false},
        {NULL, value_members_add, offsetof(struct loss_target, attributes), false}};
    (void)name;
    struct loss_target loss = {0};
    if (node->kind != NODE_OBJECT) {
        return reader_expected(reader, "a loss as an object", node);
    }
    if (!value_members_new(reader, node, &loss.attributes) ||
        !reader_members(reader, node, "a loss", fields, &loss)) {
        return false;
    }
    *(struct stability_loss *)target =
        (struct stability_loss){.type = loss.type,
                                .inputs = loss.inputs.items,
                                .input_count = loss.inputs.count,
                                .attributes = {loss.attributes.count, loss.attributes.items}};
    return true;
}

static bool read_inputs(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    struct name_list *names = target;
    if (!reader_names(reader, node, names)) {
        return false;
    }
    return names->count > 0 ||
           reader_fail(reader, STABILITY_ERROR_INVALID_VALUE,
                       "a model needs at least one input: leave 'inputs' out for one of the name 'input'");
}

bool model_read(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {
        {"name", member_text, offsetof(struct model_target, name), false},
        {"inputs", read_inputs, offsetof(struct model_target, inputs), false},
        {"layers", read_layers, 0, true},
        {"loss", read_loss, offsetof(struct model_target, loss), true},
        {NULL, NULL, 0, false}};
    (void)name;
    struct model_target model = {0};
    if (!reader_members(reader, node, "the model", fields, &model)) {
        return false;
    }
    *(struct stability_model *)target = (struct stability_model){.name = model.name,
                                                                 .inputs = model.inputs.items,
                                                                 .input_count = model.inputs.count,
                                                                 .layers = model.layers,
                                                                 .layer_count = model.layer_count,
                                                                 .loss = model.loss};
    return true;
}

bool model_read_loss(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {
        {"name", member_text, offsetof(struct stability_model, name), false},
        {"loss", read_loss, offsetof(struct stability_model, loss), true},
        {NULL, NULL, 0, false}};
    (void)name;
    return reader_members(reader, node, "the model beside an ONNX file", fields, target);
}
