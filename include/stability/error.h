/* Errors are values: the caller owns a struct stability_error, zeroed, and passes it down. */
#ifndef STABILITY_ERROR_H
#define STABILITY_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum stability_code {
    STABILITY_OK = 0,
#define STABILITY_ERROR(name, code, status, title) STABILITY_ERROR_##name,
#include "errors.def"
#undef STABILITY_ERROR
    STABILITY_CODE_COUNT
};

struct stability_error {
    enum stability_code code;
    char message[640]; /* one sentence: what was expected, what was found, where */
    char pointer[384]; /* JSON Pointer (RFC 6901) into the request; "" where none fits */
};

/* Records an error: the first one wins, later calls change nothing. `pointer` is copied; NULL leaves it
 * empty. Returns false, so that a failing function can end with `return stability_fail(...)`. */
bool stability_fail(struct stability_error *error, enum stability_code code, const char *pointer,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
bool stability_fail_v(struct stability_error *error, enum stability_code code, const char *pointer,
                      const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

/* Appends "/" and `token`, escaped as RFC 6901 asks, to the pointer in `buffer` (NUL-terminated, `size`
 * bytes). A pointer that would not fit is left as it was: it then points at the enclosing member. */
void stability_pointer_append(char *buffer, size_t size, const char *token);

/* The name in `known` (ends with NULL) that `name` is most likely a misspelling of: upper and lower case are
 * the same, and at most a third of the characters may be inserted, left out, replaced or swapped with the
 * next one. NULL where none is that near. The first of equally near ones wins. */
const char *stability_nearest(const char *name, const char *const *known);

#define STABILITY_HINT 320 /* bytes that suffice for a hint */

/* Writes ": did you mean 'NAME'?" into `hint` for the nearest name; where none is near, ": known are 'A',
 * 'B'", or as many of these as fit; nothing where `known` is empty. Returns `hint`. */
const char *stability_hint(const char *name, const char *const *known, char hint[STABILITY_HINT]);

/* The stable code on the wire ("shape-mismatch"), HTTP status and title of an error. */
const char *stability_code_name(enum stability_code code);
int stability_code_status(enum stability_code code);
const char *stability_code_title(enum stability_code code);

#endif
