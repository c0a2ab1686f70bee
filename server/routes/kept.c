#include "server/routes/kept.h"

#include "server/output/bundle.h"

void kept_fail(const struct http_request *request, const struct stability_error *error,
               struct http_response *response)
{
    http_response_fail(response, error, NULL, request->id);
}

/* The findings of a packed report. */
static bool read_findings(const struct buffer *bundle, struct report_findings *findings,
                          struct stability_error *error)
{
    struct buffer json = {0};
    struct stability_error failure = {0};
    bool found;
    bool done = bundle_find(bundle, format_at(0)->name, &json, &found, error);
    if (done && !report_findings_read(findings, json.data, json.length, &failure)) {
        done = stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the report that was kept is broken: %s",
                              failure.message);
    }
    buffer_free(&json);
    return done;
}

/* A baseline stays as long as it is used. Where that cannot be noted, the store has said so in the log, and
 * the report was read all the same. */
static void note_use(const struct http_request *request)
{
    struct stability_error ignored = {0};
    store_use_report(request->service->store, request->baseline, &ignored);
}

bool kept_baseline(const struct http_request *request, struct report_findings *findings,
                   struct report_choice *choice, struct stability_error *error)
{
    struct buffer bundle = {0};
    bool found = true;
    if (request->baseline == NULL) {
        return true;
    }
    bool done = store_find_report(request->service->store, request->client, request->baseline, &bundle,
                                  &found, error);
    if (done && !found) {
        done = stability_fail(error, STABILITY_ERROR_UNKNOWN_BASELINE, NULL, "there is no saved report '%s'",
                              request->baseline);
    }
    done = done && read_findings(&bundle, findings, error);
    if (done && findings->gradcheck) {
        done = stability_fail(error, STABILITY_ERROR_UNKNOWN_BASELINE, NULL,
                              "the saved report '%s' is of a gradient check, which has no findings",
                              request->baseline);
    }
    if (done) {
        choice->baseline = findings;
        note_use(request);
    }
    buffer_free(&bundle);
    return done;
}

static bool fail_format(const struct format *format, const struct buffer *bundle,
                        struct stability_error *error)
{
    struct buffer names = {0};
    bundle_list(bundle, &names);
    stability_fail(error, STABILITY_ERROR_NOT_ACCEPTABLE, NULL,
                   "this report is not kept in format '%s' (there are %s)", format->name,
                   names.length == 0 ? "none" : names.data);
    buffer_free(&names);
    return false;
}

static bool write_report(const struct report_choice *choice, const struct buffer *bundle,
                         struct http_response *response, struct stability_error *error)
{
    struct report_findings findings = {0};
    bool found;
    bool done = bundle_find(bundle, choice->format->name, &response->body, &found, error) &&
                (found || fail_format(choice->format, bundle, error)) &&
                (!choice->gated || read_findings(bundle, &findings, error));
    response->status = report_findings_fail(choice, &findings) ? 412 : 200;
    response->media_type = choice->format->media_type;
    report_findings_free(&findings);
    return done;
}

void kept_answer(const struct http_request *request, const struct report_choice *choice,
                 const struct buffer *bundle, struct http_response *response)
{
    struct stability_error error = {0};
    if (!write_report(choice, bundle, response, &error)) {
        kept_fail(request, &error, response);
    }
}
