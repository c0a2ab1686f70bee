#include "core/init.h"

#include "core/inits/ops.h"
#include "core/random.h"

#include <stdio.h>
#include <string.h>

#define INIT(name) extern INIT_OPS(name);
#include "core/inits.def"
#undef INIT

static const struct init_ops *const schemes[] = {
#define INIT(name) &init_##name,
#include "core/inits.def"
#undef INIT
};

static const char *const names[] = {
#define INIT(name) #name,
#include "core/inits.def"
#undef INIT
    NULL,
};

struct init {
    const char *name;
    const struct init_ops *scheme;
    const struct init_seed *arguments;
};

const char *const *stability_init_names(void)
{
    return names;
}

/* The index of a scheme, or -1. */
static int find_scheme(const char *name)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static bool fail_unknown(const struct stability_recipe *recipe, const char *pointer,
                         struct stability_error *error)
{
    bool data = recipe->key && strcmp(recipe->key, "random") == 0;
    char at[sizeof error->pointer], hint[STABILITY_HINT];
    const char *known[sizeof names / sizeof names[0]] = {NULL};
    for (size_t i = 0, count = 0; names[i]; i++)
        if (!data || names[i][strlen(names[i]) - 1] != '_')
            known[count++] = names[i];
    snprintf(at, sizeof at, "%s", pointer);
    if (recipe->key)
        stability_pointer_append(at, sizeof at, recipe->key);
    return stability_fail(error, STABILITY_ERROR_UNKNOWN_TYPE, at, "there is no %s '%s'%s",
                          data ? "distribution" : "initialisation", recipe->name,
                          stability_hint(recipe->name, known, hint));
}

static bool check_rank(const struct init *init, const struct stability_shape *shape, const char *pointer,
                       struct stability_error *error)
{
    const struct init_ops *scheme = init->scheme;
    bool bounded = scheme->maximum_rank > 0;
    if (shape->rank >= scheme->minimum_rank && (!bounded || shape->rank <= scheme->maximum_rank))
        return true;
    char range[32], text[STABILITY_SHAPE_TEXT];
    if (!bounded)
        snprintf(range, sizeof range, "at least %d", scheme->minimum_rank);
    else if (scheme->minimum_rank == scheme->maximum_rank)
        snprintf(range, sizeof range, "%d", scheme->minimum_rank);
    else
        snprintf(range, sizeof range, "%d to %d", scheme->minimum_rank, scheme->maximum_rank);
    return stability_fail(error, STABILITY_ERROR_SHAPE_MISMATCH, pointer,
                          "'%s' needs a tensor of %s dimensions, got shape %s", init->name, range,
                          stability_shape_text(shape, text));
}

static bool check_arguments(const struct init *init, const struct stability_shape *shape, const char *pointer,
                            struct stability_error *error)
{
    char message[256];
    if (!init->scheme->check || init->scheme->check(init->arguments, shape, message, sizeof message))
        return true;
    return stability_fail(error, STABILITY_ERROR_INVALID_ATTRIBUTE, pointer, "'%s' %s", init->name, message);
}

const struct init *init_read(const struct stability_recipe *recipe, const struct stability_shape *shape,
                             const char *pointer, struct arena *arena, struct stability_error *error)
{
    int index = find_scheme(recipe->name);
    if (index < 0) {
        fail_unknown(recipe, pointer, error);
        return NULL;
    }
    const struct init_ops *scheme = schemes[index];
    struct init *init = arena_allocate(arena, sizeof *init);
    void *arguments = arena_allocate(arena, scheme->size);
    const char *owner = arena_format(arena, "'%s'", names[index]);
    if (!init || !arguments || !owner) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, pointer,
                       "there is no memory for an initialisation");
        return NULL;
    }
    *init = (struct init){names[index], scheme, arguments};
    struct attribute_scope scope = {owner, pointer, arena};
    if (!attributes_read(scheme->arguments, &recipe->arguments, arguments, &scope, error) ||
        !check_rank(init, shape, pointer, error) || !check_arguments(init, shape, pointer, error))
        return NULL;
    return init;
}

const struct init *init_default(const struct stability_parameter *row, const struct stability_attribute *rows,
                                const void *attributes, const struct stability_shape *shape,
                                struct arena *arena, struct stability_error *error)
{
    struct stability_member members[2] = {{"", {.kind = STABILITY_REAL}}, {"", {.kind = STABILITY_REAL}}};
    struct stability_recipe recipe = {.name = row->init, .arguments = {0, members}};
    if (row->init_bound) {
        double bound = 1.0 / sqrt(attributes_product(rows, attributes, NULL, row->init_bound));
        members[0].name = "a";
        members[0].value.real = -bound;
        members[1].name = "b";
        members[1].value.real = bound;
        recipe.arguments.count = 2;
    } else if (!strcmp(row->init, "constant_")) {
        members[0].name = "val";
        members[0].value.real = row->init_argument;
        recipe.arguments.count = 1;
    }
    return init_read(&recipe, shape, "", arena, error);
}

void init_integer_range(const struct init *init, int64_t *low, int64_t *high)
{
    *low = INT64_MIN;
    *high = INT64_MAX;
    if (init->scheme->integer_range)
        init->scheme->integer_range(init->arguments, low, high);
}

size_t init_workspace(const struct init *init, const struct stability_shape *shape)
{
    return init->scheme->workspace ? init->scheme->workspace(shape) : 0;
}

bool draw_proceeds(const struct draw *draw)
{
    return !draw->question || draw->question->proceed(draw->question->context);
}

bool init_fill(const struct init *init, const struct stability_shape *shape, uint64_t seed, const char *name,
               enum stability_dtype dtype, void *destination, void *workspace,
               const struct init_question *question)
{
    enum { CHUNK = 512, CHUNKS_BETWEEN_QUESTIONS = 256 };
    double values[CHUNK];
    const struct optional_integer *own = &init->arguments->seed;
    struct draw draw = {
        .arguments = init->arguments,
        .shape = shape,
        .count = stability_shape_count(shape),
        .stream = random_stream(own->present ? (uint64_t)own->value : seed, name),
        .workspace = workspace,
        .question = question,
    };
    if (draw.count > 0 && init->scheme->prepare && !init->scheme->prepare(&draw))
        return false;
    for (int64_t first = 0; first < draw.count; first += CHUNK) {
        int64_t count = draw.count - first < CHUNK ? draw.count - first : CHUNK;
        if (first / CHUNK % CHUNKS_BETWEEN_QUESTIONS == 0 && !draw_proceeds(&draw))
            return false;
        init->scheme->fill(&draw, first, (size_t)count, values);
        stability_convert(STABILITY_FLOAT64, values, dtype,
                          (char *)destination + (size_t)first * stability_dtype_size(dtype), count);
    }
    return true;
}
