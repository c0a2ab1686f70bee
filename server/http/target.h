/* The target of a request: "/v1/diagnose?format=text", taken apart and decoded. */
#ifndef SERVER_HTTP_TARGET_H
#define SERVER_HTTP_TARGET_H

#include <stability/error.h>

struct http_parameter {
    const char *name;
    const char *value; /* "" where there is no '=' */
};

/* One allocation, freed by free(). */
struct http_target {
    const char *raw;  /* as it came */
    const char *path; /* decoded */
    size_t parameter_count;
    struct http_parameter *parameters; /* in the order of the query, decoded */
    char text[];                       /* what the names above point into */
};

/* Parses a target in origin form, or in absolute form, whose scheme and authority are dropped. NULL with an
 * error on a broken percent-encoding, an encoded NUL, or bytes that no URI has. */
struct http_target *http_target_new(const char *raw, struct stability_error *error);

#endif
