/* Any bytes as base64: what is valid, and what it stands for, is as a decoder of a character at a time has
 * it. */
#include "server/input/base64.h"
#include "tests/fuzz/fuzz.h"

static int value_of(char character)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = character == '\0' ? NULL : strchr(alphabet, character);
    return found == NULL ? -1 : (int)(found - alphabet);
}

/* Decodes into `bytes`; the number of them, or -1 where the text is not valid. */
static int64_t decode(const char *text, size_t length, unsigned char *bytes)
{
    size_t padding = length >= 1 && text[length - 1] == '=';
    padding += padding == 1 && length >= 2 && text[length - 2] == '=';
    uint32_t bits = 0;
    int64_t count = 0;
    if (length % 4 != 0) {
        return -1;
    }
    for (size_t i = 0; i < length - padding; i++) {
        int value = value_of(text[i]);
        if (value < 0) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 > 0) {
            bytes[count++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    bool left_over = (padding == 1 && (bits & 3)) || (padding == 2 && (bits & 15));
    return left_over ? -1 : count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_of(data, size);
    size_t room = base64_decoded_size(text, size);
    unsigned char *decoded = malloc(room + 1);
    unsigned char *expected = malloc(size + 1);
    require(decoded != NULL && expected != NULL);
    const char *problem = NULL;
    int64_t count = decode(text, size, expected);
    size_t valid = base64_decode(text, size, decoded, &problem);
    require((valid == size) == (count >= 0) && (valid == size || problem != NULL));
    if (count >= 0) {
        require((size_t)count == room && memcmp(decoded, expected, room) == 0);
        require(base64_decode(text, size, (unsigned char *)text, &problem) == size); /* where it stands */
        require(memcmp(text, expected, room) == 0);
    }
    free(expected);
    free(decoded);
    free(text);
    return 0;
}
