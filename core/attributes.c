#include "core/attributes.h"

#include "core/attribute_text.h"

#include <math.h>
#include <string.h>

/* One attribute that is being read. */
struct reading {
    const struct stability_attribute *row;
    const struct stability_value *value; /* not null */
    void *destination;
    const struct attribute_scope *scope;
    struct stability_error *error;
};

static bool in_range(const struct stability_attribute *row, double number)
{
    if (row->minimum == 0 && row->maximum == 0 && !row->exclusive)
        return !isnan(number);
    bool above = row->exclusive ? number > row->minimum : number >= row->minimum;
    return above && (row->maximum == 0 || number <= row->maximum) && isfinite(number);
}

static bool real_of_value(const struct stability_value *value, double *number)
{
    static const struct {
        const char *name;
        double number;
    } words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    if (value->kind == STABILITY_INTEGER)
        *number = (double)value->integer;
    else if (value->kind == STABILITY_REAL)
        *number = value->real;
    else if (value->kind == STABILITY_STRING) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (!strcmp(value->string, words[i].name)) {
                *number = words[i].number;
                return true;
            }
        return false;
    } else
        return false;
    return true;
}

static bool integer_of_real(double real, int64_t *integer)
{
    if (!(fabs(real) < 0x1p63) || real != floor(real))
        return false;
    *integer = (int64_t)real;
    return true;
}

static bool integer_of_value(const struct stability_value *value, int64_t *integer)
{
    if (value->kind == STABILITY_REAL)
        return integer_of_real(value->real, integer);
    *integer = value->integer;
    return value->kind == STABILITY_INTEGER;
}

/* 1 + the index of `text` among the words, or 0. */
static int find_word(const char *words, const char *text)
{
    size_t length = strlen(text);
    int index = 1;
    for (; words && *words; index++) {
        size_t word = strcspn(words, " ");
        if (word == length && !memcmp(words, text, length))
            return index;
        words += word;
        words += strspn(words, " ");
    }
    return 0;
}

static bool read_integer(const struct reading *reading)
{
    int64_t integer;
    if (!integer_of_value(reading->value, &integer) || !in_range(reading->row, (double)integer))
        return false;
    if (reading->row->nullable)
        *(struct optional_integer *)reading->destination = (struct optional_integer){true, integer};
    else
        *(int64_t *)reading->destination = integer;
    return true;
}

static bool read_real(const struct reading *reading)
{
    double real;
    if (!real_of_value(reading->value, &real) || !in_range(reading->row, real))
        return false;
    if (reading->row->nullable)
        *(struct optional_real *)reading->destination = (struct optional_real){true, real};
    else
        *(double *)reading->destination = real;
    return true;
}

static bool read_boolean(const struct reading *reading)
{
    if (reading->value->kind != STABILITY_BOOLEAN)
        return false;
    *(bool *)reading->destination = reading->value->boolean;
    return true;
}

static bool read_choice(const struct reading *reading)
{
    if (reading->value->kind != STABILITY_STRING)
        return false;
    int word = find_word(reading->row->choices, reading->value->string);
    *(int *)reading->destination = word - 1;
    return word > 0;
}

static bool read_list(const struct reading *reading, struct integers *integers)
{
    size_t count = reading->value->list.count;
    int items = reading->row->items;
    if (count > STABILITY_MAX_RANK || (items > 0 && count != (size_t)items))
        return false;
    for (size_t i = 0; i < count; i++) {
        double item = reading->value->list.items[i];
        if (isnan(item) && reading->row->null_items)
            integers->items[i] = -1;
        else if (!integer_of_real(item, &integers->items[i]) || !in_range(reading->row, item))
            return false;
    }
    integers->count = (int)count;
    return true;
}

static bool read_integers(const struct reading *reading)
{
    struct integers *integers = reading->destination;
    const struct stability_value *value = reading->value;
    integers->present = true;
    if (value->kind == STABILITY_LIST)
        return read_list(reading, integers);
    if (value->kind == STABILITY_STRING) {
        integers->word = find_word(reading->row->choices, value->string);
        return integers->word > 0;
    }
    int64_t integer;
    if (!integer_of_value(value, &integer) || !in_range(reading->row, (double)integer))
        return false;
    integers->single = true;
    integers->count = reading->row->items > 0 ? reading->row->items : 1;
    for (int i = 0; i < integers->count; i++)
        integers->items[i] = integer;
    return true;
}

static bool new_tensor(const struct reading *reading, int rank, size_t count, const double *numbers)
{
    struct stability_tensor *tensor = arena_allocate(reading->scope->arena, sizeof *tensor);
    double *data = arena_array(reading->scope->arena, count, sizeof *data);
    if (!tensor || !data)
        return stability_fail(reading->error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "there is no memory for %s's attribute '%s'", reading->scope->owner,
                              reading->row->name);
    if (count)
        memcpy(data, numbers, count * sizeof *data);
    tensor->dtype = STABILITY_FLOAT64;
    tensor->shape = (struct stability_shape){rank, {(int64_t)count}};
    tensor->data = data;
    *(const struct stability_tensor **)reading->destination = tensor;
    return true;
}

static bool read_tensor(const struct reading *reading)
{
    const struct stability_value *value = reading->value;
    if (value->kind == STABILITY_TENSOR) {
        *(const struct stability_tensor **)reading->destination = &value->tensor;
        return true;
    }
    if (value->kind == STABILITY_LIST)
        return new_tensor(reading, 1, value->list.count, value->list.items);
    double number;
    return real_of_value(value, &number) && new_tensor(reading, 0, 1, &number);
}

static bool (*const readers[])(const struct reading *) = {
    [STABILITY_ATTRIBUTE_INTEGER] = read_integer,   [STABILITY_ATTRIBUTE_REAL] = read_real,
    [STABILITY_ATTRIBUTE_BOOLEAN] = read_boolean,   [STABILITY_ATTRIBUTE_CHOICE] = read_choice,
    [STABILITY_ATTRIBUTE_INTEGERS] = read_integers, [STABILITY_ATTRIBUTE_TENSOR] = read_tensor,
};

/* The row's default as if it had been given. */
static struct stability_value default_value(const struct stability_attribute *row)
{
    bool given = row->number != 0 || row->choice;
    if ((row->nullable && !given) || row->kind == STABILITY_ATTRIBUTE_TENSOR)
        return (struct stability_value){.kind = STABILITY_NULL};
    if (row->choice)
        return (struct stability_value){.kind = STABILITY_STRING, .string = row->choice};
    if (row->kind == STABILITY_ATTRIBUTE_BOOLEAN)
        return (struct stability_value){.kind = STABILITY_BOOLEAN, .boolean = row->number != 0};
    return (struct stability_value){.kind = STABILITY_REAL, .real = row->number};
}

static bool fail_at(const struct attribute_scope *scope, const char *name, struct stability_error *error,
                    enum stability_code code, const char *format, ...) __attribute__((format(printf, 5, 6)));
static bool fail_at(const struct attribute_scope *scope, const char *name, struct stability_error *error,
                    enum stability_code code, const char *format, ...)
{
    char pointer[sizeof error->pointer];
    strncpy(pointer, scope->pointer, sizeof pointer - 1);
    pointer[sizeof pointer - 1] = '\0';
    if (name)
        stability_pointer_append(pointer, sizeof pointer, name);
    va_list arguments;
    va_start(arguments, format);
    stability_fail_v(error, code, pointer, format, arguments);
    va_end(arguments);
    return false;
}

static bool read_value(const struct reading *reading)
{
    const struct stability_attribute *row = reading->row;
    if (reading->value->kind == STABILITY_NULL &&
        (row->nullable || row->kind == STABILITY_ATTRIBUTE_TENSOR)) {
        if (row->kind == STABILITY_ATTRIBUTE_CHOICE)
            *(int *)reading->destination = -1;
        return true;
    }
    if (readers[row->kind](reading))
        return true;
    char expected[ATTRIBUTE_TEXT], found[ATTRIBUTE_TEXT];
    return fail_at(reading->scope, row->name, reading->error, STABILITY_ERROR_INVALID_ATTRIBUTE,
                   "%s: attribute '%s' must be %s, got %s", reading->scope->owner, row->name,
                   attribute_expected(row, expected), attribute_found(reading->value, found));
}

static const struct stability_member *find_member(const struct stability_members *members, const char *name)
{
    for (size_t i = 0; i < members->count; i++)
        if (!strcmp(members->items[i].name, name))
            return &members->items[i];
    return NULL;
}

static bool read_row(const struct stability_attribute *row, const struct stability_members *given,
                     void *destination, const struct attribute_scope *scope, struct stability_error *error)
{
    const struct stability_member *member = find_member(given, row->name);
    if (!member && row->required)
        return fail_at(scope, NULL, error, STABILITY_ERROR_MISSING_ATTRIBUTE,
                       "%s: attribute '%s' is missing: %s", scope->owner, row->name, row->documentation);
    struct stability_value fallback = default_value(row);
    struct reading reading = {row, member ? &member->value : &fallback, (char *)destination + row->offset,
                              scope, error};
    return read_value(&reading);
}

static bool fail_unknown(const struct stability_attribute *rows, size_t count, const char *name,
                         const struct attribute_scope *scope, struct stability_error *error)
{
    const char **known = arena_array(scope->arena, count + 1, sizeof *known);
    for (size_t i = 0; known && i < count; i++)
        known[i] = rows[i].name;
    char hint[STABILITY_HINT] = "";
    return fail_at(scope, name, error, STABILITY_ERROR_UNKNOWN_ATTRIBUTE, "%s has no attribute '%s'%s",
                   scope->owner, name, known ? stability_hint(name, known, hint) : hint);
}

bool attributes_read(const struct stability_attribute *rows, const struct stability_members *given,
                     void *destination, const struct attribute_scope *scope, struct stability_error *error)
{
    size_t count = 0;
    while (rows[count].name)
        count++;
    for (size_t i = 0; i < given->count; i++) {
        size_t k = 0;
        while (k < count && strcmp(rows[k].name, given->items[i].name) != 0)
            k++;
        if (k == count)
            return fail_unknown(rows, count, given->items[i].name, scope, error);
    }
    for (size_t i = 0; i < count; i++)
        if (!read_row(&rows[i], given, destination, scope, error))
            return false;
    return true;
}
