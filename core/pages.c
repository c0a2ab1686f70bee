#include <stability/tensor.h>

#include <stdint.h>
#include <sys/mman.h>

void stability_prefer_huge_pages(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const size_t page = 4096, least = (size_t)32 << 20;
    size_t before = (page - (uintptr_t)memory % page) % page;
    if (bytes >= least)
        madvise((char *)memory + before, (bytes - before) / page * page,
                MADV_HUGEPAGE); /* advice: may fail */
#else
    (void)memory;
    (void)bytes;
#endif
}
