/* Any bytes as a file of tokens: a line of it is at fault, or every token has a name, a digest and a limit.
 */
#define _GNU_SOURCE /* memfd_create */

#include "server/access/tokens.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_tokens(const struct tokens *tokens)
{
    require(tokens->count > 0);
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *token = &tokens->items[i];
        size_t length = strnlen(token->name, sizeof(token->name));
        require(length > 0 && length < sizeof(token->name));
        require(token->limit == 0 || (token->limit >= 1 && token->limit <= 1e9));
        for (size_t k = 0; k < i; k++) {
            require(strcmp(tokens->items[k].name, token->name) != 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    struct stability_error error = {0};
    int file = memfd_create("tokens", MFD_CLOEXEC);
    require(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    struct tokens *tokens = tokens_read(path, &error);
    require((tokens != NULL) == (error.code == STABILITY_OK));
    require(tokens != NULL || error.message[0] != '\0');
    if (tokens != NULL) {
        check_tokens(tokens);
        require(tokens_find(tokens, (const char *)data, size) == NULL);
    }
    free(tokens);
    close(file);
    return 0;
}
