/* What the parts of the scan share; everybody else includes scan.h. */
#ifndef SERVER_INPUT_SCANNER_H
#define SERVER_INPUT_SCANNER_H

#include "server/input/number.h"
#include "server/input/scan.h"

/* What the grammar allows next. */
enum expectation {
    EXPECT_VALUE,
    EXPECT_FIRST_ITEM, /* a value or ] */
    EXPECT_FIRST_KEY,  /* a key or } */
    EXPECT_KEY,
    EXPECT_COLON,
    EXPECT_NEXT_MEMBER, /* , or } */
    EXPECT_NEXT_ITEM,   /* , or ] */
    EXPECT_END
};

enum content { CONTENT_UNKNOWN, CONTENT_NUMBERS, CONTENT_LISTS };

/* What is known of the lists at one depth of an array. */
struct depth {
    enum content content;
    int64_t size;   /* of the first one that was closed, or -1 */
    int64_t length; /* of the one that is open, so far */
    const char *start;
};

enum array_outcome {
    ARRAY_TAKEN,  /* its slab was emitted, and the position is after it */
    ARRAY_MIXED,  /* it is no array of numbers; nothing was changed */
    ARRAY_PAUSED, /* it goes on behind what is there of the body */
    ARRAY_FAILED  /* there is an error */
};

/* An array that may be one of numbers, half read. */
struct array {
    struct scanner *scanner;
    const char *text;
    enum array_outcome outcome; /* valid once a function has returned false */
    int depth;
    struct depth depths[STABILITY_MAX_RANK];
    size_t first; /* index of the first number */
    bool reals;
    bool numbers;
};

/* Begins with the first byte of the body, of which as much is there as `end` says; the rest is zero. */
struct scanner {
    const char *body;
    const char *position;
    const char *end;   /* of what is there of the body */
    const char *limit; /* of the whole body */
    enum expectation expectation;
    int depth;
    char closers[SCAN_MAX_DEPTH]; /* of the arrays and objects that are open: ] or } */
    const struct stability_limits *limits;
    int64_t values;      /* in the structure so far */
    int64_t value_limit; /* INT64_MAX: none */
    struct scan *scan;
    size_t watched; /* structure offset whose origin is asked for; 0: none */
    size_t origin;
    const char *problem; /* where the error is, or NULL */
    struct stability_error *error;
    /* What waits for more of the body, where `end` is before `limit`. */
    const char *string; /* the string at `position` was checked up to here; NULL: none was begun */
    bool plain;         /* so far */
    bool in_array;      /* the array at `position` is being read */
    struct array array;
    const char *comma; /* behind the last one that is there: arrays are read up to here */
    size_t patience;   /* bytes of a number or literal to wait for, so that none is looked at too often */
};

static inline const char *skip_space(const char *text, const char *end)
{
    while (text < end && (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t')) {
        text++;
    }
    return text;
}

/* Records an error at `where`; its message gets line and column, and unless it is one of syntax, a JSON
 * Pointer. Returns false. */
bool scanner_fail(struct scanner *scanner, const char *where, enum stability_code code, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* A syntax error: "expected `expected`, found …". */
bool scanner_unexpected(struct scanner *scanner, const char *where, const char *expected);
bool scanner_out_of_memory(struct scanner *scanner);
/* The number at `start` is malformed from `where` on, or too large. */
bool scanner_bad_number(struct scanner *scanner, const char *start, const char *where,
                        const struct number *number);

/* Appends a token, which is the body's from `start` on, to the structure. */
bool scanner_emit(struct scanner *scanner, const char *start, const char *text, size_t length);
/* Appends a slab, and the `[k]` that stands for it to the structure. */
bool scanner_emit_slab(struct scanner *scanner, const char *start, const struct slab *slab);
/* Makes room for more numbers than there are. */
bool scanner_grow_numbers(struct scanner *scanner);

static inline bool scanner_reserve_number(struct scanner *scanner)
{
    return scanner->scan->number_count < scanner->scan->number_capacity || scanner_grow_numbers(scanner);
}

/* Checks the string at scanner->position and returns the position after it, or NULL on error, or where it
 * goes on behind what is there. Called again, it goes on where it was. scanner->plain: printable ASCII
 * without escapes. */
const char *scan_string(struct scanner *scanner);

/* Tries to take the array at scanner->position out, or goes on with it. */
enum array_outcome scan_array(struct scanner *scanner);

/* A scanner for a body of `length` bytes, of which none is there yet. */
struct scanner scanner_new(const char *body, size_t length, const struct stability_limits *limits,
                           struct scan *scan, struct stability_error *error);
/* Reads on, as far as scanner->end allows. False on error; one before the whole body is there has no message.
 */
bool scanner_read(struct scanner *scanner);

static inline bool scanner_has_all(const struct scanner *scanner)
{
    return scanner->end == scanner->limit;
}

#endif
