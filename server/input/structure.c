#include "server/input/structure.h"

#include "server/input/owner.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ALIGNMENT _Alignof(max_align_t)
#define LEAST_BLOCK 4096
#define MOST_BLOCK (1 << 20)
#define USUAL_BYTES_PER_BYTE 8 /* that jansson makes of a text's */

/* Memory that pieces are cut off. */
struct structure_block {
    struct structure_block *earlier;
    size_t used;
    size_t size;
    _Alignas(max_align_t) unsigned char bytes[];
};

/* What this thread is loading; NULL: nothing. Whatever is allocated and freed meanwhile belongs to it. */
static _Thread_local struct loading {
    struct structure *structure;
    size_t block_size; /* of the next block */
    struct stability_error *error;
    bool failed;
} * loading;

static bool add_block(size_t size)
{
    size_t room = size > loading->block_size ? size : loading->block_size;
    struct claim *claim = loading->structure->claim;
    if (claim != NULL && !claim_take(claim, (int64_t)room, loading->error)) {
        return false;
    }
    struct structure_block *block = malloc(sizeof *block + room);
    if (block == NULL) {
        return false;
    }
    block->earlier = loading->structure->blocks;
    block->used = 0;
    block->size = room;
    loading->structure->blocks = block;
    loading->block_size = room < MOST_BLOCK ? 2 * room : room;
    return true;
}

/* jansson goes on after some failures: it gets nothing more then. */
static void *cut_off(size_t size)
{
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct structure_block *block = loading->structure->blocks;
    if (loading->failed || size > PTRDIFF_MAX / 2 ||
        ((block == NULL || block->size - block->used < rounded) && !add_block(rounded))) {
        loading->failed = true;
        return NULL;
    }
    block = loading->structure->blocks;
    void *piece = block->bytes + block->used;
    block->used += rounded;
    return piece;
}

static void *allocate(size_t size)
{
    return loading != NULL ? cut_off(size) : malloc(size);
}

static void release(void *memory)
{
    if (loading == NULL) {
        free(memory);
    }
}

void structure_initialize(void)
{
    json_set_alloc_funcs(allocate, release);
    json_object_seed(0);
}

bool structure_load(struct structure *structure, const char *text, size_t length, json_error_t *problem,
                    struct stability_error *error)
{
    size_t usual = length < MOST_BLOCK / USUAL_BYTES_PER_BYTE ? length * USUAL_BYTES_PER_BYTE : MOST_BLOCK;
    struct loading current = {structure, usual > LEAST_BLOCK ? usual : LEAST_BLOCK, error, false};
    loading = &current;
    structure->root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, problem);
    loading = NULL;
    if (current.failed) {
        owner_out_of_memory(error); /* unless the claim said more */
    }
    if (structure->root == NULL || current.failed) {
        structure_free(structure);
    }
    return structure->root != NULL;
}

void structure_free(struct structure *structure)
{
    while (structure->blocks != NULL) {
        struct structure_block *earlier = structure->blocks->earlier;
        free(structure->blocks);
        structure->blocks = earlier;
    }
    structure->root = NULL;
}
