#include "server/output/format.h"

#include <string.h>
#include <strings.h>

static const struct format formats[] = {
#define FORMAT(name, media_type, write, write_gradcheck) {#name, media_type, write, write_gradcheck},
#include "server/output/formats.def"
#undef FORMAT
};

/* A part of a header, not NUL-terminated. */
struct span {
    const char *start;
    size_t length;
};

/* How much an Accept header wants one format. */
struct preference {
    int thousandths; /* q; 0: not acceptable */
    int exactness;   /* 0: nothing matched, 1: any type, 2: type/any, 3: type/subtype */
    size_t position; /* in the header */
};

size_t format_count(void)
{
    return sizeof formats / sizeof formats[0];
}

const struct format *format_at(size_t index)
{
    return &formats[index];
}

const struct format *format_find(const char *name)
{
    for (size_t i = 0; i < format_count(); i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct span trimmed(struct span span)
{
    while (span.length > 0 && is_blank(span.start[0])) {
        span.start++;
        span.length--;
    }
    while (span.length > 0 && is_blank(span.start[span.length - 1])) {
        span.length--;
    }
    return span;
}

/* Cuts off what stands before the next `separator` outside of quotes, without blanks around it. */
static struct span next_part(struct span *rest, char separator)
{
    bool quoted = false;
    size_t length = 0;
    for (; length < rest->length && (quoted || rest->start[length] != separator); length++) {
        if (rest->start[length] == '"') {
            quoted = !quoted;
        } else if (quoted && rest->start[length] == '\\' && length + 1 < rest->length) {
            length++;
        }
    }
    struct span part = {rest->start, length};
    size_t used = length < rest->length ? length + 1 : length;
    rest->start += used;
    rest->length -= used;
    return trimmed(part);
}

static bool span_is(struct span span, const char *text, size_t length)
{
    return span.length == length && strncasecmp(span.start, text, length) == 0;
}

/* RFC 9110, section 12.4.2: 0 to 1 with at most three decimals, as thousandths; -1 where it is not that. */
static int read_quality(struct span text)
{
    if (text.length == 0 || text.length > 5 || (text.length > 1 && text.start[1] != '.')) {
        return -1;
    }
    int thousandths = 0;
    int unit = 1000;
    for (size_t i = 0; i < text.length; i++) {
        if (i == 1) {
            continue;
        }
        if (text.start[i] < '0' || text.start[i] > '9') {
            return -1;
        }
        thousandths += (text.start[i] - '0') * unit;
        unit /= 10;
    }
    return thousandths <= 1000 ? thousandths : -1;
}

/* The q among the parameters of a media range; 1000 where there is none. */
static int range_quality(struct span parameters)
{
    while (parameters.length > 0) {
        struct span parameter = next_part(&parameters, ';');
        struct span name = next_part(&parameter, '=');
        if (span_is(name, "q", 1)) {
            return read_quality(parameter);
        }
    }
    return 1000;
}

static int range_exactness(struct span range, const char *media_type)
{
    size_t length = strcspn(media_type, "; ");
    size_t type_length = strcspn(media_type, "/") + 1;
    if (span_is(range, media_type, length)) {
        return 3;
    }
    if (range.length == type_length + 1 && range.start[type_length] == '*' &&
        strncasecmp(range.start, media_type, type_length) == 0) {
        return 2;
    }
    return span_is(range, "*/*", 3) ? 1 : 0;
}

/* The most exact range decides, whatever its q: "text/plain;q=0, text/ *" refuses text/plain. */
static struct preference preference_for(const char *media_type, const char *accept)
{
    struct preference preference = {0};
    struct span rest = {accept, strlen(accept)};
    for (size_t position = 0; rest.length > 0; position++) {
        struct span entry = next_part(&rest, ',');
        struct span range = next_part(&entry, ';');
        int exactness = range_exactness(range, media_type);
        int thousandths = range_quality(entry);
        if (exactness > preference.exactness && thousandths >= 0) {
            preference = (struct preference){thousandths, exactness, position};
        }
    }
    return preference;
}

static bool preferred(const struct preference *a, const struct preference *b)
{
    if (a->thousandths != b->thousandths) {
        return a->thousandths > b->thousandths;
    }
    if (a->exactness != b->exactness) {
        return a->exactness > b->exactness;
    }
    return a->position < b->position;
}

const struct format *format_accept(const char *accept)
{
    if (accept == NULL || accept[strspn(accept, " \t")] == '\0') {
        return &formats[0];
    }
    const struct format *best = NULL;
    struct preference best_preference = {0};
    for (size_t i = 0; i < format_count(); i++) {
        struct preference preference = preference_for(formats[i].media_type, accept);
        if (preference.thousandths > 0 && (best == NULL || preferred(&preference, &best_preference))) {
            best = &formats[i];
            best_preference = preference;
        }
    }
    return best;
}

bool report_format(const struct format *format, const struct stability_report *report,
                   const struct report_findings *baseline, struct buffer *buffer)
{
    format->write(report, baseline, buffer);
    return !buffer->failed;
}

bool gradcheck_format(const struct format *format, const struct stability_gradcheck_report *report,
                      struct buffer *buffer)
{
    format->write_gradcheck(report, buffer);
    return !buffer->failed;
}
