#include "server/input/recipe.h"

#include "server/input/tensor.h"
#include "server/input/value.h"

#include <string.h>

struct recipe_target {
    struct stability_recipe *recipe;
    const char *key;
    bool shaped;
    struct value_members arguments;
};

struct init_target {
    struct stability_init *items;
    size_t count;
};

static bool read_argument(struct reader *reader, const char *name, const struct node *node, void *target)
{
    struct recipe_target *recipe = target;
    if (strcmp(name, recipe->key) == 0) {
        return reader_text(reader, node, &recipe->recipe->name);
    }
    if (recipe->shaped && strcmp(name, "shape") == 0) {
        return shape_read(reader, node, &recipe->recipe->shape);
    }
    return value_members_add(reader, name, node, &recipe->arguments);
}

bool recipe_read(struct reader *reader, const struct node *node, const char *key, bool shaped,
                 struct stability_recipe *recipe)
{
    static const struct field fields[] = {{NULL, read_argument, 0, false}};
    struct recipe_target target = {.recipe = recipe, .key = key, .shaped = shaped};
    *recipe = (struct stability_recipe){.key = key};
    if (node->kind != NODE_OBJECT) {
        return reader_expected(reader, "an object such as {\"init\": \"kaiming_normal_\"}", node);
    }
    const char *missing = json_object_get(node->json, key) == NULL                 ? key
                          : shaped && json_object_get(node->json, "shape") == NULL ? "shape"
                                                                                   : NULL;
    if (missing != NULL) {
        return reader_fail(reader, STABILITY_ERROR_MISSING_MEMBER,
                           "a tensor to be drawn needs the member '%s'", missing);
    }
    if (!value_members_new(reader, node, &target.arguments) ||
        !reader_members(reader, node, "a tensor to be drawn", fields, &target)) {
        return false;
    }
    recipe->arguments = (struct stability_members){target.arguments.count, target.arguments.items};
    return true;
}

static bool add_init(struct reader *reader, const char *name, const struct node *node, void *target)
{
    struct init_target *inits = target;
    struct stability_init *init = &inits->items[inits->count++];
    init->name = name;
    return recipe_read(reader, node, "init", false, &init->recipe);
}

bool inits_read(struct reader *reader, const struct node *node, bool whole, struct stability_inits *inits)
{
    static const struct field fields[] = {{NULL, add_init, 0, false}};
    struct init_target target = {0};
    if (node->kind != NODE_OBJECT) {
        return reader_expected(reader, "an object", node);
    }
    target.items = reader_allocate(reader, json_object_size(node->json), sizeof *target.items);
    if (target.items == NULL) {
        return false;
    }
    whole = whole && json_object_get(node->json, "init") != NULL;
    bool done =
        whole ? add_init(reader, "", node, &target) : reader_members(reader, node, "init", fields, &target);
    *inits = (struct stability_inits){target.count, target.items};
    return done;
}
