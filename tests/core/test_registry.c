/* Every row of every registered type: what only shows when a request happens to use it. */
#include "support.h"

#include "core/attributes.h"
#include "core/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fail_row(const char *type, const char *row, const char *reason)
{
    fail_msg("%s: row '%s' %s", type, row, reason);
}

/* A valid value for a row that must be given. */
static struct stability_value sample_value(const struct stability_attribute *row)
{
    if (row->kind == STABILITY_ATTRIBUTE_CHOICE)
        return (struct stability_value){.kind = STABILITY_STRING, .string = row->choices};
    if (row->kind == STABILITY_ATTRIBUTE_BOOLEAN)
        return (struct stability_value){.kind = STABILITY_BOOLEAN, .boolean = true};
    return (struct stability_value){.kind = STABILITY_INTEGER,
                                    .integer = row->minimum > 1 ? (int64_t)row->minimum : 1};
}

static void check_row(const char *type, const struct stability_attribute *row, size_t size)
{
    if (!row->documentation || !row->documentation[0])
        fail_row(type, row->name, "has no documentation");
    if (row->offset >= size)
        fail_row(type, row->name, "lies outside of the private struct");
    if (row->kind == STABILITY_ATTRIBUTE_CHOICE && !row->choices)
        fail_row(type, row->name, "is a choice without choices");
    if (row->items > STABILITY_MAX_RANK)
        fail_row(type, row->name, "has too many items");
    if (row->required && (row->number != 0 || row->choice))
        fail_row(type, row->name, "is required and has a default");
}

/* Reads what must be given, so that every default is read too. The caller frees the struct. */
static void *read_defaults(const char *type, const struct stability_attribute *rows, size_t size,
                           struct arena *arena)
{
    static const struct stability_attribute none[] = {{0}};
    struct stability_member given[32];
    struct stability_members members = {0, given};
    rows = rows ? rows : none;
    for (const struct stability_attribute *row = rows; row->name; row++) {
        check_row(type, row, size);
        if (row->required)
            given[members.count++] = (struct stability_member){row->name, sample_value(row)};
    }
    void *attributes = calloc(1, size + 1);
    assert_non_null(attributes);
    struct attribute_scope scope = {type, "", arena};
    struct stability_error error = {0};
    attributes_read(rows, &members, attributes, &scope, &error);
    assert_string_equal(error.message, "");
    return attributes;
}

static bool is_known_init(const char *name)
{
    for (const char *const *known = stability_init_names(); *known; known++)
        if (!strcmp(*known, name))
            return true;
    return false;
}

static void check_parameters(const struct layer_ops *ops, const void *attributes)
{
    struct layer_copy copy = {0};
    if (ops->copies) {
        assert_true(ops->copies(attributes) > 0);
        ops->copy(attributes, 0, &copy);
    }
    const struct stability_attribute *rows = ops->type.attributes;
    for (const struct stability_parameter *row = ops->type.parameters; row && row->name; row++) {
        struct stability_shape shape;
        if (!attributes_shape(rows, attributes, copy.variables, row->shape, &shape))
            fail_row(ops->type.type, row->name, "has a shape that cannot be told");
        if (row->when && isnan(attributes_product(rows, attributes, copy.variables, row->when)))
            fail_row(ops->type.type, row->name, "depends on what is not an attribute");
        if (!row->init || !is_known_init(row->init))
            fail_row(ops->type.type, row->name, "has no known initialisation");
        if (row->init_bound && !(attributes_product(rows, attributes, NULL, row->init_bound) > 0))
            fail_row(ops->type.type, row->name, "has a bound that cannot be told");
    }
}

static void layer_types(void **state)
{
    (void)state;
    const struct kernels *kernels = kernels_for(STABILITY_PRECISION_FLOAT64);
    for (size_t i = 0; i < kernels_layer_count; i++) {
        const struct layer_ops *ops = kernels->layers[i];
        struct arena arena = {0};
        void *attributes = read_defaults(ops->type.type, ops->type.attributes, ops->attributes_size, &arena);
        check_parameters(ops, attributes);
        assert_int_equal(kernels_find_layer(ops->type.type), i);
        free(attributes);
        arena_free(&arena);
    }
}

static void losses(void **state)
{
    (void)state;
    const struct kernels *kernels = kernels_for(STABILITY_PRECISION_FLOAT64);
    for (size_t i = 0; i < kernels_loss_count; i++) {
        const struct loss_ops *ops = kernels->losses[i];
        struct arena arena = {0};
        free(read_defaults(ops->type.type, ops->type.attributes, ops->attributes_size, &arena));
        assert_int_equal(kernels_find_loss(ops->type.type), i);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layer_types), cmocka_unit_test(losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
