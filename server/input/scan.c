#include "server/input/scan.h"

#include "server/input/number.h"
#include "server/input/scanner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What a request may have besides its arrays of numbers, from what it may have of layers. */
#define VALUES_PER_LAYER 64
#define VALUES_AT_LEAST 16384

static const char *const expected[] = {
    [EXPECT_VALUE] = "a value",
    [EXPECT_FIRST_ITEM] = "a value or ']'",
    [EXPECT_FIRST_KEY] = "a key in double quotes or '}'",
    [EXPECT_KEY] = "a key in double quotes",
    [EXPECT_COLON] = "':' after the key",
    [EXPECT_NEXT_MEMBER] = "',' or '}'",
    [EXPECT_NEXT_ITEM] = "',' or ']'",
    [EXPECT_END] = "the end of the body after its one value",
};

static bool unexpected(struct scanner *scanner)
{
    return scanner_unexpected(scanner, scanner->position, expected[scanner->expectation]);
}

static bool count_value(struct scanner *scanner)
{
    if (++scanner->values <= scanner->value_limit) {
        return true;
    }
    return scanner_fail(scanner, scanner->position, STABILITY_ERROR_MODEL_TOO_LARGE,
                        "the request may have %" PRId64
                        " values besides its arrays of numbers, and has at least "
                        "%" PRId64,
                        scanner->value_limit, scanner->values);
}

/* Whether an integer's text is one of an int64_t, and would be read as the same number. */
static bool fits_integer(const char *text, const char *end)
{
    static const char greatest[] = "9223372036854775807";
    text += *text == '-';
    size_t length = (size_t)(end - text);
    return length < strlen(greatest) || (length == strlen(greatest) && memcmp(text, greatest, length) <= 0);
}

/* A number outside of arrays of numbers. */
static bool scan_number(struct scanner *scanner)
{
    struct number number;
    const char *start = scanner->position;
    const char *after = number_parse(start, scanner->end, &number);
    if (number.kind > NUMBER_REAL) {
        return scanner_bad_number(scanner, start, after, &number);
    }
    scanner->position = after;
    if (number.kind == NUMBER_INTEGER && fits_integer(start, after)) {
        return scanner_emit(scanner, start, start, (size_t)(after - start));
    }
    if (!scanner_reserve_number(scanner)) {
        return false;
    }
    struct slab slab = {.kind = SLAB_NUMBERS, .start = scanner->scan->number_count, .count = 1};
    scanner->scan->numbers[scanner->scan->number_count++] = number.value;
    return scanner_emit_slab(scanner, start, &slab);
}

/* A string; a long and plain one becomes a slab unless it is a key. */
static bool scan_text(struct scanner *scanner, bool key)
{
    const char *start = scanner->position;
    const char *after = scan_string(scanner);
    if (after == NULL) {
        return false;
    }
    scanner->position = after;
    scanner->string = NULL;
    size_t length = (size_t)(after - start);
    if (key || !scanner->plain || length < SCAN_LONG_TEXT + 2) {
        return scanner_emit(scanner, start, start, length);
    }
    struct slab slab = {.kind = SLAB_TEXT, .start = (size_t)(start + 1 - scanner->body), .count = length - 2};
    return scanner_emit_slab(scanner, start, &slab);
}

static bool scan_literal(struct scanner *scanner)
{
    static const char *const literals[] = {"true", "false", "null"};
    const char *start = scanner->position;
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        size_t length = strlen(literals[i]);
        if ((size_t)(scanner->end - start) >= length && memcmp(start, literals[i], length) == 0) {
            scanner->position += length;
            return scanner_emit(scanner, start, start, length);
        }
    }
    return unexpected(scanner);
}

/* A comma, a colon, a bracket: one byte that stands for itself. */
static bool scan_mark(struct scanner *scanner, enum expectation next)
{
    scanner->expectation = next;
    const char *start = scanner->position++;
    return scanner_emit(scanner, start, start, 1);
}

/* After a value, or the end of an array or object. */
static enum expectation after_value(const struct scanner *scanner)
{
    if (scanner->depth == 0) {
        return EXPECT_END;
    }
    return scanner->closers[scanner->depth - 1] == '}' ? EXPECT_NEXT_MEMBER : EXPECT_NEXT_ITEM;
}

static bool open_container(struct scanner *scanner, char closer, enum expectation next)
{
    if (scanner->depth == SCAN_MAX_DEPTH) {
        return scanner_fail(scanner, scanner->position, STABILITY_ERROR_SYNTAX,
                            "objects and lists may be nested %d deep", SCAN_MAX_DEPTH);
    }
    scanner->closers[scanner->depth++] = closer;
    return scan_mark(scanner, next);
}

static bool close_container(struct scanner *scanner)
{
    scanner->depth--;
    return scan_mark(scanner, after_value(scanner));
}

static bool scan_simple(struct scanner *scanner)
{
    char first = *scanner->position;
    bool number = first == '-' || (first >= '0' && first <= '9');
    bool done = first == '"' ? scan_text(scanner, false)
                : number     ? scan_number(scanner)
                             : scan_literal(scanner);
    scanner->expectation = after_value(scanner);
    return done;
}

/* The list at the position, or more of it. */
static bool scan_list(struct scanner *scanner)
{
    switch (scan_array(scanner)) {
    case ARRAY_MIXED:
        return open_container(scanner, ']', EXPECT_FIRST_ITEM);
    case ARRAY_TAKEN:
        scanner->expectation = after_value(scanner);
        return true;
    case ARRAY_PAUSED:
        return true;
    case ARRAY_FAILED:
        break;
    }
    return false;
}

static bool scan_value(struct scanner *scanner)
{
    if (!count_value(scanner)) {
        return false;
    }
    if (*scanner->position == '{') {
        return open_container(scanner, '}', EXPECT_FIRST_KEY);
    }
    return *scanner->position == '[' ? scan_list(scanner) : scan_simple(scanner);
}

static bool scan_key(struct scanner *scanner)
{
    if (*scanner->position != '"') {
        return unexpected(scanner);
    }
    scanner->expectation = EXPECT_COLON;
    return scan_text(scanner, true);
}

/* Reads the token at scanner->position, which is not the end. */
static bool scan_token(struct scanner *scanner)
{
    char first = *scanner->position;
    switch (scanner->expectation) {
    case EXPECT_VALUE:
        return scan_value(scanner);
    case EXPECT_FIRST_ITEM:
        return first == ']' ? close_container(scanner) : scan_value(scanner);
    case EXPECT_FIRST_KEY:
        return first == '}' ? close_container(scanner) : scan_key(scanner);
    case EXPECT_KEY:
        return scan_key(scanner);
    case EXPECT_COLON:
        return first == ':' ? scan_mark(scanner, EXPECT_VALUE) : unexpected(scanner);
    case EXPECT_NEXT_MEMBER:
        return first == '}'   ? close_container(scanner)
               : first == ',' ? scan_mark(scanner, EXPECT_KEY)
                              : unexpected(scanner);
    case EXPECT_NEXT_ITEM:
        return first == ']'   ? close_container(scanner)
               : first == ',' ? scan_mark(scanner, EXPECT_VALUE)
                              : unexpected(scanner);
    case EXPECT_END:
        break;
    }
    return unexpected(scanner);
}

/* Whether a number or literal ends before the end of what is there. */
static bool ends_here(struct scanner *scanner)
{
    size_t available = (size_t)(scanner->end - scanner->position);
    if (available < scanner->patience) {
        return false;
    }
    for (const char *text = scanner->position; text < scanner->end; text++) {
        if (strchr(",]} \t\r\n", *text) != NULL) {
            scanner->patience = 0;
            return true;
        }
    }
    scanner->patience = 2 * available;
    return false;
}

/* Whether enough is there to read the token at the position, or of an array, to begin with it. */
static bool is_readable(struct scanner *scanner)
{
    char first = *scanner->position;
    if (scanner_has_all(scanner) || strchr("{}]:,", first) != NULL) {
        return true;
    }
    if (first == '"') {
        return scan_string(scanner) != NULL || scanner->problem != NULL;
    }
    return first == '[' ? scanner->position < scanner->comma : ends_here(scanner);
}

bool scanner_read(struct scanner *scanner)
{
    if (scanner->position == scanner->body && scanner->end - scanner->body >= 3 &&
        memcmp(scanner->body, "\xef\xbb\xbf", 3) == 0) {
        return scanner_fail(scanner, scanner->body, STABILITY_ERROR_SYNTAX,
                            "the body must not start with a byte order mark");
    }
    if (scanner->in_array && !scan_list(scanner)) {
        return false;
    }
    while (!scanner->in_array) {
        scanner->position = skip_space(scanner->position, scanner->end);
        if (scanner->position == scanner->end) {
            return !scanner_has_all(scanner) || scanner->expectation == EXPECT_END || unexpected(scanner);
        }
        if (!is_readable(scanner)) {
            return true;
        }
        if (!scan_token(scanner)) {
            return false;
        }
    }
    return true;
}

static int64_t value_limit(const struct stability_limits *limits)
{
    if (limits->layers <= 0 || limits->layers > INT64_MAX / VALUES_PER_LAYER / 1024) {
        return INT64_MAX;
    }
    return VALUES_AT_LEAST + VALUES_PER_LAYER * limits->layers;
}

static void return_rest(struct scan *scan)
{
    if (scan->claim != NULL) {
        claim_return(scan->claim,
                     (int64_t)((scan->number_capacity - scan->number_count) * sizeof *scan->numbers));
    }
    scan->number_capacity = scan->number_count;
}

struct scanner scanner_new(const char *body, size_t length, const struct stability_limits *limits,
                           struct scan *scan, struct stability_error *error)
{
    return (struct scanner){.body = body,
                            .position = body,
                            .end = body,
                            .limit = body + length,
                            .comma = body,
                            .limits = limits,
                            .value_limit = value_limit(limits),
                            .scan = scan,
                            .error = error};
}

void scan_trim(struct scan *scan)
{
    double *exact =
        scan->number_count > 0 ? realloc(scan->numbers, scan->number_count * sizeof *exact) : NULL;
    if (exact != NULL) {
        scan->numbers = exact;
        return_rest(scan);
    }
}

bool scan_body(const char *body, size_t length, const struct stability_limits *limits, struct scan *scan,
               size_t *offset, struct stability_error *error)
{
    struct scanner scanner = scanner_new(body, length, limits, scan, error);
    scanner.end = scanner.limit;
    bool done = scanner_read(&scanner);
    *offset = scanner.problem != NULL ? (size_t)(scanner.problem - body) : SIZE_MAX;
    if (done) {
        scan_trim(scan);
    }
    return done;
}

void scan_free(struct scan *scan)
{
    buffer_free(&scan->structure);
    free(scan->slabs);
    free(scan->numbers);
    *scan = (struct scan){0};
}

size_t scan_origin(const char *body, size_t length, size_t structure_offset)
{
    struct scan scan = {0};
    struct stability_error error = {0};
    struct stability_limits limits = {0};
    struct scanner scanner = scanner_new(body, length, &limits, &scan, &error);
    scanner.end = scanner.limit;
    scanner.watched = structure_offset;
    scanner_read(&scanner);
    scan_free(&scan);
    return scanner.origin;
}
