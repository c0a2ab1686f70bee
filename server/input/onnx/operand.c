/* Values as layers read them, and as layers are built from them. */
#include "server/input/onnx/operators.h"
#include "server/input/onnx/wiring.h"

#include <string.h>

#define DEEPEST_TRANSLATION 64

static bool is_floating(const struct onnx_value *value)
{
    return stability_dtype_is_floating(value->tensor.dtype);
}

/* A value of the data that is needed to build a layer becomes that layer's parameter. */
bool onnx_known(struct onnx_import *import, struct onnx_value *value, const char *what)
{
    if (!value->known && value->is_input && value->tensor.data != NULL) {
        value->known = true;
        value->learned = is_floating(value);
    }
    return value->known || onnx_refuse(import,
                                       "'%.128s' must be known before the run (%s), and it is computed from "
                                       "the data",
                                       value->name, what);
}

/* ---- what layers read ---- */

static bool emit_parameter(struct onnx_import *import, struct onnx_value *value)
{
    const struct stability_shape *shape = &value->tensor.shape;
    struct onnx_draft draft = {.type = "Parameter"};
    draft_weight(&draft, "weight", value, shape);
    return draft_list(import, &draft, "shape", shape->sizes, (size_t)shape->rank) &&
           draft_emit_value(import, &draft, value->name, &value->flow);
}

static bool emit_constant(struct onnx_import *import, struct onnx_value *value)
{
    const struct onnx_node *node = value->node < 0 ? NULL : &import->file->nodes[value->node];
    struct onnx_draft draft = {.type = "Constant"};
    draft_tensor(&draft, "value", &value->tensor);
    return draft_emit_value(import, &draft,
                            node != NULL && node->output_count == 1 ? wiring_name(node) : value->name,
                            &value->flow);
}

/* What was computed in advance becomes layers after all: it depends on what is learned, or on the data. */
static bool translate_now(struct onnx_import *import, const struct onnx_value *value,
                          const struct onnx_operator *operator)
{
    const struct onnx_node *node = import->node;
    if (import->depth == DEEPEST_TRANSLATION) {
        return onnx_refuse(import, "more than %d nodes in a row move an initializer about",
                           DEEPEST_TRANSLATION);
    }
    import->depth++;
    import->node = &import->file->nodes[value->node];
    bool done = operator->translate(import);
    import->node = node;
    import->depth--;
    return done;
}

/* The operator by which layers give a known value; NULL: it is a Parameter or a Constant. */
static const struct onnx_operator *operator_of(const struct onnx_import *import,
                                               const struct onnx_value *value)
{
    if (value->node < 0 || !(value->learned || value->from_data)) {
        return NULL;
    }
    const char *type = import->file->nodes[value->node].type;
    bool copied = value->learned && value->same == NULL && strcmp(type, "Identity") == 0;
    return copied ? NULL : onnx_find_operator(type);
}

bool onnx_operand(struct onnx_import *import, struct onnx_value *value, struct onnx_flow *flow)
{
    bool done = true;
    if (value->flow.name == NULL) {
        const struct onnx_operator *operator= operator_of(import, value);
        if (value->same != NULL) {
            done = onnx_operand(import, value->same, &value->flow);
        } else if (operator!= NULL && operator->translate != NULL) {
            done = translate_now(import, value, operator);
        } else if (value->learned && is_floating(value)) {
            done = emit_parameter(import, value);
        } else {
            done = emit_constant(import, value);
        }
    }
    *flow = value->flow;
    return done;
}

bool onnx_operand_at(struct onnx_import *import, size_t k, struct onnx_flow *flow)
{
    struct onnx_value *value = onnx_required(import, k);
    return value != NULL && onnx_operand(import, value, flow);
}

/* Constants of integers become a further input of the model: that is what Embedding can read. */
static bool add_input(struct onnx_import *import, struct onnx_value *value)
{
    struct stability_named_tensor *added =
        onnx_append(import, import->added, &import->added_count, &import->added_capacity, sizeof *added);
    const char *name = onnx_take_name(import, value->name, NULL);
    if (added == NULL || name == NULL) {
        return false;
    }
    import->added = added;
    added[import->added_count - 1] = (struct stability_named_tensor){.name = name, .tensor = value->tensor};
    value->flow = (struct onnx_flow){name, value->tensor.shape, true};
    return true;
}

bool onnx_indices(struct onnx_import *import, struct onnx_value *value, struct onnx_flow *flow)
{
    bool done = true;
    if (value->known && !is_floating(value) && !value->flow.integer) {
        done = add_input(import, value);
    }
    *flow = value->flow;
    return done && (flow->integer ||
                    onnx_refuse(import, "the indices '%.128s' are not integers of the data", value->name));
}

bool onnx_constant(struct onnx_import *import, const char *role, const struct stability_tensor *tensor,
                   struct onnx_flow *flow)
{
    struct onnx_draft draft = {.type = "Constant"};
    draft_tensor(&draft, "value", tensor);
    return draft_emit(import, &draft, role, flow);
}

struct onnx_value *onnx_transposed(struct onnx_import *import, struct onnx_value *value)
{
    value = value->same != NULL ? value->same : value;
    if (value->transpose != NULL) {
        return value->transpose;
    }
    int64_t rows = value->tensor.shape.sizes[0];
    int64_t columns = value->tensor.shape.sizes[1];
    size_t size = stability_dtype_size(value->tensor.dtype);
    struct onnx_value *turned = onnx_allocate(&import->memory, 1, sizeof *turned);
    char *bytes = onnx_allocate(&import->memory, (size_t)(rows * columns), size);
    if (turned == NULL || bytes == NULL) {
        return NULL;
    }
    const char *source = value->tensor.data;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            memcpy(bytes + (size_t)(c * rows + r) * size, source + (size_t)(r * columns + c) * size, size);
        }
    }
    *turned = (struct onnx_value){
        .name = value->name, .known = true, .done = true, .learned = value->learned, .node = -1};
    turned->reader = SIZE_MAX;
    turned->tensor = (struct stability_tensor){value->tensor.dtype, {2, {columns, rows}}, bytes};
    turned->transpose = value;
    value->transpose = turned;
    return turned;
}

/* ---- simple layers ---- */

bool onnx_unary(struct onnx_import *import, const char *type, const char *role, const struct onnx_flow *x,
                struct onnx_flow *y)
{
    struct onnx_draft draft = {.type = type, .inputs = x, .input_count = 1};
    return draft_emit(import, &draft, role, y);
}

bool onnx_binary(struct onnx_import *import, const char *type, const char *role, const struct onnx_flow *a,
                 const struct onnx_flow *b, struct onnx_flow *y)
{
    struct onnx_flow inputs[2] = {*a, *b};
    struct onnx_draft draft = {.type = type, .inputs = inputs, .input_count = 2};
    return draft_emit(import, &draft, role, y);
}

bool onnx_scale(struct onnx_import *import, const char *role, const struct onnx_flow *x, double factor,
                double shift, struct onnx_flow *y)
{
    struct onnx_draft draft = {.type = "Scale", .inputs = x, .input_count = 1};
    draft_real(&draft, "factor", factor);
    draft_real(&draft, "shift", shift);
    return draft_emit(import, &draft, role, y);
}

bool onnx_reshape(struct onnx_import *import, const char *role, const struct onnx_flow *x,
                  const struct stability_shape *shape, struct onnx_flow *y)
{
    struct onnx_draft draft = {.type = "Reshape", .inputs = x, .input_count = 1};
    return draft_list(import, &draft, "shape", shape->sizes, (size_t)shape->rank) &&
           draft_emit(import, &draft, role, y);
}

bool onnx_permute(struct onnx_import *import, const char *role, const struct onnx_flow *x,
                  const int *dimensions, struct onnx_flow *y)
{
    struct onnx_draft draft = {.type = "Permute", .inputs = x, .input_count = 1};
    int64_t items[STABILITY_MAX_RANK];
    for (int d = 0; d < x->shape.rank; d++) {
        items[d] = dimensions[d];
    }
    return draft_list(import, &draft, "dims", items, (size_t)x->shape.rank) &&
           draft_emit(import, &draft, role, y);
}

bool onnx_slice(struct onnx_import *import, const char *role, const struct onnx_flow *x, int dimension,
                int64_t start, int64_t end, int64_t step, struct onnx_flow *y)
{
    struct onnx_draft draft = {.type = "Slice", .inputs = x, .input_count = 1};
    draft_integer(&draft, "dim", dimension);
    draft_integer(&draft, "start", start);
    if (end >= 0) {
        draft_integer(&draft, "end", end);
    }
    draft_integer(&draft, "step", step);
    return draft_emit(import, &draft, role, y);
}
