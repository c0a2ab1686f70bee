#include "server/processor.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Blocks from this size on are mapped on their own, and unmapped when freed. Left to itself, glibc raises the
 * bound to the size of the first such block that is freed, and the heap then keeps the holes. */
#define MAPPED_SIZE (1 << 20)

static bool is_misjudged(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

void processor_choose_kernels(char *const arguments[])
{
    static const char variable[] = "OPENBLAS_CORETYPE"; /* set, it also keeps this from happening twice */
    if (is_misjudged() && getenv(variable) == NULL && setenv(variable, "SkylakeX", 1) == 0) {
        execv("/proc/self/exe", arguments);
    }
}

void processor_return_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_SIZE);
}
