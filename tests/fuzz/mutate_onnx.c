/* Mutates ONNX files as messages: fields change, go, come twice or take the place of others, and nodes get
 * operators and attributes that the importer knows; lengths are written anew. A third of the mutations is
 * libFuzzer's own, of bytes. Linked with fuzz_onnx where it is fuzzed; a byte stands before the file. */
#include "server/buffer.h"
#include "server/input/onnx/protobuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FIELDS 4096
#define LARGEST_FIELD 4096 /* of those whose bytes libFuzzer mutates */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* What a message is, as far as other messages are in it. */
enum kind { OTHER, MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, VALUE, KIND_COUNT };

static const struct {
    enum kind parent;
    uint32_t field;
    enum kind child;
} children[] = {{MODEL, 7, GRAPH},  {GRAPH, 1, NODE},     {GRAPH, 5, TENSOR},    {GRAPH, 11, VALUE},
                {GRAPH, 12, VALUE}, {NODE, 5, ATTRIBUTE}, {ATTRIBUTE, 5, TENSOR}};

/* Operators and the attributes that they may have. */
static const struct {
    const char *name;
    const char *attributes;
} operators[] = {
#define LAYERS(operator, translation, attributes) {#operator, attributes },
#define CONSTANTS(operator, trait, fold, attributes) {#operator, attributes },
#define OPERATOR(operator, trait, translation, fold, attributes) {#operator, attributes },
#include "server/input/onnx/operators.def"
#undef LAYERS
#undef CONSTANTS
#undef OPERATOR
};

#define OPERATOR_COUNT (sizeof(operators) / sizeof(operators[0]))

/* A field somewhere in the file. */
struct place {
    enum kind kind; /* of the message that it is in */
    struct protobuf_field field;
};

struct mutation {
    uint64_t state;
    size_t count;
    struct place places[MOST_FIELDS];
    size_t target; /* the place that changes */
    size_t seen;   /* places so far, while the file is written anew */
};

static size_t draw(struct mutation *mutation, size_t count)
{
    mutation->state ^= mutation->state << 13;
    mutation->state ^= mutation->state >> 7;
    mutation->state ^= mutation->state << 17;
    return (size_t)(mutation->state >> 11) % count;
}

static enum kind child_of(enum kind parent, const struct protobuf_field *field)
{
    for (size_t i = 0; field->type == PROTOBUF_BYTES && i < sizeof(children) / sizeof(children[0]); i++) {
        if (children[i].parent == parent && children[i].field == field->number) {
            return children[i].child;
        }
    }
    return OTHER;
}

/* False where the message is broken, or has too many fields. */
static bool collect(struct mutation *mutation, enum kind kind, struct protobuf message)
{
    struct protobuf_field field;
    enum protobuf_outcome outcome;
    while ((outcome = protobuf_next(&message, &field)) == PROTOBUF_FIELD) {
        if (mutation->count == MOST_FIELDS) {
            return false;
        }
        mutation->places[mutation->count++] = (struct place){kind, field};
        enum kind child = child_of(kind, &field);
        if (child != OTHER && !collect(mutation, child, field.bytes)) {
            return false;
        }
    }
    return outcome == PROTOBUF_END;
}

static void write_varint(struct buffer *to, uint64_t value)
{
    do {
        char byte = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        buffer_append(to, &byte, 1);
        value >>= 7;
    } while (value > 0);
}

static void write_bytes(struct buffer *to, uint32_t number, const void *bytes, size_t count)
{
    write_varint(to, (uint64_t)number << 3 | PROTOBUF_BYTES);
    write_varint(to, count);
    buffer_append(to, bytes, count);
}

static void write_number(struct buffer *to, uint32_t number, uint64_t value)
{
    write_varint(to, (uint64_t)number << 3 | PROTOBUF_VARINT);
    write_varint(to, value);
}

static void write_field(struct buffer *to, const struct protobuf_field *field)
{
    if (field->type == PROTOBUF_BYTES) {
        write_bytes(to, field->number, field->bytes.position, protobuf_length(&field->bytes));
        return;
    }
    write_varint(to, (uint64_t)field->number << 3 | (uint64_t)field->type);
    if (field->type == PROTOBUF_VARINT) {
        write_varint(to, field->value);
    } else {
        buffer_append(to, &field->value, field->type == PROTOBUF_FIXED32 ? 4 : 8);
    }
}

static uint64_t random_number(struct mutation *mutation, uint64_t value)
{
    static const int64_t numbers[] = {0,  1,  2,  3,  4,  5,         7,         8,
                                      11, 16, -1, -2, -3, INT32_MAX, INT64_MAX, INT64_MIN};
    return draw(mutation, 3) == 0 ? value / 2 + draw(mutation, 3)
                                  : (uint64_t)numbers[draw(mutation, sizeof(numbers) / sizeof(numbers[0]))];
}

static void write_attribute(struct mutation *mutation, struct buffer *to, const char *name, size_t length)
{
    struct buffer attribute = {0};
    write_bytes(&attribute, 1, name, length);
    switch (draw(mutation, 3)) {
    case 0:
        write_number(&attribute, 3, random_number(mutation, 4));
        write_number(&attribute, 20, 2);
        break;
    case 1:
        for (size_t i = draw(mutation, 5); i > 0; i--) {
            write_number(&attribute, 8, draw(mutation, 4));
        }
        write_number(&attribute, 20, 7);
        break;
    default:
        write_varint(&attribute, 2 << 3 | PROTOBUF_FIXED32);
        buffer_append(&attribute, &(float){(float)draw(mutation, 5) / 4 - 0.25F}, sizeof(float));
        write_number(&attribute, 20, 1);
    }
    write_bytes(to, 5, attribute.data, attribute.length);
    buffer_free(&attribute);
}

/* Another operator, with some of its attributes, in place of the field `op_type`. */
static void write_operator(struct mutation *mutation, struct buffer *to)
{
    size_t index = draw(mutation, OPERATOR_COUNT);
    const char *attribute = operators[index].attributes;
    write_bytes(to, 4, operators[index].name, strlen(operators[index].name));
    while (*attribute != '\0') {
        size_t length = strcspn(attribute, " ");
        if (draw(mutation, 4) == 0) {
            write_attribute(mutation, to, attribute, length);
        }
        attribute += length;
        attribute += strspn(attribute, " ");
    }
}

/* What stands at another place of the same kind of message, if possible at the same field. */
static const struct protobuf_field *find_other(struct mutation *mutation, const struct place *place)
{
    const struct place *other = place;
    for (int tries = 0; tries < 64; tries++) {
        const struct place *candidate = &mutation->places[draw(mutation, mutation->count)];
        if (candidate->kind == place->kind && candidate->field.type == place->field.type) {
            other = candidate;
            if (candidate->field.number == place->field.number) {
                break;
            }
        }
    }
    return &other->field;
}

static void write_mutated_bytes(struct buffer *to, const struct protobuf_field *field)
{
    static uint8_t bytes[LARGEST_FIELD];
    size_t length = protobuf_length(&field->bytes);
    if (length > sizeof(bytes) / 2) {
        write_field(to, field);
        return;
    }
    memcpy(bytes, field->bytes.position, length);
    write_bytes(to, field->number, bytes, LLVMFuzzerMutate(bytes, length, sizeof(bytes)));
}

static void write_changed(struct mutation *mutation, const struct place *place, struct buffer *to)
{
    struct protobuf_field field = place->field;
    if (place->kind == NODE && field.number == 4 && draw(mutation, 4) > 0) {
        write_operator(mutation, to);
        return;
    }
    switch (draw(mutation, 6)) {
    case 0:
        return;
    case 1:
        write_field(to, &field);
        write_field(to, &field);
        return;
    case 2:
        field.bytes = find_other(mutation, place)->bytes;
        field.value = find_other(mutation, place)->value;
        write_field(to, &field);
        return;
    case 3:
        write_field(to, &field);
        write_field(to, find_other(mutation, place));
        return;
    default:
        field.value = random_number(mutation, field.value);
        field.type == PROTOBUF_BYTES ? write_mutated_bytes(to, &field) : write_field(to, &field);
    }
}

/* Writes the message, one place in it changed; lengths follow. */
static void rewrite(struct mutation *mutation, enum kind kind, struct protobuf message, struct buffer *to)
{
    struct protobuf_field field;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        size_t place = mutation->seen++;
        enum kind child = child_of(kind, &field);
        struct buffer inner = {0};
        if (place == mutation->target) {
            write_changed(mutation, &mutation->places[place], to);
        } else if (child == OTHER) {
            write_field(to, &field);
            continue;
        }
        if (child != OTHER) {
            rewrite(mutation, child, field.bytes, &inner);
        }
        if (place != mutation->target) {
            write_bytes(to, field.number, inner.data == NULL ? "" : inner.data, inner.length);
        }
        buffer_free(&inner);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    static struct mutation mutation;
    mutation.state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    mutation.count = 0;
    mutation.seen = 0;
    struct buffer file = {0};
    const struct protobuf message = {data + 1, data + size};
    if (size > 1 && draw(&mutation, 3) > 0 && collect(&mutation, MODEL, message) && mutation.count > 0) {
        mutation.target = draw(&mutation, mutation.count);
        rewrite(&mutation, MODEL, message, &file);
    }
    bool fits = file.length > 0 && file.length < most && !file.failed;
    if (fits) {
        memcpy(data + 1, file.data, file.length);
        size = 1 + file.length;
    }
    buffer_free(&file);
    return fits ? size : LLVMFuzzerMutate(data, size, most);
}
