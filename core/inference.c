#include "core/kernels.h"

#include <stability/inference.h>

_Static_assert(LAYER_MAX_OUTPUTS == STABILITY_MAX_OUTPUTS, "a layer has as many outputs inside and outside");

static bool out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "no memory for a layer's attributes");
}

static bool check_input_count(const struct stability_inference *inference,
                              const struct stability_layer_type *type, struct stability_error *error)
{
    if (inference->input_count >= (size_t)type->minimum_inputs &&
        (type->maximum_inputs < 0 || inference->input_count <= (size_t)type->maximum_inputs))
        return true;
    return stability_fail(error, STABILITY_ERROR_INVALID_VALUE, inference->pointer,
                          "layer '%s' (%s) cannot have %zu inputs", inference->layer->name, type->type,
                          inference->input_count);
}

static void take_outputs(struct stability_inference *inference, const struct layer_ops *ops,
                         const struct layer_shapes *rule)
{
    inference->output_is_integer = ops->moves && inference->input_count > 0;
    for (size_t i = 0; i < inference->input_count; i++)
        inference->output_is_integer &= inference->integers[i];
    inference->output_count = 1;
    inference->outputs[0] = rule->outputs[0];
    inference->output_names[0] = NULL;
    for (const char *const *name = ops->type.outputs; name && *name; name++) {
        inference->outputs[inference->output_count] = rule->outputs[inference->output_count];
        inference->output_names[inference->output_count++] = *name;
    }
}

static bool apply_rule(struct stability_inference *inference, const struct kernels *kernels,
                       const struct layer_ops *ops, struct arena *arena, struct stability_error *error)
{
    static const struct stability_attribute none[] = {{0}};
    const struct stability_layer *layer = inference->layer;
    void *attributes = arena_allocate(arena, ops->attributes_size);
    struct attribute_scope scope = {
        .owner = arena_format(arena, "layer '%s' (%s)", layer->name, layer->type),
        .pointer = inference->pointer,
        .arena = arena,
    };
    if (!attributes || !scope.owner)
        return out_of_memory(error);
    if (!attributes_read(ops->type.attributes ? ops->type.attributes : none, &layer->attributes, attributes,
                         &scope, error))
        return false;
    struct layer_shapes rule = {
        .attributes = attributes,
        .training = inference->training,
        .real_size = kernels->real_size,
        .input_count = (int)inference->input_count,
        .inputs = inference->inputs,
        .integers = inference->integers,
        .error = error,
        .name = layer->name,
        .type = layer->type,
        .pointer = inference->pointer,
    };
    if (!ops->shape(&rule))
        return false;
    take_outputs(inference, ops, &rule);
    return true;
}

bool stability_infer(struct stability_inference *inference, struct stability_error *error)
{
    const struct kernels *kernels = kernels_for(STABILITY_PRECISION_FLOAT32);
    int type = kernels_find_layer(inference->layer->type);
    if (type < 0)
        return stability_fail(error, STABILITY_ERROR_UNKNOWN_TYPE, inference->pointer,
                              "unknown layer type '%s'", inference->layer->type);
    const struct layer_ops *ops = kernels->layers[type];
    struct arena arena = {0};
    bool done =
        check_input_count(inference, &ops->type, error) && apply_rule(inference, kernels, ops, &arena, error);
    arena_free(&arena);
    return done;
}
