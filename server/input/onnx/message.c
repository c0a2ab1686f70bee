#include "server/input/onnx/message.h"

#include "server/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void *onnx_allocate(struct onnx_memory *memory, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > memory->left) {
        stability_fail(
            memory->error, STABILITY_ERROR_MODEL_TOO_LARGE, "/model",
            "what the ONNX file asks to be unpacked or computed in advance is over the limit, four "
            "times its size and 64 MB");
        return NULL;
    }
    memory->left -= bytes;
    return owner_allocate(memory->owner, count, size, memory->error);
}

char *onnx_format(struct onnx_memory *memory, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : onnx_allocate(memory, (size_t)length + 1, 1);
    if (text != NULL) {
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    return text;
}

/* ---- where it is read ---- */

size_t message_enter(struct message_reader *reader, const char *name)
{
    size_t mark = strlen(reader->pointer);
    stability_pointer_append(reader->pointer, sizeof reader->pointer, name);
    return mark;
}

size_t message_enter_item(struct message_reader *reader, const char *name, size_t index)
{
    char number[24];
    size_t mark = message_enter(reader, name);
    snprintf(number, sizeof number, "%zu", index);
    message_enter(reader, number);
    return mark;
}

void message_leave(struct message_reader *reader, size_t mark)
{
    reader->pointer[mark] = '\0';
}

bool message_fail(struct message_reader *reader, enum stability_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    stability_fail_v(reader->memory->error, code, reader->pointer, format, arguments);
    va_end(arguments);
    return false;
}

bool message_broken(struct message_reader *reader, const unsigned char *position, const char *what)
{
    return message_fail(reader, STABILITY_ERROR_ONNX, "the ONNX file is broken at byte %zu: %s",
                        (size_t)(position - reader->start), what);
}

/* ---- messages ---- */

static bool read_field(struct message_reader *reader, const struct message_field *fields,
                       const struct protobuf_field *field, const unsigned char *position, void *target)
{
    const struct message_field *known = fields;
    while (known->number != 0 && known->number != field->number) {
        known++;
    }
    if (known->number == 0) {
        return true;
    }
    if (known->type != MESSAGE_ANY_TYPE && known->type != (int)field->type) {
        char what[96];
        snprintf(what, sizeof what, "the field '%s' has the wire type %d, expected %d", known->name,
                 (int)field->type, known->type);
        return message_broken(reader, position, what);
    }
    return known->read == NULL || known->read(reader, field, (char *)target + known->offset);
}

bool message_read(struct message_reader *reader, struct protobuf bytes, const struct message_field *fields,
                  void *target)
{
    struct protobuf_field field;
    for (;;) {
        const unsigned char *position = bytes.position;
        enum protobuf_outcome outcome = protobuf_next(&bytes, &field);
        if (outcome == PROTOBUF_BROKEN) {
            return message_broken(reader, position, "expected a field of a Protocol Buffers message");
        }
        if (outcome == PROTOBUF_END) {
            return true;
        }
        if (!read_field(reader, fields, &field, position, target)) {
            return false;
        }
    }
}

/* ---- fields ---- */

bool message_integer(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    (void)reader;
    *(int64_t *)target = (int64_t)field->value;
    return true;
}

static double float_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

bool message_real(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    (void)reader;
    *(double *)target = float_of(field->value);
    return true;
}

static bool is_text(const char *text, size_t length)
{
    uint32_t character;
    for (size_t i = 0; i < length;) {
        size_t step = utf8_decode(text + i, length - i, &character);
        if (step == 0 || character == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

bool message_text(struct message_reader *reader, const struct protobuf_field *field, void *target)
{
    const char *text = (const char *)field->bytes.position;
    size_t length = protobuf_length(&field->bytes);
    if (!is_text(text, length)) {
        return message_broken(reader, field->bytes.position, "a name must be UTF-8 without NUL bytes");
    }
    char *copy = onnx_allocate(reader->memory, length + 1, 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, text, length);
    *(const char **)target = copy;
    return true;
}

/* ---- lists ---- */

/* How many numbers a field holds: one, or a packed list of them. */
static size_t count_numbers(const struct protobuf_field *field, size_t size)
{
    if (field->type != PROTOBUF_BYTES) {
        return 1;
    }
    if (size > 0) {
        return protobuf_length(&field->bytes) / size;
    }
    size_t count = 0;
    for (const unsigned char *byte = field->bytes.position; byte < field->bytes.end; byte++) {
        count += *byte < 0x80;
    }
    return count;
}

bool message_list_new(struct message_reader *reader, struct protobuf bytes, uint32_t number, size_t size,
                      struct message_list *list)
{
    struct protobuf_field field;
    size_t count = 0;
    while (protobuf_next(&bytes, &field) == PROTOBUF_FIELD) {
        count += field.number == number;
    }
    if (count > (uint64_t)reader->items) {
        return message_fail(reader, STABILITY_ERROR_MODEL_TOO_LARGE,
                            "the ONNX file has too many nodes, names and attributes for the limit of %" PRId64
                            " layers",
                            reader->limits->layers);
    }
    reader->items -= (int64_t)count;
    *list = (struct message_list){0, onnx_allocate(reader->memory, count, size)};
    return list->items != NULL;
}

/* Calls `take` for every number of a field, which is packed or comes one at a time. `size` is that of a
 * number, 0 for a varint. */
static bool each_number(struct message_reader *reader, struct protobuf bytes, uint32_t number, size_t size,
                        void (*take)(struct message_list *list, uint64_t value), struct message_list *list)
{
    struct protobuf_field field;
    while (protobuf_next(&bytes, &field) == PROTOBUF_FIELD) {
        uint64_t value;
        if (field.number != number) {
            continue;
        }
        if (field.type != PROTOBUF_BYTES) {
            take(list, field.value);
            continue;
        }
        while (size == 0 ? protobuf_varint(&field.bytes, &value)
                         : protobuf_fixed(&field.bytes, size, &value)) {
            take(list, value);
        }
        if (field.bytes.position != field.bytes.end) {
            return message_broken(reader, field.bytes.position, "expected a number of a packed list");
        }
    }
    return true;
}

static bool read_numbers(struct message_reader *reader, struct protobuf bytes, uint32_t number, size_t size,
                         void (*take)(struct message_list *list, uint64_t value), struct message_list *list)
{
    struct protobuf rest = bytes;
    struct protobuf_field field;
    size_t count = 0;
    while (protobuf_next(&rest, &field) == PROTOBUF_FIELD) {
        count += field.number == number ? count_numbers(&field, size) : 0;
    }
    *list = (struct message_list){0, onnx_allocate(reader->memory, count, 8)};
    return list->items != NULL && each_number(reader, bytes, number, size, take, list);
}

static void take_integer(struct message_list *list, uint64_t value)
{
    ((int64_t *)list->items)[list->count++] = (int64_t)value;
}

static void take_real(struct message_list *list, uint64_t value)
{
    ((double *)list->items)[list->count++] = float_of(value);
}

bool message_integers(struct message_reader *reader, struct protobuf bytes, uint32_t number,
                      struct message_list *list)
{
    return read_numbers(reader, bytes, number, 0, take_integer, list);
}

bool message_reals(struct message_reader *reader, struct protobuf bytes, uint32_t number,
                   struct message_list *list)
{
    return read_numbers(reader, bytes, number, 4, take_real, list);
}

bool message_fixed(struct message_reader *reader, struct protobuf bytes, uint32_t number, size_t size,
                   struct message_list *list)
{
    return read_numbers(reader, bytes, number, size, take_integer, list);
}

bool message_texts(struct message_reader *reader, struct protobuf bytes, uint32_t number,
                   struct message_list *list)
{
    struct protobuf_field field;
    if (!message_list_new(reader, bytes, number, sizeof(const char *), list)) {
        return false;
    }
    while (protobuf_next(&bytes, &field) == PROTOBUF_FIELD) {
        if (field.number != number) {
            continue;
        }
        if (field.type != PROTOBUF_BYTES) {
            return message_broken(reader, bytes.position, "expected a text");
        }
        if (!message_text(reader, &field, (const char **)list->items + list->count++)) {
            return false;
        }
    }
    return true;
}
