/* Every rule of the safetensors format, on both sides. */
#include "server/input/safetensors.h"

#include "server/input/request.h"
#include "support_allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct stability_limits limits = {.layers = 100, .elements = 1000};

struct file {
    char *memory; /* what to free */
    char *bytes;
    size_t length;
};

/* A file with `data` bytes 0, 1, 2 … behind the header, in memory without anything behind it; it begins
 * `shift` bytes after where it would be aligned. */
static struct file file_new(const char *header, size_t header_length, size_t data, size_t shift)
{
    struct file file = {.length = 8 + header_length + data};
    file.memory = malloc(shift + file.length);
    assert_non_null(file.memory);
    file.bytes = file.memory + shift;
    for (size_t i = 0; i < 8; i++) {
        file.bytes[i] = (char)((uint64_t)header_length >> 8 * i);
    }
    memcpy(file.bytes + 8, header, header_length);
    for (size_t i = 0; i < data; i++) {
        file.bytes[8 + header_length + i] = (char)i;
    }
    return file;
}

static const struct stability_named_tensor *find(const struct stability_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++) {
        if (strcmp(tensors->items[i].name, name) == 0) {
            return &tensors->items[i];
        }
    }
    fail_msg("there is no tensor '%s'", name);
    return NULL;
}

static void assert_tensor(const struct stability_tensors *tensors, const char *name,
                          enum stability_dtype dtype, const char *shape, size_t begin)
{
    const struct stability_named_tensor *found = find(tensors, name);
    char text[STABILITY_SHAPE_TEXT];
    assert_null(found->recipe.name);
    assert_int_equal(found->tensor.dtype, dtype);
    assert_string_equal(stability_shape_text(&found->tensor.shape, text), shape);
    size_t bytes = (size_t)stability_shape_count(&found->tensor.shape) * stability_dtype_size(dtype);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(((const unsigned char *)found->tensor.data)[i], (begin + i) & 0xff);
    }
}

static const char whole[] = "{\"__metadata__\":{\"format\":\"pt\",\"empty\":\"\"},"
                            "\"bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]},"
                            "\"weight\":{\"dtype\":\"F64\",\"shape\":[3,1],\"data_offsets\":[0,24]},"
                            "\"count\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[36,44]},"
                            "\"none\":{\"dtype\":\"BF16\",\"shape\":[0,7],\"data_offsets\":[44,44]},"
                            "\"h\\u00e9\":{\"data_offsets\":[44,48],\"shape\":[2],\"dtype\":\"F16\"},"
                            "\"index\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[48,52]},"
                            "\"byte\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[52,54]},"
                            "\"mask\":{\"dtype\":\"BOOL\",\"shape\":[1,1],\"data_offsets\":[54,55]},"
                            "\"half\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[55,57]}}   ";
#define WHOLE_DATA 57

static void reads_every_dtype(void **unused)
{
    (void)unused;
    for (size_t shift = 0; shift < 8; shift++) {
        struct stability_error error = {0};
        struct stability_tensors tensors;
        struct owner owner = {0};
        struct file file = file_new(whole, strlen(whole), WHOLE_DATA, shift);
        assert_true(safetensors_read(file.bytes, file.length, &limits, &owner, &tensors, &error));
        assert_int_equal(tensors.count, 9);
        assert_string_equal(tensors.items[0].name, "bias");
        assert_tensor(&tensors, "weight", STABILITY_FLOAT64, "(3, 1)", 0);
        assert_tensor(&tensors, "bias", STABILITY_FLOAT32, "(3)", 24);
        assert_tensor(&tensors, "count", STABILITY_INT64, "()", 36);
        assert_tensor(&tensors, "none", STABILITY_BFLOAT16, "(0, 7)", 44);
        assert_tensor(&tensors, "hé", STABILITY_FLOAT16, "(2)", 44);
        assert_tensor(&tensors, "index", STABILITY_INT32, "(1)", 48);
        assert_tensor(&tensors, "byte", STABILITY_UINT8, "(2)", 52);
        assert_tensor(&tensors, "mask", STABILITY_BOOL, "(1, 1)", 54);
        assert_tensor(&tensors, "half", STABILITY_BFLOAT16, "(1)", 55);
        assert_int_equal((uintptr_t)find(&tensors, "weight")->tensor.data % sizeof(double), 0);
        assert_int_equal((uintptr_t)find(&tensors, "bias")->tensor.data % sizeof(float), 0);
        owner_free(&owner);
        free(file.memory);
    }
}

static void reads_a_file_without_tensors(void **unused)
{
    (void)unused;
    static const char *const headers[] = {"{}", "{ }  ", "{\"__metadata__\":{}}"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct stability_error error = {0};
        struct stability_tensors tensors;
        struct owner owner = {0};
        struct file file = file_new(headers[i], strlen(headers[i]), 0, 1);
        assert_true(safetensors_read(file.bytes, file.length, &limits, &owner, &tensors, &error));
        assert_int_equal(tensors.count, 0);
        owner_free(&owner);
        free(file.memory);
    }
}

static void assert_refused_file(struct file file, enum stability_code code, const char *pointer,
                                const char *message)
{
    struct stability_error error = {0};
    struct stability_tensors tensors;
    struct owner owner = {0};
    assert_false(safetensors_read(file.bytes, file.length, &limits, &owner, &tensors, &error));
    assert_string_equal(error.message, message);
    assert_string_equal(error.pointer, pointer);
    assert_int_equal(error.code, code);
    owner_free(&owner);
    free(file.memory);
}

static void refuses_a_wrong_length(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes;
        size_t length;
        const char *message;
    } cases[] = {
        {"", 0,
         "a safetensors file begins with 8 bytes that give its header's length, and this one has 0 bytes"},
        {"\2\0\0\0\0\0\0", 7,
         "a safetensors file begins with 8 bytes that give its header's length, and this one has 7 bytes"},
        {"\1\xe1\xf5\5\0\0\0\0{}", 10,
         "the header of a safetensors file may have 100000000 bytes, and this one says that it has "
         "100000001"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10,
         "the header of a safetensors file may have 100000000 bytes, and this one says that it has "
         "18446744073709551615"},
        {"\0\xe1\xf5\5\0\0\0\0{}", 10,
         "the safetensors file says that its header has 100000000 bytes, and only 2 follow"},
        {"\3\0\0\0\0\0\0\0{}", 10,
         "the safetensors file says that its header has 3 bytes, and only 2 follow"},
        {"\0\0\0\0\0\0\0\0{}", 10, "the header of a safetensors file must begin with '{'"},
        {"\3\0\0\0\0\0\0\0 {}", 11, "the header of a safetensors file must begin with '{'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file file = {.length = cases[i].length};
        file.bytes = file.memory = malloc(file.length + (file.length == 0));
        assert_non_null(file.memory);
        memcpy(file.bytes, cases[i].bytes, file.length);
        assert_refused_file(file, STABILITY_ERROR_SAFETENSORS, "/weights", cases[i].message);
    }
}

/* A tensor `w` with these members. */
#define TENSOR(dtype, shape, offsets) \
    "\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define OFFSETS_EXPECTED "expected two offsets, begin and end, found "

struct broken {
    const char *header;
    size_t data;
    const char *pointer;
    const char *message;
};

static const struct broken broken_headers[] = {
    {"{\"a\":}", 0, "/weights", "line 1, column 6: expected a value, found '}'"},
    {"{} {}", 0, "/weights", "line 1, column 4: expected the end of the body after its one value, found '{'"},
    {"{" TENSOR("F32", "[]", "[0,4]") "," TENSOR("F32", "[]", "[4,8]") "}", 8, "/weights/w",
     "line 1, column 54: this key occurs twice in its object"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"shape\":[]}}", 4, "/weights/w/shape",
     "line 1, column 53: this key occurs twice in its object"},
    {"{\"w\":3}", 0, "/weights/w", "expected an object, found the number 3"},
    {"{\"w\":[1,2]}", 0, "/weights/w", "expected an object, found a list of 2 numbers"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, "/weights/w", "a tensor needs the member 'data_offsets'"},
    {"{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "/weights/w",
     "a tensor needs the member 'shape'"},
    {"{\"w\":{\"shape\":[],\"data_offsets\":[0,0]}}", 0, "/weights/w", "a tensor needs the member 'dtype'"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offset\":[0,4]}}", 4, "/weights/w/data_offset",
     "unknown member of a tensor 'data_offset': did you mean 'data_offsets'?"},
    {"{\"w\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "/weights/w/dtype",
     "expected a string, found the number 32"},
    {"{" TENSOR("F32", "{}", "[0,4]") "}", 4, "/weights/w/shape",
     "expected a shape as a list of integers, found an object"},
    {"{" TENSOR("F32", "[1.5]", "[0,4]") "}", 4, "/weights/w/shape",
     "expected a shape as a list of integers, found a list of 1 number"},
    {"{" TENSOR("F32", "[1]", "[0]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of 1 number"},
    {"{" TENSOR("F32", "[1]", "[0,2,4]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of 3 numbers"},
    {"{" TENSOR("F32", "[1]", "[[0,4]]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of lists, 2 numbers"},
    {"{" TENSOR("F32", "[1]", "[]") "}", 4, "/weights/w/data_offsets", OFFSETS_EXPECTED "a list of 0 items"},
    {"{" TENSOR("F32", "[1]", "[0,4.0]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of 2 numbers"},
    {"{" TENSOR("F32", "[1]", "[-4,0]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of 2 numbers"},
    {"{" TENSOR("F32", "[0]", "[4,0]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of 2 numbers"},
    {"{" TENSOR("F32", "[1]", "[0,18446744073709551620]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of 2 numbers"},
    {"{" TENSOR("F32", "[1]", "[\"NaN\",4]") "}", 4, "/weights/w/data_offsets",
     OFFSETS_EXPECTED "a list of 2 numbers"},
    {"{" TENSOR("F32", "[1]", "[0,4]") "}", 3, "/weights/w",
     "the tensor ends at byte 4 of the data, which has 3"},
    {"{" TENSOR("F32", "[1]", "[0,9007199254740992]") "}", 4, "/weights/w",
     "the tensor ends at byte 9007199254740992 of the data, which has 4"},
    {"{" TENSOR("F32", "[2]", "[0,4]") "}", 4, "/weights/w",
     "shape (2) of float32 needs 8 bytes, and the offsets 0 and 4 leave 4"},
    {"{" TENSOR("F32", "[]", "[0,0]") "}", 0, "/weights/w",
     "shape () of float32 needs 4 bytes, and the offsets 0 and 0 leave 0"},
    {"{" TENSOR("F64", "[0,3]", "[0,8]") "}", 8, "/weights/w",
     "shape (0, 3) of float64 needs 0 bytes, and the offsets 0 and 8 leave 8"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "/weights/__metadata__/a", "expected a string, found the number 1"},
    {"{\"__metadata__\":{\"a\":[\"NaN\"]}}", 0, "/weights/__metadata__/a",
     "expected a string, found a list of 1 number"},
    {"{\"__metadata__\":\"a\"}", 0, "/weights/__metadata__", "expected an object, found the string 'a'"},
    {"{\"__metadata__\":null}", 0, "/weights/__metadata__", "expected an object, found null"},
};

/* The data is to be tiled from its first byte to its last. */
static const struct broken broken_tilings[] = {
    {"{}", 1, "/weights", "the last tensor must end where the data does, at byte 1, found 0"},
    {"{" TENSOR("F32", "[1]", "[0,4]") "}", 5, "/weights",
     "the last tensor must end where the data does, at byte 5, found 4"},
    {"{" TENSOR("F32", "[1]", "[1,5]") "}", 5, "/weights/w",
     "the tensor must begin at byte 0 of the data, where the one before it ends, found 1"},
    {"{" TENSOR("F32", "[1]", "[0,4]") ",\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[5,7]}}", 7,
     "/weights/b", "the tensor must begin at byte 4 of the data, where the one before it ends, found 5"},
    {"{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[2,5]}," TENSOR("F32", "[1]", "[0,4]") "}", 5,
     "/weights/b", "the tensor must begin at byte 4 of the data, where the one before it ends, found 2"},
    {"{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}," TENSOR("F32", "[1]", "[0,4]") "}", 4,
     "/weights/w", "the tensor must begin at byte 4 of the data, where the one before it ends, found 0"},
    {"{\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}," TENSOR("F32", "[1]", "[0,4]") "}", 4,
     "/weights/b", "the tensor must begin at byte 4 of the data, where the one before it ends, found 2"},
};

static void assert_broken(const struct broken *broken)
{
    char message[640];
    snprintf(message, sizeof message, "the header of the safetensors file: %s", broken->message);
    struct file file = file_new(broken->header, strlen(broken->header), broken->data, 3);
    assert_refused_file(file, STABILITY_ERROR_SAFETENSORS, broken->pointer, message);
}

static void refuses_a_broken_header(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof broken_headers / sizeof *broken_headers; i++) {
        assert_broken(&broken_headers[i]);
    }
}

static void refuses_gaps_and_overlaps(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof broken_tilings / sizeof *broken_tilings; i++) {
        assert_broken(&broken_tilings[i]);
    }
}

/* Well-formed, but nothing that the engine computes with. */
static void refuses_what_it_does_not_have(void **unused)
{
    (void)unused;
    static const struct {
        const char *header;
        size_t data;
        enum stability_code code;
        const char *pointer;
        const char *message;
    } cases[] = {
        {"{" TENSOR("F8_E4M3", "[1]", "[0,1]") "}", 1, STABILITY_ERROR_INVALID_TENSOR, "/weights/w/dtype",
         "the dtype must be F64, F32, F16, BF16, I64, I32, U8 or BOOL, found 'F8_E4M3'"},
        {"{" TENSOR("f32", "[1]", "[0,4]") "}", 4, STABILITY_ERROR_INVALID_TENSOR, "/weights/w/dtype",
         "the dtype must be F64, F32, F16, BF16, I64, I32, U8 or BOOL, found 'f32'"},
        {"{" TENSOR("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, STABILITY_ERROR_INVALID_TENSOR,
         "/weights/w/shape", "a tensor has at most 8 dimensions, found 9"},
        {"{" TENSOR("F32", "[-1]", "[0,4]") "}", 4, STABILITY_ERROR_INVALID_TENSOR, "/weights/w/shape",
         "a size in a shape must be an integer from 0 to 2^47, found -1 at [0]"},
        {"{" TENSOR("F64", "[4294967296,4294967296]", "[0,0]") "}", 0, STABILITY_ERROR_INVALID_TENSOR,
         "/weights/w/shape", "shape (4294967296, 4294967296) has more than 2^47 elements"},
        {"{" TENSOR("U8", "[1001]", "[0,1001]") "}", 1001, STABILITY_ERROR_MODEL_TOO_LARGE,
         "/weights/w/shape", "a tensor may have 1000 elements, and shape (1001) has 1001"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[640];
        snprintf(message, sizeof message, "the header of the safetensors file: %s", cases[i].message);
        struct file file = file_new(cases[i].header, strlen(cases[i].header), cases[i].data, 0);
        assert_refused_file(file, cases[i].code, cases[i].pointer, message);
    }
}

static bool try_read(struct file file)
{
    struct stability_error error = {0};
    struct stability_tensors tensors;
    struct owner owner = {0};
    bool done = safetensors_read(file.bytes, file.length, &limits, &owner, &tensors, &error);
    assert_int_equal(done, error.code == STABILITY_OK);
    assert_int_equal(done, error.message[0] == '\0');
    owner_free(&owner);
    return done;
}

static void refuses_every_truncation(void **unused)
{
    (void)unused;
    struct file file = file_new(whole, strlen(whole), WHOLE_DATA, 0);
    for (size_t length = 0; length < file.length; length++) {
        struct file beginning = {.memory = malloc(length + (length == 0)), .length = length};
        assert_non_null(beginning.memory);
        memcpy(beginning.memory, file.bytes, length);
        beginning.bytes = beginning.memory;
        assert_false(try_read(beginning));
        free(beginning.memory);
    }
    free(file.memory);
}

static void survives_every_mutation(void **unused)
{
    (void)unused;
    static const char bytes[] = "\0\"\\{}[],:-+.0159eEtfnu \n\x1f\x7f\x80\xc3\xff";
    for (size_t i = 0; i < 8 + strlen(whole); i++) {
        for (size_t k = 0; k < sizeof bytes - 1; k++) {
            struct file file = file_new(whole, strlen(whole), WHOLE_DATA, 0);
            file.bytes[i] = bytes[k];
            try_read(file);
            free(file.memory);
        }
    }
}

static void survives_failing_allocations(void **unused)
{
    (void)unused;
    bool failed = true;
    for (long count = 0; failed; count++) {
        struct file file = file_new(whole, strlen(whole), WHOLE_DATA, 0);
        support_fail_allocation_after(count);
        bool done = try_read(file);
        failed = support_allocation_has_failed();
        assert_true(done || failed);
        assert_true(failed || count > 10);
        free(file.memory);
    }
}

/* ---- as part of a request ---- */

static struct input_request *parse(const char *json, struct file *file, struct stability_error *error)
{
    struct input_position where;
    const struct input_body body = {.json = (char *)(uintptr_t)json,
                                    .length = strlen(json),
                                    .weights = file->bytes,
                                    .weights_length = file->length};
    return input_request_parse(&body, INPUT_DIAGNOSE, &limits, &where, error);
}

#define REQUEST(more) "{\"model\":{\"layers\":[],\"loss\":{\"type\":\"MSELoss\"}},\"data\":{}" more "}"

static void gives_a_request_its_weights(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    struct file file = file_new(whole, strlen(whole), WHOLE_DATA, 5);
    struct input_request *request = parse(REQUEST(""), &file, &error);
    assert_non_null(request);
    assert_int_equal(request->request.weights.count, 9);
    assert_tensor(&request->request.weights, "bias", STABILITY_FLOAT32, "(3)", 24);
    input_request_free(request);
    assert_null(parse(REQUEST(",\"weights\":{}"), &file, &error));
    assert_int_equal(error.code, STABILITY_ERROR_INVALID_VALUE);
    assert_string_equal(error.pointer, "/weights");
    assert_string_equal(
        error.message,
        "weights come in the request's member 'weights' or in a safetensors file, not in both");
    error = (struct stability_error){0};
    file.length = 3;
    assert_null(parse(REQUEST(""), &file, &error));
    assert_int_equal(error.code, STABILITY_ERROR_SAFETENSORS);
    free(file.memory);
}

static int initialize(void **unused)
{
    (void)unused;
    input_initialize();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_dtype),
        cmocka_unit_test(reads_a_file_without_tensors),
        cmocka_unit_test(refuses_a_wrong_length),
        cmocka_unit_test(refuses_a_broken_header),
        cmocka_unit_test(refuses_gaps_and_overlaps),
        cmocka_unit_test(refuses_what_it_does_not_have),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(survives_every_mutation),
        cmocka_unit_test(survives_failing_allocations),
        cmocka_unit_test(gives_a_request_its_weights),
    };
    return cmocka_run_group_tests(tests, initialize, NULL);
}
