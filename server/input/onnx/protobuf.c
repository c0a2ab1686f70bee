#include "server/input/onnx/protobuf.h"

#define VARINT_BYTES 10
#define LAST_FIELD ((UINT32_C(1) << 29) - 1)

bool protobuf_varint(struct protobuf *list, uint64_t *value)
{
    const unsigned char *byte = list->position;
    uint64_t sum = 0;
    for (int i = 0; i < VARINT_BYTES && byte < list->end; i++, byte++) {
        if (i == VARINT_BYTES - 1 && *byte > 1) {
            return false;
        }
        sum |= (uint64_t)(*byte & 0x7f) << (7 * i);
        if (*byte < 0x80) {
            list->position = byte + 1;
            *value = sum;
            return true;
        }
    }
    return false;
}

bool protobuf_fixed(struct protobuf *list, size_t size, uint64_t *value)
{
    if (protobuf_length(list) < size) {
        return false;
    }
    *value = 0;
    for (size_t i = size; i-- > 0;) {
        *value = *value << 8 | list->position[i];
    }
    list->position += size;
    return true;
}

static bool read_bytes(struct protobuf *message, struct protobuf *bytes)
{
    uint64_t length;
    if (!protobuf_varint(message, &length) || length > protobuf_length(message)) {
        return false;
    }
    *bytes = (struct protobuf){message->position, message->position + length};
    message->position += length;
    return true;
}

static bool read_content(struct protobuf *message, struct protobuf_field *field)
{
    switch (field->type) {
    case PROTOBUF_VARINT:
        return protobuf_varint(message, &field->value);
    case PROTOBUF_FIXED64:
        return protobuf_fixed(message, 8, &field->value);
    case PROTOBUF_FIXED32:
        return protobuf_fixed(message, 4, &field->value);
    case PROTOBUF_BYTES:
        return read_bytes(message, &field->bytes);
    default:
        return false;
    }
}

enum protobuf_outcome protobuf_next(struct protobuf *message, struct protobuf_field *field)
{
    if (message->position == message->end) {
        return PROTOBUF_END;
    }
    struct protobuf rest = *message;
    uint64_t tag;
    if (!protobuf_varint(&rest, &tag) || tag >> 3 == 0 || tag >> 3 > LAST_FIELD) {
        return PROTOBUF_BROKEN;
    }
    *field = (struct protobuf_field){.number = (uint32_t)(tag >> 3), .type = (enum protobuf_type)(tag & 7)};
    if (!read_content(&rest, field)) {
        return PROTOBUF_BROKEN;
    }
    *message = rest;
    return PROTOBUF_FIELD;
}
