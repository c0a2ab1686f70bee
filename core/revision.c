#include "core/revision.h"

#include "core/kernels.h"
#include "core/revision_patch.h"

#include <stdio.h>
#include <string.h>

enum { NO_LAYER = -1 };

static void *take(struct revision *r, size_t count, size_t size)
{
    void *memory = arena_array(r->arena, count, size);
    r->failed |= !memory;
    return memory;
}

/* A copy of `count` items with room for `capacity`. */
static void *copy_items(struct revision *r, const void *items, size_t count, size_t capacity, size_t size)
{
    void *copy = take(r, capacity, size);
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
    struct revision_inputs inputs = {count, take(r, count, sizeof(*inputs.names))};
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
    changed.names = copy_items(r, inputs->names, inputs->count, inputs->count, sizeof(*inputs->names));
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
    r->layers = copy_items(r, request->model.layers, count, r->capacity, sizeof(*r->layers));
    r->inputs = take(r, r->capacity, sizeof(*r->inputs));
    r->weights = copy_items(r, request->weights.items, request->weights.count, request->weights.count,
                            sizeof(*r->weights));
    r->request.model.layers = r->layers;
    r->request.weights.items = r->weights;
    for (size_t i = 0; !r->failed && i < count; i++)
        r->inputs[i] = inputs_as_written(r, i);
    const struct stability_loss *loss = &request->model.loss;
    r->loss_inputs.count = loss->input_count ? loss->input_count : 1;
    r->loss_inputs.names = take(r, r->loss_inputs.count, sizeof(*r->loss_inputs.names));
    for (size_t k = 0; !r->failed && k < r->loss_inputs.count; k++)
        r->loss_inputs.names[k] = loss->input_count ? loss->inputs[k] : r->layers[count - 1].name;
}

void revision_continue(struct revision *r, const struct revision *from)
{
    *r = *from;
    size_t count = from->request.model.layer_count;
    r->layers = copy_items(r, from->layers, count, from->capacity, sizeof(*r->layers));
    r->inputs = copy_items(r, from->inputs, count, from->capacity, sizeof(*r->inputs));
    r->weights = copy_items(r, from->weights, from->request.weights.count, from->request.weights.count,
                            sizeof(*r->weights));
    r->operations = copy_items(r, from->operations, from->operation_count, from->operation_capacity,
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

/* A layer that an edit needs; without it the edit fails. */
static int need_layer(struct revision *r, const char *name)
{
    int index = find_layer(r, name);
    r->failed |= index < 0;
    return index;
}

const struct stability_layer *revision_layer(const struct revision *r, const char *name)
{
    int index = find_layer(r, name);
    return index < 0 ? NULL : &r->layers[index];
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
    r->layers = copy_items(r, r->layers, r->capacity, capacity, sizeof(*r->layers));
    r->inputs = copy_items(r, r->inputs, r->capacity, capacity, sizeof(*r->inputs));
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
    struct revision_inputs inputs = {second ? 2 : 1, take(r, 2, sizeof(*inputs.names))};
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
    int at = need_layer(r, reader);
    if (at < 0)
        return;
    struct revision_inputs inputs = make_inputs(r, r->inputs[at].names[index], NULL);
    struct revision_inputs *wired = &r->inputs[at];
    wired->names = copy_items(r, wired->names, wired->count, wired->count, sizeof(*wired->names));
    if (r->failed)
        return;
    wired->names[index] = layer->name;
    put_layer(r, (size_t)at, layer, &inputs);
    settle(r);
}

void revision_remove_layer(struct revision *r, const char *name)
{
    int at = need_layer(r, name);
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
    int at = need_layer(r, layer);
    if (at < 0)
        return;
    r->inputs[at] = make_inputs(r, value, NULL);
    settle(r);
}

/* ---- members of layers ---- */

static bool has_attribute(const char *type, const char *name)
{
    int index = kernels_find_layer(type);
    const struct stability_attribute *row =
        index < 0 ? NULL : stability_layer_type_at((size_t)index)->attributes;
    for (; row && row->name; row++)
        if (strcmp(row->name, name) == 0)
            return true;
    return false;
}

static bool is_among(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static const char *member_path(struct revision *r, const char *object, const char *name)
{
    char *token = take(r, 2 * strlen(name) + 1, 1);
    if (!token)
        return NULL;
    patch_escape(token, name);
    return arena_format(r->arena, "%s/%s", object, token);
}

/* Attributes without the one at `index`. */
static void drop_attribute(struct revision *r, struct stability_members *members, size_t index,
                           const char *object)
{
    struct stability_member *kept = copy_items(r, members->items, members->count, members->count, sizeof(*kept));
    if (!kept)
        return;
    patch_remove(r, member_path(r, object, kept[index].name));
    memmove(&kept[index], &kept[index + 1], (members->count - index - 1) * sizeof(*kept));
    *members = (struct stability_members){members->count - 1, kept};
}

void revision_set_type(struct revision *r, const char *layer, const char *type, const char *const *except)
{
    int at = need_layer(r, layer);
    if (at < 0)
        return;
    const char *object = arena_format(r->arena, "/model/layers/%d", at);
    r->failed |= !object;
    if (r->failed)
        return;
    patch_replace(r, member_path(r, object, "type"), patch_text(r, type));
    r->layers[at].type = type;
    struct stability_members *members = &r->layers[at].attributes;
    for (size_t i = members->count; !r->failed && i-- > 0;)
        if (!has_attribute(type, members->items[i].name) || is_among(members->items[i].name, except))
            drop_attribute(r, members, i, object);
}

void revision_set_attribute(struct revision *r, const char *layer, const char *name,
                            const struct stability_value *value)
{
    int at = need_layer(r, layer);
    if (at < 0)
        return;
    struct stability_members *members = &r->layers[at].attributes;
    struct stability_member *items =
        copy_items(r, members->items, members->count, members->count + 1, sizeof(*items));
    const char *path = arena_format(r->arena, "/model/layers/%d/%s", at, name);
    if (!items)
        return;
    size_t i = 0;
    while (i < members->count && strcmp(items[i].name, name) != 0)
        i++;
    bool present = i < members->count;
    items[i] = (struct stability_member){name, *value};
    *members = (struct stability_members){members->count + !present, items};
    (present ? patch_replace : patch_add)(r, path, patch_value(r, value));
}

/* ---- parameters ---- */

static void drop_weight(struct revision *r, const char *layer, const char *parameter)
{
    const char *key = arena_format(r->arena, "%s.%s", layer, parameter);
    r->failed |= !key;
    for (size_t i = 0; !r->failed && i < r->request.weights.count; i++) {
        if (strcmp(r->weights[i].name, key) != 0)
            continue;
        patch_remove(r, member_path(r, "/weights", key));
        memmove(&r->weights[i], &r->weights[i + 1],
                (r->request.weights.count - i - 1) * sizeof(*r->weights));
        r->request.weights.count--;
        return;
    }
}

/* The index of a parameter in a layer's init; its count where it is not there. */
static size_t find_init(const struct stability_inits *inits, const char *parameter)
{
    size_t i = 0;
    while (i < inits->count && strcmp(inits->items[i].name, parameter) != 0)
        i++;
    return i;
}

static void drop_init(struct revision *r, int at, const char *parameter)
{
    struct stability_inits *inits = &r->layers[at].init;
    size_t i = find_init(inits, parameter);
    if (i == inits->count)
        return;
    struct stability_init *items = copy_items(r, inits->items, inits->count, inits->count, sizeof(*items));
    if (!items)
        return;
    memmove(&items[i], &items[i + 1], (inits->count - i - 1) * sizeof(*items));
    *inits = (struct stability_inits){inits->count - 1, items};
    patch_remove(r, arena_format(r->arena, "/model/layers/%d/init/%s", at, parameter));
}

static void put_init(struct revision *r, int at, const struct stability_init *init)
{
    struct stability_inits *inits = &r->layers[at].init;
    struct stability_init *items =
        copy_items(r, inits->items, inits->count, inits->count + 1, sizeof(*items));
    if (!items)
        return;
    size_t i = find_init(inits, init->name);
    bool present = i < inits->count;
    const struct stability_result *value = patch_recipe(r, &init->recipe);
    if (inits->count == 0) {
        patch_add(r, arena_format(r->arena, "/model/layers/%d/init", at),
                  patch_member(r, init->name, value));
    } else {
        const char *path = arena_format(r->arena, "/model/layers/%d/init/%s", at, init->name);
        (present ? patch_replace : patch_add)(r, path, value);
    }
    items[i] = *init;
    *inits = (struct stability_inits){inits->count + !present, items};
}

void revision_draw(struct revision *r, const char *layer, const char *parameter,
                   const struct stability_recipe *recipe)
{
    int at = need_layer(r, layer);
    if (at < 0)
        return;
    drop_weight(r, layer, parameter);
    if (!recipe)
        drop_init(r, at, parameter);
    else
        put_init(r, at, &(const struct stability_init){parameter, *recipe});
}

/* ---- loss and options ---- */

static bool loss_has_attribute(const char *type, const char *name)
{
    int index = kernels_find_loss(type);
    const struct stability_attribute *row =
        index < 0 ? NULL : stability_loss_type_at((size_t)index)->attributes;
    for (; row && row->name; row++)
        if (strcmp(row->name, name) == 0)
            return true;
    return false;
}

void revision_set_loss(struct revision *r, const char *type)
{
    struct stability_loss *loss = &r->request.model.loss;
    patch_replace(r, "/model/loss/type", patch_text(r, type));
    loss->type = type;
    for (size_t i = loss->attributes.count; !r->failed && i-- > 0;)
        if (!loss_has_attribute(type, loss->attributes.items[i].name))
            drop_attribute(r, &loss->attributes, i, "/model/loss");
}

void revision_set_learning_rate(struct revision *r, double rate)
{
    r->request.options.learning_rate = rate;
    r->request.options.learning_rate_given = true;
    struct stability_value value = revision_real(rate);
    patch_add(r, "/options/learning_rate", patch_value(r, &value));
}

void revision_set_float64(struct revision *r)
{
    r->request.options.precision = STABILITY_PRECISION_FLOAT64;
    patch_add(r, "/options/precision", patch_text(r, "float64"));
}

/* ---- values ---- */

struct stability_value revision_integer(int64_t integer)
{
    return (struct stability_value){.kind = STABILITY_INTEGER, .integer = integer};
}

struct stability_value revision_real(double real)
{
    return (struct stability_value){.kind = STABILITY_REAL, .real = real};
}

struct stability_value revision_boolean(bool boolean)
{
    return (struct stability_value){.kind = STABILITY_BOOLEAN, .boolean = boolean};
}

struct stability_value revision_string(const char *string)
{
    return (struct stability_value){.kind = STABILITY_STRING, .string = string};
}
