/* Bodies that come compressed: the codings of Content-Encoding (RFC 9110, section 8.4), and their decoding
 * within bounds. */
#ifndef SERVER_INPUT_ENCODING_H
#define SERVER_INPUT_ENCODING_H

#include <stability/error.h>

#include <stdint.h>

enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_ZSTD };

/* What a client may choose from, as Accept-Encoding lists it. */
#define ENCODING_NAMES "gzip, zstd"

/* A body that decodes to more than ENCODING_FREE_BYTES may expand this many times, but no further. */
#define ENCODING_LARGEST_RATIO 1000
#define ENCODING_FREE_BYTES (16 << 20)

/* Finds a coding by its name in a header, upper or lower case; "x-gzip" is gzip. False where it is none of
 * them. */
bool encoding_find(const char *name, enum encoding *encoding);

/* Decodes a whole body, piece by piece. */
struct decoder;

/* `bytes` are borrowed; all streams (gzip members, zstd frames) in them follow each other in what is decoded,
 * which may have `limit` bytes. `encoding` is not the identity. NULL on error. */
struct decoder *decoder_new(enum encoding encoding, const char *bytes, size_t length, int64_t limit,
                            struct stability_error *error);
/* Decodes up to `room` (at least 1) bytes into `bytes`; none in *count: the end, which is where the encoded
 * bytes end too. False with ENCODING where they are broken or end too early, with BODY_TOO_LARGE where they
 * expand over the limit or the ratio. */
bool decoder_read(struct decoder *decoder, char *bytes, size_t room, size_t *count,
                  struct stability_error *error);
/* NULL is fine. */
void decoder_free(struct decoder *decoder);

#endif
