#include "server/input/scanner.h"

#include "server/decimal.h"
#include "server/input/number.h"
#include "server/input/owner.h"
#include "server/input/position.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* A number with all its digits and a comma takes about 22 bytes in JSON: where a body has little else, memory
 * need not grow. */
#define USUAL_NUMBER_LENGTH 20
/* Bytes of structure that are allowed for each value that is. */
#define BYTES_PER_VALUE 64

bool scanner_out_of_memory(struct scanner *scanner)
{
    scanner->problem = NULL;
    return owner_out_of_memory(scanner->error);
}

bool scanner_fail(struct scanner *scanner, const char *where, enum stability_code code, const char *format,
                  ...)
{
    scanner->problem = where;
    if (!scanner_has_all(scanner)) {
        return false;
    }
    size_t offset = (size_t)(where - scanner->body);
    struct input_position position = position_at(scanner->body, offset);
    char pointer[sizeof scanner->error->pointer] = "";
    if (code != STABILITY_ERROR_SYNTAX) {
        position_pointer(scanner->body, (size_t)(scanner->end - scanner->body), offset, pointer,
                         sizeof pointer);
    }
    char message[sizeof scanner->error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return stability_fail(scanner->error, code, pointer, "line %" PRId64 ", column %" PRId64 ": %s",
                          position.line, position.column, message);
}

/* What writers that know no JSON make of a NaN: nan, NaN, inf, Infinity. */
static bool is_bare_word(const char *text, const char *end)
{
    return end - text >= 3 && (strncasecmp(text, "nan", 3) == 0 || strncasecmp(text, "inf", 3) == 0);
}

bool scanner_unexpected(struct scanner *scanner, const char *where, const char *expected)
{
    if (where == scanner->end) {
        return scanner_fail(scanner, where, STABILITY_ERROR_SYNTAX, "expected %s, but the body ends here",
                            expected);
    }
    if (is_bare_word(where, scanner->end)) {
        return scanner_fail(
            scanner, where, STABILITY_ERROR_SYNTAX,
            "expected %s, found '%.3s': JSON has no NaN or Infinity; write \"NaN\", \"Infinity\" or "
            "\"-Infinity\", with the quotes",
            expected, where);
    }
    unsigned char byte = (unsigned char)*where;
    if (byte > ' ' && byte < 0x7f) {
        return scanner_fail(scanner, where, STABILITY_ERROR_SYNTAX, "expected %s, found '%c'", expected,
                            byte);
    }
    return scanner_fail(scanner, where, STABILITY_ERROR_SYNTAX, "expected %s, found the byte 0x%02x",
                        expected, byte);
}

bool scanner_bad_number(struct scanner *scanner, const char *start, const char *where,
                        const struct number *number)
{
    if (number->kind == NUMBER_TOO_LARGE) {
        int length = where - start < 40 ? (int)(where - start) : 40;
        return scanner_fail(
            scanner, start, STABILITY_ERROR_INVALID_VALUE,
            "the number %.*s%s is not representable in float64; write \"Infinity\" or \"-Infinity\" if "
            "that is meant",
            length, start, where - start > length ? "…" : "");
    }
    if (is_bare_word(where, scanner->end)) {
        return scanner_unexpected(scanner, where, "a digit");
    }
    return scanner_fail(scanner, where, STABILITY_ERROR_SYNTAX, "%s", number->problem);
}

bool scanner_emit(struct scanner *scanner, const char *start, const char *text, size_t length)
{
    struct buffer *structure = &scanner->scan->structure;
    if (scanner->watched > structure->length && scanner->watched <= structure->length + length) {
        scanner->origin = (size_t)(start - scanner->body);
    }
    if (scanner->value_limit <= (int64_t)((structure->length + length) / BYTES_PER_VALUE)) {
        return scanner_fail(scanner, start, STABILITY_ERROR_MODEL_TOO_LARGE,
                            "the request may have %" PRId64
                            " bytes besides its arrays of numbers, and has at least "
                            "%zu",
                            scanner->value_limit * BYTES_PER_VALUE, structure->length + length);
    }
    buffer_append(structure, text, length);
    return !structure->failed || scanner_out_of_memory(scanner);
}

/* Grows an array by half; returns NULL, with the array as it was and an error, where there is no memory. */
static void *grow(struct scanner *scanner, void *items, size_t *capacity, size_t at_least, size_t size)
{
    size_t wanted = *capacity + *capacity / 2 + at_least;
    if (wanted > PTRDIFF_MAX / size) {
        scanner_out_of_memory(scanner);
        return NULL;
    }
    struct claim *claim = scanner->scan->claim;
    scanner->problem = NULL;
    if (claim != NULL && !claim_take(claim, (int64_t)((wanted - *capacity) * size), scanner->error)) {
        return NULL;
    }
    void *grown = realloc(items, wanted * size);
    if (grown == NULL) {
        scanner_out_of_memory(scanner);
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

bool scanner_emit_slab(struct scanner *scanner, const char *start, const struct slab *slab)
{
    struct scan *scan = scanner->scan;
    if (scan->slab_count == scan->slab_capacity) {
        struct slab *slabs = grow(scanner, scan->slabs, &scan->slab_capacity, 32, sizeof *slabs);
        if (slabs == NULL) {
            return false;
        }
        scan->slabs = slabs;
    }
    scan->slabs[scan->slab_count] = *slab;
    char placeholder[DECIMAL_UNSIGNED + 2] = "[";
    size_t length = 1 + decimal_unsigned(scan->slab_count++, placeholder + 1);
    placeholder[length++] = ']';
    return scanner_emit(scanner, start, placeholder, length);
}

bool scanner_grow_numbers(struct scanner *scanner)
{
    struct scan *scan = scanner->scan;
    size_t expected = (size_t)(scanner->limit - scanner->position) / USUAL_NUMBER_LENGTH + 64;
    size_t at_least = scan->number_capacity == 0 ? expected : 64;
    double *numbers = grow(scanner, scan->numbers, &scan->number_capacity, at_least, sizeof *numbers);
    if (numbers == NULL) {
        return false;
    }
    scan->numbers = numbers;
    return true;
}
