#include "support_allocation.h"

#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>

/* The names that the linker's --wrap gives: __real_malloc is malloc, and calls of malloc become
 * __wrap_malloc. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

static atomic_bool armed;
static atomic_long remaining;
static atomic_long held; /* bytes, less those that were allocated before the limit was set and freed since */
static atomic_long limit = LONG_MAX;
static atomic_size_t refused;

static bool fails(size_t size)
{
    if (atomic_load(&armed) && atomic_fetch_sub(&remaining, 1) == 0)
        return true;
    long most = atomic_load(&limit), before = atomic_load(&held);
    if (most == LONG_MAX || (before <= most && size <= (size_t)(most - before)))
        return false;
    atomic_store(&refused, size);
    return true;
}

static void *hold(void *memory)
{
    atomic_fetch_add(&held, (long)malloc_usable_size(memory));
    return memory;
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

void support_limit_allocations(size_t bytes)
{
    atomic_store(&held, 0);
    atomic_store(&refused, 0);
    atomic_store(&limit, (long)bytes);
}

size_t support_refused_allocation(void)
{
    atomic_store(&limit, LONG_MAX);
    return atomic_load(&refused);
}

void *support_malloc(size_t size)
{
    return fails(size) ? NULL : hold(__real_malloc(size));
}

void *__wrap_malloc(size_t size)
{
    return support_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    size_t bytes;
    bool overflows = __builtin_mul_overflow(count, size, &bytes);
    return fails(overflows ? SIZE_MAX : bytes) ? NULL : hold(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (fails(size))
        return NULL;
    long before = (long)malloc_usable_size(memory);
    void *moved = __real_realloc(memory, size);
    if (moved)
        atomic_fetch_sub(&held, before);
    return hold(moved);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails(size) ? NULL : hold(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *memory)
{
    atomic_fetch_sub(&held, (long)malloc_usable_size(memory));
    __real_free(memory);
}
