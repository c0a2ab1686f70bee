#include "server/input/base64.h"

#include <stdint.h>
#include <string.h>

/* Characters that are decoded together: enough for the compiler to make vectors of each loop over them; and
 * fewer, for what is left. */
#define BLOCK 512
#define SMALL_BLOCK 32

/* 0xff where a value from `first` on is one of `count`, else 0. */
static inline unsigned char within(unsigned character, unsigned first, unsigned count)
{
    return (unsigned char)-((unsigned char)(character - first) < count);
}

/* The six bits of a character; *invalid becomes 0xff where it has none. Without branches and tables, so that
 * the compiler does many at once. */
static inline unsigned char sextet(unsigned character, unsigned char *invalid)
{
    unsigned char letter = within(character | 0x20, 'a', 26);
    unsigned char digit = within(character, '0', 10);
    unsigned char plus = within(character, '+', 1);
    unsigned char slash = within(character, '/', 1);
    *invalid |= (unsigned char)~(letter | digit | plus | slash);
    int shift = (letter & (character < 'a' ? 0 - 'A' : 26 - 'a')) | (digit & (52 - '0')) |
                (plus & (62 - '+')) | (slash & (63 - '/'));
    return (unsigned char)((int)character + shift);
}

/* Joins the six bits of eight characters, the first in the lowest byte, to 48, the first in the highest bits.
 */
static inline uint64_t join_eight(uint64_t sextets)
{
    uint64_t twelve = (sextets & 0x003f003f003f003f) << 6 | (sextets >> 8 & 0x003f003f003f003f);
    uint64_t twice = (twelve & 0x00000fff00000fff) << 12 | (twelve >> 16 & 0x00000fff00000fff);
    return (twice & 0xffffff) << 24 | twice >> 32;
}

/* The eight bytes in the order of their addresses, the first in the lowest byte; and back. */
static inline uint64_t little_endian(uint64_t word)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

/* Decodes blocks of `size`, at most BLOCK, characters, writing two bytes more than they give, as long as
 * eight others follow: with padding, four would have but one byte. Returns how many characters it decoded. A
 * block is read before it is written. */
#ifdef BASE64_CLONES
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
static size_t
decode_blocks(const unsigned char *text, size_t length, size_t size, unsigned char *bytes)
{
    unsigned char sextets[BLOCK] = {0};
    size_t done = 0;
    for (; length - done >= size + 8; done += size) {
        unsigned char invalid = 0;
        for (size_t i = 0; i < size; i++) {
            sextets[i] = sextet(text[done + i], &invalid);
        }
        if (invalid != 0) {
            break;
        }
        uint64_t words[BLOCK / 8];
        memcpy(words, sextets, size);
        for (size_t i = 0; i < size / 8; i++) {
            words[i] = join_eight(little_endian(words[i])) << 16;
        }
        for (size_t i = 0; i < size / 8; i++) {
            uint64_t word = little_endian(__builtin_bswap64(words[i]));
            memcpy(bytes + done / 4 * 3 + 6 * i, &word, sizeof word);
        }
    }
    return done;
}

/* The offset of the first of `count` characters that is not valid, or `count`. */
static size_t first_invalid(const unsigned char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char invalid = 0;
        sextet(text[i], &invalid);
        if (invalid != 0) {
            return i;
        }
    }
    return count;
}

/* Joins four valid characters to 24 bits. */
static uint32_t join_four(const unsigned char *text)
{
    unsigned char invalid = 0;
    uint32_t joined = 0;
    for (int i = 0; i < 4; i++) {
        joined = joined << 6 | sextet(text[i], &invalid);
    }
    return joined;
}

static void store(uint32_t joined, unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(joined >> (16 - 8 * i));
    }
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
    uint32_t joined = join_four(padded);
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
    size_t done = decode_blocks(characters, whole, BLOCK, bytes);
    done += decode_blocks(characters + done, whole - done, SMALL_BLOCK, bytes + done / 4 * 3);
    for (; done + 4 < whole; done += 4) {
        size_t invalid = first_invalid(characters + done, 4);
        if (invalid < 4) {
            *problem = "is not a character of base64";
            return done + invalid;
        }
        store(join_four(characters + done), bytes + done / 4 * 3, 3);
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
