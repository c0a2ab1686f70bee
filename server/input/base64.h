/* Base64 (RFC 4648, section 4), strictly: padded, no whitespace, no bits left over. */
#ifndef SERVER_INPUT_BASE64_H
#define SERVER_INPUT_BASE64_H

#include <stddef.h>

/* The number of bytes that a valid text of this length and padding stands for; of any other text, at least as
 * many as base64_decode may write. */
size_t base64_decoded_size(const char *text, size_t length);

/* Decodes into `bytes`, which has room for base64_decoded_size, and may begin at `text` or before it. Returns
 * `length`; where the text is not valid, the offset of the first character that is wrong (`length` - 1 at
 * most), and *problem says what is, in static text. */
size_t base64_decode(const char *text, size_t length, unsigned char *bytes, const char **problem);

#endif
