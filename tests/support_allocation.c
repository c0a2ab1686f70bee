#include "support_allocation.h"

#include <stdatomic.h>

/* The names that the linker's --wrap gives: __real_malloc is malloc, and calls of malloc become
 * __wrap_malloc. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static atomic_bool armed;
static atomic_long remaining;

static bool fails(void)
{
    return atomic_load(&armed) && atomic_fetch_sub(&remaining, 1) == 0;
}

void support_fail_allocation_after(long count)
{
    atomic_store(&remaining, count);
    atomic_store(&armed, true);
}

bool support_allocation_has_failed(void)
{
    return atomic_exchange(&armed, false) && atomic_load(&remaining) < 0;
}

void *support_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_malloc(size_t size)
{
    return support_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}
