#include "server/input/onnx/file.h"

#include "server/input/onnx/message.h"

#include <inttypes.h>
#include <string.h>

#define OLDEST_OPSET 1
#define NEWEST_OPSET 21
#define NODES_PER_LAYER 8  /* shapes are computed by nodes that become no layer */
#define ITEMS_PER_LAYER 64 /* names, attributes … */

/* ---- attributes and nodes ---- */

enum { FLOATS = 7, INTS = 8, STRINGS = 9 };

static bool read_tensor(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    return tensor_message_read(reader, field->bytes, NULL, target);
}

static bool refuse_reference(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    (void)target;
    return protobuf_length(&field->bytes) == 0 ||
           message_fail(reader, STABILITY_ERROR_ONNX_UNSUPPORTED,
                        "an attribute refers to one of a function, which is not supported");
}

static const struct message_field attribute_fields[] = {
    {1, "name", PROTOBUF_BYTES, message_text, offsetof(struct onnx_attribute, name)},
    {2, "f", PROTOBUF_FIXED32, message_real, offsetof(struct onnx_attribute, real)},
    {3, "i", PROTOBUF_VARINT, message_integer, offsetof(struct onnx_attribute, integer)},
    {4, "s", PROTOBUF_BYTES, message_text, offsetof(struct onnx_attribute, text)},
    {5, "t", PROTOBUF_BYTES, read_tensor, offsetof(struct onnx_attribute, tensor)},
    {20, "type", PROTOBUF_VARINT, message_integer, offsetof(struct onnx_attribute, type)},
    {21, "ref_attr_name", PROTOBUF_BYTES, refuse_reference, 0},
    {FLOATS, "floats", MESSAGE_ANY_TYPE, NULL, 0},
    {INTS, "ints", MESSAGE_ANY_TYPE, NULL, 0},
    {STRINGS, "strings", PROTOBUF_BYTES, NULL, 0},
    {0},
};

static bool read_attribute(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    struct onnx_attribute *attribute = target;
    struct message_list list = {0};
    *attribute = (struct onnx_attribute){.name = "", .text = ""};
    if (!message_read(reader, field->bytes, attribute_fields, attribute)) {
        return false;
    }
    bool done = attribute->type == ONNX_FLOATS    ? message_reals(reader, field->bytes, FLOATS, &list)
                : attribute->type == ONNX_INTS    ? message_integers(reader, field->bytes, INTS, &list)
                : attribute->type == ONNX_STRINGS ? message_texts(reader, field->bytes, STRINGS, &list)
                                                  : true;
    attribute->count = list.count;
    attribute->reals = attribute->type == ONNX_FLOATS ? list.items : NULL;
    attribute->integers = attribute->type == ONNX_INTS ? list.items : NULL;
    attribute->texts = attribute->type == ONNX_STRINGS ? list.items : NULL;
    if (done && attribute->type == ONNX_TENSOR && attribute->tensor.data == NULL) {
        return message_fail(reader, STABILITY_ERROR_ONNX, "the attribute '%.128s' has no tensor",
                            attribute->name);
    }
    return done;
}

enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_ATTRIBUTE = 5 };

static const struct message_field node_fields[] = {
    {NODE_INPUT, "input", PROTOBUF_BYTES, NULL, 0},
    {NODE_OUTPUT, "output", PROTOBUF_BYTES, NULL, 0},
    {3, "name", PROTOBUF_BYTES, message_text, offsetof(struct onnx_node, name)},
    {4, "op_type", PROTOBUF_BYTES, message_text, offsetof(struct onnx_node, type)},
    {NODE_ATTRIBUTE, "attribute", PROTOBUF_BYTES, NULL, 0},
    {7, "domain", PROTOBUF_BYTES, message_text, offsetof(struct onnx_node, domain)},
    {0},
};

/* Reads every item of a repeated message field into an array of `size` bytes each. */
static bool read_items(struct message_reader *reader, struct protobuf bytes, uint32_t number,
                       const char *name, size_t size,
                       bool (*read)(struct message_reader *, const struct protobuf_field *, void *),
                       struct message_list *list)
{
    struct protobuf_field field;
    if (!message_list_new(reader, bytes, number, size, list)) {
        return false;
    }
    while (protobuf_next(&bytes, &field) == PROTOBUF_FIELD) {
        if (field.number != number) {
            continue;
        }
        size_t mark = message_enter_item(reader, name, list->count);
        if (field.type != PROTOBUF_BYTES) {
            return message_broken(reader, bytes.position, "expected a message");
        }
        if (!read(reader, &field, (char *)list->items + list->count++ * size)) {
            return false;
        }
        message_leave(reader, mark);
    }
    return true;
}

static bool read_node(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    struct onnx_node *node = target;
    struct message_list inputs, outputs, attributes;
    *node = (struct onnx_node){.name = "", .type = "", .domain = ""};
    if (!message_read(reader, field->bytes, node_fields, node) ||
        !message_texts(reader, field->bytes, NODE_INPUT, &inputs) ||
        !message_texts(reader, field->bytes, NODE_OUTPUT, &outputs) ||
        !read_items(reader, field->bytes, NODE_ATTRIBUTE, "attribute", sizeof(struct onnx_attribute),
                    read_attribute, &attributes)) {
        return false;
    }
    node->inputs = inputs.items;
    node->input_count = inputs.count;
    node->outputs = outputs.items;
    node->output_count = outputs.count;
    node->attributes = attributes.items;
    node->attribute_count = attributes.count;
    return true;
}

/* ---- inputs and outputs ---- */

enum { SHAPE_DIM = 1 };

struct dimension {
    int64_t size;
    bool fixed;
};

static bool read_size(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    struct dimension *dimension = target;
    dimension->fixed = true;
    return message_integer(reader, field, &dimension->size);
}

static bool read_dimension(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    static const struct message_field fields[] = {{1, "dim_value", PROTOBUF_VARINT, read_size, 0}, {0}};
    struct onnx_port *port = target;
    struct dimension dimension = {0};
    if (!message_read(reader, field->bytes, fields, &dimension)) {
        return false;
    }
    if (port->rank < STABILITY_MAX_RANK) {
        port->sizes[port->rank] = dimension.fixed && dimension.size >= 0 ? dimension.size : -1;
    }
    port->rank++;
    return true;
}

static bool read_port_shape(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    static const struct message_field fields[] = {{SHAPE_DIM, "dim", PROTOBUF_BYTES, read_dimension, 0}, {0}};
    struct onnx_port *port = target;
    port->has_shape = true;
    port->rank = 0;
    return message_read(reader, field->bytes, fields, port);
}

static bool read_tensor_type(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    static const struct message_field fields[] = {
        {1, "elem_type", PROTOBUF_VARINT, message_integer, offsetof(struct onnx_port, element)},
        {2, "shape", PROTOBUF_BYTES, read_port_shape, 0},
        {0},
    };
    return message_read(reader, field->bytes, fields, target);
}

static bool read_type(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    static const struct message_field fields[] = {{1, "tensor_type", PROTOBUF_BYTES, read_tensor_type, 0},
                                                  {0}};
    return message_read(reader, field->bytes, fields, target);
}

static bool read_port(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    static const struct message_field fields[] = {
        {1, "name", PROTOBUF_BYTES, message_text, offsetof(struct onnx_port, name)},
        {2, "type", PROTOBUF_BYTES, read_type, 0},
        {0},
    };
    *(struct onnx_port *)target = (struct onnx_port){.name = ""};
    return message_read(reader, field->bytes, fields, target);
}

/* ---- the graph ---- */

static bool read_initializer(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    struct onnx_initializer *initializer = target;
    return tensor_message_read(reader, field->bytes, &initializer->name, &initializer->tensor);
}

static bool refuse_sparse(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    (void)field;
    (void)target;
    return message_fail(reader, STABILITY_ERROR_ONNX_UNSUPPORTED, "sparse initializers are not supported");
}

enum { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };

static const struct message_field graph_fields[] = {
    {GRAPH_NODE, "node", PROTOBUF_BYTES, NULL, 0},
    {2, "name", PROTOBUF_BYTES, message_text, offsetof(struct onnx_file, name)},
    {GRAPH_INITIALIZER, "initializer", PROTOBUF_BYTES, NULL, 0},
    {GRAPH_INPUT, "input", PROTOBUF_BYTES, NULL, 0},
    {GRAPH_OUTPUT, "output", PROTOBUF_BYTES, NULL, 0},
    {15, "sparse_initializer", PROTOBUF_BYTES, refuse_sparse, 0},
    {0},
};

static bool check_node_count(struct message_reader *reader, struct protobuf bytes)
{
    struct protobuf_field field;
    int64_t count = 0;
    int64_t limit = reader->limits->layers;
    while (protobuf_next(&bytes, &field) == PROTOBUF_FIELD) {
        count += field.number == GRAPH_NODE;
    }
    return limit == 0 || count / NODES_PER_LAYER <= limit ||
           message_fail(reader, STABILITY_ERROR_MODEL_TOO_LARGE,
                        "the graph has %" PRId64 " nodes; a model may have %" PRId64
                        " layers, and a graph %d times as many nodes",
                        count, limit, NODES_PER_LAYER);
}

static bool read_graph(struct message_reader *reader, struct protobuf bytes, struct onnx_file *file)
{
    struct message_list nodes, initializers, inputs, outputs;
    message_enter(reader, "graph");
    file->name = "";
    if (!message_read(reader, bytes, graph_fields, file) || !check_node_count(reader, bytes) ||
        !read_items(reader, bytes, GRAPH_NODE, "node", sizeof(struct onnx_node), read_node, &nodes) ||
        !read_items(reader, bytes, GRAPH_INITIALIZER, "initializer", sizeof(struct onnx_initializer),
                    read_initializer, &initializers) ||
        !read_items(reader, bytes, GRAPH_INPUT, "input", sizeof(struct onnx_port), read_port, &inputs) ||
        !read_items(reader, bytes, GRAPH_OUTPUT, "output", sizeof(struct onnx_port), read_port, &outputs)) {
        return false;
    }
    file->nodes = nodes.items;
    file->node_count = nodes.count;
    file->initializers = initializers.items;
    file->initializer_count = initializers.count;
    file->inputs = inputs.items;
    file->input_count = inputs.count;
    file->outputs = outputs.items;
    file->output_count = outputs.count;
    return true;
}

/* ---- the model ---- */

struct model_parts {
    int64_t ir_version;
    int64_t opset; /* 0: none for the domain "" */
    int graph_count;
    struct protobuf graph;
};

struct opset {
    const char *domain;
    int64_t version;
};

static bool read_opset(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    static const struct message_field fields[] = {
        {1, "domain", PROTOBUF_BYTES, message_text, offsetof(struct opset, domain)},
        {2, "version", PROTOBUF_VARINT, message_integer, offsetof(struct opset, version)},
        {0},
    };
    struct opset opset = {.domain = ""};
    if (!message_read(reader, field->bytes, fields, &opset)) {
        return false;
    }
    if (opset.domain[0] == '\0' || strcmp(opset.domain, "ai.onnx") == 0) {
        ((struct model_parts *)target)->opset = opset.version;
    }
    return true;
}

static bool take_graph(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    struct model_parts *parts = target;
    parts->graph = field->bytes;
    return ++parts->graph_count == 1 || message_broken(reader, field->bytes.position, "a second graph");
}

static bool refuse_functions(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    (void)field;
    (void)target;
    return message_fail(reader, STABILITY_ERROR_ONNX_UNSUPPORTED,
                        "functions of the model's own are not supported: export it with them inlined");
}

static const struct message_field model_fields[] = {
    {1, "ir_version", PROTOBUF_VARINT, message_integer, offsetof(struct model_parts, ir_version)},
    {7, "graph", PROTOBUF_BYTES, take_graph, 0},
    {8, "opset_import", PROTOBUF_BYTES, read_opset, 0},
    {25, "functions", PROTOBUF_BYTES, refuse_functions, 0},
    {0},
};

bool onnx_file_read(const char *bytes, size_t length, const struct stability_limits *limits,
                    struct onnx_memory *memory, struct onnx_file *file)
{
    const unsigned char *start = (const unsigned char *)bytes;
    struct message_reader reader = {
        .start = start,
        .limits = limits,
        .memory = memory,
        .items = limits->layers > 0 ? limits->layers * ITEMS_PER_LAYER : INT64_MAX,
        .pointer = "/model",
    };
    struct model_parts parts = {0};
    if (!message_read(&reader, (struct protobuf){start, start + length}, model_fields, &parts)) {
        return false;
    }
    if (parts.graph_count == 0) {
        return message_broken(&reader, start + length, "an ONNX model needs a graph");
    }
    if (parts.opset < OLDEST_OPSET || parts.opset > NEWEST_OPSET) {
        return message_fail(&reader, STABILITY_ERROR_ONNX_UNSUPPORTED,
                            "the model is written for opset %" PRId64 ", supported are %d to %d", parts.opset,
                            OLDEST_OPSET, NEWEST_OPSET);
    }
    file->opset = parts.opset;
    return read_graph(&reader, parts.graph, file);
}
