#include "server/input/safetensors.h"

#include "server/input/document.h"
#include "server/input/reader.h"
#include "server/input/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8
/* Every integer up to it is exact in float64. */
#define LARGEST_OFFSET 9007199254740992.0
/* What every dtype's elements are aligned at. */
#define ALIGNMENT 8

static const struct {
    const char *name;
    enum stability_dtype dtype;
} dtypes[] = {
    {"F64", STABILITY_FLOAT64},   {"F32", STABILITY_FLOAT32}, {"F16", STABILITY_FLOAT16},
    {"BF16", STABILITY_BFLOAT16}, {"I64", STABILITY_INT64},   {"I32", STABILITY_INT32},
    {"U8", STABILITY_UINT8},      {"BOOL", STABILITY_BOOL},
};

/* Where in the data a tensor is. */
struct span {
    size_t begin;
    size_t end;
    struct stability_named_tensor *tensor;
};

struct file {
    size_t data_length;
    size_t count;
    struct stability_named_tensor *items;
    struct span *spans; /* of the items, in the order of the data once they are checked */
};

/* The members of a tensor in the header. */
struct parts {
    enum stability_dtype dtype;
    struct stability_shape shape;
    struct span span;
};

/* ---- the header ---- */

static bool read_dtype(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    if (node->kind != NODE_TEXT) {
        return reader_expected(reader, "a string", node);
    }
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strlen(dtypes[i].name) == node->length && memcmp(dtypes[i].name, node->text, node->length) == 0) {
            *(enum stability_dtype *)target = dtypes[i].dtype;
            return true;
        }
    }
    return reader_fail(reader, STABILITY_ERROR_INVALID_TENSOR,
                       "the dtype must be F64, F32, F16, BF16, I64, I32, U8 or BOOL, found '%.*s'",
                       (int)(node->length < 64 ? node->length : 64), node->text);
}

static bool read_shape(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    return shape_read(reader, node, target);
}

static bool read_offsets(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    struct span *span = target;
    bool pair = node->kind == NODE_NUMBERS && node->slab->integers && node->slab->shape.rank == 1 &&
                node->slab->count == 2;
    const double *offsets = pair ? reader_numbers(reader, node) : NULL;
    if (offsets == NULL || !(offsets[0] >= 0 && offsets[0] <= offsets[1] && offsets[1] <= LARGEST_OFFSET)) {
        return reader_expected(reader, "two offsets, begin and end", node);
    }
    span->begin = (size_t)offsets[0];
    span->end = (size_t)offsets[1];
    return true;
}

static bool check_size(struct reader *reader, const struct parts *parts, size_t data_length)
{
    size_t begin = parts->span.begin;
    size_t end = parts->span.end;
    size_t needed = (size_t)stability_shape_count(&parts->shape) * stability_dtype_size(parts->dtype);
    if (end > data_length) {
        return reader_fail(reader, STABILITY_ERROR_SAFETENSORS,
                           "the tensor ends at byte %zu of the data, which has %zu", end, data_length);
    }
    if (end - begin != needed) {
        char text[STABILITY_SHAPE_TEXT];
        return reader_fail(reader, STABILITY_ERROR_SAFETENSORS,
                           "shape %s of %s needs %zu bytes, and the offsets %zu and %zu leave %zu",
                           stability_shape_text(&parts->shape, text), stability_dtype_name(parts->dtype),
                           needed, begin, end, end - begin);
    }
    return true;
}

static bool read_tensor(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {{"dtype", read_dtype, offsetof(struct parts, dtype), true},
                                          {"shape", read_shape, offsetof(struct parts, shape), true},
                                          {"data_offsets", read_offsets, offsetof(struct parts, span), true},
                                          {NULL, NULL, 0, false}};
    struct file *file = target;
    struct parts parts = {0};
    if (!reader_members(reader, node, "a tensor", fields, &parts) ||
        !check_size(reader, &parts, file->data_length)) {
        return false;
    }
    struct stability_named_tensor *item = &file->items[file->count];
    item->name = owner_text(reader->owner, name, strlen(name), reader->error);
    item->tensor = (struct stability_tensor){.dtype = parts.dtype, .shape = parts.shape};
    file->spans[file->count++] = (struct span){parts.span.begin, parts.span.end, item};
    return item->name != NULL;
}

static bool check_metadatum(struct reader *reader, const char *name, const struct node *node, void *target)
{
    (void)name;
    (void)target;
    return node->kind == NODE_TEXT || reader_expected(reader, "a string", node);
}

/* It is free text, which says nothing about the tensors. */
static bool check_metadata(struct reader *reader, const char *name, const struct node *node, void *target)
{
    static const struct field fields[] = {{NULL, check_metadatum, 0, false}};
    (void)name;
    return reader_members(reader, node, "the metadata", fields, target);
}

static bool read_header(struct reader *reader, const json_t *header, struct file *file)
{
    static const struct field fields[] = {{"__metadata__", check_metadata, 0, false},
                                          {NULL, read_tensor, 0, false}};
    struct node root = reader_node(reader, header);
    size_t count = root.kind == NODE_OBJECT ? json_object_size(header) : 0;
    file->items = reader_allocate(reader, count, sizeof *file->items);
    file->spans = reader_allocate(reader, count, sizeof *file->spans);
    return file->items != NULL && file->spans != NULL &&
           reader_members(reader, &root, "the header", fields, file);
}

/* ---- the data ---- */

static int compare_spans(const void *a, const void *b)
{
    const struct span *first = a;
    const struct span *second = b;
    if (first->begin != second->begin) {
        return first->begin < second->begin ? -1 : 1;
    }
    return (first->end > second->end) - (first->end < second->end);
}

/* Tensors lie one behind the other, from the data's first byte to its last. */
static bool check_tiling(struct reader *reader, struct file *file)
{
    size_t reached = 0;
    qsort(file->spans, file->count, sizeof *file->spans, compare_spans);
    for (size_t i = 0; i < file->count; i++) {
        const struct span *span = &file->spans[i];
        if (span->begin != reached) {
            reader_enter(reader, span->tensor->name);
            return reader_fail(reader, STABILITY_ERROR_SAFETENSORS,
                               "the tensor must begin at byte %zu of the data, where the one before it ends, "
                               "found %zu",
                               reached, span->begin);
        }
        reached = span->end;
    }
    return reached == file->data_length ||
           reader_fail(reader, STABILITY_ERROR_SAFETENSORS,
                       "the last tensor must end where the data does, at byte %zu, found %zu",
                       file->data_length, reached);
}

/* The header was read: some of its last bytes may make room. */
static char *align(char *data, size_t length)
{
    size_t shift = (uintptr_t)data % ALIGNMENT;
    if (shift > 0) {
        memmove(data - shift, data, length);
    }
    return data - shift;
}

/* ---- the file ---- */

/* What is wrong with the header: its own mistakes make the file a broken one. */
static bool fail_header(const struct stability_error *problem, struct stability_error *error)
{
    static const enum stability_code kept[] = {STABILITY_ERROR_OUT_OF_MEMORY, STABILITY_ERROR_MODEL_TOO_LARGE,
                                               STABILITY_ERROR_INVALID_TENSOR};
    static const char part[] = "/weights";
    enum stability_code code = STABILITY_ERROR_SAFETENSORS;
    char pointer[sizeof part + sizeof problem->pointer];
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        code = problem->code == kept[i] ? kept[i] : code;
    }
    snprintf(pointer, sizeof pointer, "%s%s", part, problem->pointer);
    bool fits = strlen(pointer) < sizeof error->pointer;
    return stability_fail(error, code, fits ? pointer : part, "the header of the safetensors file: %s",
                          problem->message);
}

static bool read_checked(char *header, size_t header_length, const struct stability_limits *limits,
                         struct owner *owner, struct file *file, struct stability_error *error)
{
    struct document document = {.scan.claim = owner->claim};
    struct stability_error problem = {0};
    struct input_position where;
    struct reader reader = {
        .body = header, .scan = &document.scan, .owner = owner, .limits = limits, .error = &problem};
    bool done = document_load(&document, header, header_length, limits, &where, &problem) &&
                read_header(&reader, document.structure.root, file) && check_tiling(&reader, file);
    document_free(&document);
    return done || fail_header(&problem, error);
}

/* Reads where the header ends. */
static bool read_length(const char *file, size_t length, size_t *header_length, struct stability_error *error)
{
    uint64_t stated = 0;
    if (length < LENGTH_BYTES) {
        return stability_fail(
            error, STABILITY_ERROR_SAFETENSORS, "/weights",
            "a safetensors file begins with 8 bytes that give its header's length, and this "
            "one has %zu bytes",
            length);
    }
    for (size_t i = LENGTH_BYTES; i-- > 0;) {
        stated = stated << 8 | (unsigned char)file[i];
    }
    if (stated > SAFETENSORS_LONGEST_HEADER) {
        return stability_fail(error, STABILITY_ERROR_SAFETENSORS, "/weights",
                              "the header of a safetensors file may have %d bytes, and this one says that it "
                              "has %" PRIu64,
                              SAFETENSORS_LONGEST_HEADER, stated);
    }
    if (stated > length - LENGTH_BYTES) {
        return stability_fail(error, STABILITY_ERROR_SAFETENSORS, "/weights",
                              "the safetensors file says that its header has %" PRIu64
                              " bytes, and only %zu follow",
                              stated, length - LENGTH_BYTES);
    }
    *header_length = (size_t)stated;
    return true;
}

bool safetensors_read(char *file, size_t length, const struct stability_limits *limits, struct owner *owner,
                      struct stability_tensors *tensors, struct stability_error *error)
{
    size_t header_length = 0;
    if (!read_length(file, length, &header_length, error)) {
        return false;
    }
    char *header = file + LENGTH_BYTES;
    struct file parsed = {.data_length = length - LENGTH_BYTES - header_length};
    if (header_length == 0 || header[0] != '{') {
        return stability_fail(error, STABILITY_ERROR_SAFETENSORS, "/weights",
                              "the header of a safetensors file must begin with '{'");
    }
    if (!read_checked(header, header_length, limits, owner, &parsed, error)) {
        return false;
    }
    const char *data = align(header + header_length, parsed.data_length);
    for (size_t i = 0; i < parsed.count; i++) {
        parsed.spans[i].tensor->tensor.data = data + parsed.spans[i].begin;
    }
    *tensors = (struct stability_tensors){parsed.count, parsed.items};
    return true;
}
