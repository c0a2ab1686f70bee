/* The server's certificate and key. */
#ifndef SERVER_HTTP_TLS_H
#define SERVER_HTTP_TLS_H

#include <stability/error.h>

/* Reads the certificate (its chain behind it) and the key, both PEM files, and makes them what new
 * connections are greeted with. There is one pair for the whole process, because libmicrohttpd's callback has
 * no argument. Where it fails, what was read before stays in force. */
bool tls_load(const char *certificate, const char *key, struct stability_error *error);

/* Releases everything that tls_load read; no connection may be left. */
void tls_release(void);

/* A gnutls_certificate_retrieve_function2, for MHD_OPTION_HTTPS_CERT_CALLBACK. */
void *tls_callback(void);

/* Send on a connection's session past libmicrohttpd, as far as the socket takes it; and say that nothing more
 * comes. */
void tls_send(void *session, const void *bytes, size_t count);
void tls_finish(void *session);

#endif
