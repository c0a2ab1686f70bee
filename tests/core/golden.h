/* Reference values from PyTorch, read from the files under tests/golden; README.md there describes their
 * format. What cannot be read fails the test that asks for it. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include "core/arena.h"

#include <stability/request.h>

enum golden_keyword {
    GOLDEN_INPUT,
    GOLDEN_PARAMETER,
    GOLDEN_BUFFER,
    GOLDEN_TARGET,
    GOLDEN_OUTPUT_GRADIENT,
    GOLDEN_OUTPUT,
    GOLDEN_INPUT_GRADIENT,
    GOLDEN_PARAMETER_GRADIENT,
    GOLDEN_BUFFER_AFTER,
    GOLDEN_KEYWORD_COUNT
};

struct golden_record {
    enum golden_keyword keyword;
    const char *name;
    struct stability_tensor tensor; /* float64 or int64 */
};

struct golden_case {
    const char *name;
    bool evaluate;
    struct stability_members attributes;
    size_t record_count;
    const struct golden_record *records;
};

/* Everything is in the arena. */
struct golden_file {
    const char *type;
    bool is_loss;
    size_t case_count;
    const struct golden_case *cases;
    struct arena arena;
};

/* Reads tests/golden/layers/TYPE.golden or tests/golden/losses/TYPE.golden. */
void golden_read(struct golden_file *file, bool is_loss, const char *type);
void golden_free(struct golden_file *file);

/* A record of a case, or NULL. */
const struct golden_record *golden_find(const struct golden_case *golden, enum golden_keyword keyword,
                                        const char *name);

#endif
