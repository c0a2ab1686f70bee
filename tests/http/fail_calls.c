/* Preloaded into the server by test_failures.py: makes single calls fail.
 *
 * FAIL_CALLS names a file of int64_t, one for each kind below; where one is n > 0, it is counted down by
 * every call of its kind, and the call that takes it to 0 fails. The disk is full while its number is not 0.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { KIND_MEMORY, KIND_GROWTH, KIND_THREAD, KIND_WRITE, KIND_DISK, KIND_COUNT };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Atomic int64_t *counters;

__attribute__((constructor)) static void open_counters(void)
{
    const char *path = getenv("FAIL_CALLS");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0) {
        void *mapped = mmap(NULL, KIND_COUNT * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        counters = mapped == MAP_FAILED ? NULL : mapped;
        close(file);
    }
}

static bool fails(enum kind kind)
{
    if (counters == NULL || counters[kind] <= 0) {
        return false;
    }
    return __atomic_sub_fetch((int64_t *)&counters[kind], 1, __ATOMIC_SEQ_CST) == 0;
}

static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size)
{
    return fails(KIND_MEMORY) ? out_of_memory() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(KIND_MEMORY) ? out_of_memory() : __libc_calloc(count, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(KIND_MEMORY) ? out_of_memory() : __libc_memalign(alignment, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(KIND_GROWTH) ? out_of_memory() : __libc_realloc(memory, size);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    }
    return fails(KIND_THREAD) ? EAGAIN : real(thread, attributes, start, argument);
}

/* Threads wake each other by descriptors that are no files, and whose writes do not fail. */
static bool is_file(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && (status.st_mode & S_IFMT) != 0;
}

ssize_t write(int file, const void *bytes, size_t count)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    if (is_file(file) && fails(KIND_WRITE)) {
        errno = EIO;
        return -1;
    }
    return real(file, bytes, count);
}

/* What a database writes with. */
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    }
    if (counters != NULL && counters[KIND_DISK] != 0) {
        errno = ENOSPC;
        return -1;
    }
    return real(file, bytes, count, offset);
}
