#include "store_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct store *store_case_open(const char *url)
{
    struct stability_error error = {0};
    struct store *store = store_open(url, 8 << 20, &error);
    assert_string_equal(error.message, "");
    assert_non_null(store);
    return store;
}

enum job_added store_case_add(struct store *store, const char *key, const char *digest, int64_t capacity,
                              char id[STORE_ID_SIZE], struct stability_error *error)
{
    char fresh[STORE_ID_SIZE];
    store_make_id(fresh);
    assert_true(store_is_id(fresh));
    const struct job_request request = {
        .id = fresh,
        .client = "",
        .target = "/v1/diagnose?fail_on=error",
        .boundary = "limit",
        .encoding = 2,
        .body = "a\0b",
        .length = 3,
        .key = key,
        .digest = digest,
    };
    return store_add_job(store, &request, capacity, id, error);
}
