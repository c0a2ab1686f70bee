/* What a database must be able to do for the store; the SQL of jobs and reports is the same for all. */
#ifndef SERVER_STORE_BACKEND_H
#define SERVER_STORE_BACKEND_H

#include "server/store/store.h"

#include <stdatomic.h>

enum store_kind { STORE_NULL, STORE_INTEGER, STORE_REAL, STORE_TEXT, STORE_BYTES };

/* A parameter of a statement, or a column of a row. */
struct store_value {
    enum store_kind kind;
    int64_t integer;
    double real;
    const char *bytes; /* TEXT: with a NUL behind it */
    size_t length;
};

/* One statement, with parameters $1, $2 … */
struct store_statement {
    const char *sql;
    const struct store_value *parameters;
    size_t count;
    void (*row)(void *context, const struct store_value *columns); /* for each row, whose columns are valid
                                                                      during the call; may be NULL */
    void *context;
};

/* A connection while one thread has it. Each backend has its own. */
struct store_session;

/* One numbered file of store/migrations. */
struct store_migration {
    const char *name; /* "0001_jobs_and_reports" */
    const char *sql;  /* several statements */
};

struct store_ops {
    const char *const *schemes; /* what its URLs begin with, NULL-terminated */
    int attempts;               /* at work whose connection breaks */
    const struct store_migration
        *migrations;   /* in the order of their numbers; ends with one without a name */
    const char *begin; /* SQL that begins a transaction that will write */
    const char
        *lock; /* SQL that lets one process at a time migrate, within a transaction; NULL: `begin` does */
    const char *skip_locked; /* what ends a subquery that picks a row which no other transaction has */

    /* Opens what stands behind the scheme; `url` is whole. NULL on error. */
    void *(*open)(const char *url, int64_t memory_limit, struct stability_error *error);
    void (*close)(void *backend);
    /* A connection, once one is free; NULL on error. */
    struct store_session *(*acquire)(void *backend, struct stability_error *error);
    void (*release)(void *backend, struct store_session *session);
    bool (*run)(struct store_session *session, const struct store_statement *statement,
                struct stability_error *error);
    /* Runs several statements without parameters or rows. */
    bool (*script)(struct store_session *session, const char *sql, struct stability_error *error);
};

extern const struct store_ops store_sqlite;
extern const struct store_ops store_postgresql;

struct store {
    const struct store_ops *ops;
    void *backend;
    bool transient; /* it ends with the process */
    atomic_bool healthy;
};

/* Work on one connection, which may be done again from the start where the connection breaks. */
struct store_work {
    bool transaction; /* all of it takes effect, or nothing */
    bool (*run)(struct store *store, struct store_session *session, void *context,
                struct stability_error *error);
    void *context;
};
bool store_work(struct store *store, const struct store_work *work, struct stability_error *error);

/* One statement as such work; what the rows leave behind must bear being done again. */
bool store_statement(struct store *store, const struct store_statement *statement,
                     struct stability_error *error);

/* Applies the migrations that the database has not seen. */
bool store_migrate(struct store *store, struct stability_error *error);

/* Values. */
static inline struct store_value store_text(const char *text)
{
    return (struct store_value){.kind = text == NULL ? STORE_NULL : STORE_TEXT,
                                .bytes = text,
                                .length = text == NULL ? 0 : __builtin_strlen(text)};
}

static inline struct store_value store_bytes(const char *bytes, size_t length)
{
    return (struct store_value){.kind = STORE_BYTES, .bytes = bytes, .length = length};
}

static inline struct store_value store_integer(int64_t integer)
{
    return (struct store_value){.kind = STORE_INTEGER, .integer = integer};
}

static inline struct store_value store_real(double real)
{
    return (struct store_value){.kind = STORE_REAL, .real = real};
}

#endif
