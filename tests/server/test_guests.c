/* Guests of the compute pool: they give way to jobs, and go on all the same. */
#include "server/clock.h"

#include "pool_case.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define JOBS 100

static bool is_set(void *context)
{
    return atomic_load((atomic_bool *)context);
}

/* Work that gives way, on a thread of its own. */
struct visitor {
    struct pool_guest guest;
    atomic_bool wanted;
    atomic_bool leaving;
    sem_t placed;
    bool ended_placed; /* it still had its place */
    pthread_t thread;
};

static void *visit(void *argument)
{
    struct visitor *visitor = argument;
    if (pool_enter(&visitor->guest)) {
        sem_post(&visitor->placed);
        while (visitor->guest.placed && !atomic_load(&visitor->leaving)) {
            pool_yield(&visitor->guest);
        }
    }
    visitor->ended_placed = visitor->guest.placed;
    pool_leave(&visitor->guest);
    return NULL;
}

static void send(struct visitor *visitor, struct scene *scene)
{
    *visitor = (struct visitor){.wanted = true};
    visitor->guest = (struct pool_guest){.pool = scene->pool, .wanted = is_set, .context = &visitor->wanted};
    sem_init(&visitor->placed, 0, 0);
    assert_int_equal(pthread_create(&visitor->thread, NULL, visit, visitor), 0);
}

static void fetch(struct visitor *visitor)
{
    pthread_join(visitor->thread, NULL);
    sem_destroy(&visitor->placed);
}

/* The only place goes to a job that comes, and back. */
static void a_guest_gives_way(void **unused)
{
    (void)unused;
    struct scene scene;
    struct sample samples[JOBS];
    struct visitor visitor;
    open_scene(&scene, 1, JOBS);
    send(&visitor, &scene);
    sem_wait(&visitor.placed);
    assert_true(submit(&scene, &samples[0], false));
    sem_wait(&scene.started);
    assert_int_equal(pool_idle(scene.pool), 0);
    permit(&scene, 1);
    for (int i = 1; i < JOBS; i++) {
        assert_true(submit(&scene, &samples[i], false));
        sem_wait(&scene.started);
        permit(&scene, 1);
    }
    atomic_store(&visitor.leaving, true);
    fetch(&visitor);
    close_scene(&scene);
    assert_int_equal(scene.order, JOBS);
    assert_true(visitor.ended_placed && visitor.guest.waited > 0);
}

/* Jobs that never end: each queues itself again. */
struct stream {
    struct job job; /* first */
    struct pool *pool;
    atomic_bool ending;
    atomic_long count;
};

static void run_stream(struct job *job)
{
    struct stream *stream = (struct stream *)job;
    atomic_fetch_add(&stream->count, 1);
    if (!atomic_load(&stream->ending)) {
        pool_submit(stream->pool, job);
    }
}

/* A guest comes in, has its turn, and gives way again. */
static void jobs_do_not_starve_a_guest(void **unused)
{
    (void)unused;
    struct scene scene;
    struct stream streams[3];
    open_scene(&scene, 1, 3);
    for (int i = 0; i < 3; i++) {
        streams[i] = (struct stream){.job.run = run_stream, .pool = scene.pool};
        assert_true(pool_submit(scene.pool, &streams[i].job));
    }
    atomic_bool wanted = true;
    struct pool_guest guest = {.pool = scene.pool, .wanted = is_set, .context = &wanted};
    assert_true(pool_enter(&guest));
    long before = atomic_load(&streams[0].count);
    pool_yield(&guest);
    assert_int_equal(atomic_load(&streams[0].count), before);
    while (clock_seconds() < guest.until) {
        pool_yield(&guest);
    }
    pool_yield(&guest);
    assert_true(atomic_load(&streams[0].count) > before);
    pool_leave(&guest);
    for (int i = 0; i < 3; i++) {
        atomic_store(&streams[i].ending, true);
    }
    close_scene(&scene);
}

static void an_unwanted_guest_does_not_wait(void **unused)
{
    (void)unused;
    struct scene scene;
    struct sample sample;
    struct visitor visitors[2];
    open_scene(&scene, 1, 1);
    send(&visitors[0], &scene); /* it gives way, and waits to go on */
    sem_wait(&visitors[0].placed);
    assert_true(submit(&scene, &sample, false));
    sem_wait(&scene.started);
    send(&visitors[1], &scene); /* it waits to begin */
    for (int i = 0; i < 2; i++) {
        atomic_store(&visitors[i].wanted, false);
        pool_wake(scene.pool);
        fetch(&visitors[i]);
        assert_false(visitors[i].ended_placed);
    }
    permit(&scene, 1);
    close_scene(&scene);
}

/* Guests have every place, until jobs come: from then on one is kept for those. */
static void the_last_place_is_for_jobs(void **unused)
{
    (void)unused;
    struct scene scene;
    struct sample sample;
    atomic_bool wanted = true;
    open_scene(&scene, 4, 1);
    for (int i = 0; i < 4; i++) {
        assert_true(pool_help(scene.pool, true));
    }
    assert_false(pool_help(scene.pool, true));
    assert_true(submit(&scene, &sample, false));
    assert_false(pool_help_on(scene.pool, true));
    sem_wait(&scene.started);
    pool_help_no_more(scene.pool, true);
    assert_true(pool_help(scene.pool, false));
    permit(&scene, 1);
    struct pool_guest guest = {.pool = scene.pool, .wanted = is_set, .context = &wanted};
    assert_true(pool_await(&guest)); /* the job has ended */
    assert_true(pool_help(scene.pool, true));
    pool_help_no_more(scene.pool, false);
    assert_int_equal(pool_idle(scene.pool), 1);
    assert_false(pool_help(scene.pool, true));
    assert_true(pool_help(scene.pool, false));
    pool_help_no_more(scene.pool, false);
    for (int i = 0; i < 3; i++) {
        pool_help_no_more(scene.pool, true);
    }
    close_scene(&scene);
}

enum { PLACES = 3, VISITS = 2000 };

/* Who computes, counted. */
static struct {
    struct pool *pool;
    atomic_int computing;
    atomic_bool too_many;
    atomic_int jobs_left;
} crowd;

static void compute(void)
{
    if (atomic_fetch_add(&crowd.computing, 1) >= PLACES) {
        atomic_store(&crowd.too_many, true);
    }
    atomic_fetch_sub(&crowd.computing, 1);
}

static void help(bool guest)
{
    if (pool_help(crowd.pool, guest) && pool_help_on(crowd.pool, guest)) {
        pool_help_no_more(crowd.pool, guest);
    }
}

static void run_in_crowd(struct job *job)
{
    compute();
    help(false);
    if (atomic_fetch_sub(&crowd.jobs_left, 1) > 0) {
        assert_true(pool_submit(crowd.pool, job));
    }
}

static void *visit_crowd(void *argument)
{
    struct pool_guest guest = {.pool = crowd.pool, .wanted = is_set, .context = argument};
    for (int i = 0; i < VISITS && atomic_load(&crowd.jobs_left) > 0; i++) {
        pool_enter(&guest);
        compute();
        help(true);
        pool_yield(&guest);
        compute();
        pool_leave(&guest);
    }
    return NULL;
}

static void nobody_computes_without_a_place(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    struct job jobs[PLACES + 1];
    pthread_t threads[PLACES];
    atomic_bool wanted = true;
    crowd.pool = pool_new(PLACES, PLACES + 1, &error);
    assert_non_null(crowd.pool);
    atomic_store(&crowd.jobs_left, VISITS);
    for (int i = 0; i < PLACES; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, visit_crowd, &wanted), 0);
    }
    for (int i = 0; i <= PLACES; i++) {
        jobs[i] = (struct job){.run = run_in_crowd};
        assert_true(pool_submit(crowd.pool, &jobs[i]));
    }
    for (int i = 0; i < PLACES; i++) {
        pthread_join(threads[i], NULL);
    }
    pool_free(crowd.pool);
    assert_false(crowd.too_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_gives_way),
        cmocka_unit_test(jobs_do_not_starve_a_guest),
        cmocka_unit_test(an_unwanted_guest_does_not_wait),
        cmocka_unit_test(the_last_place_is_for_jobs),
        cmocka_unit_test(nobody_computes_without_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
