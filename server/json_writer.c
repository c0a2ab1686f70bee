#include "server/json_writer.h"

#include "server/decimal.h"
#include "server/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void begin_value(struct json_writer *json)
{
    if (json->separate) {
        buffer_append(json->buffer, ",", 1);
    }
    json->separate = true;
}

static void begin(struct json_writer *json, const char *bracket)
{
    begin_value(json);
    buffer_append(json->buffer, bracket, 1);
    json->separate = false;
}

static void end(struct json_writer *json, const char *bracket)
{
    buffer_append(json->buffer, bracket, 1);
    json->separate = true;
}

void json_begin_object(struct json_writer *json)
{
    begin(json, "{");
}

void json_end_object(struct json_writer *json)
{
    end(json, "}");
}

void json_begin_array(struct json_writer *json)
{
    begin(json, "[");
}

void json_end_array(struct json_writer *json)
{
    end(json, "]");
}

static void append_escape(struct buffer *buffer, uint32_t character)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *pair = letters; *pair != '\0'; pair += 2) {
        if ((uint32_t)*pair == character) {
            buffer_append(buffer, (char[]){'\\', pair[1]}, 2);
            return;
        }
    }
    buffer_format(buffer, "\\u%04" PRIx32, character);
}

/* How many of the first bytes are characters of ASCII that stand for themselves. */
static size_t plain_prefix(const char *bytes, size_t length)
{
    size_t i = 0;
    while (i < length && (unsigned char)bytes[i] - 0x20u < 0x60 && bytes[i] != '"' && bytes[i] != '\\') {
        i++;
    }
    return i;
}

static void append_string(struct buffer *buffer, const char *bytes, size_t length)
{
    buffer_append(buffer, "\"", 1);
    size_t start = 0;
    for (size_t i = plain_prefix(bytes, length); i < length;) {
        uint32_t character;
        size_t count = utf8_decode(bytes + i, length - i, &character);
        if (count > 0 && character >= 0x20 && character != '"' && character != '\\') {
            i += count;
            continue;
        }
        buffer_append(buffer, bytes + start, i - start);
        if (count == 0) {
            buffer_append_text(buffer, "\xEF\xBF\xBD");
        } else {
            append_escape(buffer, character);
        }
        i++;
        start = i;
    }
    buffer_append(buffer, bytes + start, length - start);
    buffer_append(buffer, "\"", 1);
}

void json_key(struct json_writer *json, const char *key)
{
    begin_value(json);
    append_string(json->buffer, key, strlen(key));
    buffer_append(json->buffer, ":", 1);
    json->separate = false;
}

void json_write_bytes(struct json_writer *json, const char *bytes, size_t length)
{
    begin_value(json);
    append_string(json->buffer, bytes, length);
}

void json_write_text(struct json_writer *json, const char *text)
{
    if (text == NULL) {
        json_write_null(json);
    } else {
        json_write_bytes(json, text, strlen(text));
    }
}

static void append_digits(struct buffer *buffer, uint64_t number)
{
    char digits[20];
    size_t first = sizeof(digits);
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_append(buffer, digits + first, sizeof(digits) - first);
}

void json_write_integer(struct json_writer *json, int64_t number)
{
    begin_value(json);
    if (number < 0) {
        buffer_append(json->buffer, "-", 1);
    }
    append_digits(json->buffer, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void json_write_unsigned(struct json_writer *json, uint64_t number)
{
    begin_value(json);
    append_digits(json->buffer, number);
}

void json_write_double(struct json_writer *json, double number)
{
    if (isnan(number)) {
        json_write_text(json, "NaN");
    } else if (isinf(number)) {
        json_write_text(json, number > 0 ? "Infinity" : "-Infinity");
    } else {
        begin_value(json);
        char text[DECIMAL_SHORTEST];
        buffer_append(json->buffer, text, decimal_shortest(number, text));
    }
}

void json_write_boolean(struct json_writer *json, bool boolean)
{
    begin_value(json);
    buffer_append_text(json->buffer, boolean ? "true" : "false");
}

void json_write_null(struct json_writer *json)
{
    begin_value(json);
    buffer_append_text(json->buffer, "null");
}

void json_member_text(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    json_write_text(json, text);
}

void json_member_integer(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_write_integer(json, number);
}

void json_member_unsigned(struct json_writer *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_write_unsigned(json, number);
}

void json_member_double(struct json_writer *json, const char *key, double number)
{
    json_key(json, key);
    json_write_double(json, number);
}

void json_member_boolean(struct json_writer *json, const char *key, bool boolean)
{
    json_key(json, key);
    json_write_boolean(json, boolean);
}

void json_member_null(struct json_writer *json, const char *key)
{
    json_key(json, key);
    json_write_null(json);
}
