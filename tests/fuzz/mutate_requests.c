/* Mutates requests as JSON: members, numbers and names change places or become others that the registry
 * knows, so that what comes out is mostly a request that the core looks at. A third of the mutations is
 * libFuzzer's own, of bytes. Linked with the targets that take requests where they are fuzzed; a byte may
 * stand before the JSON. */
#include <stability/stability.h>

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MOST_NODES 4096

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* A place in a document: a member of an object, or an item of an array. */
struct place {
    json_t *parent;
    const char *key; /* NULL: an item */
    size_t index;
};

struct places {
    size_t count;
    struct place items[MOST_NODES];
};

struct chance {
    uint64_t state;
};

static size_t draw(struct chance *chance, size_t count)
{
    chance->state ^= chance->state << 13;
    chance->state ^= chance->state >> 7;
    chance->state ^= chance->state << 17;
    return count == 0 ? 0 : (size_t)(chance->state >> 11) % count;
}

static void add_place(struct places *places, struct place place)
{
    if (places->count < MOST_NODES) {
        places->items[places->count++] = place;
    }
}

static void collect(json_t *node, struct places *places)
{
    const char *key;
    json_t *child;
    size_t index;
    if (json_is_object(node)) {
        json_object_foreach(node, key, child)
        {
            add_place(places, (struct place){node, key, 0});
            collect(child, places);
        }
    } else if (json_is_array(node)) {
        json_array_foreach(node, index, child)
        {
            add_place(places, (struct place){node, NULL, index});
            collect(child, places);
        }
    }
}

static json_t *get(const struct place *place)
{
    return place->key != NULL ? json_object_get(place->parent, place->key)
                              : json_array_get(place->parent, place->index);
}

static void set(const struct place *place, json_t *value)
{
    if (place->key != NULL) {
        json_object_set_new(place->parent, place->key, value);
    } else {
        json_array_set_new(place->parent, place->index, value);
    }
}

static void drop(const struct place *place)
{
    if (place->key != NULL) {
        json_object_del(place->parent, place->key);
    } else {
        json_array_remove(place->parent, place->index);
    }
}

static json_t *random_number(struct chance *chance)
{
    static const double reals[] = {0,   -0.0,  0.5,    -1,     1e-8,    1e-45, 3e38,     4e38,
                                   1e5, 65504, 1e-308, 5e-324, 1.7e308, 0.1,   0.999999, 2147483648.0};
    static const json_int_t integers[] = {0,  1,  2,  3,  4,       5,         7,         8,
                                          16, 64, -1, -2, 1 << 20, INT32_MAX, INT64_MAX, INT64_MIN};
    return draw(chance, 3) == 0
               ? json_real(reals[draw(chance, sizeof(reals) / sizeof(reals[0]))])
               : json_integer(integers[draw(chance, sizeof(integers) / sizeof(integers[0]))]);
}

/* A value that an attribute may have, or nearly. */
static json_t *random_value(struct chance *chance, const struct stability_attribute *attribute)
{
    char words[256];
    switch (attribute->kind) {
    case STABILITY_ATTRIBUTE_BOOLEAN:
        return json_boolean(draw(chance, 2));
    case STABILITY_ATTRIBUTE_REAL:
        return random_number(chance);
    case STABILITY_ATTRIBUTE_INTEGERS:
        return draw(chance, 2) ? json_pack("[i,i]", (int)draw(chance, 4), (int)draw(chance, 4))
                               : json_integer((json_int_t)draw(chance, 5));
    case STABILITY_ATTRIBUTE_CHOICE:
        snprintf(words, sizeof(words), "%s", attribute->choices == NULL ? "" : attribute->choices);
        words[strcspn(words, " ")] = '\0';
        return json_string(words);
    case STABILITY_ATTRIBUTE_TENSOR:
        return json_pack("[f,f,f]", 1.0, 0.0, 2.5);
    default:
        return json_integer((json_int_t)draw(chance, 6));
    }
}

static void add_attributes(struct chance *chance, json_t *object, const struct stability_attribute *rows)
{
    for (; rows != NULL && rows->name != NULL; rows++) {
        if (rows->required || draw(chance, 4) == 0) {
            json_object_set_new(object, rows->name, random_value(chance, rows));
        }
    }
}

static void set_at(json_t *root, const char *first, const char *second, json_t *value)
{
    json_t *object = json_object_get(root, first);
    if (object == NULL) {
        json_object_set_new(root, first, json_object());
        object = json_object_get(root, first);
    }
    json_object_set_new(object, second, value);
}

static void add_layer(struct chance *chance, json_t *root)
{
    char name[16];
    json_t *layers = json_object_get(json_object_get(root, "model"), "layers");
    const struct stability_layer_type *type =
        stability_layer_type_at(draw(chance, stability_layer_type_count()));
    json_t *layer = json_object();
    snprintf(name, sizeof(name), "z%zu", draw(chance, 1000));
    json_object_set_new(layer, "name", json_string(name));
    json_object_set_new(layer, "type", json_string(type->type));
    add_attributes(chance, layer, type->attributes);
    json_array_insert_new(layers, draw(chance, json_array_size(layers) + 1), layer);
}

static void change_loss(struct chance *chance, json_t *root)
{
    const struct stability_loss_type *type =
        stability_loss_type_at(draw(chance, stability_loss_type_count()));
    json_t *loss = json_pack("{s:s}", "type", type->type);
    add_attributes(chance, loss, type->attributes);
    set_at(root, "model", "loss", loss);
}

static void add_analysis(struct chance *chance, json_t *root)
{
    const struct stability_analysis_type *type =
        stability_analysis_type_at(draw(chance, stability_analysis_type_count()));
    json_t *settings = json_object();
    add_attributes(chance, settings, type->settings);
    set_at(root, "options", "analyses", json_pack("{s:o}", type->name, settings));
}

static void add_init(struct chance *chance, json_t *root)
{
    const char *const *names = stability_init_names();
    size_t count = 0;
    while (names[count] != NULL) {
        count++;
    }
    json_t *init =
        json_pack("{s:{s:s}}", draw(chance, 2) ? "weight" : "bias", "init", names[draw(chance, count)]);
    json_t *layers = json_object_get(json_object_get(root, "model"), "layers");
    json_t *layer = json_array_get(layers, draw(chance, json_array_size(layers)));
    if (layer == NULL || draw(chance, 2)) {
        set_at(root, "options", "init", init);
    } else {
        json_object_set_new(layer, "init", init);
    }
}

static void change_type(struct chance *chance, json_t *root)
{
    json_t *layers = json_object_get(json_object_get(root, "model"), "layers");
    json_t *layer = json_array_get(layers, draw(chance, json_array_size(layers)));
    const struct stability_layer_type *type =
        stability_layer_type_at(draw(chance, stability_layer_type_count()));
    json_object_set_new(layer, "type", json_string(type->type));
    add_attributes(chance, layer, type->attributes);
}

static void change_option(struct chance *chance, json_t *root)
{
    static const char *const options[][2] = {
        {"precision", "float64"}, {"precision", "float32"}, {"mode", "eval"}, {"mode", "train"}};
    const char *const *option = options[draw(chance, 4)];
    if (draw(chance, 3) == 0) {
        set_at(root, "options", "learning_rate", random_number(chance));
    } else {
        set_at(root, "options", option[0], json_string(option[1]));
    }
}

static void rewire(struct chance *chance, json_t *root)
{
    json_t *layers = json_object_get(json_object_get(root, "model"), "layers");
    size_t count = json_array_size(layers);
    json_t *inputs = json_array();
    for (size_t i = draw(chance, 3) + 1; i > 0; i--) {
        json_t *name = json_object_get(json_array_get(layers, draw(chance, count)), "name");
        json_array_append_new(inputs,
                              draw(chance, 4) && name != NULL ? json_copy(name) : json_string("input"));
    }
    json_t *layer = json_array_get(layers, draw(chance, count));
    json_object_set_new(layer, "inputs", inputs);
}

static void change_number(struct chance *chance, json_t *root, struct places *places)
{
    (void)root;
    for (int tries = 0; tries < 50 && places->count > 0; tries++) {
        const struct place *place = &places->items[draw(chance, places->count)];
        json_t *value = get(place);
        if (json_is_integer(value) && draw(chance, 2)) {
            set(place, json_integer(json_integer_value(value) / 2 + (json_int_t)draw(chance, 3)));
            return;
        }
        if (json_is_number(value)) {
            set(place, draw(chance, 10) ? random_number(chance) : json_string("NaN"));
            return;
        }
    }
}

static void copy_place(struct chance *chance, json_t *root, struct places *places)
{
    (void)root;
    if (places->count > 0) {
        json_t *copy = json_deep_copy(get(&places->items[draw(chance, places->count)]));
        set(&places->items[draw(chance, places->count)], copy);
    }
}

static void drop_place(struct chance *chance, json_t *root, struct places *places)
{
    (void)root;
    if (places->count > 0) {
        drop(&places->items[draw(chance, places->count)]);
    }
}

static void repeat_place(struct chance *chance, json_t *root, struct places *places)
{
    (void)root;
    const struct place *place = places->count == 0 ? NULL : &places->items[draw(chance, places->count)];
    if (place != NULL && place->key == NULL) {
        json_array_insert_new(place->parent, place->index, json_deep_copy(get(place)));
    }
}

static void mutate(struct chance *chance, json_t *root)
{
    static void (*const by_meaning[])(struct chance * chance, json_t * root) = {
        add_layer, add_layer, change_type, change_loss, add_analysis, add_init, change_option, rewire};
    static void (*const by_place[])(struct chance * chance, json_t * root, struct places * places) = {
        change_number, change_number, copy_place, drop_place, repeat_place};
    static struct places places;
    if (draw(chance, 2)) {
        by_meaning[draw(chance, sizeof(by_meaning) / sizeof(by_meaning[0]))](chance, root);
        return;
    }
    places.count = 0;
    collect(root, &places);
    by_place[draw(chance, sizeof(by_place) / sizeof(by_place[0]))](chance, root, &places);
}

/* The new size; 0 where the bytes are no object. */
static size_t mutate_text(struct chance *chance, char *text, size_t size, size_t most)
{
    json_t *root = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
    size_t length = 0;
    if (json_is_object(root)) {
        for (size_t count = draw(chance, 3) + 1; count > 0; count--) {
            mutate(chance, root);
        }
        length = json_dumpb(root, text, most, JSON_COMPACT);
    }
    json_decref(root);
    return length <= most ? length : 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    struct chance chance = {seed * UINT64_C(0x9E3779B97F4A7C15) + 1};
    size_t before = size > 0 && data[0] != '{';
    if (size > before && draw(&chance, 3) > 0) {
        size_t length = mutate_text(&chance, (char *)data + before, size - before, most - before);
        if (before == 1 && draw(&chance, 8) == 0) {
            data[0] ^= (uint8_t)(1U << draw(&chance, 8));
        }
        if (length > 0) {
            return before + length;
        }
    }
    return LLVMFuzzerMutate(data, size, most);
}
