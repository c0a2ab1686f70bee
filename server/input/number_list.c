#include "server/input/digits.h"
#include "server/input/nearest.h"
#include "server/input/number.h"

/* So many bytes are looked at to read a number of a usual form: a sign, seven digits, a point, three words,
 * of which the last byte may begin an exponent, and four bytes more. */
#define USUAL_LENGTH 37
/* A significand up to this has space for eight digits more. */
#define SHORT_SIGNIFICAND (UINT64_MAX / 100000000 - 1)

static inline bool ends_item(char character)
{
    return character == ',' || character == ']';
}

/* Reads one to seven digits, of which the first is no superfluous 0. Returns the position after them, or NULL
 * where there are none such. */
static inline const char *read_short_integer(const char *text, uint64_t *integer)
{
    uint64_t values = digit_values(load_word(text));
    uint64_t others = find_others(values);
    int count = others == 0 ? 0 : __builtin_ctzll(others) / 8;
    *integer = join_digits(values, count);
    return count == 0 || (*text == '0' && count > 1) ? NULL : text + count;
}

/* Adds what "e-05" at `text` says to *exponent and returns the position after it; `text` where it is not of
 * this form. */
static inline const char *read_short_exponent(const char *text, int *exponent)
{
    if (text[1] != '-' || !is_digit(text[2]) || !is_digit(text[3])) {
        return text;
    }
    *exponent -= 10 * (text[2] - '0') + (text[3] - '0');
    return text + 4;
}

/* Reads one to 23 digits behind a point, and an exponent that is negative and small, and rounds. Returns the
 * position after them, or NULL where there are none such, something else follows than the end of an item, or
 * the significand has no space for them. */
static inline const char *read_fraction(const char *text, uint64_t significand, uint64_t *bits)
{
    const char *start = text;
    uint64_t values = digit_values(load_word(text));
    for (int i = 0; i < 2 && find_others(values) == 0; i++) {
        if (significand > SHORT_SIGNIFICAND) {
            return NULL;
        }
        significand = significand * 100000000 + join_eight(values);
        text += 8;
        values = digit_values(load_word(text));
    }
    uint64_t others = find_others(values);
    if (others == 0) {
        return NULL;
    }
    int count = __builtin_ctzll(others) / 8;
    text += count;
    int exponent = (int)(start - text);
    if (exponent == 0) {
        return NULL;
    }
    if (*text == 'e') {
        text = read_short_exponent(text, &exponent);
    }
    if (!ends_item(*text) || __builtin_mul_overflow(significand, powers_of_ten[count], &significand) ||
        __builtin_add_overflow(significand, join_digits(values, count), &significand)) {
        return NULL;
    }
    *bits = significand == 0 ? 0 : round_to_nearest(significand, exponent);
    return text;
}

/* number_parse for what most items of tensors are, of which USUAL_LENGTH bytes are there: without all that
 * asks for the end of the text or for what else a number may be, it takes little more than half the time.
 * Returns NULL where there is anything else. */
static inline const char *parse_usual(const char *text, double *value, bool *real)
{
    uint64_t significand, bits;
    bool negative = *text == '-';
    text += negative;
    if (text[1] == '.' && is_digit(*text)) {
        significand = (uint64_t)(*text++ - '0');
    } else {
        text = read_short_integer(text, &significand);
        if (text == NULL) {
            return NULL;
        }
        if (ends_item(*text) && !(negative && significand == 0)) {
            int64_t integer = (int64_t)significand;
            *value = (double)(negative ? -integer : integer);
            return text;
        }
        if (*text != '.') {
            return NULL;
        }
    }
    text = read_fraction(text + 1, significand, &bits);
    if (text != NULL) {
        *value = assemble(negative, bits);
        *real = true;
    }
    return text;
}

/* The same for any other number of kind INTEGER or REAL; not inlined, which takes registers from the loop. */
static __attribute__((noinline)) const char *parse_unusual(const char *text, const char *end, double *value,
                                                           bool *real)
{
    struct number number;
    text = number_parse(text, end, &number);
    if (number.kind > NUMBER_REAL) {
        return NULL;
    }
    *value = number.value;
    *real |= number.kind == NUMBER_REAL;
    return text;
}

size_t number_parse_list(const char **text, const char *end, double *values, size_t room, bool *reals)
{
    const char *next = *text;
    const char *last = next;
    double *value = values;
    double *full = values + room;
    bool real = false;
    while (value < full && next < end) {
        const char *after = end - next >= USUAL_LENGTH ? parse_usual(next, value, &real) : NULL;
        if (after == NULL) {
            after = parse_unusual(next, end, value, &real);
            if (after == NULL) {
                break;
            }
        }
        value++;
        last = after;
        if (after == end || *after != ',') {
            break;
        }
        next = after + 1;
        while (next < end && (*next == ' ' || *next == '\n')) {
            next++;
        }
    }
    *text = last;
    *reals |= real;
    return (size_t)(value - values);
}
