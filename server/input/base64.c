#include "server/input/base64.h"

#include <stdint.h>
#include <string.h>

#define VALID 0x40

/* The six bits of a character, and the mark that it has any. */
static const unsigned char sextets[256] = {
    ['A'] = VALID | 0,  ['B'] = VALID | 1,  ['C'] = VALID | 2,  ['D'] = VALID | 3,  ['E'] = VALID | 4,
    ['F'] = VALID | 5,  ['G'] = VALID | 6,  ['H'] = VALID | 7,  ['I'] = VALID | 8,  ['J'] = VALID | 9,
    ['K'] = VALID | 10, ['L'] = VALID | 11, ['M'] = VALID | 12, ['N'] = VALID | 13, ['O'] = VALID | 14,
    ['P'] = VALID | 15, ['Q'] = VALID | 16, ['R'] = VALID | 17, ['S'] = VALID | 18, ['T'] = VALID | 19,
    ['U'] = VALID | 20, ['V'] = VALID | 21, ['W'] = VALID | 22, ['X'] = VALID | 23, ['Y'] = VALID | 24,
    ['Z'] = VALID | 25, ['a'] = VALID | 26, ['b'] = VALID | 27, ['c'] = VALID | 28, ['d'] = VALID | 29,
    ['e'] = VALID | 30, ['f'] = VALID | 31, ['g'] = VALID | 32, ['h'] = VALID | 33, ['i'] = VALID | 34,
    ['j'] = VALID | 35, ['k'] = VALID | 36, ['l'] = VALID | 37, ['m'] = VALID | 38, ['n'] = VALID | 39,
    ['o'] = VALID | 40, ['p'] = VALID | 41, ['q'] = VALID | 42, ['r'] = VALID | 43, ['s'] = VALID | 44,
    ['t'] = VALID | 45, ['u'] = VALID | 46, ['v'] = VALID | 47, ['w'] = VALID | 48, ['x'] = VALID | 49,
    ['y'] = VALID | 50, ['z'] = VALID | 51, ['0'] = VALID | 52, ['1'] = VALID | 53, ['2'] = VALID | 54,
    ['3'] = VALID | 55, ['4'] = VALID | 56, ['5'] = VALID | 57, ['6'] = VALID | 58, ['7'] = VALID | 59,
    ['8'] = VALID | 60, ['9'] = VALID | 61, ['+'] = VALID | 62, ['/'] = VALID | 63,
};

/* Joins four characters to 24 bits; *valid loses its bits where one is not valid. */
static inline uint32_t join_four(const unsigned char *text, unsigned *valid)
{
    unsigned a = sextets[text[0]];
    unsigned b = sextets[text[1]];
    unsigned c = sextets[text[2]];
    unsigned d = sextets[text[3]];
    *valid &= a & b & c & d;
    return (a << 18) + (b << 12) + (c << 6) + d - (VALID << 18 | VALID << 12 | VALID << 6 | VALID);
}

static void store(uint32_t joined, unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(joined >> (16 - 8 * i));
    }
}

/* Decodes eight characters at a time, writing two bytes more than they give, as long as others follow.
 * Returns how many it decoded. */
static size_t decode_fast(const unsigned char *text, size_t length, unsigned char *bytes)
{
    size_t done = 0;
    while (length - done >= 16) {
        unsigned valid = VALID;
        uint64_t high = join_four(text + done, &valid);
        uint64_t low = join_four(text + done + 4, &valid);
        if (valid == 0) {
            break;
        }
        uint64_t joined = high << 40 | low << 16;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        joined = __builtin_bswap64(joined);
#endif
        memcpy(bytes + done / 4 * 3, &joined, sizeof joined);
        done += 8;
    }
    return done;
}

/* The offset of the first of `count` characters that is not valid, or `count`. */
static size_t first_invalid(const unsigned char *text, size_t count)
{
    size_t i = 0;
    while (i < count && sextets[text[i]] != 0) {
        i++;
    }
    return i;
}

static size_t padding(const char *text, size_t length)
{
    if (length < 4 || text[length - 1] != '=') {
        return 0;
    }
    return text[length - 2] == '=' ? 2 : 1;
}

size_t base64_decoded_size(const char *text, size_t length)
{
    return length / 4 * 3 - (length % 4 == 0 ? padding(text, length) : 0);
}

/* The last four characters, of which the last `pad` are padding. */
static size_t decode_last(const unsigned char *text, size_t pad, unsigned char *bytes, const char **problem)
{
    unsigned char padded[4] = "AAAA";
    memcpy(padded, text, 4 - pad);
    size_t invalid = first_invalid(padded, 4);
    if (invalid < 4) {
        *problem = "is not a character of base64";
        return invalid;
    }
    unsigned valid = VALID;
    uint32_t joined = join_four(padded, &valid);
    if ((joined & ((1u << 8 * pad) - 1)) != 0) {
        *problem = "has bits that belong to no byte";
        return 3 - pad;
    }
    store(joined, bytes, 3 - pad);
    return 4;
}

size_t base64_decode(const char *text, size_t length, unsigned char *bytes, const char **problem)
{
    const unsigned char *characters = (const unsigned char *)text;
    size_t whole = length - length % 4;
    size_t done = decode_fast(characters, whole, bytes);
    for (; done + 4 < whole; done += 4) {
        unsigned valid = VALID;
        uint32_t joined = join_four(characters + done, &valid);
        if (valid == 0) {
            *problem = "is not a character of base64";
            return done + first_invalid(characters + done, 4);
        }
        store(joined, bytes + done / 4 * 3, 3);
    }
    if (length % 4 != 0) {
        size_t invalid = done + first_invalid(characters + done, length - done);
        *problem = invalid < length ? "is not a character of base64"
                                    : "ends a text whose length is not a multiple of 4";
        return invalid < length ? invalid : length - 1;
    }
    if (length == 0) {
        return 0;
    }
    size_t last = decode_last(characters + done, padding(text, length), bytes + done / 4 * 3, problem);
    return done + last;
}
