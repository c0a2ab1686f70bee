/* What a translation reads of its node: inputs, outputs, attributes. */
#include "server/input/onnx/import.h"
#include "server/input/onnx/wiring.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ---- */

bool onnx_fail(struct onnx_import *import, enum stability_code code, const char *format, ...)
{
    char what[sizeof import->error->message];
    char pointer[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    wiring_pointer(import, import->node, pointer, sizeof pointer);
    return stability_fail(import->error, code, pointer, "node '%.128s' (%.64s): %s",
                          wiring_name(import->node), import->node->type, what);
}

/* ---- inputs and outputs ---- */

static size_t node_index(const struct onnx_import *import)
{
    return (size_t)(import->node - import->file->nodes);
}

static struct onnx_value *value_at(struct onnx_import *import, size_t slot)
{
    size_t value = import->node_values[import->node_starts[node_index(import)] + slot];
    return value == SIZE_MAX ? NULL : &import->values[value];
}

struct onnx_value *onnx_input(struct onnx_import *import, size_t k)
{
    return k < import->node->input_count ? value_at(import, k) : NULL;
}

struct onnx_value *onnx_output(struct onnx_import *import, size_t k)
{
    return k < import->node->output_count ? value_at(import, import->node->input_count + k) : NULL;
}

struct onnx_value *onnx_required(struct onnx_import *import, size_t k)
{
    struct onnx_value *value = onnx_input(import, k);
    if (value == NULL) {
        onnx_fail(import, STABILITY_ERROR_ONNX, "input %zu is missing", k + 1);
    }
    return value;
}

size_t onnx_sole_reader(struct onnx_import *import, const char *type)
{
    const struct onnx_value *output = onnx_output(import, 0);
    if (output == NULL || output->readers != 1) {
        return SIZE_MAX;
    }
    bool fits = output->reader != SIZE_MAX && strcmp(import->file->nodes[output->reader].type, type) == 0;
    return fits ? output->reader : SIZE_MAX;
}

/* ---- attributes ---- */

const struct onnx_attribute *onnx_attribute(const struct onnx_import *import, const char *name)
{
    for (size_t i = 0; i < import->node->attribute_count; i++) {
        if (strcmp(import->node->attributes[i].name, name) == 0) {
            return &import->node->attributes[i];
        }
    }
    return NULL;
}

bool onnx_has_attribute(const struct onnx_import *import, const char *name)
{
    return onnx_attribute(import, name) != NULL;
}

static bool wrong_type(struct onnx_import *import, const char *name, const char *expected)
{
    return onnx_fail(import, STABILITY_ERROR_ONNX, "the attribute '%s' must be %s", name, expected);
}

bool onnx_integer(struct onnx_import *import, const char *name, int64_t *value)
{
    const struct onnx_attribute *attribute = onnx_attribute(import, name);
    if (attribute == NULL) {
        return true;
    }
    *value = attribute->integer;
    return attribute->type == ONNX_INT || wrong_type(import, name, "an integer");
}

bool onnx_real(struct onnx_import *import, const char *name, double *value)
{
    const struct onnx_attribute *attribute = onnx_attribute(import, name);
    if (attribute == NULL) {
        return true;
    }
    *value = attribute->real;
    return attribute->type == ONNX_FLOAT || wrong_type(import, name, "a float");
}

bool onnx_text(struct onnx_import *import, const char *name, const char **value)
{
    const struct onnx_attribute *attribute = onnx_attribute(import, name);
    if (attribute == NULL) {
        return true;
    }
    *value = attribute->text;
    return attribute->type == ONNX_STRING || wrong_type(import, name, "a string");
}

#define LONGEST_LIST (sizeof((struct onnx_integers *)0)->items / sizeof(int64_t))

static bool fail_long(struct onnx_import *import, const char *name, size_t count)
{
    return onnx_fail(import, STABILITY_ERROR_ONNX_UNSUPPORTED, "'%.128s' has %zu items, at most %zu are read",
                     name, count, LONGEST_LIST);
}

static bool take_list(struct onnx_import *import, const char *name, const int64_t *items, size_t count,
                      struct onnx_integers *list)
{
    if (count > LONGEST_LIST) {
        return fail_long(import, name, count);
    }
    *list = (struct onnx_integers){.present = true, .count = count};
    if (count > 0) {
        memcpy(list->items, items, count * sizeof *items);
    }
    return true;
}

bool onnx_integers(struct onnx_import *import, const char *name, struct onnx_integers *list)
{
    const struct onnx_attribute *attribute = onnx_attribute(import, name);
    *list = (struct onnx_integers){0};
    if (attribute == NULL) {
        return true;
    }
    return attribute->type == ONNX_INTS ? take_list(import, name, attribute->integers, attribute->count, list)
                                        : wrong_type(import, name, "a list of integers");
}

bool onnx_input_integers(struct onnx_import *import, size_t k, struct onnx_integers *list)
{
    struct onnx_value *value = onnx_input(import, k);
    *list = (struct onnx_integers){0};
    if (value == NULL) {
        return true;
    }
    if (!onnx_known(import, value, "a list of integers")) {
        return false;
    }
    int64_t count = stability_shape_count(&value->tensor.shape);
    if (stability_dtype_is_floating(value->tensor.dtype) || value->tensor.shape.rank > 1) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "'%.128s' must be a list of integers",
                         value->name);
    }
    if ((uint64_t)count > LONGEST_LIST) {
        return fail_long(import, value->name, (size_t)count);
    }
    int64_t items[LONGEST_LIST];
    stability_convert(value->tensor.dtype, value->tensor.data, STABILITY_INT64, items, count);
    return take_list(import, value->name, items, (size_t)count, list);
}

bool onnx_either_integers(struct onnx_import *import, const char *name, size_t k, struct onnx_integers *list)
{
    return onnx_has_attribute(import, name) ? onnx_integers(import, name, list)
                                            : onnx_input_integers(import, k, list);
}

bool onnx_input_number(struct onnx_import *import, size_t k, double *value)
{
    struct onnx_value *input = onnx_input(import, k);
    if (input == NULL) {
        return true;
    }
    if (!onnx_known(import, input, "a number")) {
        return false;
    }
    if (stability_shape_count(&input->tensor.shape) != 1) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH, "'%.128s' must be one number", input->name);
    }
    stability_convert(input->tensor.dtype, input->tensor.data, STABILITY_FLOAT64, value, 1);
    return true;
}

bool onnx_axis(struct onnx_import *import, int64_t axis, int rank, int *dimension)
{
    if (axis < -rank || axis >= rank) {
        return onnx_fail(import, STABILITY_ERROR_SHAPE_MISMATCH,
                         "there is no axis %" PRId64 " in %d dimensions", axis, rank);
    }
    *dimension = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

const struct stability_shape *onnx_shape(const struct onnx_value *value)
{
    return value->known ? &value->tensor.shape : &value->flow.shape;
}

/* ---- results ---- */

bool onnx_set_known(struct onnx_import *import, size_t k, const struct stability_tensor *tensor)
{
    struct onnx_value *value = onnx_output(import, k);
    int64_t limit = import->limits->elements;
    int64_t count = stability_shape_count(&tensor->shape);
    if (limit > 0 && count > limit) {
        return onnx_fail(import, STABILITY_ERROR_MODEL_TOO_LARGE,
                         "the result has %" PRId64 " elements, the limit is %" PRId64, count, limit);
    }
    if (value != NULL && !value->done) {
        value->known = value->done = true;
        value->tensor = *tensor;
        for (size_t i = 0; i < import->node->input_count; i++) {
            const struct onnx_value *input = onnx_input(import, i);
            value->learned |= input != NULL && input->learned && stability_dtype_is_floating(tensor->dtype) &&
                              stability_dtype_is_floating(input->tensor.dtype);
            value->from_data |= input != NULL && (input->from_data || (input->is_input && input->known));
        }
    }
    return true;
}

void onnx_set_flow(struct onnx_import *import, size_t k, const struct onnx_flow *flow)
{
    struct onnx_value *value = onnx_output(import, k);
    if (value != NULL) {
        value->flow = *flow;
        value->done = true;
    }
}

bool onnx_finish(struct onnx_import *import, bool done, const struct onnx_flow *flow)
{
    if (done) {
        onnx_set_flow(import, 0, flow);
    }
    return done;
}
