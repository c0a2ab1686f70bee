/* The compute pool and the budget. */
#include "server/jobs/budget.h"

#include "pool_case.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define JOBS 100

static void runs_everything_in_order(void **unused)
{
    (void)unused;
    struct scene scene;
    struct sample samples[JOBS];
    open_scene(&scene, 1, JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_true(submit(&scene, &samples[i], true));
    }
    close_scene(&scene);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(samples[i].place, i);
    }
}

static void refuses_what_does_not_fit(void **unused)
{
    (void)unused;
    struct scene scene;
    struct sample samples[5];
    open_scene(&scene, 1, 2);
    assert_true(submit(&scene, &samples[0], false));
    sem_wait(&scene.started);
    assert_false(pool_is_full(scene.pool));
    assert_true(submit(&scene, &samples[1], false));
    assert_true(submit(&scene, &samples[2], false));
    assert_true(pool_is_full(scene.pool));
    assert_false(submit(&scene, &samples[3], false));
    permit(&scene, 1);
    sem_wait(&scene.started);
    assert_false(pool_is_full(scene.pool));
    assert_true(submit(&scene, &samples[4], false));
    assert_in_range(pool_retry_after(scene.pool), 1, 60);
    permit(&scene, 3);
    close_scene(&scene);
    assert_int_equal(scene.order, 4);
    assert_int_equal(samples[3].place, -1);
    assert_int_equal(samples[4].place, 3);
}

static void runs_at_once(void **unused)
{
    (void)unused;
    struct scene scene;
    struct sample samples[4];
    open_scene(&scene, 4, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(submit(&scene, &samples[i], false));
    }
    for (int i = 0; i < 4; i++) {
        sem_wait(&scene.started); /* each before any may end */
    }
    permit(&scene, 4);
    close_scene(&scene);
    assert_int_equal(scene.order, 4);
}

/* One runs, four wait; whichever are withdrawn, the others run in their order. */
static void withdraws_what_waits(void **unused)
{
    (void)unused;
    for (unsigned withdrawn = 0; withdrawn < 16; withdrawn++) {
        struct scene scene;
        struct sample first;
        struct sample samples[5];
        open_scene(&scene, 1, 5);
        assert_true(submit(&scene, &first, false));
        sem_wait(&scene.started);
        assert_false(pool_withdraw(scene.pool, &first.job));
        for (int i = 0; i < 4; i++) {
            assert_true(submit(&scene, &samples[i], true));
        }
        for (unsigned i = 0; i < 4; i++) {
            if (withdrawn >> i & 1) {
                assert_true(pool_withdraw(scene.pool, &samples[i].job));
                assert_false(pool_withdraw(scene.pool, &samples[i].job));
            }
        }
        assert_true(submit(&scene, &samples[4], true));
        assert_int_equal(pool_waiting(scene.pool), 5 - __builtin_popcount(withdrawn));
        assert_int_equal(pool_running(scene.pool), 1);
        permit(&scene, 1);
        close_scene(&scene);
        int place = 1;
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(samples[i].place, withdrawn >> i & 1 ? -1 : place);
            place += !(withdrawn >> i & 1);
        }
    }
}

static void helpers_have_the_places_that_nobody_wants(void **unused)
{
    (void)unused;
    struct scene scene;
    struct sample samples[3];
    open_scene(&scene, 3, 3);
    assert_int_equal(pool_idle(scene.pool), 3);
    assert_true(submit(&scene, &samples[0], false));
    sem_wait(&scene.started);
    assert_true(pool_help(scene.pool, false));
    assert_true(pool_help(scene.pool, false));
    assert_false(pool_help(scene.pool, false));
    assert_int_equal(pool_idle(scene.pool), 0);
    assert_true(pool_help_on(scene.pool, false));
    assert_true(submit(&scene, &samples[1], false));
    assert_int_equal(pool_waiting(scene.pool), 1);
    assert_int_equal(sem_trywait(&scene.started), -1);
    assert_false(pool_help_on(scene.pool, false));
    sem_wait(&scene.started);
    assert_true(pool_help_on(scene.pool, false)); /* one was enough */
    assert_int_equal(pool_running(scene.pool), 2);
    assert_true(submit(&scene, &samples[2], true));
    permit(&scene, 2);
    pool_help_no_more(scene.pool, false);
    close_scene(&scene);
    assert_int_equal(scene.order, 3);
}

static void a_claim_tells_others_from_itself(void **unused)
{
    (void)unused;
    struct budget budget = {.total = 100};
    struct claim first = {.budget = &budget};
    struct claim second = {.budget = &budget, .beside = 20};
    struct stability_error error = {0};
    assert_true(claim_take(&first, 60, &error));
    assert_true(claim_take(&second, 40, &error));
    assert_false(claim_take(&second, 40, &error));
    assert_int_equal(error.code, STABILITY_ERROR_OUT_OF_MEMORY);
    error = (struct stability_error){0};
    assert_false(claim_take(&second, 41, &error));
    assert_int_equal(error.code, STABILITY_ERROR_MODEL_TOO_LARGE);
    claim_return(&first, 50);
    assert_int_equal(budget.reserved, 50);
    claim_release(&first);
    claim_release(&second);
    assert_int_equal(budget.reserved, 0);
    struct claim free_one = {0};
    assert_true(claim_take(&free_one, INT64_MAX / 2, &error));
    claim_release(&free_one);
}

static void *take_and_give(void *argument)
{
    struct budget *budget = argument;
    for (int i = 0; i < 10000; i++) {
        if (budget_reserve(budget, 3)) {
            budget_release(budget, 3);
        }
    }
    return NULL;
}

static void a_budget_gives_what_it_has(void **unused)
{
    (void)unused;
    struct budget budget = {.total = 10};
    assert_true(budget_reserve(&budget, 0));
    assert_true(budget_reserve(&budget, 7));
    assert_false(budget_reserve(&budget, 4));
    assert_true(budget_reserve(&budget, 3));
    assert_false(budget_reserve(&budget, 1));
    budget_release(&budget, 10);
    assert_false(budget_reserve(&budget, INT64_MAX));
    assert_true(budget_reserve(&budget, 10));
    budget_release(&budget, 10);

    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &budget), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(budget.reserved, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_everything_in_order),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(runs_at_once),
        cmocka_unit_test(withdraws_what_waits),
        cmocka_unit_test(helpers_have_the_places_that_nobody_wants),
        cmocka_unit_test(a_budget_gives_what_it_has),
        cmocka_unit_test(a_claim_tells_others_from_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
