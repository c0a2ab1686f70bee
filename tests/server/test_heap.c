/* Memory that was freed and kept by the heap, and a budget that has no room for it. */
#include "server/jobs/budget.h"
#include "server/machine.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK_SIZE (1 << 20)
#define BLOCK_COUNT 64
#define KEPT ((int64_t)BLOCK_SIZE * BLOCK_COUNT)

/* Frees what the heap then keeps, for the last block, which is returned, lies above it. */
static void *fill_heap(void)
{
    void *blocks[BLOCK_COUNT];
    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        blocks[i] = malloc(BLOCK_SIZE);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, BLOCK_SIZE);
    }
    for (size_t i = 0; i + 1 < BLOCK_COUNT; i++) {
        free(blocks[i]);
    }
    return blocks[BLOCK_COUNT - 1];
}

static void check_budgets(void)
{
    int64_t before = machine_resident();
    struct budget roomy = {.total = before + 2 * KEPT};
    struct budget tight = {.total = before};
    assert_true(budget_reserve(&roomy, 2 * BLOCK_SIZE));
    assert_true(machine_resident() > before - KEPT / 4);
    assert_true(budget_reserve(&tight, 1024)); /* too few to look for */
    assert_true(machine_resident() > before - KEPT / 4);
    assert_true(budget_reserve(&tight, 2 * BLOCK_SIZE));
    assert_true(machine_resident() < before - KEPT / 2);
}

static void freed_memory_is_given_back_where_it_stands_in_the_way(void **unused)
{
    (void)unused;
    void *last = fill_heap();
    bool keeps = mallinfo2().fordblks >= (size_t)KEPT / 2; /* not that of sanitizers and valgrind */
    if (keeps) {
        check_budgets();
    }
    free(last);
    if (!keeps) {
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_memory_is_given_back_where_it_stands_in_the_way),
    };
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* as the server does */
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
