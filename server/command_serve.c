#include "server/command.h"
#include "server/http/server.h"
#include "server/input/request.h"
#include "server/log.h"
#include "server/usage.h"

#include <stability/stability.h>

#include <semaphore.h>
#include <signal.h>
#include <stdio.h>

#define QUEUE_PER_THREAD 16 /* requests that may wait for each thread of the compute pool */

static bool check_address(const struct config *config, struct stability_error *error)
{
    bool loopback = false;
    if (!http_is_loopback(config->bind, &loopback, error)) {
        return false;
    }
    return loopback || config->insecure ||
           stability_fail(
               error, STABILITY_ERROR_PARAMETER, NULL,
               "%s is not a loopback address: whoever reaches it could use this server; --insecure allows "
               "that",
               config->bind);
}

static bool open_service(struct service *service, const struct config *config, struct stability_error *error)
{
    service->config = config;
    service->limits = stability_default_limits;
    if (service->limits.bytes == 0 || service->limits.bytes > config->memory) {
        service->limits.bytes = config->memory;
    }
    service->memory.total = config->memory;
    service->pool = pool_new((int)config->threads, (int)config->threads * QUEUE_PER_THREAD, error);
    return service->pool != NULL;
}

static sem_t stopped;
static volatile sig_atomic_t stopping_signal;

/* The next signal ends the process at once. */
static void stop(int number)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    stopping_signal = number;
    sem_post(&stopped);
}

/* A handler, not a mask and sigwait: OpenBLAS has threads from before main that would take the signal. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    sem_init(&stopped, 0, 0);
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void wait_for_signal(void)
{
    while (sem_wait(&stopped) != 0) {
    }
    log_message(LOG_info, "%s: draining", stopping_signal == SIGINT ? "SIGINT" : "SIGTERM");
}

static bool serve(const struct config *config, struct stability_error *error)
{
    struct service service = {0};
    char url[HTTP_URL_SIZE];
    catch_signals();
    struct http_server *server =
        open_service(&service, config, error) ? http_server_new(&service, error) : NULL;
    if (server != NULL) {
        printf("stabilityd " STABILITY_VERSION " listens on %s\nready\n", http_server_url(server, url));
        fflush(stdout);
        wait_for_signal();
        atomic_store(&service.draining, true);
        http_server_drain(server);
        log_message(LOG_info, "drained");
    }
    pool_free(service.pool);
    return server != NULL;
}

int command_serve(int count, char *const *arguments)
{
    struct config config;
    struct stability_error error = {0};
    int status;
    if (!usage_read(&config, CONFIG_SERVE, count, arguments, &status)) {
        return status;
    }
    config_finish(&config);
    log_set_level((enum log_level)config.log_level);
    input_initialize();
    if (!check_address(&config, &error) || !stability_initialize(&error) || !serve(&config, &error)) {
        return usage_fail(NULL, &error);
    }
    return COMMAND_SUCCESS;
}
