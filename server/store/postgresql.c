#include "server/clock.h"
#include "server/log.h"
#include "server/store/backend.h"
#include "server/store/migrations.h"

#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS 8 /* connections of one process */
#define MOST_VALUES 16
#define LEAST_DELAY 0.1 /* seconds between attempts to connect, from the second failure on */
#define MOST_DELAY 5.0
#define CONNECT_SECONDS 5.0

/* Types on the wire: src/include/catalog/pg_type.dat. */
enum { OID_BYTES = 17, OID_INTEGER = 20, OID_TEXT = 25, OID_REAL = 701 };

static const char *const schemes[] = {"postgresql://", "postgres://", NULL};

struct store_session {
    PGconn *connection; /* NULL: none yet, or none any more */
    int generation;
    bool taken;
    bool broken; /* it is not to be used again */
};

struct backend {
    char *url;
    pthread_mutex_t mutex;
    pthread_cond_t released;
    struct store_session sessions[SESSIONS];
    int generation;  /* grows when a connection broke: older ones are then suspect */
    int failures;    /* to connect, one after the other */
    double retry_at; /* clock_seconds() before which nobody tries to connect */
};

static void log_notice(void *context, const char *message)
{
    (void)context;
    log_message(LOG_debug, "store: PostgreSQL: %.*s", (int)strcspn(message, "\n"), message);
}

static bool fail_unavailable(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_STORE_UNAVAILABLE, NULL, "the database does not answer");
}

static void log_failure(const char *message)
{
    log_message(LOG_error, "store: PostgreSQL: %.*s", (int)strcspn(message, "\n"), message);
}

/* Classes of SQLSTATE after which trying again, perhaps on another server, helps. */
static const struct {
    const char *state; /* what it begins with */
    enum stability_code code;
    const char *message;
} failures[] = {
    {"53100", STABILITY_ERROR_STORE_FULL, "the store has no room left"},
    {"54", STABILITY_ERROR_STORE_FULL, "the store takes nothing as large as that"},
    {"53200", STABILITY_ERROR_OUT_OF_MEMORY, "the database has no memory"},
    {"53", STABILITY_ERROR_STORE_UNAVAILABLE, "the database is overloaded"},
    {"08", STABILITY_ERROR_STORE_UNAVAILABLE, "the database does not answer"},
    {"57", STABILITY_ERROR_STORE_UNAVAILABLE, "the database is going down or took too long"},
    {"40", STABILITY_ERROR_STORE_UNAVAILABLE, "the database gave the work up"},
    {"55P03", STABILITY_ERROR_STORE_UNAVAILABLE, "the database is locked"},
    {"25006", STABILITY_ERROR_STORE_UNAVAILABLE, "the database takes no changes"},
};

/* An error without a SQLSTATE is one of the connection. */
static bool fail(struct store_session *session, const PGresult *result, struct stability_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    log_failure(PQerrorMessage(session->connection));
    if (state == NULL || PQstatus(session->connection) != CONNECTION_OK) {
        session->broken = true;
        return fail_unavailable(error);
    }
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (strncmp(state, failures[i].state, strlen(failures[i].state)) == 0) {
            session->broken = failures[i].code == STABILITY_ERROR_STORE_UNAVAILABLE;
            return stability_fail(error, failures[i].code, NULL, "%s", failures[i].message);
        }
    }
    return stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the store failed");
}

/* A value as the wire has it. */
struct encoded {
    Oid types[MOST_VALUES];
    const char *bytes[MOST_VALUES];
    int lengths[MOST_VALUES];
    int formats[MOST_VALUES];
    uint64_t numbers[MOST_VALUES];
};

static void encode(const struct store_value *value, struct encoded *encoded, size_t index)
{
    static const Oid types[] = {OID_TEXT, OID_INTEGER, OID_REAL, OID_TEXT, OID_BYTES};
    uint64_t *number = &encoded->numbers[index];
    encoded->types[index] = types[value->kind];
    encoded->formats[index] = 1;
    encoded->lengths[index] = (int)value->length;
    encoded->bytes[index] = value->kind == STORE_NULL ? NULL : value->bytes == NULL ? "" : value->bytes;
    if (value->kind == STORE_INTEGER || value->kind == STORE_REAL) {
        memcpy(number, value->kind == STORE_REAL ? (const void *)&value->real : &value->integer,
               sizeof(*number));
        *number = htobe64(*number);
        encoded->bytes[index] = (const char *)number;
        encoded->lengths[index] = sizeof(*number);
    }
}

static struct store_value decode(const PGresult *result, int row, int column)
{
    struct store_value value = {
        .bytes = PQgetvalue(result, row, column),
        .length = (size_t)PQgetlength(result, row, column),
    };
    Oid type = PQftype(result, column);
    if (PQgetisnull(result, row, column)) {
        return (struct store_value){.kind = STORE_NULL};
    }
    value.kind = type == OID_TEXT ? STORE_TEXT : STORE_BYTES;
    if ((type == OID_INTEGER || type == OID_REAL) && value.length == sizeof(uint64_t)) {
        uint64_t number;
        memcpy(&number, value.bytes, sizeof(number));
        number = be64toh(number);
        value.kind = type == OID_REAL ? STORE_REAL : STORE_INTEGER;
        memcpy(type == OID_REAL ? (void *)&value.real : &value.integer, &number, sizeof(number));
    }
    return value;
}

static void read_rows(const PGresult *result, const struct store_statement *statement)
{
    for (int row = 0; row < PQntuples(result); row++) {
        struct store_value columns[MOST_VALUES];
        for (int i = 0; i < PQnfields(result) && i < MOST_VALUES; i++) {
            columns[i] = decode(result, row, i);
        }
        statement->row(statement->context, columns);
    }
}

static bool is_success(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static bool run(struct store_session *session, const struct store_statement *statement,
                struct stability_error *error)
{
    struct encoded encoded;
    for (size_t i = 0; i < statement->count; i++) {
        if (statement->parameters[i].length > INT32_MAX) {
            return stability_fail(error, STABILITY_ERROR_STORE_FULL, NULL,
                                  "the store takes nothing as large as that");
        }
        encode(&statement->parameters[i], &encoded, i);
    }
    PGresult *result = PQexecParams(session->connection, statement->sql, (int)statement->count, encoded.types,
                                    encoded.bytes, encoded.lengths, encoded.formats, 1);
    bool done = is_success(result);
    if (!done) {
        fail(session, result, error);
    } else if (statement->row != NULL) {
        read_rows(result, statement);
    }
    PQclear(result);
    return done;
}

static bool script(struct store_session *session, const char *sql, struct stability_error *error)
{
    PGresult *result = PQexec(session->connection, sql);
    bool done = is_success(result) || fail(session, result, error);
    PQclear(result);
    return done;
}

/* What the URL says about these comes later, and wins. */
static PGconn *begin_to_connect(const char *url)
{
    static const char *const keywords[] = {
        "keepalives_idle",  "keepalives_interval",
        "keepalives_count", "tcp_user_timeout",
        "application_name", "dbname",
        "client_encoding",  NULL,
    };
    const char *const values[] = {"10", "5", "3", "15000", "stabilityd", url, "UTF8", NULL};
    return PQconnectStartParams(keywords, values, 1);
}

/* Waits until the connection stands or has failed. It is done step by step, for libpq would print on standard
 * error what the server says before a notice processor is set. */
static void wait_connected(PGconn *connection)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    double deadline = clock_seconds() + CONNECT_SECONDS;
    PQsetNoticeProcessor(connection, log_notice, NULL);
    while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        struct pollfd socket = {
            .fd = PQsocket(connection),
            .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
        };
        int left = (int)ceil((deadline - clock_seconds()) * 1000);
        if (left <= 0 || (poll(&socket, 1, left) < 0 && errno != EINTR)) {
            return;
        }
        status = PQconnectPoll(connection);
    }
}

/* Takes its time. */
static bool connect_session(const struct backend *backend, struct store_session *session,
                            struct stability_error *error)
{
    session->connection = begin_to_connect(backend->url);
    if (session->connection == NULL) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "there is no memory for a connection to the database");
    }
    if (PQstatus(session->connection) != CONNECTION_BAD) {
        wait_connected(session->connection);
    }
    if (PQstatus(session->connection) != CONNECTION_OK) {
        const char *message = PQerrorMessage(session->connection);
        log_failure(message[0] != '\0' ? message : "the connection does not come about in time");
        return fail_unavailable(error);
    }
    return script(session, "SET statement_timeout = '60s'", error);
}

static void disconnect(struct store_session *session)
{
    PQfinish(session->connection);
    session->connection = NULL;
    session->broken = false;
}

/* The mutex is locked. */
static struct store_session *find_free(struct backend *backend)
{
    struct store_session *found = NULL;
    for (size_t i = 0; i < SESSIONS; i++) {
        struct store_session *session = &backend->sessions[i];
        if (!session->taken && (found == NULL || session->connection != NULL)) {
            found = session;
            if (session->connection != NULL) {
                break;
            }
        }
    }
    return found;
}

/* The mutex is locked. One failure may have been bad luck. */
static void note_connecting(struct backend *backend, bool connected)
{
    backend->failures = connected ? 0 : backend->failures + 1;
    backend->retry_at = clock_seconds();
    if (backend->failures > 1) {
        backend->retry_at += fmin(ldexp(LEAST_DELAY, backend->failures - 2), MOST_DELAY);
    }
}

static void give_back(struct backend *backend, struct store_session *session)
{
    session->taken = false;
    pthread_cond_signal(&backend->released);
}

static struct store_session *acquire(void *context, struct stability_error *error)
{
    struct backend *backend = context;
    pthread_mutex_lock(&backend->mutex);
    struct store_session *session = find_free(backend);
    while (session == NULL) {
        pthread_cond_wait(&backend->released, &backend->mutex);
        session = find_free(backend);
    }
    session->taken = true;
    bool ready = session->connection != NULL && session->generation == backend->generation;
    bool may_connect = clock_seconds() >= backend->retry_at;
    int generation = backend->generation;
    pthread_mutex_unlock(&backend->mutex);
    if (ready) {
        return session;
    }
    disconnect(session);
    bool connected = may_connect ? connect_session(backend, session, error) : fail_unavailable(error);
    if (!connected) {
        disconnect(session);
    }
    pthread_mutex_lock(&backend->mutex);
    session->generation = generation;
    if (may_connect) {
        note_connecting(backend, connected);
    }
    if (!connected) {
        give_back(backend, session);
    }
    pthread_mutex_unlock(&backend->mutex);
    return connected ? session : NULL;
}

static void release(void *context, struct store_session *session)
{
    struct backend *backend = context;
    bool broken = session->broken || PQstatus(session->connection) != CONNECTION_OK;
    if (broken || PQtransactionStatus(session->connection) != PQTRANS_IDLE) {
        disconnect(session);
    }
    pthread_mutex_lock(&backend->mutex);
    if (broken && session->generation == backend->generation) {
        backend->generation++;
    }
    give_back(backend, session);
    pthread_mutex_unlock(&backend->mutex);
}

static void close_backend(void *context)
{
    struct backend *backend = context;
    for (size_t i = 0; i < SESSIONS; i++) {
        disconnect(&backend->sessions[i]);
    }
    pthread_cond_destroy(&backend->released);
    pthread_mutex_destroy(&backend->mutex);
    free(backend->url);
    free(backend);
}

static void *open_backend(const char *url, int64_t memory_limit, struct stability_error *error)
{
    (void)memory_limit;
    struct backend *backend = calloc(1, sizeof(*backend));
    if (backend == NULL || (backend->url = strdup(url)) == NULL) {
        free(backend);
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for the store");
        return NULL;
    }
    pthread_mutex_init(&backend->mutex, NULL);
    pthread_cond_init(&backend->released, NULL);
    return backend;
}

const struct store_ops store_postgresql = {
    .schemes = schemes,
    .attempts = 3,
    .migrations = postgresql_migrations,
    .begin = "BEGIN",
    .lock = "SELECT pg_advisory_xact_lock(7218400145912063829)",
    .skip_locked = "FOR UPDATE SKIP LOCKED",
    .open = open_backend,
    .close = close_backend,
    .acquire = acquire,
    .release = release,
    .run = run,
    .script = script,
};
