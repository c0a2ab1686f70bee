#include "server/output/bundle.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <zstd.h>

#define LEVEL 3

/* An entry: length of the name (a byte), name, bytes unpacked, bytes packed (both 64 bits, little-endian),
 * and the latter. */
struct entry {
    const char *name;
    size_t name_length;
    uint64_t unpacked;
    uint64_t packed;
    const char *bytes;
};

static void append_number(struct buffer *bundle, uint64_t number)
{
    number = htole64(number);
    buffer_append(bundle, &number, sizeof(number));
}

void bundle_add(struct buffer *bundle, const char *format, const struct buffer *body)
{
    unsigned char name_length = (unsigned char)strlen(format);
    size_t bound = ZSTD_compressBound(body->length);
    buffer_append(bundle, &name_length, 1);
    buffer_append_text(bundle, format);
    append_number(bundle, body->length);
    size_t place = bundle->length;
    append_number(bundle, 0);
    if (!buffer_reserve(bundle, bound)) {
        return;
    }
    size_t packed = ZSTD_compress(bundle->data + bundle->length, bound, body->data, body->length, LEVEL);
    if (ZSTD_isError(packed)) {
        bundle->failed = true;
        return;
    }
    uint64_t number = htole64(packed);
    memcpy(bundle->data + place, &number, sizeof(number));
    bundle->length += packed;
    bundle->data[bundle->length] = '\0';
}

static uint64_t read_number(const char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return le64toh(number);
}

/* Reads the entry at *offset and moves on; false at the end, and where the bundle is broken: then the offset
 * is not the end. */
static bool next_entry(const struct buffer *bundle, size_t *offset, struct entry *entry)
{
    size_t left = bundle->length - *offset;
    const char *bytes = bundle->data + *offset;
    size_t head = left == 0 ? 0 : 1 + (size_t)(unsigned char)bytes[0] + 16;
    if (left == 0 || left < head) {
        return false;
    }
    entry->name = bytes + 1;
    entry->name_length = (unsigned char)bytes[0];
    entry->unpacked = read_number(bytes + head - 16);
    entry->packed = read_number(bytes + head - 8);
    entry->bytes = bytes + head;
    if (entry->packed > left - head) {
        return false;
    }
    *offset += head + entry->packed;
    return true;
}

static bool fail_broken(struct stability_error *error)
{
    return stability_fail(error, STABILITY_ERROR_INTERNAL, NULL, "the report that was kept is broken");
}

static bool unpack(const struct entry *entry, struct buffer *body, struct stability_error *error)
{
    if (ZSTD_getFrameContentSize(entry->bytes, entry->packed) != entry->unpacked) {
        return fail_broken(error);
    }
    if (!buffer_reserve(body, entry->unpacked)) {
        return stability_fail(error, STABILITY_ERROR_OUT_OF_MEMORY, NULL,
                              "there is no memory to unpack the report");
    }
    size_t count = ZSTD_decompress(body->data + body->length, entry->unpacked, entry->bytes, entry->packed);
    if (count != entry->unpacked) {
        return fail_broken(error);
    }
    body->length += count;
    body->data[body->length] = '\0';
    return true;
}

bool bundle_find(const struct buffer *bundle, const char *format, struct buffer *body, bool *found,
                 struct stability_error *error)
{
    struct entry entry;
    size_t offset = 0;
    *found = false;
    while (next_entry(bundle, &offset, &entry)) {
        if (entry.name_length == strlen(format) && memcmp(entry.name, format, entry.name_length) == 0) {
            *found = true;
            return unpack(&entry, body, error);
        }
    }
    return offset == bundle->length || fail_broken(error);
}

void bundle_list(const struct buffer *bundle, struct buffer *names)
{
    struct entry entry;
    size_t offset = 0;
    const char *separator = "";
    while (next_entry(bundle, &offset, &entry)) {
        buffer_append_text(names, separator);
        buffer_append(names, entry.name, entry.name_length);
        separator = ", ";
    }
}
