/* The tokens that let a client in, as a file lists them: a line a token with its name, the SHA-256 of the
 * token in hexadecimal, and, where it is limited, requests a minute. Empty lines and lines that begin with #
 * say nothing. */
#ifndef SERVER_ACCESS_TOKENS_H
#define SERVER_ACCESS_TOKENS_H

#include <stability/error.h>

#define TOKEN_NAME_SIZE 65
#define TOKEN_DIGEST_SIZE 32

struct token {
    char name[TOKEN_NAME_SIZE]; /* letters, digits, '.', '_', '-': harmless in a log */
    unsigned char digest[TOKEN_DIGEST_SIZE];
    double limit; /* requests a minute; 0: any number */
};

struct tokens {
    size_t count;
    struct token items[];
};

/* Reads the file; free() frees the result. NULL with the line at fault in the message; a file without a
 * token is an error too. */
struct tokens *tokens_read(const char *path, struct stability_error *error);

/* The token that `text` (`length` bytes) is, or NULL. Takes the same time whichever it is, or none. */
const struct token *tokens_find(const struct tokens *tokens, const char *text, size_t length);

#endif
