#include "server/store/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const struct store_ops *const backends[] = {&store_sqlite, &store_postgresql};

static const struct store_ops *find_backend(const char *url)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        for (const char *const *scheme = backends[i]->schemes; *scheme != NULL; scheme++) {
            if (strncmp(url, *scheme, strlen(*scheme)) == 0) {
                return backends[i];
            }
        }
    }
    return NULL;
}

struct store *store_open(const char *url, int64_t memory_limit, struct stability_error *error)
{
    const struct store_ops *ops = find_backend(url);
    if (ops == NULL) {
        stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                       "a store is sqlite:PATH, sqlite::memory: or postgresql://…, not '%.128s'", url);
        return NULL;
    }
    struct store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory for the store");
        return NULL;
    }
    store->ops = ops;
    store->transient = strcmp(url, "sqlite::memory:") == 0;
    store->backend = ops->open(url, memory_limit, error);
    if (store->backend == NULL || !store_migrate(store, error)) {
        store_close(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    if (store->backend != NULL) {
        store->ops->close(store->backend);
    }
    free(store);
}

bool store_is_healthy(const struct store *store)
{
    return atomic_load(&store->healthy);
}

static bool run_simple(struct store *store, struct store_session *session, const char *sql,
                       struct stability_error *error)
{
    const struct store_statement statement = {.sql = sql};
    return store->ops->run(session, &statement, error);
}

static bool run_transaction(struct store *store, const struct store_work *work, struct store_session *session,
                            struct stability_error *error)
{
    if (run_simple(store, session, store->ops->begin, error) &&
        work->run(store, session, work->context, error) && run_simple(store, session, "COMMIT", error)) {
        return true;
    }
    /* Where the database has done so itself, there is nothing left to roll back. */
    struct stability_error ignored = {0};
    run_simple(store, session, "ROLLBACK", &ignored);
    return false;
}

static bool try_work(struct store *store, const struct store_work *work, struct stability_error *error)
{
    struct store_session *session = store->ops->acquire(store->backend, error);
    if (session == NULL) {
        return false;
    }
    bool done = work->transaction ? run_transaction(store, work, session, error)
                                  : work->run(store, session, work->context, error);
    store->ops->release(store->backend, session);
    return done;
}

bool store_work(struct store *store, const struct store_work *work, struct stability_error *error)
{
    struct stability_error failure = {0};
    bool done = try_work(store, work, &failure);
    for (int i = 1; i < store->ops->attempts && failure.code == STABILITY_ERROR_STORE_UNAVAILABLE; i++) {
        failure = (struct stability_error){0};
        done = try_work(store, work, &failure);
    }
    atomic_store(&store->healthy, failure.code != STABILITY_ERROR_STORE_UNAVAILABLE);
    return done || stability_fail(error, failure.code, NULL, "%s", failure.message);
}

static bool run_statement(struct store *store, struct store_session *session, void *context,
                          struct stability_error *error)
{
    return store->ops->run(session, context, error);
}

bool store_statement(struct store *store, const struct store_statement *statement,
                     struct stability_error *error)
{
    struct store_statement copy = *statement;
    const struct store_work work = {.run = run_statement, .context = &copy};
    return store_work(store, &work, error);
}

void store_make_id(char id[STORE_ID_SIZE])
{
    unsigned char bytes[16];
    size_t filled = 0;
    while (filled < sizeof(bytes)) {
        ssize_t got = getrandom(bytes + filled, sizeof(bytes) - filled, 0);
        filled += got > 0 ? (size_t)got : 0;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    }
}

bool store_is_id(const char *text)
{
    return strlen(text) == STORE_ID_SIZE - 1 && strspn(text, "0123456789abcdef") == STORE_ID_SIZE - 1;
}
