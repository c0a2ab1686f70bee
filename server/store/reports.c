#include "server/store/columns.h"

/* What has been used last, or saved, counts as the newest. */
#define AGE "coalesce(used, created)"

/* More than one is too many only after the limit was lowered: then the next ones take the rest away. */
static bool make_room(struct store *store, struct store_session *session, const struct report_record *record,
                      struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(record->client), store_integer(record->limit)};
    const struct store_statement delete = {
        .sql = "DELETE FROM stability_reports WHERE id IN (SELECT id FROM stability_reports"
               " WHERE client = $1 ORDER BY " AGE " DESC, id DESC LIMIT 1000 OFFSET $2)",
        .parameters = parameters,
        .count = 2,
    };
    return store->ops->run(session, &delete, error);
}

bool store_insert_report(struct store *store, struct store_session *session,
                         const struct report_record *record, struct stability_error *error)
{
    const struct store_value parameters[] = {
        store_text(record->id),     store_text(record->name),    store_text(record->kind),
        store_text(record->model),  store_text(record->verdict), store_bytes(record->report, record->length),
        store_text(record->client),
    };
    /* The same id comes twice only where a connection broke before it told that the first time was well. */
    const struct store_statement insert = {
        .sql = "INSERT INTO stability_reports (id, name, kind, model, verdict, created, report, client)"
               " VALUES ($1, $2, $3, $4, $5, stability_now(), $6, $7) ON CONFLICT DO NOTHING",
        .parameters = parameters,
        .count = 7,
    };
    return store->ops->run(session, &insert, error) && make_room(store, session, record, error);
}

static bool add_report(struct store *store, struct store_session *session, void *context,
                       struct stability_error *error)
{
    return store_insert_report(store, session, context, error);
}

bool store_add_report(struct store *store, const struct report_record *record, struct stability_error *error)
{
    struct report_record copy = *record;
    const struct store_work work = {.transaction = true, .run = add_report, .context = &copy};
    return store_work(store, &work, error);
}

struct report_found {
    struct buffer *report;
    bool found;
};

static void read_report(void *context, const struct store_value *columns)
{
    struct report_found *target = context;
    target->found = true;
    column_bytes(&columns[0], target->report);
}

bool store_find_report(struct store *store, const char *client, const char *id, struct buffer *report,
                       bool *found, struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(id), store_text(client)};
    struct report_found target = {.report = report};
    const struct store_statement select = {
        .sql = "SELECT report FROM stability_reports WHERE id = $1 AND client = $2",
        .parameters = parameters,
        .count = 2,
        .row = read_report,
        .context = &target,
    };
    bool done = store_statement(store, &select, error) && columns_complete(report, error);
    *found = target.found;
    return done;
}

bool store_use_report(struct store *store, const char *id, struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(id)};
    /* One that is the newest anyway need not be told so more than once a second. */
    const struct store_statement update = {
        .sql = "UPDATE stability_reports SET used = stability_now() WHERE id = $1"
               " AND (" AGE " < stability_now() - 1 OR " AGE
               " < (SELECT max(coalesce(other.used, other.created))"
               " FROM stability_reports AS other WHERE other.client = stability_reports.client))",
        .parameters = parameters,
        .count = 1,
    };
    return store_statement(store, &update, error);
}

bool store_delete_report(struct store *store, const char *client, const char *id, bool *found,
                         struct stability_error *error)
{
    const struct store_value parameters[] = {store_text(id), store_text(client)};
    const struct store_statement select = {
        .sql = "SELECT id FROM stability_reports WHERE id = $1 AND client = $2",
        .parameters = parameters,
        .count = 2,
        .row = row_note,
        .context = found,
    };
    const struct store_statement delete = {
        .sql = "DELETE FROM stability_reports WHERE id = $1 AND client = $2",
        .parameters = parameters,
        .count = 2,
    };
    *found = false;
    /* Not one statement: where its connection broke, a second attempt could not tell whether there was one.
     */
    return store_statement(store, &select, error) && (!*found || store_statement(store, &delete, error));
}

bool store_sweep_reports(struct store *store, double seconds, struct stability_error *error)
{
    const struct store_value parameters[] = {store_real(seconds)};
    const struct store_statement delete = {
        .sql = "DELETE FROM stability_reports WHERE " AGE " < stability_now() - $1",
        .parameters = parameters,
        .count = 1,
    };
    return store_statement(store, &delete, error);
}

struct visit {
    void (*visit)(void *context, const struct report_view *report);
    void *context;
};

static void visit_row(void *context, const struct store_value *columns)
{
    const struct visit *visit = context;
    const struct report_view view = {
        .id = columns[0].bytes,
        .name = columns[1].bytes,
        .kind = columns[2].bytes,
        .model = columns[3].kind == STORE_NULL ? NULL : columns[3].bytes,
        .verdict = columns[4].bytes,
        .created = columns[5].real,
    };
    visit->visit(visit->context, &view);
}

bool store_list_reports(struct store *store, const struct report_query *query,
                        void (*visit)(void *context, const struct report_view *report), void *context,
                        struct stability_error *error)
{
    const struct store_value parameters[] = {
        store_text(query->model),    store_text(query->name),   store_text(query->after),
        store_integer(query->limit), store_text(query->client),
    };
    struct visit each = {visit, context};
    const struct store_statement select = {
        .sql = "SELECT id, name, kind, model, verdict, created FROM stability_reports"
               " WHERE client = $5 AND ($1 IS NULL OR model = $1) AND ($2 IS NULL OR name = $2)"
               " AND ($3 IS NULL OR (created, id) < (SELECT created, id FROM stability_reports"
               " WHERE id = $3 AND client = $5))"
               " ORDER BY created DESC, id DESC LIMIT $4",
        .parameters = parameters,
        .count = 5,
        .row = visit_row,
        .context = &each,
    };
    return store_statement(store, &select, error);
}
