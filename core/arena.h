/* Memory that is taken piece by piece and given back at once. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

/* Zeroed it is an empty arena. It may be copied: the copy then owns the memory. Not safe to use from two
 * threads at once. */
struct arena {
    struct arena_block *blocks; /* the one that is filled next comes first */
    size_t next_size;
};

/* Zeroed bytes, aligned to 16, from 64 bytes on to 64. Zero bytes give a valid pointer. NULL where there is
 * no memory; what was allocated before stays valid. */
void *arena_allocate(struct arena *arena, size_t bytes);
/* `count` elements of `size` bytes each; NULL also where the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy of `text`. */
char *arena_string(struct arena *arena, const char *text);
/* One text after the other, up to a NULL. */
char *arena_join(struct arena *arena, const char *const *texts);
/* Text as printf would print it. */
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Frees everything; the arena is empty then and may be used again. */
void arena_free(struct arena *arena);

#endif
