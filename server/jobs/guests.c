#include "server/clock.h"
#include "server/jobs/pool_state.h"

#include <math.h>
#include <time.h>

#define PATIENCE_SECONDS 1.0 /* that a guest waits before the next place is its own */
#define TURN_SECONDS 0.25    /* that it then has it, whoever waits */
#define QUIET_SECONDS 10.0   /* without a job, after which guests may have the last place too */

/* Down to enter: the pool is locked. */

/* How many places guests may have. */
static int most_guests(const struct pool *pool)
{
    bool quiet = clock_seconds() >= pool->submitted + QUIET_SECONDS;
    return quiet || pool->thread_count == 1 ? pool->thread_count : pool->thread_count - 1;
}

int pool_count_kept(const struct pool *pool)
{
    int more = pool->overdue == 0 ? 0 : most_guests(pool) - pool->guests;
    return more < 0 ? 0 : more < pool->overdue ? more : pool->overdue;
}

/* Whether others wait for a place that a guest, or a thread that helps, has. */
static bool others_wait(const struct pool *pool, bool guest)
{
    int idle = pool_count_idle(pool);
    bool full = pool->guests >= most_guests(pool);
    bool jobs_wait = pool->first != NULL && idle <= pool_count_kept(pool);
    bool guests_wait = pool->overdue > 0 && (guest ? full || idle <= 0 : !full && idle <= 0);
    return jobs_wait || guests_wait;
}

static bool has_room(const struct pool *pool, bool overdue)
{
    return pool_count_idle(pool) > 0 && pool->guests < most_guests(pool) &&
           (overdue || (pool->first == NULL && pool->overdue == 0));
}

/* Waits for news, or for the moment at which the clock alone brings some. */
static void wait_for_room(struct pool *pool, double patient_until)
{
    double now = clock_seconds();
    double quiet = pool->submitted + QUIET_SECONDS;
    double moment = fmin(patient_until > now ? patient_until : INFINITY, quiet > now ? quiet : INFINITY);
    if (isinf(moment)) {
        pthread_cond_wait(&pool->room, &pool->mutex);
        return;
    }
    struct timespec until = {.tv_sec = (time_t)moment, .tv_nsec = (long)(fmod(moment, 1) * 1e9)};
    pthread_cond_timedwait(&pool->room, &pool->mutex, &until);
}

/* Waits until there is room; false where the guest is not wanted. One that waited for long gets a turn. */
static bool wait_turn(struct pool_guest *guest)
{
    struct pool *pool = guest->pool;
    double patient_until = clock_seconds() + PATIENCE_SECONDS;
    bool overdue = false;
    bool wanted = guest->wanted(guest->context);
    while (wanted && !has_room(pool, overdue)) {
        wait_for_room(pool, patient_until);
        bool late = !overdue && clock_seconds() >= patient_until;
        overdue = overdue || late;
        pool->overdue += late;
        wanted = guest->wanted(guest->context);
    }
    guest->until = overdue ? clock_seconds() + TURN_SECONDS : 0;
    if (overdue) {
        pool->overdue--;
        pool_tell(pool); /* what was kept for it may be had by others */
    }
    return wanted;
}

static void enter(struct pool_guest *guest)
{
    double came = clock_seconds();
    guest->placed = wait_turn(guest);
    guest->pool->guests += guest->placed;
    guest->waited += clock_seconds() - came;
}

bool pool_await(struct pool_guest *guest)
{
    struct pool *pool = guest->pool;
    double patient_until = clock_seconds() + PATIENCE_SECONDS;
    pthread_mutex_lock(&pool->mutex);
    while (guest->wanted(guest->context) && !has_room(pool, false) && clock_seconds() < patient_until) {
        wait_for_room(pool, patient_until);
    }
    pthread_mutex_unlock(&pool->mutex);
    return guest->wanted(guest->context);
}

bool pool_enter(struct pool_guest *guest)
{
    pthread_mutex_lock(&guest->pool->mutex);
    enter(guest);
    pthread_mutex_unlock(&guest->pool->mutex);
    return guest->placed;
}

void pool_yield(struct pool_guest *guest)
{
    struct pool *pool = guest->pool;
    pthread_mutex_lock(&pool->mutex);
    if (guest->placed && others_wait(pool, true) && clock_seconds() >= guest->until) {
        pool->guests--;
        pool_tell(pool);
        enter(guest);
    }
    pthread_mutex_unlock(&pool->mutex);
}

void pool_leave(struct pool_guest *guest)
{
    pthread_mutex_lock(&guest->pool->mutex);
    guest->pool->guests -= guest->placed;
    guest->placed = false;
    pool_tell(guest->pool);
    pthread_mutex_unlock(&guest->pool->mutex);
}

void pool_wake(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->room);
    pthread_mutex_unlock(&pool->mutex);
}

bool pool_help(struct pool *pool, bool guest)
{
    pthread_mutex_lock(&pool->mutex);
    bool fits = pool->first == NULL && pool_count_idle(pool) > pool->overdue &&
                (!guest || pool->guests < most_guests(pool));
    *(guest ? &pool->guests : &pool->helpers) += fits;
    pthread_mutex_unlock(&pool->mutex);
    return fits;
}

static void stop_helping(struct pool *pool, bool guest)
{
    *(guest ? &pool->guests : &pool->helpers) -= 1;
    pool_tell(pool);
}

bool pool_help_on(struct pool *pool, bool guest)
{
    pthread_mutex_lock(&pool->mutex);
    bool stays = !others_wait(pool, guest);
    if (!stays) {
        stop_helping(pool, guest);
    }
    pthread_mutex_unlock(&pool->mutex);
    return stays;
}

void pool_help_no_more(struct pool *pool, bool guest)
{
    pthread_mutex_lock(&pool->mutex);
    stop_helping(pool, guest);
    pthread_mutex_unlock(&pool->mutex);
}
