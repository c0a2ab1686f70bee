#include "server/json_writer.h"

#include "server/decimal.h"
#include "server/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Where `count` bytes can be written, behind the comma that is due; NULL where there is no memory. */
static char *open_value(struct json_writer *json, size_t count)
{
    struct buffer *buffer = json->buffer;
    if (!buffer_reserve(buffer, count + 1)) {
        return NULL;
    }
    char *end = buffer->data + buffer->length;
    *end = ',';
    end += json->separate;
    json->separate = true;
    return end;
}

static void close_value(const struct json_writer *json, char *end)
{
    *end = '\0';
    json->buffer->length = (size_t)(end - json->buffer->data);
}

static void write_word(struct json_writer *json, const char *word, size_t length)
{
    char *end = open_value(json, length);
    if (end != NULL) {
        memcpy(end, word, length);
        close_value(json, end + length);
    }
}

static void begin(struct json_writer *json, const char *bracket)
{
    write_word(json, bracket, 1);
    json->separate = false;
}

static void end(struct json_writer *json, const char *bracket)
{
    json->separate = false;
    write_word(json, bracket, 1);
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

#define EVERY_BYTE (UINT64_MAX / 0xFF)
#define EVERY_TOP_BIT (EVERY_BYTE * 0x80)

/* Whether all of eight bytes are characters of ASCII that stand for themselves. */
static bool all_plain(uint64_t bytes)
{
    uint64_t quotes = bytes ^ EVERY_BYTE * '"', backslashes = bytes ^ EVERY_BYTE * '\\';
    uint64_t others =
        bytes | (bytes - EVERY_BYTE * 0x20) | (quotes - EVERY_BYTE) | (backslashes - EVERY_BYTE);
    return (others & EVERY_TOP_BIT) == 0;
}

/* Copies the first bytes that stand for themselves, as far as eights of them go; returns how many. */
static size_t copy_plain(char *to, const char *bytes, size_t length)
{
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + i, 8);
        if (!all_plain(eight)) {
            return i;
        }
        memcpy(to + i, &eight, 8);
    }
    for (; i < length && (unsigned char)bytes[i] - 0x20u < 0x60 && bytes[i] != '"' && bytes[i] != '\\'; i++) {
        to[i] = bytes[i];
    }
    return i;
}

static void append_escaped(struct buffer *buffer, const char *bytes, size_t length)
{
    size_t start = 0;
    for (size_t i = 0; i < length;) {
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
}

/* `ending` is what follows the characters: the quote, and a key's colon. */
static void write_string(struct json_writer *json, const char *bytes, size_t length, const char *ending,
                         size_t ending_length)
{
    char *end = open_value(json, length + 1 + ending_length);
    if (end == NULL) {
        return;
    }
    *end++ = '"';
    size_t plain = copy_plain(end, bytes, length);
    end += plain;
    if (plain == length) {
        memcpy(end, ending, ending_length);
        close_value(json, end + ending_length);
        return;
    }
    close_value(json, end);
    append_escaped(json->buffer, bytes + plain, length - plain);
    buffer_append(json->buffer, ending, ending_length);
}

void json_key(struct json_writer *json, const char *key)
{
    write_string(json, key, strlen(key), "\":", 2);
    json->separate = false;
}

void json_write_bytes(struct json_writer *json, const char *bytes, size_t length)
{
    write_string(json, bytes, length, "\"", 1);
}

void json_write_text(struct json_writer *json, const char *text)
{
    if (text == NULL) {
        json_write_null(json);
    } else {
        json_write_bytes(json, text, strlen(text));
    }
}

static void write_digits(struct json_writer *json, uint64_t number, bool negative)
{
    char *end = open_value(json, 1 + DECIMAL_UNSIGNED);
    if (end != NULL) {
        *end = '-';
        end += negative;
        close_value(json, end + decimal_unsigned(number, end));
    }
}

void json_write_integer(struct json_writer *json, int64_t number)
{
    write_digits(json, number < 0 ? -(uint64_t)number : (uint64_t)number, number < 0);
}

void json_write_unsigned(struct json_writer *json, uint64_t number)
{
    write_digits(json, number, false);
}

void json_write_double(struct json_writer *json, double number)
{
    if (isnan(number)) {
        json_write_text(json, "NaN");
    } else if (isinf(number)) {
        json_write_text(json, number > 0 ? "Infinity" : "-Infinity");
    } else {
        char *end = open_value(json, DECIMAL_SHORTEST);
        if (end != NULL) {
            close_value(json, end + decimal_shortest(number, end));
        }
    }
}

void json_write_boolean(struct json_writer *json, bool boolean)
{
    boolean ? write_word(json, "true", 4) : write_word(json, "false", 5);
}

void json_write_null(struct json_writer *json)
{
    write_word(json, "null", 4);
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
