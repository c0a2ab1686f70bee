/* A JSON number becomes the nearest float64 (ties to even), whatever the locale; those of a list at two
 * gigabytes a second or so. */
#ifndef SERVER_INPUT_NUMBER_H
#define SERVER_INPUT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum number_kind {
    NUMBER_INTEGER,   /* neither fraction nor exponent, and not "-0" */
    NUMBER_REAL,      /* any other number that float64 has; one below its range is 0 */
    NUMBER_TOO_LARGE, /* a number, but beyond the greatest float64 */
    NUMBER_MALFORMED
};

struct number {
    double value; /* valid for INTEGER and REAL */
    enum number_kind kind;
    const char *problem; /* MALFORMED: what is wrong at the position returned; static text */
};

/* Reads the number that starts at `text` and stops before `end`, by the grammar of RFC 8259. Returns the
 * position after it; of a malformed one, that of the first byte that does not fit. What may follow a number
 * is the caller's business. */
const char *number_parse(const char *text, const char *end, struct number *number);

/* Reads numbers with commas and spaces between them, at most `room` (at least 1), into `values`; returns how
 * many. *text moves behind the last one that is a number of kind INTEGER or REAL. *reals is set where one was
 * REAL. */
size_t number_parse_list(const char **text, const char *end, double *values, size_t room, bool *reals);

static inline bool number_starts_with(char character)
{
    return character == '-' || (unsigned char)(character - '0') <= 9;
}

#endif
