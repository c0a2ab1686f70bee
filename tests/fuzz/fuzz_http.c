/* Any bytes over a connection to the server, which runs in this process. The first byte says which server,
 * one that wants a token or one that does not, and in what pieces the bytes are sent; then the client sends
 * nothing more. What is answered is HTTP, comes in time, and is never the server's own failure. */
#define _GNU_SOURCE /* memfd_create, memmem */

#include "server/http/server.h"
#include "server/input/request.h"
#include "server/jobs/jobs.h"
#include "server/log.h"
#include "tests/fuzz/fuzz.h"

#include <stability/stability.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds that no answer takes, even under a sanitizer on a busy machine */

struct instance {
    struct config config;
    struct service service;
    struct http_server *server;
    struct sockaddr_in address;
};

static struct instance instances[2]; /* the second one wants a token */

/* "secret" */
static const char tokens[] =
    "client 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b 1000000000\n";

static void start(struct instance *instance, int count, char *const *arguments)
{
    struct stability_error error = {0};
    char url[HTTP_URL_SIZE];
    require(config_read(&instance->config, CONFIG_SERVE, count, arguments, &error));
    require(service_open(&instance->service, &instance->config, &error));
    instance->server = http_server_new(&instance->service, &error);
    require(instance->server != NULL);
    const char *port = strrchr(http_server_url(instance->server, url), ':');
    instance->address.sin_family = AF_INET;
    instance->address.sin_port = htons((uint16_t)atoi(port + 1));
    instance->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void stop(void)
{
    for (size_t i = 0; i < sizeof(instances) / sizeof(instances[0]); i++) {
        struct instance *instance = &instances[i];
        atomic_store(&instance->service.draining, true);
        jobs_stop(instance->service.jobs);
        require(http_server_drain(instance->server));
        require(instance->service.memory.reserved == 0);
        service_close(&instance->service);
    }
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    static char path[32];
    static char *const options[] = {"--port",      "0",           "--threads",  "1",         "--memory",
                                    "64M",         "--max-body",  "64K",        "--timeout", "0.2",
                                    "--job-queue", "10",          "--job-keep", "1",         "--job-timeout",
                                    "5",           "--log-level", "error",      "--tokens",  path};
    const int option_count = sizeof(options) / sizeof(options[0]);
    struct stability_error error = {0};
    int file = memfd_create("tokens", MFD_CLOEXEC);
    (void)count;
    (void)arguments;
    require(file >= 0 && write(file, tokens, sizeof(tokens) - 1) == (ssize_t)sizeof(tokens) - 1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_error);
    input_initialize();
    require(stability_initialize(&error));
    start(&instances[0], option_count - 2, options);
    start(&instances[1], option_count, options);
    atexit(stop);
    return 0;
}

static int connect_to(const struct instance *instance)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(client >= 0);
    require(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    require(connect(client, (const struct sockaddr *)&instance->address, sizeof(instance->address)) == 0);
    return client;
}

/* In pieces of growing size, which begin with one of `piece` bytes; 0: at once. A server that has closed is
 * no failure. */
static void send_all(int client, const uint8_t *bytes, size_t count, size_t piece)
{
    size_t sent = 0;
    while (sent < count) {
        size_t most = piece == 0 || piece > count - sent ? count - sent : piece;
        ssize_t done = send(client, bytes + sent, most, MSG_NOSIGNAL);
        if (done <= 0) {
            return;
        }
        sent += (size_t)done;
        piece *= 2;
    }
    shutdown(client, SHUT_WR);
}

static void receive_all(int client, struct buffer *answer)
{
    char piece[4096];
    ssize_t count;
    while ((count = recv(client, piece, sizeof(piece), 0)) > 0 || (count < 0 && errno == EINTR)) {
        buffer_append(answer, piece, count < 0 ? 0 : (size_t)count);
    }
    require(count == 0 || errno == ECONNRESET); /* not that the time was over */
}

static void check_answer(const struct buffer *answer)
{
    static const char version[] = "HTTP/1.1 ";
    static const char failure[] = "\nHTTP/1.1 500 "; /* what is echoed has no bare line feed */
    require(!answer->failed);
    if (answer->length == 0) {
        return;
    }
    require(answer->length > sizeof(version) + 3);
    require(memcmp(answer->data, version, sizeof(version) - 1) == 0);
    require(strncmp(answer->data, failure + 1, sizeof(failure) - 2) != 0);
    require(memmem(answer->data, answer->length, failure, sizeof(failure) - 1) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer answer = {0};
    if (size == 0) {
        return 0;
    }
    int client = connect_to(&instances[data[0] & 1]);
    send_all(client, data + 1, size - 1, data[0] >> 1);
    receive_all(client, &answer);
    close(client);
    check_answer(&answer);
    buffer_free(&answer);
    return 0;
}
