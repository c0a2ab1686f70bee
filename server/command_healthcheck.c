#define _GNU_SOURCE /* SOCK_CLOEXEC */

#include "server/command.h"
#include "server/usage.h"

#include <gnutls/gnutls.h>

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

/* A connection, over TLS where there is a session. */
struct wire {
    int descriptor;
    gnutls_session_t session;
};

static ssize_t wire_send(const struct wire *wire, const char *bytes, size_t count)
{
    return wire->session != NULL ? gnutls_record_send(wire->session, bytes, count)
                                 : send(wire->descriptor, bytes, count, MSG_NOSIGNAL);
}

static ssize_t wire_receive(const struct wire *wire, char *bytes, size_t count)
{
    return wire->session != NULL ? gnutls_record_recv(wire->session, bytes, count)
                                 : recv(wire->descriptor, bytes, count, 0);
}

/* Whether GET /livez is answered with 200. */
static bool is_live(const struct wire *wire)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: healthcheck\r\nConnection: close\r\n\r\n";
    static const char expected[] = "HTTP/1.1 200 ";
    char answer[sizeof(expected)];
    size_t length = 0;
    if (wire_send(wire, request, sizeof(request) - 1) != (ssize_t)(sizeof(request) - 1)) {
        return false;
    }
    while (length < sizeof(expected) - 1) {
        ssize_t count = wire_receive(wire, answer + length, sizeof(expected) - 1 - length);
        if (count <= 0) {
            return false;
        }
        length += (size_t)count;
    }
    return memcmp(answer, expected, length) == 0;
}

/* The same over TLS. The certificate is not verified: the question is whether the server answers, and it goes
 * to an address of this machine. */
static bool is_live_secure(int connection)
{
    gnutls_certificate_credentials_t credentials = NULL;
    struct wire wire = {.descriptor = connection};
    bool live = gnutls_init(&wire.session, GNUTLS_CLIENT) == 0 &&
                gnutls_certificate_allocate_credentials(&credentials) == 0 &&
                gnutls_set_default_priority(wire.session) == 0 &&
                gnutls_credentials_set(wire.session, GNUTLS_CRD_CERTIFICATE, credentials) == 0;
    if (live) {
        gnutls_transport_set_int(wire.session, connection);
        live = gnutls_handshake(wire.session) == 0 && is_live(&wire);
    }
    if (wire.session != NULL) {
        gnutls_deinit(wire.session);
    }
    if (credentials != NULL) {
        gnutls_certificate_free_credentials(credentials);
    }
    return live;
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
    bool live = false;
    if (connection >= 0) {
        live = config.tls_cert != NULL ? is_live_secure(connection)
                                       : is_live(&(struct wire){.descriptor = connection});
    }
    if (connection >= 0) {
        close(connection);
    }
    if (!live) {
        fprintf(stderr, "stabilityd: nothing answers at %s port %s\n", config.bind, port);
    }
    return live ? COMMAND_SUCCESS : COMMAND_FINDINGS;
}
