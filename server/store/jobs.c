#include "server/store/columns.h"

#include <string.h>

static const char *const state_names[] = {
    [JOB_QUEUED] = "queued", [JOB_RUNNING] = "running",     [JOB_SUCCEEDED] = "succeeded",
    [JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled",
};

const char *job_state_name(enum job_state state)
{
    return state_names[state];
}

static enum job_state read_state(const struct store_value *column)
{
    enum job_state state = JOB_QUEUED;
    while (state < JOB_CANCELLED && strcmp(state_names[state], column->bytes) != 0) {
        state++;
    }
    return state;
}

/* What adding a job came to. */
struct addition {
    const struct job_request *request;
    int64_t capacity;
    char *id;
    char digest[STORE_DIGEST_SIZE];
    enum job_added result;
};

static void read_present(void *context, const struct store_value *columns)
{
    struct addition *addition = context;
    column_text(&columns[0], addition->id, STORE_ID_SIZE);
    column_text(&columns[1], addition->digest, sizeof(addition->digest));
    bool same = strcmp(addition->digest, addition->request->digest) == 0;
    addition->result =
        !same ? JOB_ADDED_OTHERWISE
              : (strcmp(addition->id, addition->request->id) == 0 ? JOB_ADDED : JOB_ADDED_BEFORE);
}

/* By its key, or by its own id: after a connection broke, the job may be there already. */
static bool find_present(struct store *store, struct store_session *session, struct addition *addition,
                         struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(addition->request->key),
                                             store_text(addition->request->id),
                                             store_text(addition->request->client)};
    const struct store_statement select = {
        .sql = "SELECT id, digest FROM stability_jobs"
               " WHERE (client = $3 AND idempotency_key = $1) OR id = $2",
        .parameters = parameters,
        .count = 3,
        .row = read_present,
        .context = addition,
    };
    return store->ops->run(session, &select, error);
}

static bool add_job(struct store *store, struct store_session *session, void *context,
                    struct stability_error *error)
{
    struct addition *addition = context;
    const struct job_request *request = addition->request;
    const struct store_value parameters[] = {
        store_text(request->id),           store_text(request->target),
        store_text(request->boundary),     store_integer(request->encoding),
        store_text(request->digest),       store_text(request->key),
        store_integer(addition->capacity), store_bytes(request->body, request->length),
        store_text(request->client),
    };
    bool inserted = false;
    const struct store_statement insert = {
        .sql = "INSERT INTO stability_jobs (id, target, boundary, encoding, digest, idempotency_key, body,"
               " client, state, attempt, tries, stage, done, total, created, saved)"
               " SELECT $1, $2, $3, $4, $5, $6, $8, $9, 'queued', 0, 0, '', 0, 0, stability_now(), 0"
               " WHERE (SELECT count(*) FROM stability_jobs WHERE state = 'queued') < $7"
               " ON CONFLICT DO NOTHING RETURNING id",
        .parameters = parameters,
        .count = 9,
        .row = row_note,
        .context = &inserted,
    };
    addition->result = JOB_ADDED_FULL;
    if (!find_present(store, session, addition, error)) {
        return false;
    }
    if (addition->result != JOB_ADDED_FULL) {
        return true;
    }
    if (!store->ops->run(session, &insert, error)) {
        return false;
    }
    if (inserted) {
        addition->result = JOB_ADDED;
        memcpy(addition->id, request->id, STORE_ID_SIZE);
        return true;
    }
    /* Another replica may have taken the key meanwhile. */
    return find_present(store, session, addition, error);
}

enum job_added store_add_job(struct store *store, const struct job_request *request, int64_t capacity,
                             char id[STORE_ID_SIZE], struct stability_error *error)
{
    struct addition addition = {.request = request, .capacity = capacity, .id = id};
    const struct store_work work = {.run = add_job, .context = &addition};
    return store_work(store, &work, error) ? addition.result : JOB_ADDED_NOT;
}

/* Where a job that is looked for goes. */
struct lookup {
    struct job_view *view;
    struct buffer *target; /* NULL: not asked for */
    struct buffer *result; /* likewise */
    bool found;
};

static void read_job(void *context, const struct store_value *columns)
{
    struct lookup *lookup = context;
    struct job_view *view = lookup->view;
    lookup->found = true;
    *view = (struct job_view){
        .state = read_state(&columns[1]),
        .attempt = columns[3].integer,
        .progress = {.done = columns[5].integer, .total = columns[6].integer},
        .created = columns[7].real,
        .started = columns[8].real,
        .finished = columns[9].real,
        .status = (int)columns[10].integer,
        .saved = columns[11].integer != 0,
    };
    column_text(&columns[0], view->id, sizeof(view->id));
    column_text(&columns[2], view->route, sizeof(view->route));
    view->route[strcspn(view->route, "?")] = '\0';
    column_text(&columns[4], view->progress.stage, sizeof(view->progress.stage));
    if (lookup->target != NULL) {
        column_bytes(&columns[2], lookup->target);
        column_bytes(&columns[12], lookup->result);
    }
}

#define VIEW_COLUMNS                                                                      \
    "id, state, target, attempt, stage, done, total, created, started, finished, status," \
    " saved * (SELECT count(*) FROM stability_reports WHERE stability_reports.id = stability_jobs.id)"

#define FROM_JOBS " FROM stability_jobs WHERE id = $1 AND ($2 IS NULL OR client = $2)"

static bool find_job(struct store *store, const char *sql, const char *client, const char *id,
                     struct lookup *lookup, struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(id), store_text(client)};
    const struct store_statement select = {
        .sql = sql,
        .parameters = parameters,
        .count = 2,
        .row = read_job,
        .context = lookup,
    };
    return store_statement(store, &select, error);
}

bool store_find_job(struct store *store, const char *client, const char *id, struct job_view *view,
                    bool *found, struct stability_error *error)
{
    struct lookup lookup = {.view = view};
    bool done = find_job(store, "SELECT " VIEW_COLUMNS FROM_JOBS, client, id, &lookup, error);
    *found = lookup.found;
    return done;
}

bool store_find_result(struct store *store, const char *id, struct job_view *view, struct buffer *target,
                       struct buffer *result, bool *found, struct stability_error *error)
{
    struct lookup lookup = {.view = view, .target = target, .result = result};
    bool done = find_job(store, "SELECT " VIEW_COLUMNS ", result" FROM_JOBS, NULL, id, &lookup, error);
    *found = lookup.found;
    return done && columns_complete(target, error) && columns_complete(result, error);
}

struct claiming {
    struct job_claim *claim;
    bool found;
};

static void read_claim(void *context, const struct store_value *columns)
{
    struct claiming *claiming = context;
    struct job_claim *claim = claiming->claim;
    claiming->found = true;
    column_text(&columns[0], claim->id, sizeof(claim->id));
    claim->attempt = columns[1].integer;
    claim->tries = columns[2].integer;
    claim->encoding = (int)columns[3].integer;
    column_bytes(&columns[4], &claim->target);
    column_bytes(&columns[5], &claim->boundary);
    column_bytes(&columns[6], &claim->body);
    column_text(&columns[7], claim->client, sizeof(claim->client));
}

bool store_claim_job(struct store *store, const char *owner, double lease, struct job_claim *claim,
                     bool *found, struct stability_error *error)
{
    struct buffer sql = {0};
    const struct store_value parameters[] = {store_text(owner), store_real(lease)};
    struct claiming claiming = {.claim = claim};
    *claim = (struct job_claim){0};
    buffer_format(&sql,
                  "UPDATE stability_jobs SET state = 'running', attempt = attempt + 1, tries = tries + 1,"
                  " owner = $1, lease = stability_now() + $2, started = coalesce(started, stability_now()),"
                  " stage = '', done = 0, total = 0 WHERE id = (SELECT id FROM stability_jobs"
                  " WHERE state IN ('queued', 'running') AND (state = 'queued' OR lease < stability_now())"
                  " ORDER BY created, id LIMIT 1 %s)"
                  " RETURNING id, attempt, tries, encoding, target, boundary, body, client",
                  store->ops->skip_locked);
    const struct store_statement update = {
        .sql = sql.data,
        .parameters = parameters,
        .count = 2,
        .row = read_claim,
        .context = &claiming,
    };
    bool done = columns_complete(&sql, error) && store_statement(store, &update, error) &&
                columns_complete(&claim->target, error) && columns_complete(&claim->boundary, error) &&
                columns_complete(&claim->body, error);
    *found = claiming.found;
    buffer_free(&sql);
    return done;
}

void job_claim_free(struct job_claim *claim)
{
    buffer_free(&claim->target);
    buffer_free(&claim->boundary);
    buffer_free(&claim->body);
}

bool store_renew_job(struct store *store, const char *id, int64_t attempt, double lease,
                     const struct job_progress *progress, bool *held, struct stability_error *error)
{
    const struct store_value parameters[] = {
        store_text(id),
        store_integer(attempt),
        store_real(lease),
        store_text(progress->stage),
        store_integer(progress->done),
        store_integer(progress->total),
    };
    const struct store_statement update = {
        .sql = "UPDATE stability_jobs SET lease = stability_now() + $3, stage = $4, done = $5, total = $6"
               " WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING id",
        .parameters = parameters,
        .count = 6,
        .row = row_note,
        .context = held,
    };
    *held = false;
    return store_statement(store, &update, error);
}

bool store_return_job(struct store *store, const char *id, int64_t attempt, struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(id), store_integer(attempt)};
    const struct store_statement update = {
        .sql = "UPDATE stability_jobs SET state = 'queued', tries = tries - 1, owner = NULL, lease = NULL"
               " WHERE id = $1 AND attempt = $2 AND state = 'running'",
        .parameters = parameters,
        .count = 2,
    };
    return store_statement(store, &update, error);
}

struct ending {
    const struct job_end *end;
    bool *held;
};

static bool finish_job(struct store *store, struct store_session *session, void *context,
                       struct stability_error *error)
{
    const struct ending *ending = context;
    const struct job_end *end = ending->end;
    const struct store_value parameters[] = {
        store_text(end->id),
        store_integer(end->attempt),
        store_text(job_state_name(end->status == 200 ? JOB_SUCCEEDED : JOB_FAILED)),
        store_integer(end->status),
        store_bytes(end->result, end->length),
        store_integer(end->record != NULL),
        store_text(end->progress->stage),
        store_integer(end->progress->done),
        store_integer(end->progress->total),
    };
    const struct store_statement update = {
        .sql = "UPDATE stability_jobs SET state = $3, status = $4, result = $5, saved = $6, stage = $7,"
               " done = $8, total = $9, body = NULL, owner = NULL, lease = NULL, finished = stability_now()"
               " WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING id",
        .parameters = parameters,
        .count = sizeof(parameters) / sizeof(parameters[0]),
        .row = row_note,
        .context = ending->held,
    };
    *ending->held = false;
    return store->ops->run(session, &update, error) &&
           (!*ending->held || end->record == NULL || store_insert_report(store, session, end->record, error));
}

bool store_finish_job(struct store *store, const struct job_end *end, bool *held,
                      struct stability_error *error)
{
    struct ending ending = {end, held};
    const struct store_work work = {.transaction = true, .run = finish_job, .context = &ending};
    return store_work(store, &work, error);
}

bool store_cancel_job(struct store *store, const char *id, struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(id)};
    const struct store_statement update = {
        .sql = "UPDATE stability_jobs SET state = 'cancelled', body = NULL, owner = NULL, lease = NULL,"
               " finished = stability_now() WHERE id = $1 AND state IN ('queued', 'running')",
        .parameters = parameters,
        .count = 1,
    };
    return store_statement(store, &update, error);
}

static void read_count(void *context, const struct store_value *columns)
{
    *(int64_t *)context = columns[0].integer;
}

bool store_count_queued(struct store *store, int64_t *count, struct stability_error *error)
{
    const struct store_statement select = {
        .sql = "SELECT count(*) FROM stability_jobs WHERE state = 'queued'",
        .row = read_count,
        .context = count,
    };
    return store_statement(store, &select, error);
}

bool store_sweep(struct store *store, double seconds, struct stability_error *error)
{
    const struct store_value parameters[] = {store_real(seconds)};
    const struct store_statement delete = {
        .sql = "DELETE FROM stability_jobs WHERE finished < stability_now() - $1",
        .parameters = parameters,
        .count = 1,
    };
    return store_statement(store, &delete, error);
}
