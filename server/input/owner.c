#include "server/input/owner.h"

#include <stability/tensor.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct owned {
    struct owned *earlier;
    _Alignas(max_align_t) unsigned char bytes[];
};

void *owner_allocate(struct owner *owner, size_t count, size_t size, struct stability_error *error)
{
    if (size != 0 && count > (PTRDIFF_MAX - sizeof(struct owned)) / size) {
        owner_out_of_memory(error);
        return NULL;
    }
    size_t total = sizeof(struct owned) + count * size;
    if (owner->claim != NULL && !claim_take(owner->claim, (int64_t)total, error)) {
        return NULL;
    }
    struct owned *owned = calloc(1, total);
    if (owned == NULL) {
        owner_out_of_memory(error);
        return NULL;
    }
    stability_prefer_huge_pages(owned, count * size);
    owned->earlier = owner->latest;
    owner->latest = owned;
    return owned->bytes;
}

char *owner_text(struct owner *owner, const char *text, size_t length, struct stability_error *error)
{
    char *copy = owner_allocate(owner, length + 1, 1, error);
    if (copy != NULL) {
        memcpy(copy, text, length);
    }
    return copy;
}

void owner_free(struct owner *owner)
{
    while (owner->latest != NULL) {
        struct owned *earlier = owner->latest->earlier;
        free(owner->latest);
        owner->latest = earlier;
    }
}

bool owner_out_of_memory(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                          "there is no memory to read the request");
}
