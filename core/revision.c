#include "core/revision.h"

#include "core/kernels.h"
#include "core/revision_edit.h"
#include "core/revision_patch.h"

#include <string.h>

enum { NO_LAYER = -1 };

void *revision_take(struct revision *r, size_t count, size_t size)
{
    void *memory = arena_array(r->arena, count, size);
    r->failed |= !memory;
    return memory;
}

void *revision_copy(struct revision *r, const void *items, size_t count, size_t capacity, size_t size)
{
    void *copy = revision_take(r, capacity, size);
    if (copy && count)
        memcpy(copy, items, count * size);
    return copy;
}

/* ---- wiring ---- */

static const char *first_input(const struct revision *r)
{
    return r->request.model.input_count ? r->request.model.inputs[0] : "input";
}

static bool reads_nothing(const char *type)
{
    int index = kernels_find_layer(type);
    return index >= 0 && stability_layer_type_at((size_t)index)->maximum_inputs == 0;
}

/* What a layer reads by its place where it names nothing. */
static const char *implicit_input(const struct revision *r, size_t index)
{
    return index == 0 ? first_input(r) : r->layers[index - 1].name;
}

static struct revision_inputs inputs_as_written(struct revision *r, size_t index)
{
    const struct stability_layer *layer = &r->layers[index];
    size_t count = layer->input_count ? layer->input_count : !reads_nothing(layer->type);
    struct revision_inputs inputs = {count, revision_take(r, count, sizeof(*inputs.names))};
    for (size_t k = 0; inputs.names && k < count; k++)
        inputs.names[k] = layer->input_count ? layer->inputs[k] : implicit_input(r, index);
    return inputs;
}

static bool same_inputs(const struct revision_inputs *a, size_t count, const char *const *names)
{
    if (a->count != count)
        return false;
    for (size_t k = 0; k < count; k++)
        if (strcmp(a->names[k], names[k]) != 0)
            return false;
    return true;
}

/* Whether what stands in the request makes the layer read what it is to read. */
static bool is_wired(const struct revision *r, size_t index)
{
    const struct stability_layer *layer = &r->layers[index];
    if (layer->input_count)
        return same_inputs(&r->inputs[index], layer->input_count, layer->inputs);
    const char *implicit = implicit_input(r, index);
    return same_inputs(&r->inputs[index], !reads_nothing(layer->type), &implicit);
}

static void write_inputs(struct revision *r, size_t index)
{
    struct stability_layer *layer = &r->layers[index];
    layer->input_count = r->inputs[index].count;
    layer->inputs = (const char *const *)r->inputs[index].names;
}

/* Explicit inputs wherever the place of a layer no longer says what it reads. */
static void settle(struct revision *r)
{
    for (size_t i = 0; !r->failed && i < r->request.model.layer_count; i++) {
        if (is_wired(r, i))
            continue;
        write_inputs(r, i);
        patch_add(r, arena_format(r->arena, "/model/layers/%zu/inputs", i),
                  patch_names(r, r->inputs[i].count, r->inputs[i].names));
    }
    struct stability_loss *loss = &r->request.model.loss;
    const char *last = r->request.model.layer_count ? r->layers[r->request.model.layer_count - 1].name : "";
    if (r->failed || (loss->input_count ? same_inputs(&r->loss_inputs, loss->input_count, loss->inputs)
                                        : same_inputs(&r->loss_inputs, 1, &last)))
        return;
    loss->input_count = r->loss_inputs.count;
    loss->inputs = (const char *const *)r->loss_inputs.names;
    patch_add(r, "/model/loss/inputs", patch_names(r, loss->input_count, r->loss_inputs.names));
}

/* The same inputs with one name in place of another; those in the request stay as they are. */
static struct revision_inputs with_name(struct revision *r, const struct revision_inputs *inputs,
                                        const char *from, const char *to)
{
    struct revision_inputs changed = *inputs;
    bool reads = false;
    for (size_t k = 0; k < inputs->count; k++)
        reads |= strcmp(inputs->names[k], from) == 0;
    if (!reads)
        return changed;
    changed.names = revision_copy(r, inputs->names, inputs->count, inputs->count, sizeof(*inputs->names));
    for (size_t k = 0; changed.names && k < changed.count; k++)
        if (strcmp(changed.names[k], from) == 0)
            changed.names[k] = to;
    return changed;
}

static void rename_readers(struct revision *r, size_t first, const char *from, const char *to)
{
    for (size_t i = first; !r->failed && i < r->request.model.layer_count; i++)
        r->inputs[i] = with_name(r, &r->inputs[i], from, to);
    if (!r->failed)
        r->loss_inputs = with_name(r, &r->loss_inputs, from, to);
}

/* ---- the copy ---- */

void revision_begin(struct revision *r, const struct stability_request *request, struct arena *arena)
{
    *r = (struct revision){.arena = arena, .request = *request};
    size_t count = request->model.layer_count;
    r->capacity = count + 8;
    r->layers = revision_copy(r, request->model.layers, count, r->capacity, sizeof(*r->layers));
    r->inputs = revision_take(r, r->capacity, sizeof(*r->inputs));
    r->weights = revision_copy(r, request->weights.items, request->weights.count, request->weights.count,
                               sizeof(*r->weights));
    r->request.model.layers = r->layers;
    r->request.weights.items = r->weights;
    for (size_t i = 0; !r->failed && i < count; i++)
        r->inputs[i] = inputs_as_written(r, i);
    const struct stability_loss *loss = &request->model.loss;
    r->loss_inputs.count = loss->input_count ? loss->input_count : 1;
    r->loss_inputs.names = revision_take(r, r->loss_inputs.count, sizeof(*r->loss_inputs.names));
    for (size_t k = 0; !r->failed && k < r->loss_inputs.count; k++)
        r->loss_inputs.names[k] = loss->input_count ? loss->inputs[k] : r->layers[count - 1].name;
}

void revision_continue(struct revision *r, const struct revision *from)
{
    *r = *from;
    size_t count = from->request.model.layer_count;
    r->layers = revision_copy(r, from->layers, count, from->capacity, sizeof(*r->layers));
    r->inputs = revision_copy(r, from->inputs, count, from->capacity, sizeof(*r->inputs));
    r->weights = revision_copy(r, from->weights, from->request.weights.count, from->request.weights.count,
                               sizeof(*r->weights));
    r->operations = revision_copy(r, from->operations, from->operation_count, from->operation_capacity,
                                  sizeof(*r->operations));
    r->request.model.layers = r->layers;
    r->request.weights.items = r->weights;
}

static int find_layer(const struct revision *r, const char *name)
{
    for (size_t i = 0; !r->failed && i < r->request.model.layer_count; i++)
        if (strcmp(r->layers[i].name, name) == 0)
            return (int)i;
    return NO_LAYER;
}

/* The layer that gives a value ("lstm.h_n" is one of "lstm"), or NO_LAYER: a model input. */
static int find_producer(const struct revision *r, const char *value)
{
    for (size_t i = 0; !r->failed && i < r->request.model.layer_count; i++) {
        size_t length = strlen(r->layers[i].name);
        if (strncmp(r->layers[i].name, value, length) == 0 && value[length] == '\0')
            return (int)i;
    }
    for (size_t i = 0; !r->failed && i < r->request.model.layer_count; i++) {
        size_t length = strlen(r->layers[i].name);
        if (strncmp(r->layers[i].name, value, length) == 0 && value[length] == '.')
            return (int)i;
    }
    return NO_LAYER;
}

int revision_need(struct revision *r, const char *name)
{
    int index = find_layer(r, name);
    r->failed |= index < 0;
    return index;
}

const char *revision_input(const struct revision *r, const char *layer, size_t index)
{
    int node = find_layer(r, layer);
    return node < 0 || index >= r->inputs[node].count ? NULL : r->inputs[node].names[index];
}

static bool is_taken(const struct revision *r, const char *name)
{
    bool taken = find_layer(r, name) >= 0 || strcmp(name, first_input(r)) == 0;
    for (size_t i = 0; i < r->request.model.input_count; i++)
        taken |= strcmp(r->request.model.inputs[i], name) == 0;
    return taken;
}

const char *revision_name(struct revision *r, const char *base, const char *suffix)
{
    bool fits = strlen(base) + strlen(suffix) < 100;
    const char *name =
        fits ? arena_format(r->arena, "%s_%s", base, suffix) : arena_format(r->arena, "%s", suffix);
    for (int i = 2; name && is_taken(r, name); i++)
        name = arena_format(r->arena, "%s%s%s_%d", fits ? base : "", fits ? "_" : "", suffix, i);
    r->failed |= !name;
    return name ? name : "";
}

/* ---- layers ---- */

static void make_room(struct revision *r)
{
    if (r->request.model.layer_count < r->capacity)
        return;
    size_t capacity = 2 * r->capacity;
    r->layers = revision_copy(r, r->layers, r->capacity, capacity, sizeof(*r->layers));
    r->inputs = revision_copy(r, r->inputs, r->capacity, capacity, sizeof(*r->inputs));
    r->request.model.layers = r->layers;
    r->capacity = capacity;
}

/* Puts a layer at a place; the wiring of the others is settled by the caller. */
static void put_layer(struct revision *r, size_t at, const struct stability_layer *layer,
                      const struct revision_inputs *inputs)
{
    make_room(r);
    if (r->failed)
        return;
    size_t after = r->request.model.layer_count - at;
    memmove(&r->layers[at + 1], &r->layers[at], after * sizeof(*r->layers));
    memmove(&r->inputs[at + 1], &r->inputs[at], after * sizeof(*r->inputs));
    r->request.model.layer_count++;
    r->layers[at] = *layer;
    r->inputs[at] = *inputs;
    if (!is_wired(r, at))
        write_inputs(r, at);
    patch_add(r, arena_format(r->arena, "/model/layers/%zu", at), patch_layer(r, &r->layers[at]));
}

static struct revision_inputs make_inputs(struct revision *r, const char *first, const char *second)
{
    struct revision_inputs inputs = {second ? 2 : 1, revision_take(r, 2, sizeof(*inputs.names))};
    if (inputs.names) {
        inputs.names[0] = first;
        inputs.names[1] = second;
    }
    return inputs;
}

void revision_insert_after(struct revision *r, const char *value, const char *also,
                           const struct stability_layer *layer)
{
    int producer = find_producer(r, value);
    struct revision_inputs inputs = make_inputs(r, value, also);
    size_t at = (size_t)(producer + 1);
    put_layer(r, at, layer, &inputs);
    rename_readers(r, at + 1, value, layer->name);
    settle(r);
}

void revision_insert_before(struct revision *r, const char *reader, size_t index,
                            const struct stability_layer *layer)
{
    int at = revision_need(r, reader);
    if (at < 0)
        return;
    struct revision_inputs inputs = make_inputs(r, r->inputs[at].names[index], NULL);
    struct revision_inputs *wired = &r->inputs[at];
    wired->names = revision_copy(r, wired->names, wired->count, wired->count, sizeof(*wired->names));
    if (r->failed)
        return;
    wired->names[index] = layer->name;
    put_layer(r, (size_t)at, layer, &inputs);
    settle(r);
}

void revision_remove_layer(struct revision *r, const char *name)
{
    int at = revision_need(r, name);
    if (at < 0)
        return;
    r->failed |= r->inputs[at].count != 1 || r->request.model.layer_count < 2;
    if (r->failed)
        return;
    const char *read = r->inputs[at].names[0];
    size_t after = r->request.model.layer_count - (size_t)at - 1;
    memmove(&r->layers[at], &r->layers[at + 1], after * sizeof(*r->layers));
    memmove(&r->inputs[at], &r->inputs[at + 1], after * sizeof(*r->inputs));
    r->request.model.layer_count--;
    patch_remove(r, arena_format(r->arena, "/model/layers/%d", at));
    rename_readers(r, 0, name, read);
    settle(r);
}

void revision_set_input(struct revision *r, const char *layer, const char *value)
{
    int at = revision_need(r, layer);
    if (at < 0)
        return;
    r->inputs[at] = make_inputs(r, value, NULL);
    settle(r);
}
