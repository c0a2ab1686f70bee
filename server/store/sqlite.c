/* One connection, which threads take in turn: SQLite has one writer at a time anyway, and what is asked of it
 * takes microseconds. */
#include "server/log.h"
#include "server/store/backend.h"
#include "server/store/migrations.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SCHEME "sqlite:"
#define IN_MEMORY ":memory:"
#define BUSY_MILLISECONDS 2000 /* to wait for another program that has the file */
#define MOST_COLUMNS 16

static const char *const schemes[] = {SCHEME, NULL};

struct store_session {
    sqlite3 *database;
    pthread_mutex_t mutex;
};

/* What a client is told; the log has the details. */
static const struct {
    int result;
    enum stability_code code;
    const char *message;
} failures[] = {
    {SQLITE_FULL, STABILITY_ERROR_STORE_FULL, "the store has no room left"},
    {SQLITE_TOOBIG, STABILITY_ERROR_STORE_FULL, "the store takes nothing as large as that"},
    {SQLITE_NOMEM, STABILITY_ERROR_OUT_OF_MEMORY, "there is no memory for the store's work"},
    {SQLITE_BUSY, STABILITY_ERROR_STORE_UNAVAILABLE, "another program keeps the store busy"},
    {SQLITE_LOCKED, STABILITY_ERROR_STORE_UNAVAILABLE, "another program keeps the store busy"},
    {SQLITE_IOERR, STABILITY_ERROR_STORE_UNAVAILABLE, "the store cannot be read or written"},
    {SQLITE_CANTOPEN, STABILITY_ERROR_STORE_UNAVAILABLE, "the store cannot be opened"},
    {SQLITE_READONLY, STABILITY_ERROR_STORE_UNAVAILABLE, "the store cannot be written"},
};

static bool fail(sqlite3 *database, struct stability_error *error)
{
    int result = sqlite3_errcode(database);
    log_message(LOG_error, "store: SQLite: %s (%d)", sqlite3_errmsg(database),
                sqlite3_extended_errcode(database));
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (failures[i].result == (result & 0xff)) {
            return stability_fail(error, failures[i].code, NULL, "%s", failures[i].message);
        }
    }
    return stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the store failed");
}

static void answer_now(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    struct timespec now;
    (void)count;
    (void)arguments;
    clock_gettime(CLOCK_REALTIME, &now);
    sqlite3_result_double(context, (double)now.tv_sec + (double)now.tv_nsec * 1e-9);
}

static bool script(struct store_session *session, const char *sql, struct stability_error *error)
{
    return sqlite3_exec(session->database, sql, NULL, NULL, NULL) == SQLITE_OK ||
           fail(session->database, error);
}

/* Weights and reports are their owner's alone, in the journals too: those get the file's own permissions. */
static bool create_file(const char *path, struct stability_error *error)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        return stability_fail(error, STABILITY_ERROR_STORE_UNAVAILABLE, NULL,
                              "the store %s cannot be opened: %s", path, strerror(errno));
    }
    close(descriptor);
    return true;
}

static bool configure(struct store_session *session, bool in_memory, int64_t memory_limit,
                      struct stability_error *error)
{
    char pages[64];
    snprintf(pages, sizeof(pages), "PRAGMA max_page_count = %lld", (long long)(memory_limit / 4096));
    sqlite3_busy_timeout(session->database, BUSY_MILLISECONDS);
    if (sqlite3_create_function(session->database, "stability_now", 0, SQLITE_UTF8, NULL, answer_now, NULL,
                                NULL) != SQLITE_OK) {
        return fail(session->database, error);
    }
    return script(session,
                  "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                  " PRAGMA temp_store = MEMORY",
                  error) &&
           (!in_memory || script(session, pages, error));
}

static void close_session(void *backend)
{
    struct store_session *session = backend;
    sqlite3_close(session->database);
    pthread_mutex_destroy(&session->mutex);
    free(session);
}

static void *open_session(const char *url, int64_t memory_limit, struct stability_error *error)
{
    const char *path = url + sizeof(SCHEME) - 1;
    bool in_memory = strcmp(path, IN_MEMORY) == 0;
    if (*path == '\0') {
        stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "the store '%s' names no file", url);
        return NULL;
    }
    struct store_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for the store");
        return NULL;
    }
    pthread_mutex_init(&session->mutex, NULL);
    bool opened = in_memory || create_file(path, error);
    if (opened && sqlite3_open_v2(path, &session->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                  NULL) != SQLITE_OK) {
        opened = fail(session->database, error);
    }
    if (!opened || !configure(session, in_memory, memory_limit, error)) {
        close_session(session);
        return NULL;
    }
    return session;
}

/* Where there was no memory to roll a transaction back, that is still to be done. */
static struct store_session *acquire(void *backend, struct stability_error *error)
{
    struct store_session *session = backend;
    pthread_mutex_lock(&session->mutex);
    if (sqlite3_get_autocommit(session->database) || script(session, "ROLLBACK", error)) {
        return session;
    }
    pthread_mutex_unlock(&session->mutex);
    return NULL;
}

static void release(void *backend, struct store_session *session)
{
    (void)backend;
    pthread_mutex_unlock(&session->mutex);
}

static int bind_value(sqlite3_stmt *statement, int index, const struct store_value *value)
{
    switch (value->kind) {
    case STORE_INTEGER:
        return sqlite3_bind_int64(statement, index, value->integer);
    case STORE_REAL:
        return sqlite3_bind_double(statement, index, value->real);
    case STORE_TEXT:
        return sqlite3_bind_text64(statement, index, value->bytes, value->length, SQLITE_STATIC, SQLITE_UTF8);
    case STORE_BYTES:
        return sqlite3_bind_blob64(statement, index, value->bytes == NULL ? "" : value->bytes, value->length,
                                   SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, index);
    }
}

static bool bind_all(sqlite3_stmt *statement, const struct store_statement *given)
{
    for (size_t i = 0; i < given->count; i++) {
        char name[24];
        snprintf(name, sizeof(name), "$%zu", i + 1);
        int index = sqlite3_bind_parameter_index(statement, name);
        if (index > 0 && bind_value(statement, index, &given->parameters[i]) != SQLITE_OK) {
            return false;
        }
    }
    return true;
}

static struct store_value read_column(sqlite3_stmt *statement, int index)
{
    switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
        return (struct store_value){.kind = STORE_INTEGER,
                                    .integer = sqlite3_column_int64(statement, index),
                                    .real = sqlite3_column_double(statement, index)};
    case SQLITE_FLOAT:
        return (struct store_value){.kind = STORE_REAL, .real = sqlite3_column_double(statement, index)};
    case SQLITE_TEXT:
        return (struct store_value){.kind = STORE_TEXT,
                                    .bytes = (const char *)sqlite3_column_text(statement, index),
                                    .length = (size_t)sqlite3_column_bytes(statement, index)};
    case SQLITE_BLOB:
        return (struct store_value){.kind = STORE_BYTES,
                                    .bytes = sqlite3_column_blob(statement, index),
                                    .length = (size_t)sqlite3_column_bytes(statement, index)};
    default:
        return (struct store_value){.kind = STORE_NULL};
    }
}

/* False where a column could not be loaded: a value that has bytes in the file has none in memory. */
static bool read_row(sqlite3_stmt *statement, const struct store_statement *given)
{
    struct store_value columns[MOST_COLUMNS];
    int count = sqlite3_column_count(statement);
    for (int i = 0; i < count && i < MOST_COLUMNS; i++) {
        columns[i] = read_column(statement, i);
        if ((columns[i].kind == STORE_TEXT || columns[i].length > 0) && columns[i].bytes == NULL) {
            return false;
        }
        if (columns[i].kind == STORE_BYTES && columns[i].bytes == NULL) {
            if (sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM) {
                return false;
            }
            columns[i].bytes = "";
        }
    }
    given->row(given->context, columns);
    return true;
}

static bool step_all(sqlite3_stmt *statement, const struct store_statement *given)
{
    int result = sqlite3_step(statement);
    while (result == SQLITE_ROW) {
        if (given->row != NULL && !read_row(statement, given)) {
            return false;
        }
        result = sqlite3_step(statement);
    }
    return result == SQLITE_DONE;
}

static bool run(struct store_session *session, const struct store_statement *given,
                struct stability_error *error)
{
    sqlite3_stmt *statement = NULL;
    bool done = sqlite3_prepare_v2(session->database, given->sql, -1, &statement, NULL) == SQLITE_OK &&
                bind_all(statement, given) && step_all(statement, given);
    if (!done) {
        fail(session->database, error);
    }
    sqlite3_finalize(statement);
    return done;
}

const struct store_ops store_sqlite = {
    .schemes = schemes,
    .attempts = 1,
    .migrations = sqlite_migrations,
    .begin = "BEGIN IMMEDIATE",
    .skip_locked = "",
    .open = open_session,
    .close = close_session,
    .acquire = acquire,
    .release = release,
    .run = run,
    .script = script,
};
