#include "golden.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keywords[GOLDEN_KEYWORD_COUNT] = {
    "input",          "parameter",          "buffer",       "target", "output_gradient", "output",
    "input_gradient", "parameter_gradient", "buffer_after",
};

struct reader {
    FILE *stream;
    const char *path;
    struct arena *arena;
    char word[128];
};

static void *take(const struct reader *reader, size_t count, size_t size)
{
    void *memory = arena_array(reader->arena, count, size);
    assert_non_null(memory);
    return memory;
}

/* The next word, or "" at the end. */
static const char *next(struct reader *reader)
{
    if (fscanf(reader->stream, "%127s", reader->word) != 1)
        reader->word[0] = '\0';
    return reader->word;
}

static const char *next_name(struct reader *reader)
{
    const char *name = arena_string(reader->arena, next(reader));
    assert_non_null(name);
    return name;
}

static double next_real(struct reader *reader)
{
    char *end;
    double value = strtod(next(reader), &end);
    if (end == reader->word || *end)
        fail_msg("%s: expected a number, found '%s'", reader->path, reader->word);
    return value;
}

static int64_t next_integer(struct reader *reader)
{
    char *end;
    long long value = strtoll(next(reader), &end, 10);
    if (end == reader->word || *end)
        fail_msg("%s: expected an integer, found '%s'", reader->path, reader->word);
    return value;
}

static struct stability_tensor next_tensor(struct reader *reader)
{
    struct stability_tensor tensor = {0};
    assert_true(stability_dtype_find(next(reader), &tensor.dtype));
    tensor.shape.rank = (int)next_integer(reader);
    for (int d = 0; d < tensor.shape.rank; d++)
        tensor.shape.sizes[d] = next_integer(reader);
    size_t count = (size_t)stability_shape_count(&tensor.shape);
    double *reals = take(reader, count, sizeof(*reals));
    int64_t *integers = take(reader, count, sizeof(*integers));
    for (size_t i = 0; i < count; i++) {
        if (tensor.dtype == STABILITY_FLOAT64)
            reals[i] = next_real(reader);
        else
            integers[i] = next_integer(reader);
    }
    tensor.data = tensor.dtype == STABILITY_FLOAT64 ? (void *)reals : (void *)integers;
    return tensor;
}

static void read_list(struct reader *reader, bool integers, struct stability_value *value)
{
    value->kind = STABILITY_LIST;
    value->list.integers = integers;
    value->list.count = (size_t)next_integer(reader);
    double *items = take(reader, value->list.count, sizeof(*items));
    for (size_t i = 0; i < value->list.count; i++)
        items[i] = next_real(reader);
    value->list.items = items;
}

static struct stability_value next_value(struct reader *reader)
{
    struct stability_value value = {.kind = STABILITY_NULL};
    const char *kind = next(reader);
    if (strcmp(kind, "integer") == 0)
        value = (struct stability_value){STABILITY_INTEGER, .integer = next_integer(reader)};
    else if (strcmp(kind, "real") == 0)
        value = (struct stability_value){STABILITY_REAL, .real = next_real(reader)};
    else if (strcmp(kind, "boolean") == 0)
        value = (struct stability_value){STABILITY_BOOLEAN, .boolean = strcmp(next(reader), "true") == 0};
    else if (strcmp(kind, "string") == 0)
        value = (struct stability_value){STABILITY_STRING, .string = next_name(reader)};
    else if (strcmp(kind, "tensor") == 0)
        value = (struct stability_value){STABILITY_TENSOR, .tensor = next_tensor(reader)};
    else if (strcmp(kind, "integers") == 0 || strcmp(kind, "reals") == 0)
        read_list(reader, strcmp(kind, "integers") == 0, &value);
    else if (strcmp(kind, "null") != 0)
        fail_msg("%s: unknown kind of attribute '%s'", reader->path, kind);
    return value;
}

static enum golden_keyword find_keyword(const struct reader *reader)
{
    int keyword = 0;
    while (keyword < GOLDEN_KEYWORD_COUNT && strcmp(keywords[keyword], reader->word) != 0)
        keyword++;
    if (keyword == GOLDEN_KEYWORD_COUNT)
        fail_msg("%s: unknown keyword '%s'", reader->path, reader->word);
    return (enum golden_keyword)keyword;
}

static void read_case(struct reader *reader, struct golden_case *golden)
{
    enum { MOST = 64 };
    struct stability_member *attributes = take(reader, MOST, sizeof(*attributes));
    struct golden_record *records = take(reader, MOST, sizeof(*records));
    golden->name = next_name(reader);
    golden->attributes.items = attributes;
    golden->records = records;
    while (strcmp(next(reader), "end") != 0) {
        assert_true(golden->attributes.count < MOST && golden->record_count < MOST);
        if (strcmp(reader->word, "mode") == 0) {
            golden->evaluate = strcmp(next(reader), "eval") == 0;
        } else if (strcmp(reader->word, "attribute") == 0) {
            struct stability_member *member = &attributes[golden->attributes.count++];
            member->name = next_name(reader);
            member->value = next_value(reader);
        } else {
            struct golden_record *record = &records[golden->record_count++];
            record->keyword = find_keyword(reader);
            record->name = next_name(reader);
            record->tensor = next_tensor(reader);
        }
    }
}

void golden_read(struct golden_file *file, bool is_loss, const char *type)
{
    enum { MOST = 128 };
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/golden/%s/%s.golden", SOURCE_DIRECTORY,
             is_loss ? "losses" : "layers", type);
    *file = (struct golden_file){.is_loss = is_loss};
    struct reader reader = {.stream = fopen(path, "r"), .path = path, .arena = &file->arena};
    if (!reader.stream)
        fail_msg("%s has no reference values: there is no %s", type, path);
    assert_string_equal(next(&reader), is_loss ? "loss" : "layer");
    file->type = next_name(&reader);
    assert_string_equal(file->type, type);
    struct golden_case *cases = take(&reader, MOST, sizeof(*cases));
    file->cases = cases;
    while (*next(&reader)) {
        assert_string_equal(reader.word, "case");
        assert_true(file->case_count < MOST);
        read_case(&reader, &cases[file->case_count++]);
    }
    fclose(reader.stream);
    assert_true(file->case_count > 0);
}

void golden_free(struct golden_file *file)
{
    arena_free(&file->arena);
}

const struct golden_record *golden_find(const struct golden_case *golden, enum golden_keyword keyword,
                                        const char *name)
{
    for (size_t i = 0; i < golden->record_count; i++)
        if (golden->records[i].keyword == keyword && strcmp(golden->records[i].name, name) == 0)
            return &golden->records[i];
    return NULL;
}
