/* The compute pool and the budget. */
#include "server/jobs/budget.h"
#include "server/jobs/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define JOBS 100

/* A job that may wait for a permission to end, and notes when it ran. */
struct sample {
    struct job job; /* first */
    sem_t *started;
    sem_t *permitted;
    atomic_int *order;
    int place;
};

static void run_sample(struct job *job)
{
    struct sample *sample = (struct sample *)job;
    if (sample->started != NULL) {
        sem_post(sample->started);
        sem_wait(sample->permitted);
    }
    sample->place = atomic_fetch_add(sample->order, 1);
}

static void runs_everything_in_order(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    struct sample samples[JOBS];
    atomic_int order = 0;
    struct pool *pool = pool_new(1, JOBS, &error);
    assert_non_null(pool);
    for (int i = 0; i < JOBS; i++) {
        samples[i] = (struct sample){.job.run = run_sample, .order = &order, .place = -1};
        assert_true(pool_submit(pool, &samples[i].job));
    }
    pool_free(pool);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(samples[i].place, i);
    }
}

static void refuses_what_does_not_fit(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    sem_t started;
    sem_t permitted;
    atomic_int order = 0;
    sem_init(&started, 0, 0);
    sem_init(&permitted, 0, 0);
    struct sample samples[5];
    for (int i = 0; i < 5; i++) {
        samples[i] = (struct sample){{.run = run_sample}, &started, &permitted, &order, -1};
    }
    struct pool *pool = pool_new(1, 2, &error);
    assert_non_null(pool);
    assert_true(pool_submit(pool, &samples[0].job));
    sem_wait(&started);
    assert_false(pool_is_full(pool));
    assert_true(pool_submit(pool, &samples[1].job));
    assert_true(pool_submit(pool, &samples[2].job));
    assert_true(pool_is_full(pool));
    assert_false(pool_submit(pool, &samples[3].job));
    sem_post(&permitted);
    sem_wait(&started);
    assert_false(pool_is_full(pool));
    assert_true(pool_submit(pool, &samples[4].job));
    assert_in_range(pool_retry_after(pool), 1, 60);
    for (int i = 0; i < 3; i++) {
        sem_post(&permitted);
    }
    pool_free(pool);
    assert_int_equal(order, 4);
    assert_int_equal(samples[3].place, -1);
    assert_int_equal(samples[4].place, 3);
    sem_destroy(&started);
    sem_destroy(&permitted);
}

static void runs_at_once(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    sem_t started;
    sem_t permitted;
    atomic_int order = 0;
    sem_init(&started, 0, 0);
    sem_init(&permitted, 0, 0);
    struct sample samples[4];
    struct pool *pool = pool_new(4, 4, &error);
    assert_non_null(pool);
    for (int i = 0; i < 4; i++) {
        samples[i] = (struct sample){{.run = run_sample}, &started, &permitted, &order, -1};
        assert_true(pool_submit(pool, &samples[i].job));
    }
    for (int i = 0; i < 4; i++) {
        sem_wait(&started); /* each before any may end */
    }
    for (int i = 0; i < 4; i++) {
        sem_post(&permitted);
    }
    pool_free(pool);
    assert_int_equal(order, 4);
    sem_destroy(&started);
    sem_destroy(&permitted);
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
        cmocka_unit_test(a_budget_gives_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
