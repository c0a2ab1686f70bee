/* Makes allocations fail. They are those of the code that is linked into a test: malloc, calloc, realloc and
 * aligned_alloc, which the linker sends here (--wrap); not those inside of shared libraries. */
#ifndef TESTS_SUPPORT_ALLOCATION_H
#define TESTS_SUPPORT_ALLOCATION_H

#include <stdbool.h>
#include <stddef.h>

/* Lets `count` more allocations succeed and the next one fail, once. */
void support_fail_allocation_after(long count);
/* Whether that allocation was reached; from here on none fails. */
bool support_allocation_has_failed(void);
/* From here on an allocation fails that would bring what is held over so many bytes: what is allocated from
 * here on, less what is freed. */
void support_limit_allocations(size_t bytes);
/* The size of the last one that failed so, 0: none did; from here on none fails. */
size_t support_refused_allocation(void);
/* malloc, counted among them: for libraries that let one choose. */
void *support_malloc(size_t size);

#endif
