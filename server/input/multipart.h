/* multipart/form-data (RFC 7578, and RFC 2046, section 5.1): a body in parts that have names. */
#ifndef SERVER_INPUT_MULTIPART_H
#define SERVER_INPUT_MULTIPART_H

#include <stability/error.h>

/* Bytes of a boundary at most, the NUL included. */
#define MULTIPART_BOUNDARY_SIZE 71
/* Bytes of a part's header at most. */
#define MULTIPART_HEADER_BYTES 8192

/* Reads the boundary from the value of a Content-Type. False with MULTIPART where there is none, or one that
 * RFC 2046 does not allow. */
bool multipart_boundary(const char *content_type, char boundary[MULTIPART_BOUNDARY_SIZE],
                        struct stability_error *error);

struct multipart_part {
    const char *name; /* by which it is known; set by the caller */
    char *bytes;      /* in the body; NULL: it was not sent */
    size_t length;
};

/* Finds the `count` known parts in a body, in time that grows with its length alone and without memory; a
 * preamble and an epilogue are skipped. False with MULTIPART where the body is malformed, UNKNOWN_MEMBER at
 * any other part, DUPLICATE_KEY where one comes twice. */
bool multipart_split(char *bytes, size_t length, const char *boundary, struct multipart_part *parts,
                     size_t count, struct stability_error *error);

#endif
