/* What tests of the store share. */
#ifndef TESTS_SERVER_STORE_CASE_H
#define TESTS_SERVER_STORE_CASE_H

#include "server/store/store.h"

/* Opens a store that must open, with 8 MiB where it is in memory. */
struct store *store_case_open(const char *url);

/* Adds a job of three bytes, "a", NUL and "b", in encoding 2, to /v1/diagnose?fail_on=error. */
enum job_added store_case_add(struct store *store, const char *key, const char *digest, int64_t capacity,
                              char id[STORE_ID_SIZE], struct stability_error *error);

#endif
