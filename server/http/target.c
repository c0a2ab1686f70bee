#include "server/http/target.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char character)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = character == '\0' ? NULL : strchr(digits, character | 0x20);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Decodes `text` in place; false on a broken or encoded-NUL escape. A '+' is a space in a query only. */
static bool decode(char *text, bool in_query)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '%') {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            *to++ = (char)(high * 16 + low);
            from += 2;
        } else {
            *to++ = in_query && *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return true;
}

static bool has_only_visible_ascii(const char *text)
{
    while (*text > ' ' && *text < 0x7f) {
        text++;
    }
    return *text == '\0';
}

/* "http://host:port/path" → "/path" */
static const char *without_authority(const char *raw)
{
    const char *authority = raw[0] == '/' ? NULL : strstr(raw, "://");
    if (authority == NULL) {
        return raw;
    }
    return authority + 3 + strcspn(authority + 3, "/?");
}

static size_t count_parameters(const char *query)
{
    size_t count = 1;
    for (; *query != '\0'; query++) {
        count += *query == '&';
    }
    return count;
}

static bool split_query(struct http_target *target, char *query)
{
    char *rest = NULL;
    for (char *name = strtok_r(query, "&", &rest); name != NULL; name = strtok_r(NULL, "&", &rest)) {
        char *value = name + strcspn(name, "=");
        if (*value == '=') {
            *value++ = '\0';
        }
        if (!decode(name, true) || !decode(value, true)) {
            return false;
        }
        target->parameters[target->parameter_count++] = (struct http_parameter){name, value};
    }
    return true;
}

struct http_target *http_target_new(const char *raw, struct stability_error *error)
{
    if (!has_only_visible_ascii(raw)) {
        stability_fail(error, STABILITY_ERROR_FRAMING, NULL,
                       "the request target holds a byte that no URI has");
        return NULL;
    }
    const char *origin = without_authority(raw);
    size_t length = strlen(origin) + 1;
    size_t raw_length = strlen(raw) + 1;
    size_t offset = (sizeof(struct http_target) + length + raw_length + _Alignof(struct http_parameter) - 1) /
                    _Alignof(struct http_parameter) * _Alignof(struct http_parameter);
    struct http_target *target = malloc(offset + count_parameters(origin) * sizeof(struct http_parameter));
    if (target == NULL) {
        stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                       "there is no memory for the request's target");
        return NULL;
    }
    memcpy(target->text, origin, length);
    memcpy(target->text + length, raw, raw_length);
    target->raw = target->text + length;
    target->path = target->text;
    target->parameter_count = 0;
    target->parameters = (struct http_parameter *)(void *)((char *)target + offset);
    char *query = target->text + strcspn(target->text, "?");
    if (*query == '?') {
        *query++ = '\0';
    }
    if (!decode(target->text, false) || !split_query(target, query)) {
        stability_fail(
            error, STABILITY_ERROR_PARAMETER, NULL,
            "the request target has a percent sign that two hexadecimal digits other than 00 do not follow");
        free(target);
        return NULL;
    }
    return target;
}
