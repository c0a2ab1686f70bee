/* One pass over the bytes of a request. It checks all of JSON's grammar and takes out what is long:
 *
 *     {"weights": {"fc.weight": [[0.5, 1], [2, "NaN"]]}}   becomes   {"weights":{"fc.weight":[0]}}
 *
 * and slab 0 holds the four numbers and their shape. So a general JSON parser sees the structure alone, and
 * numbers go straight to where they are used. Every array that has only numbers in it is taken out: what then
 * looks like `[0]` is a slab, and no client can forge one. */
#ifndef SERVER_INPUT_SCAN_H
#define SERVER_INPUT_SCAN_H

#include "server/buffer.h"
#include "server/jobs/budget.h"

#include <stability/request.h>

/* Arrays and objects may be nested so deep. */
#define SCAN_MAX_DEPTH 64
/* A string of this length or longer becomes a slab, if it is plain: printable ASCII without escapes. */
#define SCAN_LONG_TEXT 256

enum slab_kind {
    /* An array, nested up to STABILITY_MAX_RANK deep and rectangular, of numbers and "NaN", "Infinity",
     * "-Infinity", at least one of them; or (rank 0) a single number that is not an integer of 64 bits. */
    SLAB_NUMBERS,
    /* A string: its bytes in the body, without the quotes. */
    SLAB_TEXT
};

struct slab {
    enum slab_kind kind;
    bool integers; /* every number was written as an integer, and none as -0 */
    bool words;    /* no number, only "NaN" and the like: it may also be a list of names */
    size_t start;  /* NUMBERS: the first one's index in `numbers`; TEXT: offset into the body */
    size_t count;  /* of numbers or bytes */
    struct stability_shape shape;
};

struct scan {
    struct buffer structure; /* JSON without what was taken out */
    size_t slab_count;
    size_t slab_capacity;
    struct slab *slabs;
    size_t number_count;
    size_t number_capacity;
    double *numbers;
    struct claim *claim; /* that pays for the memory; NULL: none */
};

/* Scans a body into *scan, which was zeroed but for its claim. On failure `*offset` is where in the body the
 * problem is, or SIZE_MAX where it is not in one place. Memory stays within half a byte for each byte of the
 * body and 8 for each number, a growth factor of 1.5, and what `limits->layers` allows as structure; a tensor
 * of more than `limits->elements` is an error. Either way scan_free releases it. */
bool scan_body(const char *body, size_t length, const struct stability_limits *limits, struct scan *scan,
               size_t *offset, struct stability_error *error);
void scan_free(struct scan *scan);
/* Gives back the memory that a complete scan has over. */
void scan_trim(struct scan *scan);

/* The offset in the body of the token that ends at `structure_offset` in the structure made from it. */
size_t scan_origin(const char *body, size_t length, size_t structure_offset);

#endif
