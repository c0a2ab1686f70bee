/* An ONNX file as it is written: nodes, initializers, inputs and outputs. What it means is for others. */
#ifndef SERVER_INPUT_ONNX_FILE_H
#define SERVER_INPUT_ONNX_FILE_H

#include "server/input/owner.h"

#include <stability/request.h>

/* Memory that reading a file may take: the owner's, and not more than `left` bytes. */
struct onnx_memory {
    struct owner *owner;
    size_t left;
    struct stability_error *error;
};

/* Zeroed memory, never NULL for 0 items. NULL with the error: MODEL_TOO_LARGE where it is over what is left,
 * OUT_OF_MEMORY where there is none. */
void *onnx_allocate(struct onnx_memory *memory, size_t count, size_t size);
/* A NUL-terminated text as printf would write it, or NULL with the error. */
char *onnx_format(struct onnx_memory *memory, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The numbers of AttributeProto.AttributeType that are read. */
enum onnx_attribute_type {
    ONNX_FLOAT = 1,
    ONNX_INT = 2,
    ONNX_STRING = 3,
    ONNX_TENSOR = 4,
    ONNX_GRAPH = 5, /* and above: only the type is kept */
    ONNX_FLOATS = 6,
    ONNX_INTS = 7,
    ONNX_STRINGS = 8
};

struct onnx_attribute {
    const char *name;
    int64_t type; /* enum onnx_attribute_type, or another number */
    int64_t integer;
    double real;
    const char *text;
    struct stability_tensor tensor;
    size_t count; /* of integers, reals or texts */
    const int64_t *integers;
    const double *reals;
    const char *const *texts;
};

struct onnx_node {
    const char *name; /* "" where there is none */
    const char *type;
    const char *domain;
    size_t input_count;
    const char *const *inputs; /* "": left out */
    size_t output_count;
    const char *const *outputs;
    size_t attribute_count;
    const struct onnx_attribute *attributes;
};

struct onnx_initializer {
    const char *name;
    struct stability_tensor tensor; /* its bytes are in the file where they are stored raw */
};

/* An input or an output of the graph. */
struct onnx_port {
    const char *name;
    int64_t element;                   /* a TensorProto.DataType; 0: not said */
    bool has_shape;                    /* and then: */
    size_t rank;                       /* may be over STABILITY_MAX_RANK; the sizes behind are not kept */
    int64_t sizes[STABILITY_MAX_RANK]; /* -1: not fixed */
};

struct onnx_file {
    const char *name; /* of the graph; "" where there is none */
    int64_t opset;    /* version of the operators of the domain "" */
    size_t node_count;
    struct onnx_node *nodes;
    size_t initializer_count;
    struct onnx_initializer *initializers;
    size_t input_count;
    struct onnx_port *inputs; /* those of old files have the initializers among them */
    size_t output_count;
    struct onnx_port *outputs;
};

/* Whether a TensorProto.DataType is a floating one. */
static inline bool onnx_is_real(int64_t type)
{
    return type == 1 || type == 10 || type == 11 || type == 16;
}

/* Reads a ModelProto. Lists and texts are the owner's; tensors stay in the bytes, which must outlive them,
 * where they are stored raw. No path is ever opened: a tensor whose data are in another file is refused.
 * False on error: ONNX where the bytes are broken, ONNX_UNSUPPORTED where they mean what is not supported,
 * MODEL_TOO_LARGE over a limit; pointers begin with /model and follow the file ("/model/graph/node/3"). */
bool onnx_file_read(const char *bytes, size_t length, const struct stability_limits *limits,
                    struct onnx_memory *memory, struct onnx_file *file);

#endif
