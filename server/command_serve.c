#include "server/command.h"
#include "server/http/server.h"
#include "server/log.h"
#include "server/usage.h"

#include <stability/stability.h>

#include <jansson.h>
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

/* Threads inherit the mask: so only the one that waits for them gets these signals. */
static void block_signals(sigset_t *stopping)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(stopping);
    sigaddset(stopping, SIGTERM);
    sigaddset(stopping, SIGINT);
    pthread_sigmask(SIG_BLOCK, stopping, NULL);
}

/* Waits for the first signal; the next one then ends the process at once. */
static void wait_for_signal(const sigset_t *stopping)
{
    int number = 0;
    sigwait(stopping, &number);
    pthread_sigmask(SIG_UNBLOCK, stopping, NULL);
    log_message(LOG_info, "%s: draining", number == SIGINT ? "SIGINT" : "SIGTERM");
}

static bool serve(const struct config *config, struct stability_error *error)
{
    struct service service = {0};
    sigset_t stopping;
    char url[HTTP_URL_SIZE];
    block_signals(&stopping);
    struct http_server *server =
        open_service(&service, config, error) ? http_server_new(&service, error) : NULL;
    if (server != NULL) {
        printf("stabilityd " STABILITY_VERSION " listens on %s\nready\n", http_server_url(server, url));
        fflush(stdout);
        wait_for_signal(&stopping);
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
    json_object_seed(0); /* before threads start */
    if (!check_address(&config, &error) || !stability_initialize(&error) || !serve(&config, &error)) {
        return usage_fail(&error);
    }
    return COMMAND_SUCCESS;
}
