#define _GNU_SOURCE /* accept4 */

#include "server/http/listener.h"

#include "server/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024
#define BEGIN_SECONDS 1        /* for libmicrohttpd's threads to begin with what they were given */
#define PAUSE_MILLISECONDS 100 /* where the system has no room for another connection */

/* libmicrohttpd can listen by itself, but its threads and MHD_quiesce_daemon race for who takes the socket
 * out of epoll, and the loser ends the process. */
struct listener {
    int descriptor;
    int wake; /* eventfd: there is room again, or the thread is to stop */
    int limit;
    atomic_int connections;
    atomic_int given; /* connections that no thread of libmicrohttpd has begun with yet */
    atomic_bool stopping;
    bool started;
    pthread_t thread;
    listener_take *take;
    void *closure;
};

static struct addrinfo *resolve(const char *address, const char *port, struct stability_error *error)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(address, port, &hints, &found);
    if (failure != 0) {
        stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "'%s' is not an address to listen on: %s",
                       address, gai_strerror(failure));
        return NULL;
    }
    return found;
}

bool http_is_loopback(const char *address, bool *loopback, struct stability_error *error)
{
    struct addrinfo *found = resolve(address, NULL, error);
    if (found == NULL) {
        return false;
    }
    if (found->ai_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)found->ai_addr;
        *loopback = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
    } else {
        const struct sockaddr_in *four = (const void *)found->ai_addr;
        *loopback = ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    freeaddrinfo(found);
    return true;
}

static int open_socket(const struct config *config, struct stability_error *error)
{
    char port[16];
    int yes = 1;
    snprintf(port, sizeof(port), "%lld", (long long)config->port);
    struct addrinfo *address = resolve(config->bind, port, error);
    if (address == NULL) {
        return -1;
    }
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listening =
        descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        bind(descriptor, address->ai_addr, address->ai_addrlen) == 0 && listen(descriptor, BACKLOG) == 0;
    freeaddrinfo(address);
    if (!listening) {
        stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "cannot listen on %s port %s: %s", config->bind,
                       port, strerror(errno));
        if (descriptor >= 0) {
            close(descriptor);
        }
        return -1;
    }
    return descriptor;
}

/* An eventfd that is written to already wakes the thread all the same. */
static void wake(struct listener *listener)
{
    uint64_t one = 1;
    ssize_t written = write(listener->wake, &one, sizeof(one));
    (void)written;
}

struct listener *listener_new(const struct config *config, unsigned limit, struct stability_error *error)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to listen");
        return NULL;
    }
    listener->limit = (int)limit;
    listener->wake = -1;
    listener->descriptor = open_socket(config, error);
    if (listener->descriptor >= 0) {
        listener->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (listener->wake >= 0) {
            return listener;
        }
        stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "cannot listen: %s", strerror(errno));
    }
    listener_free(listener);
    return NULL;
}

static bool has_room(struct listener *listener)
{
    return atomic_load(&listener->connections) < listener->limit;
}

/* False where there is nothing to accept for the moment, or no room for it. */
static bool accept_one(struct listener *listener, int *pause)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int descriptor =
        accept4(listener->descriptor, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) {
        bool full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        *pause = full ? PAUSE_MILLISECONDS : -1;
        return errno == EINTR || errno == ECONNABORTED;
    }
    atomic_fetch_add(&listener->connections, 1);
    atomic_fetch_add(&listener->given, 1);
    if (!listener->take(listener->closure, descriptor, (struct sockaddr *)&address, length)) {
        atomic_fetch_sub(&listener->connections, 1);
        atomic_fetch_sub(&listener->given, 1);
    }
    return true;
}

static void *run(void *argument)
{
    struct listener *listener = argument;
    int pause = -1;
    while (!atomic_load(&listener->stopping)) {
        struct pollfd sockets[] = {
            {.fd = listener->wake, .events = POLLIN},
            {.fd = pause < 0 && has_room(listener) ? listener->descriptor : -1, .events = POLLIN},
        };
        uint64_t count;
        poll(sockets, sizeof(sockets) / sizeof(sockets[0]), pause);
        pause = -1;
        ssize_t taken = read(listener->wake, &count, sizeof(count));
        (void)taken;
        while (!atomic_load(&listener->stopping) && has_room(listener) && accept_one(listener, &pause)) {
        }
    }
    return NULL;
}

bool listener_start(struct listener *listener, listener_take *take, void *closure,
                    struct stability_error *error)
{
    listener->take = take;
    listener->closure = closure;
    int failure = pthread_create(&listener->thread, NULL, run, listener);
    listener->started = failure == 0;
    return listener->started ||
           stability_fail(error, STABILITY_ERROR_INTERNAL, NULL,
                          "the thread that accepts connections cannot be started: %s", strerror(failure));
}

void listener_begun(struct listener *listener)
{
    atomic_fetch_sub(&listener->given, 1);
}

void listener_closed(struct listener *listener)
{
    if (atomic_fetch_sub(&listener->connections, 1) == listener->limit) {
        wake(listener);
    }
}

void listener_address(const struct listener *listener, char *host, socklen_t host_size, char *port,
                      socklen_t port_size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    snprintf(host, host_size, "?");
    snprintf(port, port_size, "?");
    if (getsockname(listener->descriptor, (struct sockaddr *)&address, &length) == 0) {
        getnameinfo((struct sockaddr *)&address, length, host, host_size, port, port_size,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    }
}

/* libmicrohttpd drops what it was given and has not begun with when it is stopped. */
static void wait_for_beginnings(struct listener *listener)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    double end = clock_seconds() + BEGIN_SECONDS;
    while (atomic_load(&listener->given) > 0 && clock_seconds() < end) {
        nanosleep(&moment, NULL);
    }
}

void listener_stop(struct listener *listener)
{
    if (listener->started) {
        atomic_store(&listener->stopping, true);
        wake(listener);
        pthread_join(listener->thread, NULL);
        wait_for_beginnings(listener);
        listener->started = false;
    }
    /* Else the kernel would go on to greet clients that nobody serves. */
    shutdown(listener->descriptor, SHUT_RDWR);
}

void listener_free(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    if (listener->descriptor >= 0) {
        listener_stop(listener);
        close(listener->descriptor);
    }
    if (listener->wake >= 0) {
        close(listener->wake);
    }
    free(listener);
}
