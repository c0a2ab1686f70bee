#include "server/http/identity.h"

#include <string.h>
#include <sys/random.h>

void identity_generate(char id[HTTP_ID_SIZE])
{
    unsigned char bytes[16] = {0};
    ssize_t got = getrandom(bytes, sizeof(bytes), 0);
    (void)got; /* an id that is not unique is better than none */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        id[2 * i] = "0123456789abcdef"[bytes[i] / 16];
        id[2 * i + 1] = "0123456789abcdef"[bytes[i] % 16];
    }
    id[2 * sizeof(bytes)] = '\0';
}

void identity_adopt(struct MHD_Connection *connection, char id[HTTP_ID_SIZE])
{
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/+=@-";
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Request-Id");
    size_t length = given == NULL ? 0 : strlen(given);
    if (length > 0 && length < HTTP_ID_SIZE && strspn(given, harmless) == length) {
        memcpy(id, given, length + 1);
    }
}

/* The fields of a traceparent: where each begins, how many digits it has, whether it may be 0. */
static const struct {
    size_t offset;
    size_t length;
    bool may_be_zero;
} fields[] = {{0, 2, true}, {3, 32, false}, {36, 16, false}, {53, 2, true}};

static bool is_trace(const char *text)
{
    if (strlen(text) != TRACE_SIZE - 1 || memcmp(text, "00", 2) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const char *field = text + fields[i].offset;
        char after = i + 1 < sizeof(fields) / sizeof(fields[0]) ? '-' : '\0';
        if (strspn(field, "0123456789abcdef") != fields[i].length || field[fields[i].length] != after ||
            (!fields[i].may_be_zero && strspn(field, "0") == fields[i].length)) {
            return false;
        }
    }
    return true;
}

void identity_trace(struct MHD_Connection *connection, char trace[TRACE_SIZE])
{
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "traceparent");
    trace[0] = '\0';
    if (given != NULL && is_trace(given)) {
        memcpy(trace, given, TRACE_SIZE);
    }
}

void identity_trace_id(const char trace[TRACE_SIZE], char id[TRACE_ID_SIZE])
{
    memcpy(id, trace + fields[1].offset, TRACE_ID_SIZE - 1);
    id[TRACE_ID_SIZE - 1] = '\0';
}
