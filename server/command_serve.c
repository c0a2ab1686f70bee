#include "server/command.h"
#include "server/http/listener.h"
#include "server/http/server.h"
#include "server/input/request.h"
#include "server/jobs/jobs.h"
#include "server/log.h"
#include "server/sandbox.h"
#include "server/usage.h"

#include <stability/stability.h>

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

static bool check_address(const struct config *config, struct stability_error *error)
{
    bool loopback = false;
    if (!http_is_loopback(config->bind, &loopback, error)) {
        return false;
    }
    return loopback || config->insecure || config->tokens != NULL ||
           stability_fail(
               error, STABILITY_ERROR_PARAMETER, NULL,
               "%s is not a loopback address: whoever reaches it could use this server; --tokens says who "
               "may, --insecure lets everybody",
               config->bind);
}

static bool check_certificate(const struct config *config, struct stability_error *error)
{
    return (config->tls_cert == NULL) == (config->tls_key == NULL) ||
           stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "HTTPS needs both --tls-cert and --tls-key");
}

static sem_t signalled;
/* Atomic, and lock-free: whichever thread is there takes the signal. */
static atomic_int stopping_signal; /* 0: none yet */
static atomic_bool reloading;

/* The next signal ends the process at once. */
static void stop(int number)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    stopping_signal = number;
    sem_post(&signalled);
}

static void reload(int number)
{
    (void)number;
    reloading = 1;
    sem_post(&signalled);
}

/* A handler, not a mask and sigwait: OpenBLAS has threads from before main that would take the signal. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    struct sigaction renewal = {.sa_handler = reload, .sa_flags = SA_RESTART};
    sem_init(&signalled, 0, 0);
    sigemptyset(&renewal.sa_mask);
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &renewal, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* What cannot be read again stays as it was. */
static void read_again(struct service *service, struct http_server *server)
{
    struct stability_error errors[2] = {0};
    reloading = 0;
    bool done = access_reload(service->access, &errors[0]);
    done = http_server_reload(server, &errors[1]) && done;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].code != STABILITY_OK) {
            log_message(LOG_error, "SIGHUP: %s", errors[i].message);
        }
    }
    if (done) {
        log_message(LOG_info, "SIGHUP: tokens and certificate are read again");
    }
}

static void wait_for_signal(struct service *service, struct http_server *server)
{
    while (stopping_signal == 0) {
        if (sem_wait(&signalled) == 0 && reloading) {
            read_again(service, server);
        }
    }
    log_message(LOG_info, "%s: draining", stopping_signal == SIGINT ? "SIGINT" : "SIGTERM");
}

static bool serve(const struct config *config, struct stability_error *error)
{
    struct service service = {.config = config};
    char url[HTTP_URL_SIZE];
    catch_signals();
    sandbox_files(config);
    struct http_server *server =
        service_open(&service, config, error) ? http_server_new(&service, error) : NULL;
    if (server != NULL) {
        sandbox_calls();
        printf("stabilityd " STABILITY_VERSION " listens on %s\nready\n", http_server_url(server, url));
        fflush(stdout);
        wait_for_signal(&service, server);
        atomic_store(&service.draining, true);
        jobs_stop(service.jobs);
        bool finished = http_server_drain(server);
        log_message(LOG_info,
                    finished ? "drained" : "drained; work that took longer than --grace was stopped");
    }
    service_close(&service);
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
    if (!check_address(&config, &error) || !check_certificate(&config, &error) ||
        !stability_initialize(&error) || !serve(&config, &error)) {
        return usage_fail(NULL, &error);
    }
    return COMMAND_SUCCESS;
}
