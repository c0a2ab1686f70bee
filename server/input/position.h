/* Where in a JSON body something is: for people a line and a column, for programs a JSON Pointer. Both are
 * worked out from an offset when an error needs them, by walking over the body once more. */
#ifndef SERVER_INPUT_POSITION_H
#define SERVER_INPUT_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input_position {
    bool known;
    int64_t line;   /* from 1 */
    int64_t column; /* from 1, in characters of UTF-8 */
    int64_t offset; /* from 0, in bytes */
};

struct input_position position_at(const char *body, size_t offset);

/* Writes the JSON Pointer of the value, or of the member whose key, starts at `offset`; what comes before it
 * in the body must be valid, and its depth at most POSITION_MAX_DEPTH. */
#define POSITION_MAX_DEPTH 128
void position_pointer(const char *body, size_t length, size_t offset, char *pointer, size_t size);

#endif
