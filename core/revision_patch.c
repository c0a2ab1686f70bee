#include "core/revision_patch.h"

#include "core/analysis.h"

#include <math.h>
#include <string.h>

/* ---- operations ---- */

static void append(struct revision *r, const char *op, const char *path, const struct stability_result *value)
{
    if (r->operation_count == r->operation_capacity) {
        size_t capacity = r->operation_capacity ? 2 * r->operation_capacity : 16;
        struct stability_patch_operation *grown = arena_array(r->arena, capacity, sizeof(*grown));
        r->failed |= !grown;
        if (grown && r->operation_count)
            memcpy(grown, r->operations, r->operation_count * sizeof(*grown));
        r->operations = grown;
        r->operation_capacity = capacity;
    }
    r->failed |= !path;
    if (!r->failed)
        r->operations[r->operation_count++] = (struct stability_patch_operation){op, path, value};
}

void patch_add(struct revision *r, const char *path, const struct stability_result *value)
{
    append(r, "add", path, value);
}

void patch_replace(struct revision *r, const char *path, const struct stability_result *value)
{
    append(r, "replace", path, value);
}

void patch_remove(struct revision *r, const char *path)
{
    append(r, "remove", path, NULL);
}

void patch_escape(char *token, const char *name)
{
    for (; *name; name++) {
        if (*name == '~' || *name == '/') {
            *token++ = '~';
            *token++ = *name == '~' ? '0' : '1';
        } else {
            *token++ = *name;
        }
    }
    *token = '\0';
}

/* ---- values ---- */

/* Results are made as analyses make theirs. */
static struct analysis_context maker_of(struct revision *r)
{
    return (struct analysis_context){.arena = r->arena};
}

static const struct stability_result *made(struct revision *r, const struct analysis_context *maker,
                                           const struct stability_result *value)
{
    r->failed |= maker->failed || !value;
    return value;
}

static void write_list(struct analysis_context *maker, struct stability_result *parent, const char *name,
                       const struct stability_value *value)
{
    struct stability_result *list = result_list(maker, parent, name);
    for (size_t i = 0; i < value->list.count; i++) {
        if (value->list.integers && isnan(value->list.items[i]))
            result_text(maker, list, "", NULL);
        else if (value->list.integers)
            result_integer(maker, list, "", (int64_t)value->list.items[i]);
        else
            result_number(maker, list, "", value->list.items[i]);
    }
}

/* Tensors are never written: a patch changes no numbers that were sent. */
static void write_value(struct analysis_context *maker, struct stability_result *parent, const char *name,
                        const struct stability_value *value)
{
    switch (value->kind) {
    case STABILITY_NULL:
    case STABILITY_TENSOR:
    case STABILITY_OBJECT:
        result_text(maker, parent, name, NULL);
        break;
    case STABILITY_BOOLEAN:
        result_boolean(maker, parent, name, value->boolean);
        break;
    case STABILITY_INTEGER:
        result_integer(maker, parent, name, value->integer);
        break;
    case STABILITY_REAL:
        result_number(maker, parent, name, value->real);
        break;
    case STABILITY_STRING:
        result_text(maker, parent, name, value->string);
        break;
    case STABILITY_LIST:
        write_list(maker, parent, name, value);
        break;
    }
}

const struct stability_result *patch_value(struct revision *r, const struct stability_value *value)
{
    struct analysis_context maker = maker_of(r);
    struct stability_result *holder = result_list(&maker, NULL, "");
    write_value(&maker, holder, "", value);
    return made(r, &maker, holder ? holder->children : NULL);
}

const struct stability_result *patch_text(struct revision *r, const char *text)
{
    struct stability_value value = revision_string(text);
    return patch_value(r, &value);
}

static void write_names(struct analysis_context *maker, struct stability_result *parent, const char *name,
                        size_t count, const char *const *names)
{
    struct stability_result *list = result_list(maker, parent, name);
    for (size_t i = 0; i < count; i++)
        result_text(maker, list, "", names[i]);
}

const struct stability_result *patch_names(struct revision *r, size_t count, const char *const *names)
{
    struct analysis_context maker = maker_of(r);
    struct stability_result *holder = result_list(&maker, NULL, "");
    write_names(&maker, holder, "", count, names);
    return made(r, &maker, holder ? holder->children : NULL);
}

static void write_members(struct analysis_context *maker, struct stability_result *parent,
                          const struct stability_members *members)
{
    for (size_t i = 0; i < members->count; i++)
        write_value(maker, parent, members->items[i].name, &members->items[i].value);
}

const struct stability_result *patch_recipe(struct revision *r, const struct stability_recipe *recipe)
{
    struct analysis_context maker = maker_of(r);
    struct stability_result *object = result_object(&maker, NULL, "");
    result_text(&maker, object, "init", recipe->name);
    write_members(&maker, object, &recipe->arguments);
    return made(r, &maker, object);
}

const struct stability_result *patch_member(struct revision *r, const char *name,
                                            const struct stability_result *value)
{
    struct stability_result *object = arena_allocate(r->arena, sizeof(*object));
    struct stability_result *member = arena_allocate(r->arena, sizeof(*member));
    const char *kept = arena_string(r->arena, name); /* it may be a graph's, which the patch outlives */
    r->failed |= !object || !member || !kept || !value;
    if (r->failed)
        return NULL;
    *member = *value;
    member->name = kept;
    member->next = NULL;
    *object = (struct stability_result){.kind = STABILITY_RESULT_OBJECT, .name = "", .children = member};
    return object;
}

const struct stability_result *patch_layer(struct revision *r, const struct stability_layer *layer)
{
    struct analysis_context maker = maker_of(r);
    struct stability_result *object = result_object(&maker, NULL, "");
    result_text(&maker, object, "name", layer->name);
    result_text(&maker, object, "type", layer->type);
    write_members(&maker, object, &layer->attributes);
    if (layer->input_count)
        write_names(&maker, object, "inputs", layer->input_count, layer->inputs);
    return made(r, &maker, object);
}

const struct stability_result *patch_analyses(struct revision *r)
{
    struct analysis_context maker = maker_of(r);
    struct stability_result *object = result_object(&maker, NULL, "");
    const struct stability_options *options = &r->request.options;
    for (size_t i = 0; i < options->analysis_count; i++) {
        struct stability_result *settings = result_object(&maker, object, options->analyses[i].name);
        write_members(&maker, settings, &options->analyses[i].settings);
    }
    return made(r, &maker, object);
}
