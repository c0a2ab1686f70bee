#define _GNU_SOURCE /* memmem */

#include "server/input/multipart.h"

#include "server/nearest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A parameter's value is kept as far as it fits: what is longer is no known name, and no boundary. */
#define LONGEST_VALUE 128

struct parameter {
    const char *name;
    size_t name_length;
    char value[LONGEST_VALUE];
    size_t value_length; /* of all of it */
};

struct multipart {
    char *bytes;
    char *position;
    char *end;
    char delimiter[4 + MULTIPART_BOUNDARY_SIZE]; /* CR LF -- boundary */
    size_t delimiter_length;
    struct stability_error *error;
};

/* What the header of a part says. */
struct header {
    bool disposed; /* Content-Disposition has been */
    bool named;
    struct parameter name;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_token(char byte)
{
    return (unsigned char)byte > ' ' && (unsigned char)byte < 0x7f &&
           strchr("()<>@,;:\\\"/[]?={}", byte) == NULL;
}

static const char *skip_blanks(const char *text, const char *end)
{
    while (text < end && is_blank(*text)) {
        text++;
    }
    return text;
}

static const char *skip_token(const char *text, const char *end)
{
    while (text < end && is_token(*text)) {
        text++;
    }
    return text;
}

static bool equals(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* ---- parameters: ; name=token or ; name="quoted \"string\"" ---- */

static void add_byte(struct parameter *parameter, char byte)
{
    if (parameter->value_length + 1 < LONGEST_VALUE) {
        parameter->value[parameter->value_length] = byte;
        parameter->value[parameter->value_length + 1] = '\0';
    }
    parameter->value_length++;
}

/* What starts with a quote. NULL where it has no end. */
static const char *read_quoted(const char *text, const char *end, struct parameter *parameter)
{
    for (text++; text < end && *text != '"'; text++) {
        if (*text == '\\' && ++text == end) {
            return NULL;
        }
        add_byte(parameter, *text);
    }
    return text < end ? text + 1 : NULL;
}

/* More than a token: not everybody quotes a boundary with other characters in it. */
static const char *read_plain(const char *text, const char *end, struct parameter *parameter)
{
    while (text < end && !is_blank(*text) && *text != ';' && *text != '"') {
        add_byte(parameter, *text++);
    }
    return parameter->value_length > 0 ? text : NULL;
}

/* Reads the parameter at `text`, which is after a semicolon. Returns what is after it, or NULL. */
static const char *read_parameter(const char *text, const char *end, struct parameter *parameter)
{
    *parameter = (struct parameter){.name = text};
    text = skip_token(text, end);
    parameter->name_length = (size_t)(text - parameter->name);
    if (parameter->name_length == 0 || text == end || *text != '=') {
        return NULL;
    }
    text++;
    return text < end && *text == '"' ? read_quoted(text, end, parameter) : read_plain(text, end, parameter);
}

/* Finds the parameter `name` among those in `text`: " ; a=1; name=value". False where they are malformed or
 * have it twice; *found tells whether they have it. */
static bool find_parameter(const char *text, const char *end, const char *name, bool *found,
                           struct parameter *parameter)
{
    *found = false;
    for (;;) {
        text = skip_blanks(text, end);
        if (text == end) {
            return true;
        }
        if (*text != ';') {
            return false;
        }
        text = skip_blanks(text + 1, end);
        if (text == end || *text == ';') {
            continue;
        }
        struct parameter next;
        text = read_parameter(text, end, &next);
        if (text == NULL) {
            return false;
        }
        if (equals(next.name, next.name_length, name)) {
            if (*found) {
                return false;
            }
            *found = true;
            *parameter = next;
        }
    }
}

static bool is_boundary(const struct parameter *parameter)
{
    static const char allowed[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'()+_,-./:=? ";
    size_t length = parameter->value_length;
    return length > 0 && length < MULTIPART_BOUNDARY_SIZE && strspn(parameter->value, allowed) == length &&
           parameter->value[length - 1] != ' ';
}

bool multipart_boundary(const char *content_type, char boundary[MULTIPART_BOUNDARY_SIZE],
                        struct stability_error *error)
{
    struct parameter parameter;
    bool found;
    const char *end = content_type + strlen(content_type);
    const char *type = skip_blanks(content_type, end);
    if (!find_parameter(type + strcspn(type, "; \t"), end, "boundary", &found, &parameter) || !found) {
        return stability_fail(error, STABILITY_ERROR_MULTIPART, NULL,
                              "the Content-Type needs the parameter boundary, once: %.256s", content_type);
    }
    if (!is_boundary(&parameter)) {
        return stability_fail(error, STABILITY_ERROR_MULTIPART, NULL,
                              "a boundary has 1 to 70 letters, digits, blanks or any of '()+_,-./:=? and "
                              "ends with no blank: %.128s",
                              parameter.value);
    }
    memcpy(boundary, parameter.value, parameter.value_length + 1);
    return true;
}

/* ---- the header of a part ---- */

static bool fail_at(const struct multipart *multipart, const char *where, const char *expected)
{
    return stability_fail(multipart->error, STABILITY_ERROR_MULTIPART, NULL,
                          "the multipart body is malformed at byte %zu: expected %s",
                          (size_t)(where - multipart->bytes), expected);
}

static bool read_disposition(struct multipart *multipart, const char *value, const char *end,
                             struct header *header)
{
    const char *after = skip_token(value, end);
    if (header->disposed || !equals(value, (size_t)(after - value), "form-data")) {
        return fail_at(multipart, value, "one Content-Disposition of form-data");
    }
    header->disposed = true;
    return find_parameter(after, end, "name", &header->named, &header->name) ||
           fail_at(multipart, after, "parameters like name=\"weights\", each once");
}

static bool read_transfer(struct multipart *multipart, const char *value, const char *end,
                          struct header *header)
{
    static const char *const harmless[] = {"binary", "8bit", "7bit"};
    (void)header;
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        if (equals(value, (size_t)(end - value), harmless[i])) {
            return true;
        }
    }
    return fail_at(multipart, value, "the Content-Transfer-Encoding binary, 8bit or 7bit");
}

/* The fields that matter; what others say is nothing that changes a part's bytes. */
static const struct {
    const char *name;
    bool (*read)(struct multipart *multipart, const char *value, const char *end, struct header *header);
} fields[] = {
    {"Content-Disposition", read_disposition},
    {"Content-Transfer-Encoding", read_transfer},
};

static bool read_field(struct multipart *multipart, const char *line, const char *end, struct header *header)
{
    const char *colon = skip_token(line, end);
    if (colon == line || colon == end || *colon != ':') {
        return fail_at(multipart, colon, "a header field, which is a name and a colon");
    }
    for (const char *byte = colon; byte < end; byte++) {
        if (((unsigned char)*byte < ' ' && *byte != '\t') || *byte == 0x7f) {
            return fail_at(multipart, byte, "no control character in a header");
        }
    }
    const char *value = skip_blanks(colon + 1, end);
    while (end > value && is_blank(end[-1])) {
        end--;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (equals(line, (size_t)(colon - line), fields[i].name)) {
            return fields[i].read(multipart, value, end, header);
        }
    }
    return true;
}

/* Reads the header at the position, the blank line behind it included. */
static bool read_header(struct multipart *multipart, struct header *header)
{
    char *start = multipart->position;
    size_t left = (size_t)(multipart->end - start);
    char *limit = start + (left < MULTIPART_HEADER_BYTES ? left : MULTIPART_HEADER_BYTES);
    for (;;) {
        char *line = multipart->position;
        char *end = memmem(line, (size_t)(limit - line), "\r\n", 2);
        if (end == NULL) {
            return fail_at(multipart, line, "a header of at most 8192 bytes with a blank line behind it");
        }
        multipart->position = end + 2;
        if (end == line) {
            break;
        }
        if (!read_field(multipart, line, end, header)) {
            return false;
        }
    }
    return header->named ||
           fail_at(multipart, start, "a header with Content-Disposition: form-data; name=\"…\"");
}

/* ---- the body ---- */

/* The next delimiter, from where the CR of its line is. */
static char *find_delimiter(const struct multipart *multipart)
{
    return memmem(multipart->position, (size_t)(multipart->end - multipart->position), multipart->delimiter,
                  multipart->delimiter_length);
}

/* Moves behind the first delimiter, which needs no CR LF where the body starts with it. */
static bool skip_preamble(struct multipart *multipart)
{
    size_t length = multipart->delimiter_length - 2;
    size_t left = (size_t)(multipart->end - multipart->position);
    if (left >= length && memcmp(multipart->position, multipart->delimiter + 2, length) == 0) {
        multipart->position += length;
        return true;
    }
    char *delimiter = find_delimiter(multipart);
    if (delimiter == NULL) {
        return stability_fail(multipart->error, STABILITY_ERROR_MULTIPART, NULL,
                              "the multipart body has no line that begins with the delimiter '%s'",
                              multipart->delimiter + 2);
    }
    multipart->position = delimiter + multipart->delimiter_length;
    return true;
}

/* Reads the rest of a delimiter's line. *last: the body ends with it. */
static bool finish_delimiter(struct multipart *multipart, bool *last)
{
    *last = multipart->end - multipart->position >= 2 && memcmp(multipart->position, "--", 2) == 0;
    multipart->position += *last ? 2 : 0;
    while (multipart->position < multipart->end && is_blank(*multipart->position)) {
        multipart->position++;
    }
    if (*last && multipart->position == multipart->end) {
        return true;
    }
    if (multipart->end - multipart->position < 2 || memcmp(multipart->position, "\r\n", 2) != 0) {
        return fail_at(multipart, multipart->position, "CR LF after a delimiter, or -- after the last one");
    }
    multipart->position += 2;
    return true;
}

static bool fail_unknown(const struct multipart *multipart, const char *name,
                         const struct multipart_part *parts, size_t count)
{
    char hint[NEAREST_HINT];
    char known[256] = "";
    struct nearest nearest = {0};
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", parts[i].name);
        nearest_offer(&nearest, parts[i].name);
    }
    return stability_fail(multipart->error, STABILITY_ERROR_UNKNOWN_MEMBER, NULL,
                          "there is no part '%s'%s (the parts are: %s)", name,
                          nearest_hint(&nearest, name, hint), known);
}

static struct multipart_part *find_part(const struct multipart *multipart, const struct parameter *name,
                                        struct multipart_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(parts[i].name, name->value) != 0 || strlen(name->value) != name->value_length) {
            continue;
        }
        if (parts[i].bytes == NULL) {
            return &parts[i];
        }
        stability_fail(multipart->error, STABILITY_ERROR_DUPLICATE_KEY, NULL, "the part '%s' comes twice",
                       parts[i].name);
        return NULL;
    }
    fail_unknown(multipart, name->value, parts, count);
    return NULL;
}

/* Reads a part, and the delimiter behind it up to the rest of its line. */
static bool read_part(struct multipart *multipart, struct multipart_part *parts, size_t count)
{
    struct header header = {0};
    if (!read_header(multipart, &header)) {
        return false;
    }
    struct multipart_part *part = find_part(multipart, &header.name, parts, count);
    if (part == NULL) {
        return false;
    }
    char *delimiter = find_delimiter(multipart);
    if (delimiter == NULL) {
        return stability_fail(multipart->error, STABILITY_ERROR_MULTIPART, NULL,
                              "the part '%s' begins at byte %zu and has no end: no delimiter '%s' follows",
                              part->name, (size_t)(multipart->position - multipart->bytes),
                              multipart->delimiter + 2);
    }
    part->bytes = multipart->position;
    part->length = (size_t)(delimiter - multipart->position);
    multipart->position = delimiter + multipart->delimiter_length;
    return true;
}

bool multipart_split(char *bytes, size_t length, const char *boundary, struct multipart_part *parts,
                     size_t count, struct stability_error *error)
{
    struct multipart multipart = {.bytes = bytes, .position = bytes, .end = bytes + length, .error = error};
    multipart.delimiter_length = (size_t)snprintf(multipart.delimiter, sizeof(multipart.delimiter),
                                                  "\r\n--%.*s", MULTIPART_BOUNDARY_SIZE - 1, boundary);
    if (!skip_preamble(&multipart)) {
        return false;
    }
    for (;;) {
        bool last;
        if (!finish_delimiter(&multipart, &last)) {
            return false;
        }
        if (last) {
            return true;
        }
        if (!read_part(&multipart, parts, count)) {
            return false;
        }
    }
}
