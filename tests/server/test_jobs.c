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

/* One runs, four wait; whichever are withdrawn, the others run in their order. */
static void withdraws_what_waits(void **unused)
{
    (void)unused;
    for (unsigned withdrawn = 0; withdrawn < 16; withdrawn++) {
        struct stability_error error = {0};
        sem_t started;
        sem_t permitted;
        atomic_int order = 0;
        sem_init(&started, 0, 0);
        sem_init(&permitted, 0, 0);
        struct pool *pool = pool_new(1, 5, &error);
        struct sample first = {{.run = run_sample}, &started, &permitted, &order, -1};
        struct sample samples[5];
        assert_non_null(pool);
        assert_true(pool_submit(pool, &first.job));
        sem_wait(&started);
        assert_false(pool_withdraw(pool, &first.job));
        for (int i = 0; i < 4; i++) {
            samples[i] = (struct sample){.job.run = run_sample, .order = &order, .place = -1};
            assert_true(pool_submit(pool, &samples[i].job));
        }
        for (unsigned i = 0; i < 4; i++) {
            if (withdrawn >> i & 1) {
                assert_true(pool_withdraw(pool, &samples[i].job));
                assert_false(pool_withdraw(pool, &samples[i].job));
            }
        }
        samples[4] = (struct sample){.job.run = run_sample, .order = &order, .place = -1};
        assert_true(pool_submit(pool, &samples[4].job));
        assert_int_equal(pool_waiting(pool), 5 - __builtin_popcount(withdrawn));
        assert_int_equal(pool_running(pool), 1);
        sem_post(&permitted);
        pool_free(pool);
        int place = 1;
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(samples[i].place, withdrawn >> i & 1 ? -1 : place);
            place += !(withdrawn >> i & 1);
        }
        sem_destroy(&started);
        sem_destroy(&permitted);
    }
}

static void borrowed_threads_start_nothing(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    sem_t started;
    sem_t permitted;
    atomic_int order = 0;
    struct sample samples[3];
    sem_init(&started, 0, 0);
    sem_init(&permitted, 0, 0);
    struct pool *pool = pool_new(3, 3, &error);
    assert_non_null(pool);
    samples[0] = (struct sample){{.run = run_sample}, &started, &permitted, &order, -1};
    assert_true(pool_submit(pool, &samples[0].job));
    sem_wait(&started);
    assert_int_equal(pool_borrow(pool, 1), 1);
    assert_int_equal(pool_borrow(pool, 5), 1);
    assert_int_equal(pool_borrow(pool, 5), 0);
    samples[1] = (struct sample){{.run = run_sample}, &started, &permitted, &order, -1};
    assert_true(pool_submit(pool, &samples[1].job));
    assert_int_equal(pool_waiting(pool), 1);
    assert_int_equal(sem_trywait(&started), -1);
    pool_return(pool, 1);
    sem_wait(&started);
    assert_int_equal(pool_running(pool), 2);
    samples[2] = (struct sample){.job.run = run_sample, .order = &order, .place = -1};
    assert_true(pool_submit(pool, &samples[2].job));
    sem_post(&permitted);
    sem_post(&permitted);
    pool_return(pool, 1);
    pool_free(pool);
    assert_int_equal(order, 3);
    sem_destroy(&started);
    sem_destroy(&permitted);
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
        cmocka_unit_test(borrowed_threads_start_nothing),
        cmocka_unit_test(a_budget_gives_what_it_has),
        cmocka_unit_test(a_claim_tells_others_from_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
