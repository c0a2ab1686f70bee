/* Compressed bodies: what libraries compress is decoded, what is broken or too large is told. */
#include "server/input/encoding.h"

#include "support_allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

struct bytes {
    char *data;
    size_t length;
};

static const enum encoding encodings[] = {ENCODING_GZIP, ENCODING_ZSTD};
#define ENCODING_COUNT (sizeof(encodings) / sizeof(encodings[0]))

static struct bytes bytes_new(size_t length)
{
    struct bytes bytes = {malloc(length + (length == 0)), length};
    assert_non_null(bytes.data);
    return bytes;
}

/* Bytes of which no three are alike, or all. */
static struct bytes plain_new(size_t length, bool uniform)
{
    struct bytes plain = bytes_new(length);
    uint32_t random = 1;
    for (size_t i = 0; i < length; i++) {
        random = random * 1664525 + 1013904223;
        plain.data[i] = uniform ? 'x' : (char)(random >> 24);
    }
    return plain;
}

static struct bytes compress_gzip(struct bytes plain)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    struct bytes encoded = bytes_new(deflateBound(&stream, plain.length));
    stream.next_in = (Bytef *)plain.data;
    stream.avail_in = (uInt)plain.length;
    stream.next_out = (Bytef *)encoded.data;
    stream.avail_out = (uInt)encoded.length;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    encoded.length -= stream.avail_out;
    deflateEnd(&stream);
    return encoded;
}

static struct bytes compress_zstd(struct bytes plain, int window_log)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    struct bytes encoded = bytes_new(ZSTD_compressBound(plain.length));
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_inBuffer in = {plain.data, plain.length, 0};
    ZSTD_outBuffer out = {encoded.data, encoded.length, 0};
    assert_int_equal(ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush), 0);
    assert_int_equal(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0);
    encoded.length = out.pos;
    ZSTD_freeCCtx(context);
    return encoded;
}

static struct bytes encode(enum encoding encoding, struct bytes plain)
{
    return encoding == ENCODING_GZIP ? compress_gzip(plain) : compress_zstd(plain, 0);
}

/* Decodes in pieces of `room` bytes; the bytes are valid as far as `error` is not set. */
static struct bytes decode(enum encoding encoding, struct bytes encoded, size_t room, int64_t limit,
                           struct stability_error *error)
{
    struct bytes plain = bytes_new((size_t)limit + room);
    size_t length = 0;
    size_t count = 1;
    struct decoder *decoder = decoder_new(encoding, encoded.data, encoded.length, limit, error);
    while (decoder != NULL && count > 0 && error->code == STABILITY_OK) {
        assert_true(length <= (size_t)limit);
        if (decoder_read(decoder, plain.data + length, room, &count, error)) {
            assert_true(count <= room);
            length += count;
        }
    }
    decoder_free(decoder);
    plain.length = length;
    return plain;
}

static void assert_decodes(enum encoding encoding, struct bytes encoded, struct bytes expected, size_t room)
{
    struct stability_error error = {0};
    struct bytes found = decode(encoding, encoded, room, (int64_t)expected.length, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(found.length, expected.length);
    assert_memory_equal(found.data, expected.data, expected.length);
    free(found.data);
}

static void assert_refused(enum encoding encoding, struct bytes encoded, int64_t limit,
                           enum stability_code code, const char *message)
{
    struct stability_error error = {0};
    free(decode(encoding, encoded, 65536, limit, &error).data);
    assert_string_equal(error.message, message);
    assert_int_equal(error.code, code);
    assert_string_equal(error.pointer, "");
}

static void finds_names(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        enum encoding encoding;
    } names[] = {{"gzip", ENCODING_GZIP},
                 {"X-GZip", ENCODING_GZIP},
                 {"ZSTD", ENCODING_ZSTD},
                 {"Identity", ENCODING_IDENTITY}};
    static const char *const others[] = {"", "br", "deflate", "gzip, zstd", "gzip ", "gzi"};
    enum encoding found;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(encoding_find(names[i].name, &found));
        assert_int_equal(found, names[i].encoding);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(encoding_find(others[i], &found));
    }
}

static void decodes_every_size(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {0, 1, 2, 1000, 65536, 300000};
    static const size_t rooms[] = {1, 7, 65536};
    for (size_t i = 0; i < ENCODING_COUNT; i++) {
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            struct bytes plain = plain_new(sizes[k], k % 2 == 1);
            struct bytes encoded = encode(encodings[i], plain);
            for (size_t r = 0; r < sizeof(rooms) / sizeof(rooms[0]); r++) {
                assert_decodes(encodings[i], encoded, plain, rooms[r]);
            }
            free(encoded.data);
            free(plain.data);
        }
    }
}

/* As `cat a.gz b.gz` makes it. */
static void decodes_streams_in_a_row(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ENCODING_COUNT; i++) {
        struct bytes plain = plain_new(3000, false);
        struct bytes parts[] = {encode(encodings[i], (struct bytes){plain.data, 1000}),
                                encode(encodings[i], (struct bytes){plain.data, 0}),
                                encode(encodings[i], (struct bytes){plain.data + 1000, 2000})};
        struct bytes encoded = bytes_new(parts[0].length + parts[1].length + parts[2].length);
        encoded.length = 0;
        for (size_t k = 0; k < 3; k++) {
            memcpy(encoded.data + encoded.length, parts[k].data, parts[k].length);
            encoded.length += parts[k].length;
            free(parts[k].data);
        }
        assert_decodes(encodings[i], encoded, plain, 100);
        free(encoded.data);
        free(plain.data);
    }
}

static void refuses_every_truncation(void **unused)
{
    (void)unused;
    struct bytes plain = plain_new(5000, true);
    for (size_t i = 0; i < ENCODING_COUNT; i++) {
        struct bytes encoded = encode(encodings[i], plain);
        for (size_t length = 0; length < encoded.length; length++) {
            struct bytes beginning = bytes_new(length);
            memcpy(beginning.data, encoded.data, length);
            struct stability_error error = {0};
            free(decode(encodings[i], beginning, 512, 5000, &error).data);
            assert_int_equal(error.code, STABILITY_ERROR_ENCODING);
            assert_non_null(strstr(error.message, "ends before its stream does"));
            free(beginning.data);
        }
        free(encoded.data);
    }
    free(plain.data);
}

/* The checksum sees what the codes do not. */
static void refuses_every_changed_byte_of_data(void **unused)
{
    (void)unused;
    struct bytes plain = plain_new(700, false);
    for (size_t i = 0; i < ENCODING_COUNT; i++) {
        struct bytes encoded = encode(encodings[i], plain);
        for (size_t k = 16; k < encoded.length; k++) {
            encoded.data[k] ^= 0x10;
            struct stability_error error = {0};
            free(decode(encodings[i], encoded, 512, 1 << 20, &error).data);
            assert_int_equal(error.code, STABILITY_ERROR_ENCODING);
            encoded.data[k] ^= 0x10;
        }
        free(encoded.data);
    }
    free(plain.data);
}

static void says_what_is_broken(void **unused)
{
    (void)unused;
    assert_refused(ENCODING_GZIP, (struct bytes){"{}", 2}, 100, STABILITY_ERROR_ENCODING,
                   "the gzip body is broken near byte 2: incorrect header check");
    assert_refused(ENCODING_ZSTD, (struct bytes){"{\"model\": 1}", 12}, 100, STABILITY_ERROR_ENCODING,
                   "the zstd body is broken near byte 0: Unknown frame descriptor");
    assert_refused(ENCODING_GZIP, (struct bytes){"", 0}, 100, STABILITY_ERROR_ENCODING,
                   "the gzip body has 0 bytes and ends before its stream does");
    struct bytes plain = plain_new(100, true);
    struct bytes encoded = compress_gzip(plain);
    struct bytes longer = bytes_new(encoded.length + 3);
    memcpy(longer.data, encoded.data, encoded.length);
    memcpy(longer.data + encoded.length, "{}\n", 3);
    assert_refused(ENCODING_GZIP, longer, 100, STABILITY_ERROR_ENCODING,
                   "the gzip body is broken near byte 26: incorrect header check");
    free(longer.data);
    free(encoded.data);
    encoded = compress_zstd(plain, 24);
    assert_refused(ENCODING_ZSTD, encoded, 100, STABILITY_ERROR_ENCODING,
                   "the zstd body is broken near byte 0: its window is larger than 8 MiB (see RFC 9659)");
    free(encoded.data);
    free(plain.data);
}

static void keeps_to_the_limit(void **unused)
{
    (void)unused;
    struct bytes plain = plain_new(1001, true);
    struct bytes encoded = compress_gzip(plain);
    assert_refused(ENCODING_GZIP, encoded, 1000, STABILITY_ERROR_BODY_TOO_LARGE,
                   "the body has at least 1001 bytes when its gzip is decoded, and the limit is 1000");
    free(encoded.data);
    encoded = compress_zstd(plain, 0);
    assert_refused(ENCODING_ZSTD, encoded, 1000, STABILITY_ERROR_BODY_TOO_LARGE,
                   "the body has at least 1001 bytes when its zstd is decoded, and the limit is 1000");
    free(encoded.data);
    free(plain.data);
}

/* Nothing but one byte over and over: allowed up to a size, and no further. */
static void keeps_to_the_ratio(void **unused)
{
    (void)unused;
    struct bytes plain = plain_new(ENCODING_FREE_BYTES + 65536, true);
    for (size_t i = 0; i < ENCODING_COUNT; i++) {
        struct bytes encoded = encode(encodings[i], (struct bytes){plain.data, ENCODING_FREE_BYTES});
        assert_true(encoded.length * ENCODING_LARGEST_RATIO < ENCODING_FREE_BYTES);
        assert_decodes(encodings[i], encoded, (struct bytes){plain.data, ENCODING_FREE_BYTES}, 1 << 20);
        free(encoded.data);
        encoded = encode(encodings[i], plain);
        struct stability_error error = {0};
        free(decode(encodings[i], encoded, 65536, 1 << 30, &error).data);
        assert_int_equal(error.code, STABILITY_ERROR_BODY_TOO_LARGE);
        assert_non_null(strstr(error.message, "more than the 1000 times that are allowed"));
        assert_non_null(strstr(error.message, "expand to at least 16842752"));
        free(encoded.data);
    }
    free(plain.data);
}

static void survives_failing_allocations(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ENCODING_COUNT; i++) {
        struct stability_error error = {0};
        support_fail_allocation_after(0);
        assert_null(decoder_new(encodings[i], "", 0, 1, &error));
        assert_true(support_allocation_has_failed());
        assert_int_equal(error.code, STABILITY_ERROR_OUT_OF_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names),
        cmocka_unit_test(decodes_every_size),
        cmocka_unit_test(decodes_streams_in_a_row),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_every_changed_byte_of_data),
        cmocka_unit_test(says_what_is_broken),
        cmocka_unit_test(keeps_to_the_limit),
        cmocka_unit_test(keeps_to_the_ratio),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
