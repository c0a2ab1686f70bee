#include "server/input/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Decodes a copy without anything behind it, into memory that is exactly large enough. */
static size_t decode(const char *text, size_t length, unsigned char **bytes, size_t *size,
                     const char **problem)
{
    char *copy = malloc(length + (length == 0));
    *size = base64_decoded_size(text, length);
    *bytes = malloc(*size + (*size == 0));
    assert_non_null(copy);
    assert_non_null(*bytes);
    memcpy(copy, text, length);
    size_t done = base64_decode(copy, length, *bytes, problem);
    free(copy);
    return done;
}

static void decodes_the_vectors_of_the_standard(void **unused)
{
    (void)unused;
    static const char *const vectors[][2] = {{"", ""},
                                             {"Zg==", "f"},
                                             {"Zm8=", "fo"},
                                             {"Zm9v", "foo"},
                                             {"Zm9vYg==", "foob"},
                                             {"Zm9vYmE=", "fooba"},
                                             {"Zm9vYmFy", "foobar"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        unsigned char *bytes;
        size_t size;
        const char *problem = NULL;
        size_t length = strlen(vectors[i][0]);
        assert_int_equal(decode(vectors[i][0], length, &bytes, &size, &problem), length);
        assert_int_equal(size, strlen(vectors[i][1]));
        assert_memory_equal(bytes, vectors[i][1], size);
        free(bytes);
    }
}

static size_t encode(const unsigned char *bytes, size_t size, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = 0;
    for (size_t i = 0; i < size; i += 3) {
        unsigned joined = 0;
        for (size_t j = 0; j < 3; j++) {
            joined = joined << 8 | (i + j < size ? bytes[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            text[length++] = i + j > size ? '=' : digits[joined >> (18 - 6 * j) & 63];
        }
    }
    return length;
}

static void decodes_every_length(void **unused)
{
    (void)unused;
    unsigned char bytes[900];
    char text[1200];
    uint32_t random = 1;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = (unsigned char)(random >> 24);
        }
        size_t length = encode(bytes, size, text);
        unsigned char *decoded;
        size_t decoded_size;
        const char *problem = NULL;
        assert_int_equal(decode(text, length, &decoded, &decoded_size, &problem), length);
        assert_int_equal(decoded_size, size);
        assert_memory_equal(decoded, bytes, size);
        free(decoded);
        /* into itself, and into what is a little before it, wherever it begins */
        for (size_t before = 0; before < 8; before++) {
            char place[16 + sizeof text];
            char *start = place + 8 + size % 8;
            memcpy(start, text, length);
            unsigned char *target = (unsigned char *)start - before;
            assert_int_equal(base64_decode(start, length, target, &problem), length);
            assert_memory_equal(target, bytes, size);
        }
    }
}

/* Every byte value, at one in five of all places in a text, is either one of the 64 characters or found. */
static void finds_every_wrong_character(void **unused)
{
    (void)unused;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[1200]; /* longer than what is decoded together */
    for (size_t place = 0; place < sizeof text; place++) {
        for (int byte = (int)(place % 5); byte < 256; byte += 5) {
            memset(text, 'A', sizeof text);
            text[place] = (char)byte;
            bool valid = byte != 0 && strchr(digits, byte) != NULL;
            bool padded = byte == '=' && place == sizeof text - 1;
            unsigned char *decoded;
            size_t size;
            const char *problem = NULL;
            size_t done = decode(text, sizeof text, &decoded, &size, &problem);
            assert_int_equal(done, valid || padded ? sizeof text : place);
            assert_int_equal(problem == NULL, valid || padded);
            free(decoded);
            assert_int_equal(base64_decode(text, sizeof text, (unsigned char *)text, &problem), done);
        }
    }
}

static void refuses_what_is_not_canonical(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {{"A", 0},
                 {"AA", 1},
                 {"AAA", 2},
                 {"AAAAA", 4},
                 {"A===", 1},
                 {"====", 0},
                 {"AA=A", 2},
                 {"AAAA=", 4},
                 {"AB==", 1},
                 {"AAB=", 2},
                 {"AA==AAAA", 2},
                 {"AAA=AAAA", 3},
                 {"AAAA AAA", 4},
                 {"AAAAAAA\n", 7},
                 {"AA-_", 2},
                 {"AAAAAA==AAAAAAAAAAAAAAAA", 6},
                 {"AAAAAAAAAAAAAAAAAAAAAA=", 22}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *bytes;
        size_t size;
        const char *problem = NULL;
        size_t offset = decode(cases[i].text, strlen(cases[i].text), &bytes, &size, &problem);
        if (offset != cases[i].offset || problem == NULL) {
            fail_msg("%s: offset %zu", cases[i].text, offset);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_vectors_of_the_standard),
        cmocka_unit_test(decodes_every_length),
        cmocka_unit_test(finds_every_wrong_character),
        cmocka_unit_test(refuses_what_is_not_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
