/* TensorProto: data stored raw stay in the file; what is stored as numbers is unpacked. */
#include "server/input/onnx/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DIMS = 1, FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, DOUBLE_DATA = 10, UINT64_DATA = 11 };

/* TensorProto.DataType: FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, BOOL, FLOAT16, DOUBLE, UINT32,
 * UINT64 and BFLOAT16, in this order. */
struct element_type {
    int64_t number;
    enum stability_dtype dtype; /* that it becomes */
    size_t size;                /* bytes of an element stored raw */
    bool is_signed;             /* integers that become int64 from fewer bytes */
    bool same;                  /* raw bytes are what the dtype has */
    uint32_t field;             /* that holds numbers which are not raw */
};

static const struct element_type element_types[] = {
    {1, STABILITY_FLOAT32, 4, false, true, FLOAT_DATA},
    {2, STABILITY_UINT8, 1, false, true, INT32_DATA},
    {3, STABILITY_INT64, 1, true, false, INT32_DATA},
    {4, STABILITY_INT64, 2, false, false, INT32_DATA},
    {5, STABILITY_INT64, 2, true, false, INT32_DATA},
    {6, STABILITY_INT32, 4, true, true, INT32_DATA},
    {7, STABILITY_INT64, 8, true, true, INT64_DATA},
    {9, STABILITY_BOOL, 1, false, true, INT32_DATA},
    {10, STABILITY_FLOAT16, 2, false, true, INT32_DATA},
    {11, STABILITY_FLOAT64, 8, false, true, DOUBLE_DATA},
    {12, STABILITY_INT64, 4, false, false, UINT64_DATA},
    {13, STABILITY_INT64, 8, false, true, UINT64_DATA},
    {16, STABILITY_BFLOAT16, 2, false, true, INT32_DATA},
};

struct parts {
    const char *name;
    int64_t type;
    int64_t location;
    bool external;
    bool raw;
    bool segment;
    struct protobuf data; /* raw */
};

static bool read_raw(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    struct parts *parts = target;
    (void)reader;
    parts->raw = true;
    parts->data = field->bytes;
    return true;
}

static bool note(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    (void)reader;
    (void)field;
    *(bool *)target = true;
    return true;
}

static const struct message_field fields[] = {
    {2, "data_type", PROTOBUF_VARINT, message_integer, offsetof(struct parts, type)},
    {3, "segment", PROTOBUF_BYTES, note, offsetof(struct parts, segment)},
    {8, "name", PROTOBUF_BYTES, message_text, offsetof(struct parts, name)},
    {9, "raw_data", PROTOBUF_BYTES, read_raw, 0},
    {13, "external_data", PROTOBUF_BYTES, note, offsetof(struct parts, external)},
    {14, "data_location", PROTOBUF_VARINT, message_integer, offsetof(struct parts, location)},
    {DIMS, "dims", MESSAGE_ANY_TYPE, NULL, 0},
    {0},
};

static const struct element_type *find_type(struct message_reader *reader, const struct parts *parts)
{
    for (size_t i = 0; i < sizeof element_types / sizeof *element_types; i++) {
        if (element_types[i].number == parts->type) {
            return &element_types[i];
        }
    }
    message_fail(reader, STABILITY_ERROR_ONNX_UNSUPPORTED,
                 "the tensor '%.128s' has the data type %" PRId64
                 ", which is not supported (there are FLOAT, DOUBLE, FLOAT16, BFLOAT16, BOOL and integers)",
                 parts->name, parts->type);
    return NULL;
}

static bool read_shape(struct message_reader *reader, struct protobuf bytes, const char *name,
                       struct stability_shape *shape)
{
    struct message_list dims;
    if (!message_integers(reader, bytes, DIMS, &dims)) {
        return false;
    }
    if (dims.count > STABILITY_MAX_RANK) {
        return message_fail(reader, STABILITY_ERROR_ONNX_UNSUPPORTED,
                            "the tensor '%.128s' has %zu dimensions, at most %d are supported", name,
                            dims.count, STABILITY_MAX_RANK);
    }
    shape->rank = (int)dims.count;
    for (size_t d = 0; d < dims.count; d++) {
        shape->sizes[d] = ((const int64_t *)dims.items)[d];
    }
    int64_t count = stability_shape_count(shape);
    int64_t limit = reader->limits->elements;
    if (count < 0) {
        char text[STABILITY_SHAPE_TEXT];
        return message_fail(reader, STABILITY_ERROR_ONNX, "the tensor '%.128s' cannot have the shape %s",
                            name, stability_shape_text(shape, text));
    }
    return limit == 0 || count <= limit ||
           message_fail(reader, STABILITY_ERROR_MODEL_TOO_LARGE,
                        "the tensor '%.128s' has %" PRId64 " elements, the limit is %" PRId64, name, count,
                        limit);
}

static bool wrong_count(struct message_reader *reader, const struct parts *parts,
                        const struct stability_tensor *tensor, size_t found, const char *unit)
{
    char text[STABILITY_SHAPE_TEXT];
    return message_fail(reader, STABILITY_ERROR_ONNX, "the tensor '%.128s' of shape %s and %s has %zu %s",
                        parts->name, stability_shape_text(&tensor->shape, text),
                        stability_dtype_name(tensor->dtype), found, unit);
}

static int64_t widen(uint64_t bits, const struct element_type *type)
{
    uint64_t sign = (uint64_t)1 << (8 * type->size - 1) % 64;
    return type->is_signed ? (int64_t)((bits ^ sign) - sign) : (int64_t)bits;
}

/* Raw bytes of a dtype that the engine has stay where they are, others become int64. */
static bool take_raw(struct message_reader *reader, const struct parts *parts,
                     const struct element_type *type, struct stability_tensor *tensor)
{
    size_t count = (size_t)stability_shape_count(&tensor->shape);
    struct protobuf data = parts->data;
    if (protobuf_length(&data) != count * type->size) {
        return wrong_count(reader, parts, tensor, protobuf_length(&data), "bytes");
    }
    tensor->data = data.position;
    if (type->same) {
        return true;
    }
    int64_t *wide = onnx_allocate(reader->memory, count, sizeof *wide);
    for (size_t i = 0; wide != NULL && i < count; i++) {
        uint64_t bits = 0;
        for (size_t k = type->size; k-- > 0;) {
            bits = bits << 8 | data.position[i * type->size + k];
        }
        wide[i] = widen(bits, type);
    }
    tensor->data = wide;
    return wide != NULL;
}

/* Numbers of 8 bytes become elements, in the same memory. */
static void narrow(const struct element_type *type, int64_t *numbers, size_t count)
{
    size_t size = stability_dtype_size(type->dtype);
    if (size == sizeof *numbers) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t number = numbers[i];
        if (type->dtype == STABILITY_BOOL) {
            number = number != 0;
        }
        memcpy((char *)numbers + i * size, &number, size); /* the low bytes come first */
    }
}

static bool take_numbers(struct message_reader *reader, struct protobuf bytes, const struct parts *parts,
                         const struct element_type *type, struct stability_tensor *tensor)
{
    size_t count = (size_t)stability_shape_count(&tensor->shape);
    struct message_list list;
    bool read = type->field == FLOAT_DATA    ? message_fixed(reader, bytes, type->field, 4, &list)
                : type->field == DOUBLE_DATA ? message_fixed(reader, bytes, type->field, 8, &list)
                                             : message_integers(reader, bytes, type->field, &list);
    if (!read) {
        return false;
    }
    if (list.count != count) {
        return wrong_count(reader, parts, tensor, list.count, "numbers");
    }
    narrow(type, list.items, count);
    tensor->data = list.items;
    return true;
}

bool tensor_message_read(struct message_reader *reader, struct protobuf bytes, const char **name,
                         struct stability_tensor *tensor)
{
    struct parts parts = {.name = ""};
    if (!message_read(reader, bytes, fields, &parts)) {
        return false;
    }
    if (parts.external || parts.location != 0) {
        return message_fail(
            reader, STABILITY_ERROR_ONNX_UNSUPPORTED,
            "the data of the tensor '%.128s' are in another file: save the model with its data "
            "inside (onnx.save without save_as_external_data)",
            parts.name);
    }
    if (parts.segment) {
        return message_fail(reader, STABILITY_ERROR_ONNX_UNSUPPORTED,
                            "the tensor '%.128s' is stored in segments, which is not supported", parts.name);
    }
    const struct element_type *type = find_type(reader, &parts);
    if (type == NULL || !read_shape(reader, bytes, parts.name, &tensor->shape)) {
        return false;
    }
    tensor->dtype = type->dtype;
    if (name != NULL) {
        *name = parts.name;
    }
    return parts.raw ? take_raw(reader, &parts, type, tensor)
                     : take_numbers(reader, bytes, &parts, type, tensor);
}
