/* What the fuzz targets share. Each is a file fuzz_NAME.c: with clang's libFuzzer it is fed with inputs that
 * are made up (script/fuzz), with replay.c it is a test of the inputs in corpus/fuzz_NAME. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

__attribute__((weak)) int LLVMFuzzerInitialize(int *count, char ***arguments); /* not every target has it */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* A copy exactly as large, so that a sanitizer sees what is read beyond; freed by free(). */
static inline char *copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + (size == 0));
    require(copy != NULL);
    memcpy(copy, data, size);
    return copy;
}

/* The same with a NUL behind it. */
static inline char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
