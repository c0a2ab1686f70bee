#include "server/input/number.h"
#include "server/input/scanner.h"
#include "server/input/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* An array that begins with more numbers than this is meant to be a tensor: what does not fit is an error at
 * once, and not looked at again as part of something else. */
#define MIXED_ARRAY_NUMBERS 1024

/* Where what can be read of an array ends: up to a comma, its items are whole. */
static const char *end_of(const struct array *array)
{
    const struct scanner *scanner = array->scanner;
    return scanner_has_all(scanner) ? scanner->end : scanner->comma;
}

static bool finish(struct array *array, enum array_outcome outcome)
{
    array->outcome = outcome;
    return false;
}

/* Reads "NaN" or its like; NULL where another string stands at `text`. */
static const char *read_word(const char *text, const char *end, double *value)
{
    size_t rest = (size_t)(end - text) - 1;
    const char *quote = memchr(text + 1, '"', rest < WORD_LENGTH + 1 ? rest : WORD_LENGTH + 1);
    return quote != NULL && word_number(text + 1, (size_t)(quote - text) - 1, value) ? quote + 1 : NULL;
}

/* Something else than a number or a list begins here. Only where the array can't be meant for anything but a
 * tensor is that an error. */
static bool leave(struct array *array)
{
    struct scanner *scanner = array->scanner;
    char first = *array->text;
    if (scanner->scan->number_count - array->first <= MIXED_ARRAY_NUMBERS) {
        return finish(array, ARRAY_MIXED);
    }
    const char *found = first == '"' ? "another string" : first == '{' ? "an object" : "true, false or null";
    scanner_fail(scanner, array->text, STABILITY_ERROR_INVALID_TENSOR,
                 "an item of a tensor must be a number, \"NaN\", \"Infinity\" or \"-Infinity\", found %s",
                 found);
    return finish(array, ARRAY_FAILED);
}

static bool has_both(struct array *array)
{
    scanner_fail(array->scanner, array->text, STABILITY_ERROR_INVALID_TENSOR,
                 "a list in a tensor has either numbers or lists as its items, not both");
    return finish(array, ARRAY_FAILED);
}

/* How deep the lists that begin here, one in the other, are nested; *after is behind the last one's bracket.
 */
static int depth_from(const struct array *array, const char **after)
{
    int depth = array->scanner->depth + array->depth;
    const char *end = end_of(array);
    const char *text = skip_space(array->text, end);
    for (; text < end && *text == '[' && depth <= SCAN_MAX_DEPTH; text = skip_space(text + 1, end)) {
        depth++;
    }
    *after = text;
    return depth;
}

/* No tensor has so many dimensions, and no JSON that is read at all is nested much deeper. */
static bool too_deep(struct array *array)
{
    struct scanner *scanner = array->scanner;
    const char *after;
    if (depth_from(array, &after) > SCAN_MAX_DEPTH) {
        scanner_fail(scanner, array->text, STABILITY_ERROR_SYNTAX, "objects and lists may be nested %d deep",
                     SCAN_MAX_DEPTH);
    } else if (scanner_has_all(scanner) && after == scanner->end) {
        scanner_fail(scanner, after, STABILITY_ERROR_SYNTAX, "expected a value, but the body ends here");
    } else {
        scanner_fail(scanner, array->text, STABILITY_ERROR_INVALID_TENSOR,
                     "lists may be nested %d deep, as deep as a tensor has dimensions", STABILITY_MAX_RANK);
    }
    return finish(array, ARRAY_FAILED);
}

static bool open_list(struct array *array)
{
    if (array->depth == STABILITY_MAX_RANK) {
        return too_deep(array);
    }
    if (array->depth > 0) {
        if (array->depths[array->depth - 1].content == CONTENT_NUMBERS) {
            return has_both(array);
        }
        array->depths[array->depth - 1].content = CONTENT_LISTS;
    }
    struct depth *depth = &array->depths[array->depth++];
    depth->length = 0;
    depth->start = array->text++;
    return true;
}

/* The list that was read last is not as long as the first one of its depth. */
static bool ragged(struct array *array)
{
    char path[24 * STABILITY_MAX_RANK] = "";
    char first[3 * STABILITY_MAX_RANK + 1] = "";
    for (int i = 0; i + 1 < array->depth; i++) {
        size_t used = strlen(path);
        snprintf(path + used, sizeof path - used, "[%" PRId64 "]", array->depths[i].length);
        memcpy(first + 3 * i, "[0]", 4);
    }
    const struct depth *depth = &array->depths[array->depth - 1];
    scanner_fail(array->scanner, depth->start, STABILITY_ERROR_INVALID_TENSOR,
                 "the lists of a tensor must be equally long, but %s has %" PRId64
                 " items and %s has %" PRId64,
                 first, depth->size, path, depth->length);
    return finish(array, ARRAY_FAILED);
}

static bool close_list(struct array *array)
{
    struct depth *depth = &array->depths[array->depth - 1];
    if (depth->size < 0) {
        depth->size = depth->length;
    }
    if (depth->size != depth->length) {
        return ragged(array);
    }
    array->text++;
    array->depth--;
    if (array->depth > 0) {
        array->depths[array->depth - 1].length++;
    }
    return true;
}

/* Reads "NaN" or its like. */
static bool read_one_word(struct array *array)
{
    struct scan *scan = array->scanner->scan;
    const char *after = read_word(array->text, end_of(array), &scan->numbers[scan->number_count]);
    if (after == NULL) {
        return leave(array);
    }
    scan->number_count++;
    array->reals = true;
    array->text = after;
    return true;
}

/* Reads numbers, up to `room`, in one go. */
static bool read_some_numbers(struct array *array, size_t room)
{
    struct scan *scan = array->scanner->scan;
    double *values = scan->numbers + scan->number_count;
    size_t count = number_parse_list(&array->text, end_of(array), values, room, &array->reals);
    if (count == 0) {
        struct number number;
        const char *where = number_parse(array->text, end_of(array), &number);
        scanner_bad_number(array->scanner, array->text, where, &number);
        return finish(array, ARRAY_FAILED);
    }
    scan->number_count += count;
    array->numbers = true;
    return true;
}

static bool too_many(struct array *array)
{
    scanner_fail(array->scanner, array->text, STABILITY_ERROR_MODEL_TOO_LARGE,
                 "a tensor may have %" PRId64 " elements, and this one has at least %" PRId64,
                 array->scanner->limits->elements, array->scanner->limits->elements + 1);
    return finish(array, ARRAY_FAILED);
}

/* Reads the numbers and words up to the comma or bracket that no number and no word follows. */
static bool read_leaves(struct array *array)
{
    struct scanner *scanner = array->scanner;
    struct scan *scan = scanner->scan;
    size_t limit = scanner->limits->elements > 0 ? (size_t)scanner->limits->elements : SIZE_MAX;
    const char *end = end_of(array);
    const char *next = array->text;
    while (next < end && (number_starts_with(*next) || *next == '"')) {
        array->text = next;
        if (scan->number_count - array->first == limit) {
            return too_many(array);
        }
        if (!scanner_reserve_number(scanner)) {
            return finish(array, ARRAY_FAILED);
        }
        size_t room = scan->number_capacity - scan->number_count;
        size_t allowed = limit - (scan->number_count - array->first);
        bool done =
            *next == '"' ? read_one_word(array) : read_some_numbers(array, room < allowed ? room : allowed);
        if (!done) {
            return false;
        }
        next = array->text;
        if (next == end || *next != ',') {
            break;
        }
        next = skip_space(next + 1, end);
    }
    return true;
}

/* Reads what stands at array->text: numbers and words, or what is none. */
static bool read_numbers(struct array *array)
{
    struct depth *depth = &array->depths[array->depth - 1];
    double value;
    if (depth->content == CONTENT_LISTS) {
        bool other = *array->text == '"' && read_word(array->text, end_of(array), &value) == NULL;
        return other ? leave(array) : has_both(array);
    }
    depth->content = CONTENT_NUMBERS;
    size_t before = array->scanner->scan->number_count;
    bool done = read_leaves(array);
    depth->length += (int64_t)(array->scanner->scan->number_count - before);
    return done;
}

/* Reads what must follow an item: closing brackets, and a comma unless all are closed. */
static bool read_separator(struct array *array)
{
    const char *end = end_of(array);
    while (array->depth > 0) {
        array->text = skip_space(array->text, end);
        char next = array->text < end ? *array->text : '\0';
        if (next == ',') {
            array->text++;
            return true;
        }
        if (next != ']') {
            scanner_unexpected(array->scanner, array->text, "',' or ']'");
            return finish(array, ARRAY_FAILED);
        }
        if (!close_list(array)) {
            return false;
        }
    }
    return true;
}

static bool read_item(struct array *array)
{
    const char *end = end_of(array);
    array->text = skip_space(array->text, end);
    if (array->text == end && !scanner_has_all(array->scanner)) {
        return finish(array, ARRAY_PAUSED);
    }
    char first = array->text < end ? *array->text : '\0';
    if (first == '[') {
        if (!open_list(array)) {
            return false;
        }
        const char *next = skip_space(array->text, end);
        bool empty = next < end && *next == ']';
        return !empty || read_separator(array);
    }
    if (number_starts_with(first) || first == '"') {
        return read_numbers(array) && read_separator(array);
    }
    if (first != '\0' && strchr("{tfn", first) != NULL) {
        return leave(array);
    }
    scanner_unexpected(array->scanner, array->text, "a value");
    return finish(array, ARRAY_FAILED);
}

static bool take(struct array *array)
{
    struct slab slab = {.kind = SLAB_NUMBERS,
                        .integers = !array->reals,
                        .words = !array->numbers,
                        .start = array->first,
                        .count = array->scanner->scan->number_count - array->first};
    for (int i = 0; i < STABILITY_MAX_RANK && array->depths[i].content != CONTENT_UNKNOWN; i++) {
        slab.shape.sizes[slab.shape.rank++] = array->depths[i].size;
    }
    const char *start = array->scanner->position;
    array->scanner->position = array->text;
    return scanner_emit_slab(array->scanner, start, &slab);
}

static void begin(struct array *array, struct scanner *scanner)
{
    *array =
        (struct array){.scanner = scanner, .text = scanner->position, .first = scanner->scan->number_count};
    for (int i = 0; i < STABILITY_MAX_RANK; i++) {
        array->depths[i].size = -1;
    }
}

/* Reads items until the array ends, or cannot be read on. */
static enum array_outcome read_array(struct array *array)
{
    do {
        if (!read_item(array)) {
            return array->outcome;
        }
    } while (array->depth > 0);
    if (array->scanner->scan->number_count == array->first) {
        return ARRAY_MIXED;
    }
    return take(array) ? ARRAY_TAKEN : ARRAY_FAILED;
}

enum array_outcome scan_array(struct scanner *scanner)
{
    struct array *array = &scanner->array;
    if (!scanner->in_array) {
        begin(array, scanner);
    }
    enum array_outcome outcome = read_array(array);
    scanner->in_array = outcome == ARRAY_PAUSED;
    if (outcome == ARRAY_MIXED || outcome == ARRAY_FAILED) {
        scanner->scan->number_count = array->first;
    }
    return outcome;
}
