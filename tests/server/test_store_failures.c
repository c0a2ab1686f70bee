/* The store on SQLite: every step of the database failing in turn. */
#include "server/log.h"

#include "store_case.h"
#include "support_allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

/* A file system whose writes fail: after `remaining` of them, each with `failure`. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    long remaining; /* -1: none fails */
    int failure;
    bool reached;
} failing;

/* SQLite's kinds of files as the real file system makes them, and the same with some methods replaced. */
static struct {
    const sqlite3_io_methods *real;
    sqlite3_io_methods failing;
} kinds[4];

static const sqlite3_io_methods *real_of(const sqlite3_file *file)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (file->pMethods == &kinds[i].failing) {
            return kinds[i].real;
        }
    }
    abort();
}

static bool fails(void)
{
    if (failing.remaining > 0) {
        failing.remaining--;
        return false;
    }
    failing.reached = failing.reached || failing.remaining == 0;
    return failing.remaining == 0;
}

static int fail_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    return fails() ? failing.failure : real_of(file)->xWrite(file, bytes, count, offset);
}

static int fail_sync(sqlite3_file *file, int flags)
{
    (void)file; /* no machine ends during this test: nothing is gained by waiting for the disk */
    (void)flags;
    return fails() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int fail_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails() ? SQLITE_IOERR_TRUNCATE : real_of(file)->xTruncate(file, size);
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *actual)
{
    (void)vfs;
    int result = failing.real->xOpen(failing.real, name, file, flags, actual);
    for (size_t i = 0; result == SQLITE_OK && file->pMethods != NULL; i++) {
        assert_true(i < sizeof(kinds) / sizeof(kinds[0]));
        if (kinds[i].real == NULL) {
            kinds[i].real = file->pMethods;
            kinds[i].failing = *file->pMethods;
            kinds[i].failing.xWrite = fail_write;
            kinds[i].failing.xSync = fail_sync;
            kinds[i].failing.xTruncate = fail_truncate;
        }
        if (kinds[i].real == file->pMethods) {
            file->pMethods = &kinds[i].failing;
            break;
        }
    }
    return result;
}

static int install_failing_files(void **unused)
{
    (void)unused;
    failing.real = sqlite3_vfs_find(NULL);
    failing.vfs = *failing.real;
    failing.vfs.zName = "failing";
    failing.vfs.xOpen = open_file;
    failing.remaining = -1;
    return sqlite3_vfs_register(&failing.vfs, 1);
}

static int remove_failing_files(void **unused)
{
    (void)unused;
    return sqlite3_vfs_unregister(&failing.vfs);
}

/* A store in a file of its own. */
struct place {
    char directory[64];
    char path[96];
    char url[112];
};

static void make_place(struct place *place)
{
    snprintf(place->directory, sizeof(place->directory), "/tmp/store-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    snprintf(place->path, sizeof(place->path), "%s/store.db", place->directory);
    snprintf(place->url, sizeof(place->url), "sqlite:%s", place->path);
}

static void remove_place(const struct place *place)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[112];
        snprintf(path, sizeof(path), "%s%s", place->path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(place->directory), 0);
}

static void count_report(void *context, const struct report_view *report)
{
    assert_string_equal(report->name, "name");
    (*(int *)context)++;
}

/* Everything that a store is used for, once; false with an error where something failed. */
static bool use(struct store *store, struct stability_error *error)
{
    static const struct report_record record = {
        .client = "",
        .name = "name",
        .kind = "diagnose",
        .model = "m",
        .verdict = "stable",
        .report = "r",
        .length = 1,
        .limit = 10,
    };
    struct report_record saved = record;
    struct job_claim job = {0};
    struct job_view view;
    struct buffer target = {0};
    struct buffer result = {0};
    char id[STORE_ID_SIZE];
    bool found = false;
    bool held = false;
    int count = 0;
    bool done =
        store_case_add(store, NULL, "x", 10, id, error) == JOB_ADDED &&
        store_find_job(store, "", id, &view, &found, error) &&
        store_claim_job(store, "owner", 60, &job, &found, error) && found &&
        store_renew_job(store, job.id, job.attempt, 60, &(struct job_progress){"s", 1, 2}, &held, error);
    if (done) {
        const struct job_progress none = {.total = 0};
        const struct job_end end = {
            .id = job.id,
            .attempt = job.attempt,
            .status = 200,
            .result = "result",
            .length = 6,
            .progress = &none,
        };
        saved.id = job.id;
        done = store_finish_job(store, &end, &held, error) &&
               store_find_result(store, job.id, &view, &target, &result, &found, error) &&
               store_add_report(store, &saved, error) &&
               store_find_report(store, "", job.id, &result, &found, error) &&
               store_list_reports(store, &(struct report_query){.client = "", .limit = 9}, count_report,
                                  &count, error) &&
               store_use_report(store, job.id, error) && store_cancel_job(store, job.id, error) &&
               store_sweep(store, -1, error) && store_delete_report(store, "", job.id, &found, error) &&
               store_sweep_reports(store, -1, error);
    }
    job_claim_free(&job);
    buffer_free(&target);
    buffer_free(&result);
    return done;
}

/* After a failure the store is as useful as before: what was begun is undone, nothing is left locked. */
static void assert_useful(struct store *store)
{
    struct stability_error error = {0};
    int64_t queued;
    assert_true(store_count_queued(store, &queued, &error));
    assert_true(store_is_healthy(store));
    if (!use(store, &error)) {
        fail_msg("%s", error.message);
    }
}

static void assert_honest(const struct stability_error *error)
{
    assert_true(error->code == STABILITY_ERROR_STORE_FULL ||
                error->code == STABILITY_ERROR_STORE_UNAVAILABLE ||
                error->code == STABILITY_ERROR_OUT_OF_MEMORY || error->code == STABILITY_ERROR_INTERNAL);
    assert_true(error->message[0] != '\0');
}

/* Lets each write of a use fail in turn, the first of them in opening the store. */
static void fail_each_write(int failure)
{
    bool reached = true;
    for (long i = 0; reached; i++) {
        struct place place;
        struct stability_error error = {0};
        make_place(&place);
        failing.remaining = i;
        failing.failure = failure;
        failing.reached = false;
        struct store *store = store_open(place.url, 0, &error);
        bool done = store != NULL && use(store, &error);
        reached = failing.reached;
        failing.remaining = -1;
        assert_true(reached || done);
        if (!done) {
            assert_honest(&error);
        }
        store_close(store);
        store = store_case_open(place.url);
        assert_useful(store);
        store_close(store);
        remove_place(&place);
        assert_true(i < 1000);
    }
}

static void a_full_disk(void **unused)
{
    (void)unused;
    fail_each_write(SQLITE_FULL);
}

static void a_broken_disk(void **unused)
{
    (void)unused;
    fail_each_write(SQLITE_IOERR_WRITE);
}

/* The store's own allocations. */
static void no_memory(void **unused)
{
    (void)unused;
    bool reached = true;
    for (long i = 0; reached; i++) {
        struct stability_error error = {0};
        support_fail_allocation_after(i);
        struct store *store = store_open("sqlite::memory:", 8 << 20, &error);
        bool done = store != NULL && use(store, &error);
        reached = support_allocation_has_failed();
        assert_true(reached || done);
        if (!done) {
            assert_int_equal(error.code, STABILITY_ERROR_OUT_OF_MEMORY);
        }
        if (store != NULL) {
            assert_useful(store);
        }
        store_close(store);
    }
}

/* SQLite's allocations, made by the functions that it was told to use. */
static long memory_remaining = -1;
static bool memory_reached;
static sqlite3_mem_methods real_memory;

static bool memory_fails(void)
{
    if (memory_remaining > 0) {
        memory_remaining--;
        return false;
    }
    memory_reached = memory_reached || memory_remaining == 0;
    return memory_remaining == 0;
}

static void *failing_malloc(int size)
{
    return memory_fails() ? NULL : real_memory.xMalloc(size);
}

static void *failing_realloc(void *memory, int size)
{
    return memory_fails() ? NULL : real_memory.xRealloc(memory, size);
}

static void no_memory_for_sqlite(void **unused)
{
    (void)unused;
    bool reached = true;
    for (long i = 0; reached; i += 1 + i / 40) {
        struct stability_error error = {0};
        struct store *store = store_case_open("sqlite::memory:");
        memory_reached = false;
        memory_remaining = i;
        bool done = use(store, &error);
        reached = memory_reached;
        memory_remaining = -1;
        assert_true(reached || done);
        if (!done) {
            assert_honest(&error);
        }
        assert_useful(store);
        store_close(store);
    }
}

/* Somebody else has the file: the store waits for a while, says so, and goes on when it is free. */
static void a_busy_file(void **unused)
{
    (void)unused;
    struct place place;
    struct stability_error error = {0};
    sqlite3 *other = NULL;
    make_place(&place);
    struct store *store = store_case_open(place.url);
    assert_int_equal(sqlite3_open(place.path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(use(store, &error));
    assert_int_equal(error.code, STABILITY_ERROR_STORE_UNAVAILABLE);
    assert_false(store_is_healthy(store));
    sqlite3_close(other);
    assert_useful(store);
    store_close(store);
    remove_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk, install_failing_files, remove_failing_files),
        cmocka_unit_test_setup_teardown(a_broken_disk, install_failing_files, remove_failing_files),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(no_memory_for_sqlite),
        cmocka_unit_test(a_busy_file),
    };
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    sqlite3_mem_methods memory = real_memory;
    memory.xMalloc = failing_malloc;
    memory.xRealloc = failing_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    log_set_level(LOG_error);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
