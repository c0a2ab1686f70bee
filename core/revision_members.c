/* Edits of members: types, attributes, parameters, the loss, options. */
#include "core/kernels.h"
#include "core/revision_edit.h"
#include "core/revision_patch.h"

#include <string.h>

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
    char *token = revision_take(r, 2 * strlen(name) + 1, 1);
    if (!token)
        return NULL;
    patch_escape(token, name);
    return arena_format(r->arena, "%s/%s", object, token);
}

/* Attributes without the one at `index`. */
static void drop_attribute(struct revision *r, struct stability_members *members, size_t index,
                           const char *object)
{
    struct stability_member *kept =
        revision_copy(r, members->items, members->count, members->count, sizeof(*kept));
    if (!kept)
        return;
    patch_remove(r, member_path(r, object, kept[index].name));
    memmove(&kept[index], &kept[index + 1], (members->count - index - 1) * sizeof(*kept));
    *members = (struct stability_members){members->count - 1, kept};
}

void revision_set_type(struct revision *r, const char *layer, const char *type, const char *const *except)
{
    int at = revision_need(r, layer);
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

/* Members with one of them set. */
static struct stability_members with_member(struct revision *r, const struct stability_members *members,
                                            const char *name, const struct stability_value *value)
{
    struct stability_member *items =
        revision_copy(r, members->items, members->count, members->count + 1, sizeof(*items));
    size_t i = 0;
    while (items && i < members->count && strcmp(items[i].name, name) != 0)
        i++;
    if (items)
        items[i] = (struct stability_member){name, *value};
    return (struct stability_members){members->count + (i == members->count), items};
}

void revision_set_attribute(struct revision *r, const char *layer, const char *name,
                            const struct stability_value *value)
{
    int at = revision_need(r, layer);
    if (at < 0)
        return;
    struct stability_members *members = &r->layers[at].attributes;
    size_t before = members->count;
    *members = with_member(r, members, name, value);
    const char *path = arena_format(r->arena, "/model/layers/%d/%s", at, name);
    (members->count == before ? patch_replace : patch_add)(r, path, patch_value(r, value));
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
        memmove(&r->weights[i], &r->weights[i + 1], (r->request.weights.count - i - 1) * sizeof(*r->weights));
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
    struct stability_init *items = revision_copy(r, inits->items, inits->count, inits->count, sizeof(*items));
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
        revision_copy(r, inits->items, inits->count, inits->count + 1, sizeof(*items));
    if (!items)
        return;
    size_t i = find_init(inits, init->name);
    bool present = i < inits->count;
    const struct stability_result *value = patch_recipe(r, &init->recipe);
    if (inits->count == 0) {
        patch_add(r, arena_format(r->arena, "/model/layers/%d/init", at), patch_member(r, init->name, value));
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
    int at = revision_need(r, layer);
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

/* The request may name its analyses in a list: all of them are written down as an object. */
void revision_set_analysis(struct revision *r, const char *analysis, const char *setting,
                           const struct stability_value *value)
{
    struct stability_options *options = &r->request.options;
    struct stability_analysis *analyses = revision_copy(r, options->analyses, options->analysis_count,
                                                        options->analysis_count, sizeof(*analyses));
    for (size_t i = 0; analyses && i < options->analysis_count; i++)
        if (strcmp(analyses[i].name, analysis) == 0)
            analyses[i].settings = with_member(r, &analyses[i].settings, setting, value);
    if (r->failed)
        return;
    options->analyses = analyses;
    patch_replace(r, "/options/analyses", patch_analyses(r));
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
