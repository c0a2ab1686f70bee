/* Writes JSON (RFC 8259) into a buffer as it goes: compact, members in the order of the calls. */
#ifndef SERVER_JSON_WRITER_H
#define SERVER_JSON_WRITER_H

#include "server/buffer.h"

#include <stdint.h>

/* Starts as `struct json_writer json = {.buffer = &buffer}`. Allocation failures are the buffer's (`failed`).
 * The caller nests rightly: in an object each value follows a key, each begin has its end. */
struct json_writer {
    struct buffer *buffer; /* borrowed */
    bool separate;         /* a comma goes before the next key or value */
};

void json_begin_object(struct json_writer *json);
void json_end_object(struct json_writer *json);
void json_begin_array(struct json_writer *json);
void json_end_array(struct json_writer *json);
/* The name of the member whose value is written next. */
void json_key(struct json_writer *json, const char *key);

/* A string; NULL is null. Quotes, backslashes and control characters are escaped, bytes that are not UTF-8
 * become U+FFFD one by one: the output is always valid. */
void json_write_text(struct json_writer *json, const char *text);
/* The same for `length` bytes, which may hold NULs. */
void json_write_bytes(struct json_writer *json, const char *bytes, size_t length);
void json_write_integer(struct json_writer *json, int64_t number);
void json_write_unsigned(struct json_writer *json, uint64_t number);
/* The shortest number that reads back the same; "NaN", "Infinity", "-Infinity" as strings. */
void json_write_double(struct json_writer *json, double number);
void json_write_boolean(struct json_writer *json, bool boolean);
void json_write_null(struct json_writer *json);

/* A key and its value. */
void json_member_text(struct json_writer *json, const char *key, const char *text);
void json_member_integer(struct json_writer *json, const char *key, int64_t number);
void json_member_unsigned(struct json_writer *json, const char *key, uint64_t number);
void json_member_double(struct json_writer *json, const char *key, double number);
void json_member_boolean(struct json_writer *json, const char *key, bool boolean);
void json_member_null(struct json_writer *json, const char *key);

#endif
