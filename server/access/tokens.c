#include "server/access/tokens.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 512
#define MOST_TOKENS 65536
#define GREATEST_LIMIT 1e9

/* A file that is being read. */
struct reading {
    const char *path;
    int line;
    struct tokens *tokens;
    size_t capacity;
    struct stability_error *error;
};

static bool fail(struct reading *reading, const char *message)
{
    return stability_fail(reading->error, STABILITY_ERROR_PARAMETER, NULL, "%s, line %d: %s", reading->path,
                          reading->line, message);
}

static bool read_name(struct reading *reading, const char *word, struct token *token)
{
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(word);
    if (length >= TOKEN_NAME_SIZE || strspn(word, harmless) != length) {
        return fail(reading, "a token's name is up to 64 letters, digits, '.', '_' and '-'");
    }
    memcpy(token->name, word, length + 1);
    return true;
}

static bool read_digest(struct reading *reading, const char *word, struct token *token)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    size_t size = TOKEN_DIGEST_SIZE;
    if (word == NULL || strlen(word) != 2 * size || strspn(word, digits) != 2 * size ||
        gnutls_hex2bin(word, 2 * size, token->digest, &size) != 0) {
        return fail(reading, "behind the name stands the SHA-256 of the token: 64 hexadecimal digits");
    }
    return true;
}

static bool read_limit(struct reading *reading, const char *word, struct token *token)
{
    char *end;
    if (word == NULL) {
        return true;
    }
    token->limit = strtod(word, &end);
    return (strspn(word, "0123456789") == strlen(word) && token->limit >= 1 &&
            token->limit <= GREATEST_LIMIT) ||
           fail(reading, "requests a minute are an integer from 1 to 1000000000");
}

static bool check_unique(struct reading *reading, const struct token *token)
{
    for (size_t i = 0; i < reading->tokens->count; i++) {
        const struct token *other = &reading->tokens->items[i];
        if (strcmp(other->name, token->name) == 0) {
            return fail(reading, "a token of that name stands further up");
        }
        if (memcmp(other->digest, token->digest, TOKEN_DIGEST_SIZE) == 0) {
            return fail(reading, "the same token stands further up");
        }
    }
    return true;
}

static bool add(struct reading *reading, const struct token *token)
{
    if (reading->tokens->count == reading->capacity) {
        size_t capacity = reading->capacity * 2;
        struct tokens *grown =
            capacity > MOST_TOKENS
                ? NULL
                : realloc(reading->tokens, sizeof(*grown) + capacity * sizeof(grown->items[0]));
        if (grown == NULL) {
            return fail(reading, "there is no memory for so many tokens");
        }
        reading->tokens = grown;
        reading->capacity = capacity;
    }
    reading->tokens->items[reading->tokens->count++] = *token;
    return true;
}

static bool read_line(struct reading *reading, char *line)
{
    static const char blanks[] = " \t\r\n";
    struct token token = {0};
    char *rest = NULL;
    if (strchr(line, '\n') == NULL && strlen(line) == LINE_SIZE - 1) {
        return fail(reading, "the line is too long");
    }
    char *name = strtok_r(line, blanks, &rest);
    if (name == NULL || name[0] == '#') {
        return true;
    }
    char *digest = strtok_r(NULL, blanks, &rest);
    char *limit = digest == NULL ? NULL : strtok_r(NULL, blanks, &rest);
    if (limit != NULL && strtok_r(NULL, blanks, &rest) != NULL) {
        return fail(reading, "a line has a name, a digest and requests a minute, nothing more");
    }
    return read_name(reading, name, &token) && read_digest(reading, digest, &token) &&
           read_limit(reading, limit, &token) && check_unique(reading, &token) && add(reading, &token);
}

static bool read_lines(struct reading *reading, FILE *file)
{
    char line[LINE_SIZE];
    while (fgets(line, sizeof(line), file) != NULL) {
        reading->line++;
        if (!read_line(reading, line)) {
            return false;
        }
    }
    if (ferror(file)) {
        return stability_fail(reading->error, STABILITY_ERROR_PARAMETER, NULL, "%s cannot be read: %s",
                              reading->path, strerror(errno));
    }
    return reading->tokens->count > 0 || stability_fail(reading->error, STABILITY_ERROR_PARAMETER, NULL,
                                                        "%s holds no token", reading->path);
}

struct tokens *tokens_read(const char *path, struct stability_error *error)
{
    struct reading reading = {.path = path, .capacity = 8, .error = error};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "the tokens in %s cannot be read: %s", path,
                       strerror(errno));
        return NULL;
    }
    reading.tokens = calloc(1, sizeof(*reading.tokens) + reading.capacity * sizeof(struct token));
    bool done = reading.tokens == NULL ? stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                                                        "there is no memory for tokens")
                                       : read_lines(&reading, file);
    fclose(file);
    if (!done) {
        free(reading.tokens);
        return NULL;
    }
    return reading.tokens;
}

const struct token *tokens_find(const struct tokens *tokens, const char *text, size_t length)
{
    unsigned char digest[TOKEN_DIGEST_SIZE];
    const struct token *found = NULL;
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text, length, digest) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < tokens->count; i++) {
        bool same = gnutls_memcmp(tokens->items[i].digest, digest, TOKEN_DIGEST_SIZE) == 0;
        found = same ? &tokens->items[i] : found;
    }
    return found;
}
