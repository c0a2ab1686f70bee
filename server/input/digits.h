/* Decimal digits in a text, eight at a time in a word of 64 bits. */
#ifndef SERVER_INPUT_DIGITS_H
#define SERVER_INPUT_DIGITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool is_digit(char character)
{
    return (unsigned char)(character - '0') <= 9;
}

/* Eight bytes, the first of which becomes the lowest, whatever the machine. */
static inline uint64_t load_word(const char *text)
{
    uint64_t bytes;
    memcpy(&bytes, text, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return bytes;
}

/* Digits become 0 to 9, and others more. */
static inline uint64_t digit_values(uint64_t bytes)
{
    return bytes ^ 0x3030303030303030;
}

/* The lowest bit that is set is in the first byte that is no digit: of bytes behind it, carries may say
 * anything. */
static inline uint64_t find_others(uint64_t values)
{
    return ((values + 0x7676767676767676) | values) & 0x8080808080808080;
}

/* Eight digit values (0 to 9), the most significant one in the lowest byte, become their number: neighbours
 * are joined pairwise, then the pairs, then the fours. */
static inline uint64_t join_eight(uint64_t digits)
{
    digits = (digits * (10 << 8 | 1)) >> 8 & 0x00ff00ff00ff00ff;
    digits = (digits * (100 << 16 | 1)) >> 16 & 0x0000ffff0000ffff;
    return (digits * (UINT64_C(10000) << 32 | 1)) >> 32;
}

/* The same of the first `count`, less than eight. They move to the top, so that zeros come before them;
 * twice, as a shift by 64 is undefined. */
static inline uint64_t join_digits(uint64_t values, int count)
{
    return join_eight(values << (32 - 4 * count) << (32 - 4 * count));
}

/* Up to 10^7. */
static const uint64_t powers_of_ten[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

#endif
