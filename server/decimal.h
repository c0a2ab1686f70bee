/* Doubles as decimal text. */
#ifndef SERVER_DECIMAL_H
#define SERVER_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the longest text of decimal_unsigned, with its NUL. */
#define DECIMAL_UNSIGNED 21

/* Writes an integer; returns the length. */
size_t decimal_unsigned(uint64_t value, char text[DECIMAL_UNSIGNED]);

/* Bytes that always suffice for decimal_shortest, which may write to any of them: the longest text is
 * "-2.2250738585072014e-308". */
#define DECIMAL_SHORTEST 48

/* Writes the shortest decimal that reads back as the same finite `value` (the nearest to it, of several) in
 * JavaScript's form: "1", "-0.5", "1e-7", "1e+21"; negative zero keeps its sign, "-0". No locale has a say.
 * Returns the length.
 *
 * Method: R. Giulietti, "The Schubfach way to render doubles" (2020). */
size_t decimal_shortest(double value, char text[DECIMAL_SHORTEST]);

#endif
