#define _GNU_SOURCE /* SOCK_CLOEXEC */

#include "server/command.h"
#include "server/usage.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 5

static int connect_to(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    int connection = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection >= 0) {
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        if (connect(connection, found->ai_addr, found->ai_addrlen) != 0) {
            close(connection);
            connection = -1;
        }
    }
    freeaddrinfo(found);
    return connection;
}

/* Whether GET /livez is answered with 200. */
static bool is_live(int connection)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: healthcheck\r\nConnection: close\r\n\r\n";
    static const char expected[] = "HTTP/1.1 200 ";
    char answer[sizeof(expected)];
    size_t length = 0;
    if (send(connection, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof(request) - 1)) {
        return false;
    }
    while (length < sizeof(expected) - 1) {
        ssize_t count = recv(connection, answer + length, sizeof(expected) - 1 - length, 0);
        if (count <= 0) {
            return false;
        }
        length += (size_t)count;
    }
    return memcmp(answer, expected, length) == 0;
}

int command_healthcheck(int count, char *const *arguments)
{
    struct config config;
    char port[16];
    int status;
    if (!usage_read(&config, CONFIG_HEALTHCHECK, count, arguments, &status)) {
        return status;
    }
    snprintf(port, sizeof(port), "%lld", (long long)config.port);
    int connection = connect_to(config.bind, port);
    bool live = connection >= 0 && is_live(connection);
    if (connection >= 0) {
        close(connection);
    }
    if (!live) {
        fprintf(stderr, "stabilityd: nothing answers at %s port %s\n", config.bind, port);
    }
    return live ? COMMAND_SUCCESS : COMMAND_FINDINGS;
}
