#include "server/input/onnx/import.h"

#include "server/input/onnx/operators.h"
#include "server/input/onnx/wiring.h"

#include <stability/registry.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DROPOUT_HAS_MODE 12

/* ---- inputs ---- */

static const struct stability_named_tensor *find_data(const struct stability_tensors *data, const char *name)
{
    for (size_t i = 0; i < data->count; i++) {
        if (strcmp(data->items[i].name, name) == 0) {
            return &data->items[i];
        }
    }
    return NULL;
}

/* The first dimension, which counts samples, may differ from what the file says: exporters write there how
 * many they were shown. */
static bool fits(const struct onnx_port *port, const struct stability_shape *shape)
{
    if (!port->has_shape) {
        return true;
    }
    if (port->rank != (size_t)shape->rank) {
        return false;
    }
    for (int d = 1; d < shape->rank; d++) {
        if (port->sizes[d] >= 0 && port->sizes[d] != shape->sizes[d]) {
            return false;
        }
    }
    return true;
}

static bool fail_input(struct onnx_import *import, const struct onnx_port *port,
                       const struct stability_shape *shape)
{
    char pointer[384] = "/data";
    char given[STABILITY_SHAPE_TEXT];
    char declared[STABILITY_SHAPE_TEXT] = "";
    size_t used = 0;
    stability_pointer_append(pointer, sizeof pointer, port->name);
    for (size_t d = 0; d < port->rank && d < STABILITY_MAX_RANK; d++) {
        char size[24] = "?";
        if (port->sizes[d] >= 0) {
            snprintf(size, sizeof size, "%" PRId64, port->sizes[d]);
        }
        used += (size_t)snprintf(declared + used, sizeof declared - used, "%s%s", d > 0 ? ", " : "", size);
    }
    return stability_fail(import->error, STABILITY_ERROR_SHAPE_MISMATCH, pointer,
                          "the graph's input '%.128s' is declared as (%s), the data have shape %s",
                          port->name, declared, stability_shape_text(shape, given));
}

static bool missing_data(struct onnx_import *import, const char *name)
{
    return stability_fail(import->error, STABILITY_ERROR_MISSING_MEMBER, "/data",
                          "data has no tensor '%.128s', which is an input of the ONNX graph", name);
}

static bool read_input(struct onnx_import *import, const struct stability_tensors *data, size_t k)
{
    const struct onnx_port *port = &import->file->inputs[k];
    struct onnx_value *value = wiring_find(import, port->name);
    if (!value->is_input) {
        return true; /* an initializer, which files of old versions list among the inputs */
    }
    const struct stability_named_tensor *given = find_data(data, port->name);
    if (given == NULL) {
        return missing_data(import, port->name);
    }
    bool drawn = given->recipe.name != NULL;
    const struct stability_shape *shape = drawn ? &given->recipe.shape : &given->tensor.shape;
    if (!fits(port, shape)) {
        return fail_input(import, port, shape);
    }
    bool integer = drawn ? strcmp(given->recipe.name, "randint") == 0
                         : !stability_dtype_is_floating(given->tensor.dtype);
    value->tensor.dtype = integer ? STABILITY_INT64 : STABILITY_FLOAT32;
    if (!drawn) {
        value->tensor = given->tensor;
    }
    value->known =
        integer && !drawn && !onnx_is_real(port->element); /* 1 and 2 may be written for 1.0 and 2.0 */
    value->done = true;
    value->flow = (struct onnx_flow){onnx_take_name(import, port->name, NULL), *shape, integer};
    return value->flow.name != NULL;
}

/* ---- nodes ---- */

static bool is_default_domain(const char *domain)
{
    return domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static bool depends_on_refused(struct onnx_import *import)
{
    for (size_t k = 0; k < import->node->input_count; k++) {
        const struct onnx_value *value = onnx_input(import, k);
        if (value != NULL && value->refused) {
            return true;
        }
    }
    return false;
}

/* What an operator computes that has no layers may depend on the data, where it reads nothing but them. */
static void take_data(struct onnx_import *import)
{
    for (size_t k = 0; k < import->node->input_count; k++) {
        struct onnx_value *value = onnx_input(import, k);
        if (value != NULL && value->is_input && value->tensor.data != NULL) {
            value->known = true;
        }
    }
}

static bool inputs_are_known(struct onnx_import *import)
{
    for (size_t k = 0; k < import->node->input_count; k++) {
        const struct onnx_value *value = onnx_input(import, k);
        if (value != NULL && !value->known) {
            return false;
        }
    }
    return true;
}

static bool check_attributes(struct onnx_import *import, const struct onnx_operator *operator)
{
    for (size_t i = 0; i < import->node->attribute_count; i++) {
        if (!onnx_is_listed(operator->attributes, import->node->attributes[i].name)) {
            return onnx_refuse(import, "the attribute '%.64s' is not supported",
                               import->node->attributes[i].name);
        }
    }
    return true;
}

/* Elements of initializers that are only moved about stay parameters; what is computed from them is computed
 * in the run, so that they get their gradient. */
static bool is_foldable(struct onnx_import *import, const struct onnx_operator *operator)
{
    if (operator->translate == NULL && operator->trait != ONNX_SHAPES) {
        take_data(import);
    }
    if (operator->fold == NULL || !(operator->trait == ONNX_SHAPES || inputs_are_known(import))) {
        return false;
    }
    for (size_t k = 0; k < import->node->input_count && operator->trait == ONNX_PLAIN; k++) {
        const struct onnx_value *value = onnx_input(import, k);
        if (value != NULL && value->learned && stability_dtype_is_floating(value->tensor.dtype)) {
            return false;
        }
    }
    return true;
}

static bool translate_node(struct onnx_import *import, const struct onnx_operator *operator)
{
    if (!onnx_is_unchanged(operator->type, import->file->opset)) {
        return onnx_refuse(import, "opset %d has it with another meaning than opset 7",
                           (int)import->file->opset);
    }
    if (!check_attributes(import, operator)) {
        return false;
    }
    if (is_foldable(import, operator)) {
        return operator->fold(import);
    }
    return operator->translate != NULL ? operator->translate(import)
                                       : onnx_refuse(
                                             import,
                                             "it is supported only where its result is known before the run");
}

/* What a node did not give cannot be read. */
static void mark_outputs(struct onnx_import *import, bool refused)
{
    for (size_t k = 0; k < import->node->output_count; k++) {
        struct onnx_value *value = onnx_output(import, k);
        if (value == NULL || value->done) {
            continue;
        }
        value->refused = true;
        if (!refused && value->reader != SIZE_MAX) {
            onnx_refuse(import, "its output %zu, '%.96s', is not supported", k + 1, value->name);
        }
    }
}

static bool translate_nodes(struct onnx_import *import)
{
    for (size_t i = 0; i < import->order_count; i++) {
        const struct onnx_node *node = &import->file->nodes[import->order[i]];
        const struct onnx_operator *operator= is_default_domain(node->domain) ? onnx_find_operator(node->type)
                                                                              : NULL;
        import->node = node;
        if (import->absorbed[import->order[i]]) {
            mark_outputs(import, true);
            continue;
        }
        bool translated = operator!= NULL && !depends_on_refused(import) && translate_node(import, operator);
        if (operator== NULL) {
            onnx_refuse_operator(import);
        }
        if (import->error->code != STABILITY_OK) {
            return false;
        }
        import->node = node;
        mark_outputs(import, !translated);
    }
    return true;
}

/* ---- the model ---- */

/* Whether an input of a node that chooses its mode is true: an initializer, or what Constant gives. */
static bool holds_true(const struct onnx_import *import, const struct onnx_value *value)
{
    const struct stability_tensor *tensor = &value->tensor;
    double number = 0;
    if (!value->known && value->node >= 0) {
        const struct onnx_node *node = &import->file->nodes[value->node];
        bool constant = strcmp(node->type, "Constant") == 0 && node->attribute_count == 1 &&
                        node->attributes[0].type == ONNX_TENSOR;
        tensor = constant ? &node->attributes[0].tensor : NULL;
    }
    if (tensor != NULL && tensor->data != NULL && stability_shape_count(&tensor->shape) == 1) {
        stability_convert(tensor->dtype, tensor->data, STABILITY_FLOAT64, &number, 1);
    }
    return number != 0;
}

bool onnx_node_trains(struct onnx_import *import)
{
    if (strcmp(import->node->type, "BatchNormalization") == 0) {
        const struct onnx_attribute *attribute = onnx_attribute(import, "training_mode");
        return attribute != NULL ? attribute->integer != 0 : onnx_output(import, 1) != NULL;
    }
    const struct onnx_value *mode = onnx_input(import, 2);
    return import->file->opset < DROPOUT_HAS_MODE ? import->tied : mode != NULL && holds_true(import, mode);
}

/* A request that does not say how to run follows the file. Before opset 12 Dropout had no mode: it follows
 * BatchNormalization. */
static void choose_mode(struct onnx_import *import, const struct onnx_request *request)
{
    static const char *const types[] = {"BatchNormalization", "Dropout"};
    bool trains = false;
    bool infers = false;
    for (size_t i = 0; i < 2 * import->order_count; i++) {
        import->node = &import->file->nodes[import->order[i % import->order_count]];
        if (strcmp(import->node->type, types[i / import->order_count]) == 0) {
            bool mode = onnx_node_trains(import);
            trains |= mode;
            infers |= !mode;
        }
        import->tied = trains;
    }
    import->frozen = !request->mode_given;
    if (!request->mode_given) {
        request->options->evaluate = infers && !trains;
    }
    import->training = !request->options->evaluate;
}

static bool refuse_output(struct onnx_import *import, const struct onnx_value *value)
{
    import->node = &import->file->nodes[value->node];
    return onnx_refuse(import, "the loss reads its output '%.96s', which is not supported", value->name);
}

/* Names of values that the loss reads become layers' names; those of layers are for the core to check. */
static bool name_loss_inputs(struct onnx_import *import, struct stability_loss *loss)
{
    size_t count = loss->input_count;
    for (size_t i = 0; i < stability_loss_type_count() && count == 0; i++) {
        const struct stability_loss_type *type = stability_loss_type_at(i);
        count = strcmp(type->type, loss->type) == 0 ? (size_t)type->inputs : 0;
    }
    const char **names = onnx_allocate(&import->memory, count, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++) {
        const char *wanted = loss->input_count > 0            ? loss->inputs[i]
                             : i < import->file->output_count ? import->file->outputs[i].name
                                                              : NULL;
        struct onnx_value *value = wanted == NULL ? NULL : wiring_find(import, wanted);
        struct onnx_flow flow = {.name = wanted};
        if (wanted == NULL) {
            return stability_fail(import->error, STABILITY_ERROR_INVALID_VALUE, "/model/loss",
                                  "the loss %s reads %zu values, the graph has %zu outputs", loss->type,
                                  count, import->file->output_count);
        }
        if (value != NULL && value->refused) {
            return refuse_output(import, value);
        }
        if (value != NULL && value->done && !onnx_operand(import, value, &flow)) {
            return false;
        }
        names[i] = flow.name;
    }
    loss->inputs = names;
    loss->input_count = count;
    return names != NULL;
}

/* The names that layers read. */
static json_t *list_read(const struct onnx_import *import)
{
    json_t *read = json_object();
    for (size_t i = 0; read != NULL && i < import->layer_count; i++) {
        for (size_t k = 0; k < import->layers[i].input_count; k++) {
            if (json_object_set_new_nocheck(read, import->layers[i].inputs[k], json_true()) != 0) {
                json_decref(read);
                return NULL;
            }
        }
    }
    return read;
}

/* The model's inputs: those of the graph that a layer reads (others became parameters, or gave shapes), and
 * constants that Embedding reads. One stays in any case, since a model has a batch. */
static bool name_inputs(struct onnx_import *import, json_t *read, const struct onnx_request *request)
{
    const struct onnx_file *file = import->file;
    const struct stability_tensors *given = request->data;
    size_t most = file->input_count + import->added_count;
    const char **names = onnx_allocate(&import->memory, most, sizeof *names);
    struct stability_named_tensor *data =
        onnx_allocate(&import->memory, given->count + import->added_count, sizeof *data);
    size_t count = 0;
    size_t data_count = 0;
    if (names == NULL || data == NULL) {
        return false;
    }
    for (size_t i = 0; i < file->input_count; i++) {
        const struct onnx_value *value = wiring_find(import, file->inputs[i].name);
        bool last = count == 0 && i + 1 == file->input_count && import->added_count == 0;
        if (value->is_input && (json_object_get(read, value->flow.name) != NULL || last)) {
            names[count++] = value->flow.name;
        }
    }
    for (size_t i = 0; i < given->count; i++) {
        const struct onnx_value *value = wiring_find(import, given->items[i].name);
        bool dropped = value != NULL && value->is_input && json_object_get(read, value->flow.name) == NULL &&
                       (count == 0 || strcmp(names[0], value->flow.name) != 0);
        if (!dropped) {
            data[data_count] = given->items[i];
            data[data_count++].name =
                value != NULL && value->is_input ? value->flow.name : given->items[i].name;
        }
    }
    for (size_t i = 0; i < import->added_count; i++) {
        names[count++] = import->added[i].name;
        data[data_count++] = import->added[i];
    }
    request->model->inputs = names;
    request->model->input_count = count;
    *request->data = (struct stability_tensors){data_count, data};
    return true;
}

static bool finish(struct onnx_import *import, const struct onnx_request *request)
{
    struct stability_model *model = request->model;
    if (!name_loss_inputs(import, &model->loss)) {
        return false;
    }
    json_t *read = list_read(import);
    bool done = read != NULL ? name_inputs(import, read, request) : owner_out_of_memory(import->error);
    json_decref(read);
    if (model->name == NULL && import->file->name[0] != '\0') {
        model->name = import->file->name;
    }
    model->layers = import->layers;
    model->layer_count = import->layer_count;
    *request->weights = (struct stability_tensors){import->weight_count, import->weights};
    return done;
}

static bool translate(struct onnx_import *import, const struct onnx_request *request)
{
    if (!wiring_read(import)) {
        return false;
    }
    import->absorbed = onnx_allocate(&import->memory, import->file->node_count, sizeof *import->absorbed);
    if (import->absorbed == NULL) {
        return false;
    }
    for (size_t i = 0; i < import->file->input_count; i++) {
        if (!read_input(import, request->data, i)) {
            return false;
        }
    }
    choose_mode(import, request);
    if (!translate_nodes(import)) {
        return false;
    }
    bool done = import->refusal_count == 0 && finish(import, request);
    return import->refusal_count > 0 ? onnx_fail_refused(import) : done;
}

bool onnx_import_file(const struct onnx_file *file, const struct stability_limits *limits,
                      const struct onnx_memory *memory, const struct onnx_request *request)
{
    struct onnx_import import = {
        .file = file, .limits = limits, .memory = *memory, .error = memory->error, .names = json_object()};
    if (import.names == NULL) {
        return owner_out_of_memory(memory->error);
    }
    bool done = translate(&import, request);
    json_decref(import.names);
    return done;
}
