#include "server/input/options.h"

#include "server/input/recipe.h"
#include "server/input/request.h"
#include "server/input/value.h"

#include <stability/registry.h>

#include <math.h>
#include <string.h>

struct rules_target {
    struct stability_rule_thresholds *items;
    size_t count;
};

static bool read_precision(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const char *const known[] = {"float32", "float64", NULL};
    static const enum stability_precision precisions[] = {STABILITY_PRECISION_FLOAT32,
                                                          STABILITY_PRECISION_FLOAT64};
    (void)name;
    int choice;
    if (!reader_choice(reader, node, known, &choice)) {
        return false;
    }
    *(enum stability_precision *)target = precisions[choice];
    return true;
}

static bool read_mode(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const char *const known[] = {"train", "eval", NULL};
    (void)name;
    int choice;
    if (!reader_choice(reader, node, known, &choice)) {
        return false;
    }
    *(bool *)target = choice == 1;
    return true;
}

static bool read_strict(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    *(bool *)target = !node->boolean;
    return node->kind == NODE_BOOLEAN || reader_expected(reader, "true or false", node);
}

static bool read_seed(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    int64_t seed;
    if (!reader_count(reader, node, 0, INT64_MAX, &seed)) {
        return false;
    }
    *(uint64_t *)target = (uint64_t)seed;
    return true;
}

static bool read_positive(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    double *number = target;
    if (!reader_number(reader, node, number)) {
        return false;
    }
    return (isfinite(*number) && *number > 0) || reader_expected(reader, "a finite number above 0", node);
}

static bool read_init(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return inits_read(reader, node, true, target);
}

/* ---- options.analyses ---- */

struct analyses_target {
    struct stability_analysis *items;
    size_t count;
};

/* The pointer must be at the name, or at its settings. */
static bool add_analysis(struct reader *reader, const char *name, const struct stability_members *settings,
                         struct analyses_target *target)
{
    size_t count = stability_analysis_type_count();
    const char **known = reader_allocate(reader, count + 1, sizeof *known);
    if (known == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        known[i] = stability_analysis_type_at(i)->name;
        if (strcmp(known[i], name) == 0) {
            target->items[target->count++] = (struct stability_analysis){name, *settings};
            return true;
        }
    }
    return reader_unknown(reader, "analysis", name, known);
}

static bool read_settings(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {{NULL, value_members_add, 0, false}};
    struct value_members members;
    if (node->kind != NODE_OBJECT) {
        return reader_expected(reader, "an object of settings", node);
    }
    if (!value_members_new(reader, node, &members) ||
        !reader_members(reader, node, "an analysis's settings", fields, &members)) {
        return false;
    }
    struct stability_members settings = {members.count, members.items};
    return add_analysis(reader, name, &settings, target);
}

static bool read_names(struct reader *reader, const struct node *node, struct analyses_target *target)
{
    static const struct stability_members none = {0};
    struct name_list names;
    if (!reader_names(reader, node, &names)) {
        return false;
    }
    target->items = reader_allocate(reader, names.count, sizeof *target->items);
    if (target->items == NULL) {
        return false;
    }
    for (size_t i = 0; i < names.count; i++) {
        size_t mark = reader_enter_item(reader, i);
        if (!add_analysis(reader, names.items[i], &none, target)) {
            return false;
        }
        reader_leave(reader, mark);
    }
    return true;
}

static bool read_object(struct reader *reader, const struct node *node, struct analyses_target *target)
{
    static const struct field fields[] = {{NULL, read_settings, 0, false}};
    target->items = reader_allocate(reader, json_object_size(node->json), sizeof *target->items);
    return target->items != NULL && reader_members(reader, node, "analyses", fields, target);
}

/* A list of names, or an object from names to settings. */
static bool read_analyses(struct reader *reader, const char *name, const struct node *node, void *target)
{
    struct stability_options *options = target;
    struct analyses_target analyses = {0};
    (void)name;
    bool done = node->kind == NODE_OBJECT ? read_object(reader, node, &analyses)
                                          : read_names(reader, node, &analyses);
    options->analyses = analyses.items;
    options->analysis_count = analyses.count;
    return done;
}

static bool read_learning_rate(struct reader *reader, const char *name, const struct node *node, void *target)
{
    struct stability_options *options = target;
    options->learning_rate_given = true;
    return read_positive(reader, name, node, &options->learning_rate);
}

static bool add_threshold(struct reader *reader, const char *name, const struct node *node, void *target)
{
    struct value_members *members = target;
    struct stability_member *member = &members->items[members->count++];
    *member = (struct stability_member){.name = name, .value = {.kind = STABILITY_REAL}};
    return reader_number(reader, node, &member->value.real);
}

/* A number for the first threshold of a rule, or an object of them by name. */
static bool add_rule(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {{NULL, add_threshold, 0, false}};
    struct rules_target *rules = target;
    struct value_members members = {
        .items = reader_allocate(reader, node->kind == NODE_OBJECT ? json_object_size(node->json) : 1,
                                 sizeof *members.items)};
    if (members.items == NULL) {
        return false;
    }
    bool done = node->kind == NODE_OBJECT
                    ? reader_members(reader, node, "a rule's thresholds", fields, &members)
                    : add_threshold(reader, "", node, &members);
    rules->items[rules->count++] = (struct stability_rule_thresholds){name, {members.count, members.items}};
    return done;
}

static bool read_thresholds(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {{NULL, add_rule, 0, false}};
    (void)name;
    struct stability_options *options = target;
    struct rules_target rules = {0};
    if (node->kind != NODE_OBJECT) {
        return reader_expected(reader, "an object from rules to thresholds", node);
    }
    rules.items = reader_allocate(reader, json_object_size(node->json), sizeof *rules.items);
    if (rules.items == NULL || !reader_members(reader, node, "thresholds", fields, &rules)) {
        return false;
    }
    options->thresholds = rules.items;
    options->threshold_count = rules.count;
    return true;
}

/* ---- options.gradcheck ---- */

static bool read_samples(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return reader_count(reader, node, 1, 1000000, target);
}

static bool read_gradcheck_mode(struct reader *reader, const char *name, const struct node *node,
                                void *target)
{
    static const char *const known[] = {"full", "sampled", "directional",
                                        NULL}; /* in the order of the enum */
    (void)name;
    int choice;
    if (!reader_choice(reader, node, known, &choice)) {
        return false;
    }
    *(enum stability_gradcheck_mode *)target = (enum stability_gradcheck_mode)choice;
    return true;
}

static bool read_gradcheck(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {
        {"epsilon", read_positive, offsetof(struct stability_gradcheck_options, epsilon), false},
        {"mode", read_gradcheck_mode, offsetof(struct stability_gradcheck_options, mode), false},
        {"samples", read_samples, offsetof(struct stability_gradcheck_options, samples), false},
        {"seed", read_seed, offsetof(struct stability_gradcheck_options, seed), false},
        {NULL, NULL, 0, false}};
    (void)name;
    return reader_members(reader, node, "options.gradcheck", fields, target);
}

#define OPTION(member) offsetof(struct input_request, request.options.member)
#define COMMON_OPTIONS                                                                                     \
    {"precision", read_precision, OPTION(precision), false}, {"mode", read_mode, OPTION(evaluate), false}, \
        {"strict", read_strict, OPTION(lenient), false}, {"seed", read_seed, OPTION(seed), false},         \
        {"thresholds", read_thresholds, offsetof(struct input_request, request.options), false},           \
        {"init", read_init, OPTION(init), false},                                                          \
        {"learning_rate", read_learning_rate, offsetof(struct input_request, request.options), false},     \
        {"timeout_s", read_positive, offsetof(struct input_request, timeout), false},                      \
    {                                                                                                      \
        "analyses", read_analyses, offsetof(struct input_request, request.options), false                  \
    }

bool options_read(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {COMMON_OPTIONS, {NULL, NULL, 0, false}};
    (void)name;
    return reader_members(reader, node, "options", fields, target);
}

bool options_read_gradcheck(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {
        COMMON_OPTIONS,
        {"gradcheck", read_gradcheck, offsetof(struct input_request, gradcheck), false},
        {NULL, NULL, 0, false}};
    (void)name;
    return reader_members(reader, node, "options", fields, target);
}
