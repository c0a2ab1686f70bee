#define _GNU_SOURCE /* SOCK_CLOEXEC */

#include "server/http/server.h"

#include "server/clock.h"
#include "server/http/exchange.h"
#include "server/http/tls.h"
#include "server/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HTTP_THREADS 2
#define CONNECTION_MEMORY 65536 /* bytes a connection, for its header and a piece of its body */
#define MOST_CONNECTIONS 8192
#define OTHER_DESCRIPTORS 64 /* what is open besides connections */
#define BACKLOG 1024

static const struct watch_events watch_events = {exchange_expired, exchange_left};

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

static int open_listener(const struct config *config, struct stability_error *error)
{
    char port[16];
    int yes = 1;
    snprintf(port, sizeof(port), "%lld", (long long)config->port);
    struct addrinfo *address = resolve(config->bind, port, error);
    if (address == NULL) {
        return -1;
    }
    int listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listening =
        listener >= 0 && setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
        bind(listener, address->ai_addr, address->ai_addrlen) == 0 && listen(listener, BACKLOG) == 0;
    freeaddrinfo(address);
    if (!listening) {
        stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "cannot listen on %s port %s: %s", config->bind,
                       port, strerror(errno));
        if (listener >= 0) {
            close(listener);
        }
        return -1;
    }
    return listener;
}

/* As many connections as there may be descriptors, once the soft limit is raised to the hard one. */
static unsigned connection_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return MOST_CONNECTIONS / 16;
    }
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
        getrlimit(RLIMIT_NOFILE, &files);
    }
    rlim_t available =
        files.rlim_cur > 2 * OTHER_DESCRIPTORS ? files.rlim_cur - OTHER_DESCRIPTORS : OTHER_DESCRIPTORS;
    return available < MOST_CONNECTIONS ? (unsigned)available : MOST_CONNECTIONS;
}

static void log_daemon(void *closure, const char *format, va_list arguments)
{
    char message[512];
    (void)closure;
    vsnprintf(message, sizeof(message), format, arguments);
    message[strcspn(message, "\n")] = '\0';
    log_message(LOG_debug, "%s", message);
}

/* Strictness stays at 0: what libmicrohttpd's strict mode refuses by closing the connection, or with a page
 * of HTML, the checks in framing.c and target.c refuse with a problem document. */
static bool start_daemon(struct http_server *server, struct stability_error *error)
{
    bool secure = server->service->config->tls_cert != NULL;
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_daemon, NULL},
        {MHD_OPTION_LISTEN_SOCKET, server->listener, NULL},
        {MHD_OPTION_THREAD_POOL_SIZE, HTTP_THREADS, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connection_limit(), NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)exchange_open, server},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_notify, server},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)exchange_close, server},
        {secure ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0, secure ? tls_callback() : NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    server->daemon = MHD_start_daemon(flags | (secure ? MHD_USE_TLS : 0), 0, NULL, NULL, exchange_continue,
                                      server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return server->daemon != NULL ||
           stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the HTTP daemon cannot be started");
}

static void release(struct http_server *server)
{
    watch_free(server->watch);
    tls_release();
    if (server->listener >= 0) {
        close(server->listener);
    }
    pthread_cond_destroy(&server->ended);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

bool http_server_reload(struct http_server *server, struct stability_error *error)
{
    const struct config *config = server->service->config;
    return config->tls_cert == NULL || tls_load(config->tls_cert, config->tls_key, error);
}

/* A condition whose timed waits nobody shifts by setting the clock. */
static void start_clock(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct http_server *http_server_new(struct service *service, struct stability_error *error)
{
    struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for the HTTP server");
        return NULL;
    }
    server->service = service;
    pthread_mutex_init(&server->mutex, NULL);
    start_clock(&server->ended);
    server->listener = http_server_reload(server, error) ? open_listener(service->config, error) : -1;
    server->watch = server->listener < 0 ? NULL : watch_new(&watch_events, error);
    if (server->watch == NULL || !start_daemon(server, error)) {
        release(server);
        return NULL;
    }
    return server;
}

const char *http_server_url(const struct http_server *server, char url[HTTP_URL_SIZE])
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[48] = "?";
    char port[16] = "?";
    if (getsockname(server->listener, (struct sockaddr *)&address, &length) == 0) {
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
    }
    const char *form = strchr(host, ':') == NULL ? "%s://%s:%s" : "%s://[%s]:%s";
    snprintf(url, HTTP_URL_SIZE, form, server->service->config->tls_cert == NULL ? "http" : "https", host,
             port);
    return url;
}

/* Waits until a number is 0, or `seconds` have passed; then false. */
static bool wait_for_none(struct http_server *server, const int *number, double seconds)
{
    struct timespec end;
    double until = clock_seconds() + seconds;
    end.tv_sec = (time_t)until;
    end.tv_nsec = (long)((until - (double)end.tv_sec) * 1e9);
    pthread_mutex_lock(&server->mutex);
    int failure = 0;
    while (*number > 0 && failure == 0) {
        failure = pthread_cond_timedwait(&server->ended, &server->mutex, &end);
    }
    bool none = *number == 0;
    pthread_mutex_unlock(&server->mutex);
    return none;
}

/* libmicrohttpd ends the process where it is stopped while a connection is put aside. */
static void wait_for_work_to_stop(struct http_server *server)
{
    while (pool_running(server->service->pool) > 0 || pool_waiting(server->service->pool) > 0) {
        wait_for_none(server, &server->working, 0.05);
    }
}

bool http_server_drain(struct http_server *server)
{
    if (server == NULL) {
        return true;
    }
    bool finished = wait_for_none(server, &server->working, server->service->config->grace);
    MHD_quiesce_daemon(server->daemon);
    /* Else the kernel would go on to greet clients that nobody serves. */
    shutdown(server->listener, SHUT_RDWR);
    if (!finished) {
        atomic_store(&server->service->stopping, true);
        wait_for_work_to_stop(server);
    }
    wait_for_none(server, &server->in_flight, finished ? HTTP_LINGER_SECONDS : 1);
    MHD_stop_daemon(server->daemon);
    release(server);
    return finished;
}
