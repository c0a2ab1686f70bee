#include "server/http/server.h"

#include "server/clock.h"
#include "server/http/exchange.h"
#include "server/http/tls.h"
#include "server/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define LEAST_HTTP_THREADS 2
#define LONG_SECONDS 1e6 /* work that is to stop does, and statements of the store have their time */
#define MOST_CONNECTIONS 8192
#define OTHER_DESCRIPTORS (64 + LINGER_MOST) /* what is open besides connections */
#define LINGER_SILENCE 5 /* seconds without a byte from a client that was answered before it had sent all */

static const struct watch_events watch_events = {exchange_expired, exchange_left};

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

/* libmicrohttpd's default would print to the log what is no line of it. */
static void panic(void *closure, const char *file, unsigned line, const char *reason)
{
    (void)closure;
    log_message(LOG_error, "libmicrohttpd, %s:%u: %.*s", file, line, (int)strcspn(reason, "\n"), reason);
    abort();
}

static bool take_connection(void *closure, int descriptor, const struct sockaddr *address, socklen_t length)
{
    const struct http_server *server = closure;
    return MHD_add_connection(server->daemon, descriptor, address, length) == MHD_YES;
}

/* Strictness stays at 0: what libmicrohttpd's strict mode refuses by closing the connection, the checks in
 * framing.c and target.c refuse with a problem document. TURBO keeps it from ending a connection's output
 * before connection_notify may still answer; over TLS it would leave out the end of the session. */
static bool start_daemon(struct http_server *server, struct stability_error *error)
{
    bool secure = server->service->config->tls_cert != NULL;
    int threads =
        pool_threads(server->service->pool); /* numbers are read, and short work is done, by these */
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET;
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_daemon, NULL},
        {MHD_OPTION_THREAD_POOL_SIZE, threads > LEAST_HTTP_THREADS ? threads : LEAST_HTTP_THREADS, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, 2 * MOST_CONNECTIONS, NULL}, /* the listener has one */
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_HEADER_BYTES, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)exchange_open, server},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_notify, server},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)exchange_close, server},
        {secure ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0, secure ? tls_callback() : NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    MHD_set_panic_func(panic, NULL);
    server->daemon = MHD_start_daemon(flags | (secure ? MHD_USE_TLS : MHD_USE_TURBO), 0, NULL, NULL,
                                      exchange_continue, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return server->daemon != NULL ||
           stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the HTTP daemon cannot be started");
}

static void release(struct http_server *server)
{
    if (server->listener != NULL) {
        listener_stop(server->listener);
    }
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon);
    }
    linger_free(server->linger, HTTP_LINGER_SECONDS);
    watch_free(server->watch);
    listener_free(server->listener);
    tls_release();
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

static bool open_server(struct http_server *server, struct stability_error *error)
{
    const struct config *config = server->service->config;
    if (!http_server_reload(server, error)) {
        return false;
    }
    server->listener = listener_new(config, connection_limit(), error);
    server->watch = server->listener == NULL ? NULL : watch_new(&watch_events, error);
    server->linger = server->watch == NULL ? NULL : linger_new(fmin(LINGER_SILENCE, config->timeout), error);
    return server->linger != NULL && start_daemon(server, error) &&
           listener_start(server->listener, take_connection, server, error);
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
    if (!open_server(server, error)) {
        release(server);
        return NULL;
    }
    return server;
}

const char *http_server_url(const struct http_server *server, char url[HTTP_URL_SIZE])
{
    char host[48];
    char port[16];
    listener_address(server->listener, host, sizeof(host), port, sizeof(port));
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

/* From here on no connection is put aside, and none is left that is: libmicrohttpd ends the process where it
 * is stopped with one. */
static void close_server(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->closing = true;
    pthread_mutex_unlock(&server->mutex);
    wait_for_none(server, &server->suspended, LONG_SECONDS);
}

bool http_server_drain(struct http_server *server)
{
    if (server == NULL) {
        return true;
    }
    bool finished = wait_for_none(server, &server->working, server->service->config->grace);
    listener_stop(server->listener);
    if (!finished) {
        atomic_store(&server->service->stopping, true);
        wait_for_none(server, &server->suspended, LONG_SECONDS);
    }
    wait_for_none(server, &server->in_flight, finished ? HTTP_LINGER_SECONDS : 1);
    close_server(server);
    release(server);
    return finished;
}
