/* UTF-8, as RFC 3629 defines it: no overlong forms, no surrogates, nothing over U+10FFFF. */
#ifndef SERVER_UTF8_H
#define SERVER_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of `text`. Returns its bytes (1 to 4), or 0 where `length` is 0 or the
 * bytes are not UTF-8; `character` is then unchanged. */
size_t utf8_decode(const char *text, size_t length, uint32_t *character);

#endif
