#include "pool_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void open_scene(struct scene *scene, int threads, int capacity)
{
    struct stability_error error = {0};
    scene->order = 0;
    sem_init(&scene->started, 0, 0);
    sem_init(&scene->permitted, 0, 0);
    scene->pool = pool_new(threads, capacity, &error);
    assert_non_null(scene->pool);
}

void close_scene(struct scene *scene)
{
    pool_free(scene->pool);
    sem_destroy(&scene->started);
    sem_destroy(&scene->permitted);
}

void permit(struct scene *scene, int count)
{
    for (int i = 0; i < count; i++) {
        sem_post(&scene->permitted);
    }
}

static void run_sample(struct job *job)
{
    struct sample *sample = (struct sample *)job;
    if (!sample->free) {
        sem_post(&sample->scene->started);
        sem_wait(&sample->scene->permitted);
    }
    sample->place = atomic_fetch_add(&sample->scene->order, 1);
}

bool submit(struct scene *scene, struct sample *sample, bool free)
{
    *sample = (struct sample){.job.run = run_sample, .scene = scene, .free = free, .place = -1};
    return pool_submit(scene->pool, &sample->job);
}
