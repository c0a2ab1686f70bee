#define _GNU_SOURCE /* F_DUPFD_CLOEXEC */

#include "server/http/linger.h"

#include "server/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LAST_SILENCE 0.25 /* seconds, where the server ends */
#define MOST_BYTES (1LL << 30)
#define BYTES_AT_ONCE 65536
#define READS_AT_ONCE 16 /* of one connection, before others have their turn */

struct lingering {
    int descriptor;
    double ends;    /* clock_seconds(): the last moment */
    double heard;   /* the last moment at which something came */
    long long left; /* bytes */
};

struct lingerers {
    pthread_mutex_t mutex;
    pthread_t thread;
    int wake; /* eventfd: a connection came, or the thread is to stop */
    double silence;
    bool started;
    double stops; /* clock_seconds(): the thread closes what there is; INFINITY: not yet */
    int count;
    struct lingering items[LINGER_MOST];
    char bytes[BYTES_AT_ONCE]; /* thrown away */
};

static double end_of(const struct lingerers *linger, const struct lingering *item)
{
    return fmin(fmin(item->ends, item->heard + linger->silence), linger->stops);
}

/* Fills in what to wait for, and returns for how many milliseconds; -1: for ever. The mutex is held. */
static int plan(const struct lingerers *linger, struct pollfd sockets[LINGER_MOST + 1])
{
    double earliest = INFINITY;
    sockets[0] = (struct pollfd){.fd = linger->wake, .events = POLLIN};
    for (int i = 0; i < linger->count; i++) {
        sockets[i + 1] = (struct pollfd){.fd = linger->items[i].descriptor, .events = POLLIN};
        earliest = fmin(earliest, end_of(linger, &linger->items[i]));
    }
    return isinf(earliest) ? -1 : (int)ceil(fmax(earliest - clock_seconds(), 0) * 1000);
}

/* Throws away what is there; false where the connection is over. */
static bool discard(struct lingerers *linger, struct lingering *item)
{
    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t count = recv(item->descriptor, linger->bytes, sizeof(linger->bytes), MSG_DONTWAIT);
        if (count <= 0) {
            return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        }
        item->heard = clock_seconds();
        item->left -= count;
        if (item->left < 0) {
            return false;
        }
    }
    return true;
}

/* Reads from the connections that have something, without the mutex: only this thread takes connections away,
 * and others are added behind the first `count`. */
static void read_all(struct lingerers *linger, const struct pollfd sockets[LINGER_MOST + 1], int count)
{
    for (int i = 0; i < count; i++) {
        if (sockets[i + 1].revents != 0 && !discard(linger, &linger->items[i])) {
            linger->items[i].ends = 0;
        }
    }
}

/* Closes those that are over. The mutex is held. */
static void close_ended(struct lingerers *linger)
{
    double now = clock_seconds();
    for (int i = linger->count - 1; i >= 0; i--) {
        if (end_of(linger, &linger->items[i]) <= now) {
            close(linger->items[i].descriptor);
            linger->items[i] = linger->items[--linger->count];
        }
    }
}

static void *run(void *argument)
{
    struct lingerers *linger = argument;
    struct pollfd sockets[LINGER_MOST + 1];
    pthread_mutex_lock(&linger->mutex);
    while (isinf(linger->stops) || linger->count > 0) {
        uint64_t taken;
        int count = linger->count;
        int timeout = plan(linger, sockets);
        pthread_mutex_unlock(&linger->mutex);
        poll(sockets, (nfds_t)count + 1, timeout);
        ssize_t size = read(linger->wake, &taken, sizeof(taken));
        (void)size;
        read_all(linger, sockets, count);
        pthread_mutex_lock(&linger->mutex);
        close_ended(linger);
    }
    pthread_mutex_unlock(&linger->mutex);
    return NULL;
}

static void wake(struct lingerers *linger)
{
    uint64_t one = 1;
    ssize_t written = write(linger->wake, &one, sizeof(one));
    (void)written;
}

struct lingerers *linger_new(double silence, struct stability_error *error)
{
    struct lingerers *linger = calloc(1, sizeof(*linger));
    if (linger == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to close connections");
        return NULL;
    }
    pthread_mutex_init(&linger->mutex, NULL);
    linger->silence = silence;
    linger->stops = INFINITY;
    linger->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failure = linger->wake < 0 ? errno : pthread_create(&linger->thread, NULL, run, linger);
    linger->started = failure == 0;
    if (!linger->started) {
        stability_fail(error, STABILITY_ERROR_INTERNAL, NULL,
                       "the thread that closes connections cannot be started: %s", strerror(failure));
        linger_free(linger, 0);
        return NULL;
    }
    return linger;
}

void linger_take(struct lingerers *linger, int descriptor, double seconds)
{
    double now = clock_seconds();
    shutdown(descriptor, SHUT_WR);
    pthread_mutex_lock(&linger->mutex);
    int copy = linger->count < LINGER_MOST ? fcntl(descriptor, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy >= 0) {
        linger->items[linger->count++] = (struct lingering){copy, now + seconds, now, MOST_BYTES};
        wake(linger);
    }
    pthread_mutex_unlock(&linger->mutex);
}

static void stop(struct lingerers *linger, double seconds)
{
    pthread_mutex_lock(&linger->mutex);
    linger->stops = clock_seconds() + seconds;
    linger->silence = fmin(linger->silence, LAST_SILENCE);
    wake(linger);
    pthread_mutex_unlock(&linger->mutex);
}

void linger_free(struct lingerers *linger, double seconds)
{
    if (linger == NULL) {
        return;
    }
    if (linger->started) {
        stop(linger, seconds);
        pthread_join(linger->thread, NULL);
    }
    if (linger->wake >= 0) {
        close(linger->wake);
    }
    pthread_mutex_destroy(&linger->mutex);
    free(linger);
}
