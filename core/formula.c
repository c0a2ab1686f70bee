/* The formulas of parameter shapes and bounds. */
#include "core/attributes.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a formula's names stand for. */
struct names_in_scope {
    const struct stability_attribute *rows;
    const void *attributes;
    const struct attribute_variable *extra;
};

static double product_of_integers(const struct integers *integers)
{
    double product = integers->present ? 1.0 : 0.0;
    for (int i = 0; i < integers->count; i++)
        product *= (double)integers->items[i];
    return product;
}

static double attribute_number(const struct stability_attribute *row, const void *field)
{
    const struct optional_integer *integer = field;
    const struct optional_real *real = field;
    switch (row->kind) {
    case STABILITY_ATTRIBUTE_INTEGER:
        if (row->nullable)
            return integer->present ? (double)integer->value : 0.0;
        return (double)*(const int64_t *)field;
    case STABILITY_ATTRIBUTE_REAL:
        if (row->nullable)
            return real->present ? real->value : 0.0;
        return *(const double *)field;
    case STABILITY_ATTRIBUTE_BOOLEAN:
        return *(const bool *)field;
    case STABILITY_ATTRIBUTE_CHOICE:
        return *(const int *)field;
    case STABILITY_ATTRIBUTE_INTEGERS:
        return product_of_integers(field);
    case STABILITY_ATTRIBUTE_TENSOR:
        return *(const struct stability_tensor *const *)field ? 1.0 : 0.0;
    }
    return NAN;
}

static bool name_is(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && !memcmp(name, text, length);
}

static const struct stability_attribute *find_row(const struct names_in_scope *scope, const char *text,
                                                  size_t length)
{
    for (const struct stability_attribute *row = scope->rows; row && row->name; row++)
        if (name_is(row->name, text, length))
            return row;
    return NULL;
}

static const void *field_of(const struct names_in_scope *scope, const struct stability_attribute *row)
{
    return (const char *)scope->attributes + row->offset;
}

/* NaN where nothing has the name. */
static double number_of_name(const struct names_in_scope *scope, const char *text, size_t length)
{
    for (const struct attribute_variable *variable = scope->extra; variable && variable->name; variable++)
        if (name_is(variable->name, text, length))
            return (double)variable->value;
    const struct stability_attribute *row = find_row(scope, text, length);
    return row ? attribute_number(row, field_of(scope, row)) : NAN;
}

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " ");
}

/* A number or a name; *text moves behind it and behind the spaces that follow. */
static double factor(const struct names_in_scope *scope, const char **text)
{
    const char *start = skip_spaces(*text);
    char *end;
    double number;
    if (isdigit((unsigned char)*start)) {
        number = (double)strtoll(start, &end, 10);
        *text = skip_spaces(end);
        return number;
    }
    size_t length = 0;
    while (isalnum((unsigned char)start[length]) || start[length] == '_')
        length++;
    *text = skip_spaces(start + length);
    return number_of_name(scope, start, length);
}

/* Up to the next comma or the end. In float64, which holds every size that a shape may have exactly. */
static double product(const struct names_in_scope *scope, const char **text)
{
    double value = factor(scope, text);
    while (**text == '*' || **text == '/') {
        bool divide = **text == '/';
        ++*text;
        double next = factor(scope, text);
        value = divide ? value / next : value * next;
    }
    return value;
}

double attributes_product(const struct stability_attribute *rows, const void *attributes,
                          const struct attribute_variable *extra, const char *formula)
{
    struct names_in_scope scope = {rows, attributes, extra};
    return *formula ? product(&scope, &formula) : 1.0;
}

static bool push(struct stability_shape *shape, double size)
{
    if (shape->rank == STABILITY_MAX_RANK || !(size >= 0.0 && size <= 0x1p47) || size != floor(size))
        return false;
    shape->sizes[shape->rank++] = (int64_t)size;
    return true;
}

/* "*kernel_size" */
static bool splice(const struct names_in_scope *scope, const char **text, struct stability_shape *shape)
{
    size_t length = strcspn(*text, " ,");
    const struct stability_attribute *row = find_row(scope, *text, length);
    *text = skip_spaces(*text + length);
    if (!row || row->kind != STABILITY_ATTRIBUTE_INTEGERS)
        return false;
    const struct integers *integers = field_of(scope, row);
    for (int i = 0; i < integers->count; i++)
        if (!push(shape, (double)integers->items[i]))
            return false;
    return true;
}

bool attributes_shape(const struct stability_attribute *rows, const void *attributes,
                      const struct attribute_variable *extra, const char *formula,
                      struct stability_shape *shape)
{
    struct names_in_scope scope = {rows, attributes, extra};
    *shape = (struct stability_shape){0};
    formula = skip_spaces(formula);
    while (*formula) {
        if (*formula == '*') {
            formula++;
            if (!splice(&scope, &formula, shape))
                return false;
        } else if (!push(shape, product(&scope, &formula)))
            return false;
        if (*formula && *formula != ',')
            return false;
        if (*formula == ',')
            formula = skip_spaces(formula + 1);
    }
    return stability_shape_count(shape) >= 0;
}
