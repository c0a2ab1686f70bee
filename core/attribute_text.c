#include "core/attribute_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What does not fit is cut. */
static void append(char *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *buffer, const char *format, ...)
{
    size_t length = strlen(buffer);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer + length, ATTRIBUTE_TEXT - length, format, arguments);
    va_end(arguments);
}

static void append_range(char *buffer, const struct stability_attribute *row)
{
    bool bounded_above = row->maximum != 0 && isfinite(row->maximum);
    bool ranged = row->minimum != 0 || row->maximum != 0 || row->exclusive;
    if (ranged && row->exclusive)
        append(buffer, " greater than %.16g", row->minimum);
    else if (ranged && bounded_above)
        append(buffer, " from %.16g to %.16g", row->minimum, row->maximum);
    else if (ranged)
        append(buffer, " of at least %.16g", row->minimum);
    if (row->exclusive && bounded_above)
        append(buffer, " and at most %.16g", row->maximum);
}

static void append_words(char *buffer, const char *words)
{
    const char *separator = "";
    while (*words) {
        size_t length = strcspn(words, " ");
        append(buffer, "%s'%.*s'", separator, (int)length, words);
        separator = " or ";
        words += length;
        words += strspn(words, " ");
    }
}

static void append_list(char *buffer, const struct stability_attribute *row)
{
    if (row->items > 1)
        append(buffer, " or a list of %d of them%s", row->items, row->null_items ? " or null" : "");
    else if (row->items == 0)
        append(buffer, " or a list of at most %d of them", STABILITY_MAX_RANK);
}

const char *attribute_expected(const struct stability_attribute *row, char buffer[ATTRIBUTE_TEXT])
{
    static const char *const nouns[] = {
        [STABILITY_ATTRIBUTE_INTEGER] = "an integer",
        [STABILITY_ATTRIBUTE_REAL] = "a number",
        [STABILITY_ATTRIBUTE_BOOLEAN] = "true or false",
        [STABILITY_ATTRIBUTE_CHOICE] = "",
        [STABILITY_ATTRIBUTE_INTEGERS] = "an integer",
        [STABILITY_ATTRIBUTE_TENSOR] = "a tensor, a list of numbers or a number",
    };
    buffer[0] = '\0';
    append(buffer, "%s", nouns[row->kind]);
    append_range(buffer, row);
    if (row->kind == STABILITY_ATTRIBUTE_INTEGERS)
        append_list(buffer, row);
    if (row->kind == STABILITY_ATTRIBUTE_INTEGERS && row->choices)
        append(buffer, " or ");
    if (row->choices)
        append_words(buffer, row->choices);
    if (row->nullable)
        append(buffer, " or null");
    return buffer;
}

static void found_null(const struct stability_value *value, char *buffer)
{
    (void)value;
    append(buffer, "null");
}

static void found_boolean(const struct stability_value *value, char *buffer)
{
    append(buffer, "%s", value->boolean ? "true" : "false");
}

static void found_integer(const struct stability_value *value, char *buffer)
{
    append(buffer, "%lld", (long long)value->integer);
}

static void found_real(const struct stability_value *value, char *buffer)
{
    append(buffer, "%.15g", value->real);
}

static void found_string(const struct stability_value *value, char *buffer)
{
    enum { SHOWN = 64 };
    size_t length = strlen(value->string);
    bool whole = length <= SHOWN;
    if (!whole)
        for (length = SHOWN; ((unsigned char)value->string[length] & 0xC0) == 0x80;)
            length--;
    append(buffer, "'%.*s%s'", (int)length, value->string, whole ? "" : "...");
}

static void found_list(const struct stability_value *value, char *buffer)
{
    enum { SHOWN = 10 };
    append(buffer, "[");
    for (size_t i = 0; i < value->list.count && i < SHOWN; i++)
        if (value->list.integers && isnan(value->list.items[i]))
            append(buffer, "%snull", i ? ", " : "");
        else
            append(buffer, "%s%.12g", i ? ", " : "", value->list.items[i]);
    if (value->list.count > SHOWN)
        append(buffer, ", ...] of %zu items", value->list.count);
    else
        append(buffer, "]");
}

static void found_tensor(const struct stability_value *value, char *buffer)
{
    char shape[STABILITY_SHAPE_TEXT];
    append(buffer, "a tensor of dtype %s and shape %s", stability_dtype_name(value->tensor.dtype),
           stability_shape_text(&value->tensor.shape, shape));
}

static void found_object(const struct stability_value *value, char *buffer)
{
    (void)value;
    append(buffer, "an object");
}

const char *attribute_found(const struct stability_value *value, char buffer[ATTRIBUTE_TEXT])
{
    static void (*const found[])(const struct stability_value *, char *) = {
        [STABILITY_NULL] = found_null,       [STABILITY_BOOLEAN] = found_boolean,
        [STABILITY_INTEGER] = found_integer, [STABILITY_REAL] = found_real,
        [STABILITY_STRING] = found_string,   [STABILITY_LIST] = found_list,
        [STABILITY_TENSOR] = found_tensor,   [STABILITY_OBJECT] = found_object,
    };
    buffer[0] = '\0';
    found[value->kind](value, buffer);
    return buffer;
}
