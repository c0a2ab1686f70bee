/* The wire format of Protocol Buffers, one field after another. Nothing is copied and nothing is allocated;
 * what is nested is read by a reader of its own, so depth is the caller's choice. */
#ifndef SERVER_INPUT_ONNX_PROTOBUF_H
#define SERVER_INPUT_ONNX_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left of a message, or of a packed list. */
struct protobuf {
    const unsigned char *position;
    const unsigned char *end;
};

enum protobuf_type {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2, /* a text, a message or a packed list */
    PROTOBUF_FIXED32 = 5
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_type type;
    uint64_t value;        /* VARINT, FIXED64, FIXED32 */
    struct protobuf bytes; /* BYTES */
};

enum protobuf_outcome { PROTOBUF_FIELD, PROTOBUF_END, PROTOBUF_BROKEN };

static inline size_t protobuf_length(const struct protobuf *bytes)
{
    return (size_t)(bytes->end - bytes->position);
}

/* Reads a field. BROKEN: a length or a number that goes on behind the end, a number of more than 64 bits, the
 * field 0, a group (which ONNX has none of); the position is then at that field. */
enum protobuf_outcome protobuf_next(struct protobuf *message, struct protobuf_field *field);

/* Reads one item of a packed list: a varint, or `size` bytes (4 or 8), little-endian. False at its end and
 * where it is broken; a list that ended well has nothing left. */
bool protobuf_varint(struct protobuf *list, uint64_t *value);
bool protobuf_fixed(struct protobuf *list, size_t size, uint64_t *value);

#endif
