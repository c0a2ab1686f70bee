#include "server/jobs/view.h"
#include "server/routes/kept.h"
#include "server/routes/routes.h"

#include <stdio.h>

#define DEFAULT_LISTED 100

/* A page of the list as it is written. */
struct page {
    struct json_writer json;
    int64_t count;
    int64_t limit;
    char last[STORE_ID_SIZE];
    bool more;
};

/* One more than the page has is asked for: it tells whether there is a next page. */
static void write_entry(void *context, const struct report_view *report)
{
    struct page *page = context;
    struct json_writer *json = &page->json;
    char text[TIME_TEXT_SIZE];
    page->more = page->count++ == page->limit;
    if (page->more) {
        return;
    }
    snprintf(page->last, sizeof(page->last), "%s", report->id);
    json_begin_object(json);
    json_member_text(json, "id", report->id);
    json_member_text(json, "name", report->name);
    json_member_text(json, "kind", report->kind);
    json_member_text(json, "model", report->model);
    json_member_text(json, "verdict", report->verdict);
    json_member_text(json, "created", time_text(report->created, text));
    json_end_object(json);
}

static bool write_list(const struct http_request *request, struct buffer *body, struct stability_error *error)
{
    struct report_query query = request->listing;
    query.client = request->client;
    struct page page = {
        .json = {.buffer = body},
        .limit = query.limit > 0 ? query.limit : DEFAULT_LISTED,
    };
    query.limit = page.limit + 1;
    json_begin_object(&page.json);
    json_key(&page.json, "reports");
    json_begin_array(&page.json);
    bool done = store_list_reports(request->service->store, &query, write_entry, &page, error);
    json_end_array(&page.json);
    json_member_text(&page.json, "next", page.more ? page.last : NULL);
    json_end_object(&page.json);
    buffer_append_text(body, "\n");
    return done;
}

void route_reports(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    response->status = 200;
    response->media_type = "application/json";
    if (!write_list(request, &response->body, &error)) {
        kept_fail(request, &error, response);
    }
}

static bool fail_missing(const struct http_request *request, struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_NOT_FOUND, NULL, "there is no saved report '%s'",
                          request->resource);
}

static bool find_report(const struct http_request *request, struct buffer *bundle,
                        struct stability_error *error)
{
    bool found = false;
    if (store_is_id(request->resource) && !store_find_report(request->service->store, request->client,
                                                             request->resource, bundle, &found, error)) {
        return false;
    }
    return found || fail_missing(request, error);
}

void route_report(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    struct buffer bundle = {0};
    struct report_findings baseline = {0};
    struct report_choice choice = request->choice;
    if (find_report(request, &bundle, &error) && kept_baseline(request, &baseline, &choice, &error)) {
        kept_answer(request, &choice, &bundle, response);
    } else {
        kept_fail(request, &error, response);
    }
    report_findings_free(&baseline);
    buffer_free(&bundle);
}

void route_report_delete(const struct http_request *request, struct http_response *response)
{
    struct stability_error error = {0};
    struct store *store = request->service->store;
    bool found = false;
    bool done = !store_is_id(request->resource) ||
                store_delete_report(store, request->client, request->resource, &found, &error);
    if (done && (found || fail_missing(request, &error))) {
        response->status = 204;
    } else {
        kept_fail(request, &error, response);
    }
}
