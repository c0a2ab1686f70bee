#include <stability/tensor.h>

#include <stdint.h>
#include <sys/mman.h>

/* The pages at both ends count too: of a mapping that has the advice in one part only, realloc would have to
 * copy the bytes where it can move the pages. */
void stability_prefer_huge_pages(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const size_t page = 4096, least = (size_t)32 << 20;
    size_t before = (uintptr_t)memory % page;
    if (bytes >= least)
        madvise((char *)memory - before, (before + bytes + page - 1) / page * page,
                MADV_HUGEPAGE); /* advice: may fail */
#else
    (void)memory;
    (void)bytes;
#endif
}
