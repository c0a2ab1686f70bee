/* Layers: their attributes, parameters and names. */
#include "server/input/onnx/import.h"
#include "server/input/onnx/wiring.h"

#include <stability/inference.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_NAME 128 /* characters, as the contract has it */
#define LONGEST_NUMBER 16

void *onnx_append(struct onnx_import *import, void *items, size_t *count, size_t *capacity, size_t size)
{
    if (*count == *capacity) {
        size_t larger = *capacity == 0 ? 16 : 2 * *capacity;
        void *grown = onnx_allocate(&import->memory, larger, size);
        if (grown == NULL) {
            return NULL;
        }
        if (*count > 0) {
            memcpy(grown, items, *count * size);
        }
        items = grown;
        *capacity = larger;
    }
    ++*count;
    return items;
}

/* ---- attributes ---- */

static void add_member(struct onnx_draft *draft, const char *name, struct stability_value value)
{
    draft->members[draft->member_count++] = (struct stability_member){name, value};
}

void draft_integer(struct onnx_draft *draft, const char *name, int64_t value)
{
    add_member(draft, name, (struct stability_value){.kind = STABILITY_INTEGER, .integer = value});
}

void draft_real(struct onnx_draft *draft, const char *name, double value)
{
    add_member(draft, name, (struct stability_value){.kind = STABILITY_REAL, .real = value});
}

void draft_boolean(struct onnx_draft *draft, const char *name, bool value)
{
    add_member(draft, name, (struct stability_value){.kind = STABILITY_BOOLEAN, .boolean = value});
}

void draft_text(struct onnx_draft *draft, const char *name, const char *value)
{
    add_member(draft, name, (struct stability_value){.kind = STABILITY_STRING, .string = value});
}

void draft_tensor(struct onnx_draft *draft, const char *name, const struct stability_tensor *tensor)
{
    add_member(draft, name, (struct stability_value){.kind = STABILITY_TENSOR, .tensor = *tensor});
}

bool draft_list(struct onnx_import *import, struct onnx_draft *draft, const char *name, const int64_t *items,
                size_t count)
{
    double *numbers = onnx_allocate(&import->memory, count, sizeof *numbers);
    if (numbers == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (double)items[i];
    }
    add_member(draft, name,
               (struct stability_value){.kind = STABILITY_LIST,
                                        .list = {.count = count, .items = numbers, .integers = true}});
    return true;
}

void draft_weight(struct onnx_draft *draft, const char *parameter, struct onnx_value *value,
                  const struct stability_shape *shape)
{
    value = value->same != NULL ? value->same : value;
    draft->weights[draft->weight_count].parameter = parameter;
    draft->weights[draft->weight_count].value = value;
    draft->weights[draft->weight_count].tensor =
        (struct stability_tensor){value->tensor.dtype, *shape, value->tensor.data};
    draft->weights[draft->weight_count++].source = value->name;
}

void draft_own_weight(struct onnx_draft *draft, const char *parameter, const char *source,
                      const struct stability_tensor *tensor)
{
    draft->weights[draft->weight_count].parameter = parameter;
    draft->weights[draft->weight_count].tensor = *tensor;
    draft->weights[draft->weight_count++].source = source;
}

/* ---- names ---- */

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* The last characters of a name that is too long: what is long about it is the path in front. */
static const char *shorten(const char *name, size_t most)
{
    for (size_t count = count_characters(name); count > most; count--) {
        name++;
        while (((unsigned char)*name & 0xc0) == 0x80) {
            name++;
        }
    }
    return name;
}

const char *onnx_take_name(struct onnx_import *import, const char *base, const char *role)
{
    char name[4 * LONGEST_NAME + 64];
    const char *slash = role == NULL ? "" : "/";
    role = role == NULL ? "" : role;
    size_t most = LONGEST_NAME - strlen(slash) - strlen(role);
    snprintf(name, sizeof name, "%s%s%s", shorten(base, most), slash, role);
    for (size_t number = import->layer_count; json_object_get(import->names, name) != NULL; number++) {
        snprintf(name, sizeof name, "%s%s%s~%zu", shorten(base, most - LONGEST_NUMBER), slash, role, number);
    }
    if (json_object_set_new_nocheck(import->names, name, json_true()) != 0) {
        owner_out_of_memory(import->error);
        return NULL;
    }
    return onnx_format(&import->memory, "%s", name);
}

/* ---- parameters ---- */

/* The layer that has this draft's parameters already, under the same names; NULL with *conflict where some
 * of them are another layer's and that does not fit. */
static const char *find_owner(const struct onnx_draft *draft, const struct onnx_value **conflict)
{
    const char *owner = NULL;
    for (size_t i = 0; i < draft->weight_count; i++) {
        const struct onnx_value *value = draft->weights[i].value;
        if (value == NULL) {
            continue;
        }
        bool elsewhere = value->owner != NULL && owner != NULL && strcmp(owner, value->owner) != 0;
        if (elsewhere || (value->transpose != NULL && value->transpose->owner != NULL)) {
            *conflict = value;
        } else if (value->owner != NULL) {
            owner = value->owner;
            *conflict = strcmp(value->parameter, draft->weights[i].parameter) == 0 ? *conflict : value;
        }
    }
    return *conflict == NULL ? owner : NULL;
}

/* With weights_from every parameter that both have is shared: none of this draft's own may be among them. */
static bool owner_has_others(const struct onnx_import *import, const struct onnx_draft *draft,
                             const char *owner)
{
    size_t length = strlen(owner);
    for (size_t i = 0; i < import->weight_count; i++) {
        const char *key = import->weights[i].name;
        if (strncmp(key, owner, length) != 0 || key[length] != '.') {
            continue;
        }
        for (size_t k = 0; k < draft->weight_count; k++) {
            const struct onnx_value *value = draft->weights[k].value;
            if (strcmp(draft->weights[k].parameter, key + length + 1) == 0 &&
                (value == NULL || value->owner == NULL)) {
                return true;
            }
        }
    }
    return false;
}

static bool refuse_sharing(struct onnx_import *import, const struct onnx_value *value)
{
    return onnx_refuse(import,
                       "it shares the initializer '%.96s' with '%.64s', but not its other parameters, or not "
                       "in the same place",
                       value->name, value->owner != NULL ? value->owner : "another node");
}

static bool add_weights(struct onnx_import *import, const struct onnx_draft *draft, const char *layer,
                        bool shares)
{
    for (size_t i = 0; i < draft->weight_count; i++) {
        struct onnx_value *value = draft->weights[i].value;
        if (shares && value != NULL && value->owner != NULL) {
            continue;
        }
        struct stability_named_tensor *weights = onnx_append(import, import->weights, &import->weight_count,
                                                             &import->weight_capacity, sizeof *weights);
        const char *key = onnx_format(&import->memory, "%s.%s", layer, draft->weights[i].parameter);
        if (weights == NULL || key == NULL) {
            return false;
        }
        import->weights = weights;
        weights[import->weight_count - 1] = (struct stability_named_tensor){
            .name = key, .tensor = draft->weights[i].tensor, .source = draft->weights[i].source};
        if (value != NULL) {
            value->owner = layer;
            value->parameter = draft->weights[i].parameter;
        }
    }
    return true;
}

/* ---- the layer ---- */

static bool copy_inputs(struct onnx_import *import, const struct onnx_draft *draft,
                        struct stability_layer *layer)
{
    const char **names = onnx_allocate(&import->memory, draft->input_count, sizeof *names);
    struct stability_member *members = onnx_allocate(&import->memory, draft->member_count, sizeof *members);
    if (names == NULL || members == NULL) {
        return false;
    }
    for (size_t i = 0; i < draft->input_count; i++) {
        names[i] = draft->inputs[i].name;
    }
    memcpy(members, draft->members, draft->member_count * sizeof *members);
    layer->inputs = names;
    layer->input_count = draft->input_count;
    layer->attributes = (struct stability_members){draft->member_count, members};
    return true;
}

static bool infer(struct onnx_import *import, const struct onnx_draft *draft,
                  const struct stability_layer *layer, struct onnx_flow *outputs)
{
    struct stability_error problem = {0};
    struct stability_inference inference = {
        .layer = layer, .pointer = "", .training = import->training, .input_count = draft->input_count};
    struct stability_shape *shapes = onnx_allocate(&import->memory, draft->input_count, sizeof *shapes);
    bool *integers = onnx_allocate(&import->memory, draft->input_count, sizeof *integers);
    if (shapes == NULL || integers == NULL) {
        return false;
    }
    for (size_t i = 0; i < draft->input_count; i++) {
        shapes[i] = draft->inputs[i].shape;
        integers[i] = draft->inputs[i].integer;
    }
    inference.inputs = shapes;
    inference.integers = integers;
    if (!stability_infer(&inference, &problem)) {
        return onnx_fail(import, problem.code, "%s", problem.message);
    }
    for (size_t i = 0; i < inference.output_count; i++) {
        int64_t count = stability_shape_count(&inference.outputs[i]);
        int64_t limit = import->limits->elements;
        if (count < 0 || (limit > 0 && count > limit)) {
            return onnx_fail(import, STABILITY_ERROR_MODEL_TOO_LARGE,
                             "the output has %" PRId64 " elements, the limit is %" PRId64, count, limit);
        }
        const char *further = inference.output_names[i];
        outputs[i] = (struct onnx_flow){
            .name =
                further == NULL ? layer->name : onnx_format(&import->memory, "%s.%s", layer->name, further),
            .shape = inference.outputs[i],
            .integer = inference.output_is_integer,
        };
        if (outputs[i].name == NULL) {
            return false;
        }
    }
    return true;
}

static bool check_layer_count(struct onnx_import *import)
{
    int64_t limit = import->limits->layers;
    return limit == 0 || import->layer_count < (size_t)limit ||
           onnx_fail(import, STABILITY_ERROR_MODEL_TOO_LARGE,
                     "this node makes the model one of more than %" PRId64 " layers, the limit", limit);
}

static bool emit_named(struct onnx_import *import, const struct onnx_draft *draft, const char *base,
                       const char *role, struct onnx_flow *outputs)
{
    const struct onnx_value *conflict = NULL;
    const char *owner = draft->weights_from != NULL ? draft->weights_from : find_owner(draft, &conflict);
    if (conflict != NULL || (owner != NULL && owner_has_others(import, draft, owner))) {
        return refuse_sharing(import, conflict != NULL ? conflict : draft->weights[0].value);
    }
    struct stability_layer layer = {.type = draft->type, .weights_from = owner};
    layer.name = onnx_take_name(import, base, role);
    if (layer.name == NULL || !check_layer_count(import) || !copy_inputs(import, draft, &layer) ||
        !infer(import, draft, &layer, outputs) || !add_weights(import, draft, layer.name, owner != NULL)) {
        return false;
    }
    struct stability_layer *layers =
        onnx_append(import, import->layers, &import->layer_count, &import->layer_capacity, sizeof *layers);
    if (layers == NULL) {
        return false;
    }
    import->layers = layers;
    layers[import->layer_count - 1] = layer;
    return true;
}

bool draft_emit_all(struct onnx_import *import, const struct onnx_draft *draft, const char *role,
                    struct onnx_flow outputs[STABILITY_MAX_OUTPUTS])
{
    return emit_named(import, draft, wiring_name(import->node), role, outputs);
}

bool draft_emit(struct onnx_import *import, const struct onnx_draft *draft, const char *role,
                struct onnx_flow *y)
{
    struct onnx_flow outputs[STABILITY_MAX_OUTPUTS];
    bool done = draft_emit_all(import, draft, role, outputs);
    *y = done ? outputs[0] : *y;
    return done;
}

bool draft_emit_value(struct onnx_import *import, const struct onnx_draft *draft, const char *name,
                      struct onnx_flow *y)
{
    struct onnx_flow outputs[STABILITY_MAX_OUTPUTS];
    bool done = emit_named(import, draft, name, NULL, outputs);
    *y = done ? outputs[0] : *y;
    return done;
}
