#define _GNU_SOURCE /* EPOLLRDHUP, POLLRDHUP */

#include "server/http/watch.h"

#include "server/clock.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

struct watch {
    const struct watch_events *events;
    pthread_mutex_t mutex;
    pthread_t thread;
    int epoll;
    int wake;        /* eventfd: an earlier deadline came, or the watch stops */
    double wakes_at; /* when the thread looks at deadlines next */
    bool stopping;
    struct watched list;          /* head of a ring */
    struct watched **descriptors; /* by their numbers; NULL: not watched */
    size_t descriptor_count;
};

/* Wakes the thread. An eventfd that is written to already wakes it all the same. */
static void wake(struct watch *watch)
{
    uint64_t one = 1;
    ssize_t written = write(watch->wake, &one, sizeof(one));
    (void)written;
}

static void expire(struct watch *watch, double now)
{
    struct watched *next;
    for (struct watched *watched = watch->list.next; watched != &watch->list; watched = next) {
        next = watched->next;
        if (watched->deadline <= now) {
            watched->deadline = INFINITY;
            watch->events->expired(watched);
        }
    }
}

/* Milliseconds until the earliest deadline, rounded up; -1: for ever. */
static int plan_next_wake(struct watch *watch, double now)
{
    double earliest = INFINITY;
    for (struct watched *watched = watch->list.next; watched != &watch->list; watched = watched->next) {
        earliest = fmin(earliest, watched->deadline);
    }
    watch->wakes_at = earliest;
    return isinf(earliest) ? -1 : (int)ceil(fmin(fmax(earliest - now, 0) * 1000, 60000));
}

/* Events name descriptors, not addresses, for their connection may have gone since. Another one may have
 * taken its descriptor: so what the event says is asked once more. */
static void dispatch(struct watch *watch, const struct epoll_event *event)
{
    if (event->data.fd == watch->wake) {
        uint64_t count;
        ssize_t taken = read(watch->wake, &count, sizeof(count));
        (void)taken;
        return;
    }
    struct watched *watched = watch->descriptors[event->data.fd];
    struct pollfd now = {.fd = event->data.fd, .events = POLLRDHUP};
    if (watched != NULL && poll(&now, 1, 0) == 1) {
        watch->events->left(watched, (now.revents & (POLLERR | POLLHUP)) != 0);
    }
}

static void *run(void *argument)
{
    struct watch *watch = argument;
    struct epoll_event events[EVENTS_AT_ONCE];
    pthread_mutex_lock(&watch->mutex);
    while (!watch->stopping) {
        int timeout = plan_next_wake(watch, clock_seconds());
        pthread_mutex_unlock(&watch->mutex);
        int count = epoll_wait(watch->epoll, events, EVENTS_AT_ONCE, timeout);
        pthread_mutex_lock(&watch->mutex);
        for (int i = 0; i < count; i++) {
            dispatch(watch, &events[i]);
        }
        expire(watch, clock_seconds());
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

static bool start(struct watch *watch, struct stability_error *error)
{
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = watch->wake};
    if (watch->epoll < 0 || watch->wake < 0 ||
        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->wake, &event) != 0) {
        return stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "connections cannot be watched: %s",
                              strerror(errno));
    }
    int failure = pthread_create(&watch->thread, NULL, run, watch);
    return failure == 0 ||
           stability_fail(error, STABILITY_ERROR_INTERNAL, NULL,
                          "the thread that watches connections cannot be started: %s", strerror(failure));
}

static void release(struct watch *watch)
{
    if (watch->epoll >= 0) {
        close(watch->epoll);
    }
    if (watch->wake >= 0) {
        close(watch->wake);
    }
    pthread_mutex_destroy(&watch->mutex);
    free(watch->descriptors);
    free(watch);
}

struct watch *watch_new(const struct watch_events *events, struct stability_error *error)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to watch connections");
        return NULL;
    }
    watch->events = events;
    watch->epoll = -1;
    watch->wake = -1;
    watch->list.next = &watch->list;
    watch->list.previous = &watch->list;
    pthread_mutex_init(&watch->mutex, NULL);
    if (!start(watch, error)) {
        release(watch);
        return NULL;
    }
    return watch;
}

void watch_free(struct watch *watch)
{
    if (watch == NULL) {
        return;
    }
    watch_lock(watch);
    watch->stopping = true;
    wake(watch);
    watch_unlock(watch);
    pthread_join(watch->thread, NULL);
    release(watch);
}

void watch_lock(struct watch *watch)
{
    pthread_mutex_lock(&watch->mutex);
}

void watch_unlock(struct watch *watch)
{
    pthread_mutex_unlock(&watch->mutex);
}

/* Makes room for the descriptor's number. */
static bool reserve(struct watch *watch, size_t descriptor)
{
    if (descriptor < watch->descriptor_count) {
        return true;
    }
    size_t count = 2 * descriptor + 64;
    struct watched **descriptors = realloc(watch->descriptors, count * sizeof(struct watched *));
    if (descriptors == NULL) {
        return false;
    }
    memset(descriptors + watch->descriptor_count, 0,
           (count - watch->descriptor_count) * sizeof(struct watched *));
    watch->descriptors = descriptors;
    watch->descriptor_count = count;
    return true;
}

/* Where epoll refuses, the peer's leaving goes unnoticed and the work runs to its end. */
bool watch_add(struct watch *watch, struct watched *watched, int descriptor)
{
    if (!reserve(watch, (size_t)descriptor)) {
        return false;
    }
    watched->descriptor = descriptor;
    watched->deadline = INFINITY;
    watched->next = &watch->list;
    watched->previous = watch->list.previous;
    watched->previous->next = watched;
    watch->list.previous = watched;
    watch->descriptors[descriptor] = watched;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.fd = descriptor};
    epoll_ctl(watch->epoll, EPOLL_CTL_ADD, descriptor, &event);
    return true;
}

void watch_remove(struct watch *watch, struct watched *watched)
{
    epoll_ctl(watch->epoll, EPOLL_CTL_DEL, watched->descriptor, NULL);
    watch->descriptors[watched->descriptor] = NULL;
    watched->previous->next = watched->next;
    watched->next->previous = watched->previous;
}

void watch_deadline(struct watch *watch, struct watched *watched, double deadline)
{
    watched->deadline = deadline;
    if (deadline < watch->wakes_at) {
        watch->wakes_at = deadline;
        wake(watch);
    }
}

void watch_again(struct watch *watch, struct watched *watched)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.fd = watched->descriptor};
    epoll_ctl(watch->epoll, EPOLL_CTL_MOD, watched->descriptor, &event);
}
