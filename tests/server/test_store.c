/* The store on SQLite: what jobs and reports do. */
#include "server/log.h"

#include "store_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct job_view view_of(struct store *store, const char *id)
{
    struct job_view view = {0};
    struct stability_error error = {0};
    bool found;
    assert_true(store_find_job(store, NULL, id, &view, &found, &error));
    assert_true(found);
    return view;
}

static bool claim(struct store *store, double lease, struct job_claim *claim)
{
    struct stability_error error = {0};
    bool found;
    assert_true(store_claim_job(store, "owner", lease, claim, &found, &error));
    return found;
}

static bool finish(struct store *store, const struct job_claim *claim, int status, bool save)
{
    static const struct job_progress progress = {"backward", 7, 7};
    struct stability_error error = {0};
    const struct report_record record = {
        .id = claim->id,
        .client = claim->client,
        .name = "name",
        .kind = "diagnose",
        .verdict = "stable",
        .report = "result",
        .length = 6,
        .limit = 10,
    };
    const struct job_end end = {
        .id = claim->id,
        .attempt = claim->attempt,
        .status = status,
        .result = "result",
        .length = 6,
        .progress = &progress,
        .record = save ? &record : NULL,
    };
    bool held;
    assert_true(store_finish_job(store, &end, &held, &error));
    return held;
}

static void count_report(void *context, const struct report_view *report)
{
    assert_string_equal(report->name, "name");
    (*(int *)context)++;
}

static int count_reports(struct store *store)
{
    int count = 0;
    struct stability_error error = {0};
    assert_true(store_list_reports(store, &(struct report_query){.client = "", .limit = 100}, count_report,
                                   &count, &error));
    return count;
}

static void a_job_lives(void **unused)
{
    (void)unused;
    struct store *store = store_case_open("sqlite::memory:");
    struct stability_error error = {0};
    struct job_claim job;
    char id[STORE_ID_SIZE];
    bool found;
    assert_false(claim(store, 60, &job));
    job_claim_free(&job);
    assert_int_equal(store_case_add(store, NULL, "x", 10, id, &error), JOB_ADDED);
    struct job_view view = view_of(store, id);
    assert_int_equal(view.state, JOB_QUEUED);
    assert_string_equal(view.route, "/v1/diagnose");
    assert_true(view.created > 1.7e9 && view.started == 0 && view.finished == 0);

    assert_true(claim(store, 60, &job));
    assert_string_equal(job.id, id);
    assert_int_equal(job.attempt, 1);
    assert_int_equal(job.encoding, 2);
    assert_string_equal(job.target.data, "/v1/diagnose?fail_on=error");
    assert_string_equal(job.boundary.data, "limit");
    assert_int_equal(job.body.length, 3);
    assert_memory_equal(job.body.data, "a\0b", 3);

    const struct job_progress progress = {"forward", 3, 9};
    assert_true(store_renew_job(store, id, 1, 60, &progress, &found, &error) && found);
    view = view_of(store, id);
    assert_int_equal(view.state, JOB_RUNNING);
    assert_string_equal(view.progress.stage, "forward");
    assert_int_equal(view.progress.total, 9);

    assert_true(finish(store, &job, 200, true));
    view = view_of(store, id);
    assert_int_equal(view.state, JOB_SUCCEEDED);
    assert_true(view.saved && view.finished >= view.started);
    struct buffer target = {0};
    struct buffer result = {0};
    assert_true(store_find_result(store, id, &view, &target, &result, &found, &error) && found);
    assert_string_equal(result.data, "result");
    assert_int_equal(count_reports(store), 1);
    buffer_truncate(&result, 0);
    assert_true(store_find_report(store, "", id, &result, &found, &error) && found);
    assert_string_equal(result.data, "result");

    assert_true(store_sweep(store, 3600, &error));
    view_of(store, id);
    assert_true(store_sweep(store, -1, &error));
    assert_true(store_find_job(store, NULL, id, &view, &found, &error));
    assert_false(found);
    assert_int_equal(count_reports(store), 1);
    buffer_free(&target);
    buffer_free(&result);
    job_claim_free(&job);
    store_close(store);
}

/* Whoever had a job before has no say in it: neither in its state, nor in its result. */
static void a_token_fences_off(void **unused)
{
    (void)unused;
    struct store *store = store_case_open("sqlite::memory:");
    struct stability_error error = {0};
    struct job_claim first;
    struct job_claim second;
    char id[STORE_ID_SIZE];
    bool held;
    assert_int_equal(store_case_add(store, NULL, "x", 10, id, &error), JOB_ADDED);
    assert_true(claim(store, -1, &first)); /* a lease that has run out already */
    assert_true(claim(store, 60, &second));
    assert_string_equal(second.id, id);
    assert_int_equal(second.attempt, 2);
    assert_int_equal(second.tries, 2);

    assert_false(finish(store, &first, 200, true));
    assert_int_equal(count_reports(store), 0);
    assert_true(store_return_job(store, id, first.attempt, &error));
    assert_int_equal(view_of(store, id).state, JOB_RUNNING);
    assert_true(store_renew_job(store, id, first.attempt, 60, &(struct job_progress){0}, &held, &error));
    assert_false(held);

    assert_true(store_return_job(store, id, second.attempt, &error));
    assert_int_equal(view_of(store, id).state, JOB_QUEUED);
    job_claim_free(&first);
    assert_true(claim(store, 60, &first));
    assert_int_equal(first.attempt, 3); /* never the same token twice */
    assert_int_equal(first.tries, 2);   /* what was handed back does not count */
    assert_true(finish(store, &first, 422, false));
    assert_false(finish(store, &first, 200, false));
    assert_int_equal(view_of(store, id).state, JOB_FAILED);
    assert_int_equal(view_of(store, id).status, 422);
    assert_true(store_cancel_job(store, id, &error));
    assert_int_equal(view_of(store, id).state, JOB_FAILED);
    job_claim_free(&first);
    job_claim_free(&second);
    store_close(store);
}

static void cancelling_takes_a_job_away(void **unused)
{
    (void)unused;
    struct store *store = store_case_open("sqlite::memory:");
    struct stability_error error = {0};
    struct job_claim job;
    struct job_claim none;
    char id[STORE_ID_SIZE];
    bool held;
    assert_int_equal(store_case_add(store, NULL, "x", 10, id, &error), JOB_ADDED);
    assert_true(claim(store, 60, &job));
    assert_true(store_cancel_job(store, id, &error));
    assert_true(store_renew_job(store, id, job.attempt, 60, &(struct job_progress){0}, &held, &error));
    assert_false(held);
    assert_false(finish(store, &job, 200, true));
    assert_int_equal(view_of(store, id).state, JOB_CANCELLED);
    assert_int_equal(count_reports(store), 0);
    assert_false(claim(store, 60, &none));
    job_claim_free(&none);
    job_claim_free(&job);
    store_close(store);
}

static void jobs_come_in_turn(void **unused)
{
    (void)unused;
    struct store *store = store_case_open("sqlite::memory:");
    struct stability_error error = {0};
    char ids[3][STORE_ID_SIZE];
    char id[STORE_ID_SIZE];
    int64_t queued = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_case_add(store, NULL, "x", 3, ids[i], &error), JOB_ADDED);
    }
    assert_int_equal(store_case_add(store, NULL, "x", 3, id, &error), JOB_ADDED_FULL);
    assert_true(store_count_queued(store, &queued, &error));
    assert_int_equal(queued, 3);
    for (int i = 0; i < 3; i++) {
        struct job_claim job;
        assert_true(claim(store, 60, &job));
        assert_string_equal(job.id, ids[i]);
        job_claim_free(&job);
    }
    assert_int_equal(store_case_add(store, NULL, "x", 3, id, &error), JOB_ADDED);
    store_close(store);
}

static void a_key_names_one_job(void **unused)
{
    (void)unused;
    struct store *store = store_case_open("sqlite::memory:");
    struct stability_error error = {0};
    char first[STORE_ID_SIZE];
    char id[STORE_ID_SIZE];
    assert_int_equal(store_case_add(store, "key", "x", 1, first, &error), JOB_ADDED);
    assert_int_equal(store_case_add(store, "key", "x", 1, id, &error),
                     JOB_ADDED_BEFORE); /* though the queue is full */
    assert_string_equal(id, first);
    assert_int_equal(store_case_add(store, "key", "y", 1, id, &error), JOB_ADDED_OTHERWISE);
    assert_int_equal(store_case_add(store, "other", "x", 1, id, &error), JOB_ADDED_FULL);
    store_close(store);
}

static void a_store_in_memory_has_a_limit(void **unused)
{
    (void)unused;
    struct stability_error error = {0};
    struct store *store = store_open("sqlite::memory:", 1 << 20, &error);
    char *large = test_calloc(2, 1 << 20);
    const struct report_record record = {.id = "x",
                                         .client = "",
                                         .name = "name",
                                         .kind = "diagnose",
                                         .verdict = "stable",
                                         .report = large,
                                         .length = 2 << 20};
    assert_non_null(store);
    assert_false(store_add_report(store, &record, &error));
    assert_int_equal(error.code, STABILITY_ERROR_STORE_FULL);
    test_free(large);
    store_close(store);
}

static void refuses_what_is_no_store(void **unused)
{
    static const char *const urls[] = {
        "", "sqlite", "sqlite:", "mysql://x", "/tmp/x", "sqlite:/nowhere/x.db", "sqlite:/tmp"};
    (void)unused;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct stability_error error = {0};
        assert_null(store_open(urls[i], 0, &error));
        assert_true(error.code != STABILITY_OK && error.message[0] != '\0');
    }
    assert_false(store_is_id(""));
    assert_false(store_is_id("0123456789abcdef0123456789abcdeF"));
    assert_false(store_is_id("0123456789abcdef0123456789abcdef0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_lives),
        cmocka_unit_test(a_token_fences_off),
        cmocka_unit_test(cancelling_takes_a_job_away),
        cmocka_unit_test(jobs_come_in_turn),
        cmocka_unit_test(a_key_names_one_job),
        cmocka_unit_test(a_store_in_memory_has_a_limit),
        cmocka_unit_test(refuses_what_is_no_store),
    };
    log_set_level(LOG_error);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
