#include "server/log.h"
#include "server/store/backend.h"

#include <stdlib.h>

static void read_number(void *context, const struct store_value *columns)
{
    *(int64_t *)context = columns[0].integer;
}

static bool apply(struct store *store, struct store_session *session, const struct store_migration *migration,
                  int64_t number, struct stability_error *error)
{
    const struct store_value parameters[] = {store_integer(number), store_text(migration->name)};
    const struct store_statement note = {
        .sql = "INSERT INTO stability_migrations (number, name) VALUES ($1, $2)",
        .parameters = parameters,
        .count = 2,
    };
    log_message(store->transient ? LOG_debug : LOG_info, "store: migration %s", migration->name);
    return store->ops->script(session, migration->sql, error) && store->ops->run(session, &note, error);
}

static bool prepare(struct store *store, struct store_session *session, struct stability_error *error)
{
    const struct store_statement lock = {.sql = store->ops->lock};
    return (store->ops->lock == NULL || store->ops->run(session, &lock, error)) &&
           store->ops->script(session,
                              "CREATE TABLE IF NOT EXISTS stability_migrations"
                              " (number BIGINT PRIMARY KEY, name TEXT NOT NULL)",
                              error);
}

static bool migrate(struct store *store, struct store_session *session, void *context,
                    struct stability_error *error)
{
    int64_t applied = 0;
    int64_t known = 0;
    const struct store_statement find = {
        .sql = "SELECT coalesce(max(number), 0) FROM stability_migrations",
        .row = read_number,
        .context = &applied,
    };
    (void)context;
    if (!prepare(store, session, error) || !store->ops->run(session, &find, error)) {
        return false;
    }
    for (const struct store_migration *next = store->ops->migrations; next->name != NULL; next++) {
        known = strtoll(next->name, NULL, 10);
        if (known > applied && !apply(store, session, next, known, error)) {
            return false;
        }
    }
    return applied <= known ||
           stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "the store was made by a newer version: it has migration %lld, and this version "
                          "knows %lld",
                          (long long)applied, (long long)known);
}

bool store_migrate(struct store *store, struct stability_error *error)
{
    const struct store_work work = {.transaction = true, .run = migrate};
    return store_work(store, &work, error);
}
