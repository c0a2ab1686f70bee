#include "server/access/access.h"

#include "server/access/rates.h"
#include "server/clock.h"

#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct access {
    const char *path; /* of the tokens; NULL: everybody is let in */
    double limit;
    struct rates *rates;
    pthread_rwlock_t lock; /* of `tokens` */
    struct tokens *tokens;
};

struct access *access_new(const char *tokens, double limit, struct stability_error *error)
{
    struct access *access = calloc(1, sizeof(*access));
    struct rates *rates = rates_new();
    if (access == NULL || rates == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL, "there is no memory to count requests");
        free(access);
        rates_free(rates);
        return NULL;
    }
    access->path = tokens;
    access->limit = limit;
    access->rates = rates;
    pthread_rwlock_init(&access->lock, NULL);
    if (!access_reload(access, error)) {
        access_free(access);
        return NULL;
    }
    return access;
}

void access_free(struct access *access)
{
    if (access == NULL) {
        return;
    }
    pthread_rwlock_destroy(&access->lock);
    rates_free(access->rates);
    free(access->tokens);
    free(access);
}

bool access_reload(struct access *access, struct stability_error *error)
{
    if (access->path == NULL) {
        return true;
    }
    struct tokens *tokens = tokens_read(access->path, error);
    if (tokens == NULL) {
        return false;
    }
    pthread_rwlock_wrlock(&access->lock);
    struct tokens *former = access->tokens;
    access->tokens = tokens;
    pthread_rwlock_unlock(&access->lock);
    free(former);
    return true;
}

static bool take(struct access *access, struct access_claim *claim, const unsigned char *key, double limit,
                 const char *whose, struct stability_error *error)
{
    double wait = limit > 0 ? rates_take(access->rates, key, limit, clock_seconds()) : 0;
    if (wait == 0) {
        return true;
    }
    claim->retry_after = (int)fmax(1, ceil(wait));
    return stability_fail(error, STABILITY_ERROR_TOO_MANY_REQUESTS, NULL,
                          "%s may ask %.0f times a minute; the next time is in %d s", whose, limit,
                          claim->retry_after);
}

static bool take_address(struct access *access, struct access_claim *claim, struct stability_error *error)
{
    unsigned char key[RATES_KEY_SIZE] = {0};
    if (claim->address == NULL) {
        return true;
    }
    if (claim->address->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)claim->address)->sin6_addr;
        memcpy(key, six, IN6_IS_ADDR_V4MAPPED(six) ? sizeof(*six) : sizeof(*six) / 2);
    } else if (claim->address->sa_family == AF_INET) {
        memcpy(key, &((const struct sockaddr_in *)(const void *)claim->address)->sin_addr,
               sizeof(struct in_addr));
    }
    key[RATES_KEY_SIZE - 1] = (unsigned char)claim->address->sa_family;
    return take(access, claim, key, access->limit, "an address", error);
}

/* What stands behind "Bearer "; NULL where the header is none of that scheme. */
static const char *bearer(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0) {
        return NULL;
    }
    const char *text = authorization + sizeof(scheme) - 1;
    return text + strspn(text, " ");
}

static bool find(struct access *access, const char *text, struct token *token, struct stability_error *error)
{
    if (text == NULL) {
        return stability_fail(error, STABILITY_ERROR_UNAUTHORIZED, NULL,
                              "this server wants a token: 'Authorization: Bearer TOKEN'");
    }
    pthread_rwlock_rdlock(&access->lock);
    const struct token *found = tokens_find(access->tokens, text, strlen(text));
    if (found != NULL) {
        *token = *found;
    }
    pthread_rwlock_unlock(&access->lock);
    return found != NULL || stability_fail(error, STABILITY_ERROR_UNAUTHORIZED, NULL,
                                           "the token is none that this server knows");
}

bool access_check(struct access *access, struct access_claim *claim, struct stability_error *error)
{
    struct token token = {0};
    if (!take_address(access, claim, error)) {
        return false;
    }
    if (access->path == NULL) {
        return true;
    }
    if (!find(access, bearer(claim->authorization), &token, error)) {
        return false;
    }
    memcpy(claim->name, token.name, sizeof(claim->name));
    return take(access, claim, token.digest, token.limit, "this token", error);
}
