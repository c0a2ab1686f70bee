#include "server/http/tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <pthread.h>
#include <stdlib.h>

#define MOST_CERTIFICATES 16

/* Handshakes hold on to what they got: so a pair that a later one follows stays until the end. */
struct pair {
    struct pair *former;
    gnutls_pcert_st certificates[MOST_CERTIFICATES];
    unsigned count;
    gnutls_privkey_t key;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct pair *current;

static void pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < pair->count; i++) {
        gnutls_pcert_deinit(&pair->certificates[i]);
    }
    if (pair->key != NULL) {
        gnutls_privkey_deinit(pair->key);
    }
    free(pair);
}

static int load_certificates(struct pair *pair, const char *path)
{
    gnutls_datum_t text = {0};
    unsigned count = MOST_CERTIFICATES;
    int failure = gnutls_load_file(path, &text);
    if (failure == 0) {
        failure =
            gnutls_pcert_list_import_x509_raw(pair->certificates, &count, &text, GNUTLS_X509_FMT_PEM, 0);
        gnutls_free(text.data);
    }
    pair->count = failure == 0 ? count : 0;
    return failure;
}

static int load_key(struct pair *pair, const char *path)
{
    gnutls_datum_t text = {0};
    int failure = gnutls_load_file(path, &text);
    if (failure == 0) {
        failure = gnutls_privkey_init(&pair->key);
    }
    if (failure == 0) {
        failure = gnutls_privkey_import_x509_raw(pair->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (text.data != NULL) {
        gnutls_memset(text.data, 0, text.size);
        gnutls_free(text.data);
    }
    return failure;
}

/* A key of another certificate would fail in every handshake. */
static bool belong_together(const struct pair *pair)
{
    unsigned char of_certificate[64];
    unsigned char of_key[64];
    size_t certificate_size = sizeof(of_certificate);
    size_t key_size = sizeof(of_key);
    gnutls_pubkey_t public_key;
    if (gnutls_pubkey_init(&public_key) != 0) {
        return false;
    }
    bool same = gnutls_pubkey_get_key_id(pair->certificates[0].pubkey, GNUTLS_KEYID_USE_SHA256,
                                         of_certificate, &certificate_size) == 0 &&
                gnutls_pubkey_import_privkey(public_key, pair->key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, of_key, &key_size) == 0 &&
                certificate_size == key_size && gnutls_memcmp(of_certificate, of_key, key_size) == 0;
    gnutls_pubkey_deinit(public_key);
    return same;
}

static bool load(struct pair *pair, const char *certificate, const char *key, struct stability_error *error)
{
    int failure = load_certificates(pair, certificate);
    if (failure != 0) {
        return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                              "the certificate in %s cannot be read: %s", certificate,
                              gnutls_strerror(failure));
    }
    failure = load_key(pair, key);
    if (failure != 0) {
        return stability_fail(error, STABILITY_ERROR_PARAMETER, NULL, "the key in %s cannot be read: %s", key,
                              gnutls_strerror(failure));
    }
    return belong_together(pair) ||
           stability_fail(error, STABILITY_ERROR_PARAMETER, NULL,
                          "the key in %s does not belong to the certificate in %s", key, certificate);
}

bool tls_load(const char *certificate, const char *key, struct stability_error *error)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    if (pair == NULL) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "there is no memory for a certificate");
    }
    if (!load(pair, certificate, key, error)) {
        pair_free(pair);
        return false;
    }
    pthread_mutex_lock(&mutex);
    pair->former = current;
    current = pair;
    pthread_mutex_unlock(&mutex);
    return true;
}

void tls_release(void)
{
    while (current != NULL) {
        struct pair *former = current->former;
        pair_free(current);
        current = former;
    }
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                    const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                    gnutls_pcert_st **certificates, unsigned *certificate_count, gnutls_privkey_t *key)
{
    (void)session;
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    pthread_mutex_lock(&mutex);
    *certificates = current->certificates;
    *certificate_count = current->count;
    *key = current->key;
    pthread_mutex_unlock(&mutex);
    return 0;
}

void *tls_callback(void)
{
    gnutls_certificate_retrieve_function2 *callback = retrieve;
    return (void *)callback;
}

void tls_send(void *session, const void *bytes, size_t count)
{
    const char *rest = bytes;
    while (count > 0) {
        ssize_t sent = gnutls_record_send(session, rest, count);
        if (sent <= 0) {
            return;
        }
        rest += sent;
        count -= (size_t)sent;
    }
}

void tls_finish(void *session)
{
    gnutls_bye(session, GNUTLS_SHUT_WR);
}
