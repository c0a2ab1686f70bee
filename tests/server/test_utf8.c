/* Every character there and back, and the sequences that are none. */
#include "server/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* By the definition in RFC 3629, section 3. */
static size_t encode(uint32_t character, char bytes[4])
{
    if (character < 0x80) {
        bytes[0] = (char)character;
        return 1;
    }
    size_t count = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = count - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (character & 0x3F));
        character >>= 6;
    }
    bytes[0] = (char)((0xF00 >> count & 0xFF) | character);
    return count;
}

static void decodes_every_character(void **unused)
{
    (void)unused;
    for (uint32_t character = 0; character <= 0x10FFFF; character++) {
        char bytes[5] = {0};
        size_t count = encode(character, bytes);
        uint32_t decoded = 0xFFFFFFFF;
        bool surrogate = character >= 0xD800 && character <= 0xDFFF;
        assert_int_equal(utf8_decode(bytes, count + 1, &decoded), surrogate ? 0 : count);
        assert_int_equal(decoded, surrogate ? 0xFFFFFFFF : character);
        if (count > 1) {
            assert_int_equal(utf8_decode(bytes, count - 1, &decoded), 0);
            bytes[count - 1] = 'x';
            assert_int_equal(utf8_decode(bytes, count, &decoded), 0);
        }
    }
}

static void refuses_what_is_not_utf8(void **unused)
{
    (void)unused;
    static const char *const sequences[] = {
        "\x80",             /* a continuation alone */
        "\xC0\x80",         /* overlong NUL */
        "\xC1\xBF",         /* overlong U+007F */
        "\xE0\x9F\xBF",     /* overlong U+07FF */
        "\xF0\x8F\xBF\xBF", /* overlong U+FFFF */
        "\xED\xA0\x80",     /* U+D800 */
        "\xF4\x90\x80\x80", /* U+110000 */
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
    };
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        uint32_t character = 7;
        assert_int_equal(utf8_decode(sequences[i], strlen(sequences[i]), &character), 0);
        assert_int_equal(character, 7);
    }
    uint32_t character = 7;
    assert_int_equal(utf8_decode("", 0, &character), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_character),
        cmocka_unit_test(refuses_what_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
