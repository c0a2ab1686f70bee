#include "core/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_ALIGNMENT = 16, LARGE_ALIGNMENT = 64 };

/* Blocks double from the first size to the greatest. A test sets both to 1, so that each piece is an
 * allocation. */
#ifndef ARENA_FIRST_SIZE
#define ARENA_FIRST_SIZE 4096
#define ARENA_GREATEST_SIZE (1 << 20)
#endif

struct arena_block {
    struct arena_block *next;
    uintptr_t start; /* the first free byte */
    uintptr_t end;
};

static uintptr_t align_up(uintptr_t address, size_t alignment)
{
    return (address + alignment - 1) & ~(uintptr_t)(alignment - 1);
}

/* Zeroed; NULL where the block has no room. */
static void *block_take(struct arena_block *block, size_t bytes, size_t alignment)
{
    uintptr_t address = align_up(block->start, alignment);
    if (address > block->end || bytes > block->end - address)
        return NULL;
    block->start = address + bytes;
    return memset((void *)address, 0, bytes);
}

static struct arena_block *block_new(size_t bytes)
{
    if (bytes > PTRDIFF_MAX - sizeof(struct arena_block) - LARGE_ALIGNMENT)
        return NULL;
    size_t size = sizeof(struct arena_block) + LARGE_ALIGNMENT + bytes;
    struct arena_block *block = malloc(size);
    if (!block)
        return NULL;
    block->start = (uintptr_t)(block + 1);
    block->end = (uintptr_t)block + size;
    return block;
}

/* The block with more room left comes first. */
static void insert_block(struct arena *arena, struct arena_block *block)
{
    struct arena_block *first = arena->blocks;
    if (first && first->end - first->start > block->end - block->start) {
        block->next = first->next;
        first->next = block;
    } else {
        block->next = first;
        arena->blocks = block;
    }
}

void *arena_allocate(struct arena *arena, size_t bytes)
{
    size_t alignment = bytes >= LARGE_ALIGNMENT ? LARGE_ALIGNMENT : SMALL_ALIGNMENT;
    void *memory = arena->blocks ? block_take(arena->blocks, bytes, alignment) : NULL;
    if (memory)
        return memory;
    size_t size = arena->next_size ? arena->next_size : ARENA_FIRST_SIZE;
    struct arena_block *block = block_new(bytes > size ? bytes : size);
    if (!block)
        return NULL;
    arena->next_size = size < ARENA_GREATEST_SIZE ? 2 * size : size;
    memory = block_take(block, bytes, alignment);
    insert_block(arena, block);
    return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return arena_allocate(arena, bytes);
}

char *arena_string(struct arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = arena_allocate(arena, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

char *arena_join(struct arena *arena, const char *const *texts)
{
    size_t length = 0;
    for (size_t i = 0; texts[i]; i++)
        length += strlen(texts[i]);
    char *joined = arena_allocate(arena, length + 1), *end = joined;
    for (size_t i = 0; joined && texts[i]; i++)
        end = stpcpy(end, texts[i]);
    return joined;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    char most[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(most, sizeof(most), format, arguments);
    va_end(arguments);
    if (length < 0)
        return NULL;
    char *text = arena_allocate(arena, (size_t)length + 1);
    if (!text || (size_t)length < sizeof(most))
        return text ? memcpy(text, most, (size_t)length + 1) : NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void arena_free(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct arena){0};
}
