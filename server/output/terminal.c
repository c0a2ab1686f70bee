#include "server/output/terminal.h"

#include "server/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t used_width = TERMINAL_WIDTH;

size_t terminal_width(void)
{
    return used_width;
}

void terminal_use_width(size_t columns)
{
    size_t most = columns < TERMINAL_WIDTH ? columns : TERMINAL_WIDTH;
    used_width = most > TERMINAL_LEAST_WIDTH ? most : TERMINAL_LEAST_WIDTH;
}

/* Characters that are escaped, or that take up other than one column; sorted. Widths after Unicode's East
 * Asian Width (UAX #11) and its non-spacing marks. */
static const struct {
    uint32_t first;
    uint32_t last;
    int columns; /* -1: escaped */
} ranges[] = {
    {0x0000, 0x001F, -1},  {0x007F, 0x009F, -1},  {0x00AD, 0x00AD, -1},  {0x0300, 0x036F, 0},
    {0x061C, 0x061C, -1},  {0x1100, 0x115F, 2},   {0x1AB0, 0x1AFF, 0},   {0x1DC0, 0x1DFF, 0},
    {0x200B, 0x200F, -1},  {0x2028, 0x202E, -1},  {0x2060, 0x206F, -1},  {0x20D0, 0x20FF, 0},
    {0x2E80, 0x303E, 2},   {0x3041, 0xA4CF, 2},   {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},
    {0xFDD0, 0xFDEF, -1},  {0xFE00, 0xFE0F, 0},   {0xFE20, 0xFE2F, 0},   {0xFE30, 0xFE6F, 2},
    {0xFEFF, 0xFEFF, -1},  {0xFF00, 0xFF60, 2},   {0xFFE0, 0xFFE6, 2},   {0x1F300, 0x1F64F, 2},
    {0x1F680, 0x1F6FF, 2}, {0x1F900, 0x1F9FF, 2}, {0x20000, 0x3FFFD, 2}, {0xE0000, 0xE007F, -1},
};

static int character_columns(uint32_t character)
{
    if ((character & 0xFFFE) == 0xFFFE) {
        return -1; /* the last two of each plane are no characters, and not allowed in XML */
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0] && ranges[i].first <= character; i++) {
        if (character <= ranges[i].last) {
            return ranges[i].columns;
        }
    }
    return 1;
}

static void append_escape(struct buffer *buffer, uint32_t character)
{
    static const char letters[] = "\nn\rr\tt";
    for (const char *pair = letters; *pair != '\0'; pair += 2) {
        if ((uint32_t)*pair == character) {
            buffer_append(buffer, (char[]){'\\', pair[1]}, 2);
            return;
        }
    }
    buffer_format(buffer, character < 0x80 ? "\\x%02" PRIx32 : "\\u%04" PRIx32, character);
}

void terminal_escape(struct buffer *buffer, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length;) {
        uint32_t character;
        size_t count = utf8_decode(text + i, length - i, &character);
        if (count == 0) {
            buffer_format(buffer, "\\x%02x", (unsigned char)text[i]);
            count = 1;
        } else if (character_columns(character) < 0) {
            append_escape(buffer, character);
        } else {
            buffer_append(buffer, text + i, count);
        }
        i += count;
    }
}

/* Reads one character of escaped text: its bytes, and its columns. */
static size_t read_character(const char *text, size_t length, size_t *columns)
{
    uint32_t character = 0;
    size_t count = utf8_decode(text, length, &character);
    *columns = (size_t)character_columns(character);
    return count;
}

size_t terminal_columns(const char *text, size_t length)
{
    size_t total = 0;
    for (size_t i = 0; i < length;) {
        size_t columns;
        i += read_character(text + i, length - i, &columns);
        total += columns;
    }
    return total;
}

/* Bytes of the longest beginning of `text` that takes up at most `width` columns. */
static size_t prefix_within(const char *text, size_t length, size_t width)
{
    size_t total = 0;
    size_t i = 0;
    while (i < length) {
        size_t columns;
        size_t count = read_character(text + i, length - i, &columns);
        if (total + columns > width) {
            break;
        }
        total += columns;
        i += count;
    }
    return i;
}

/* Where the longest end of `text` starts that takes up at most `width` columns and begins with no combining
 * mark. */
static size_t suffix_within(const char *text, size_t length, size_t width)
{
    size_t total = terminal_columns(text, length);
    size_t i = 0;
    while (i < length) {
        size_t columns;
        size_t count = read_character(text + i, length - i, &columns);
        if (total <= width && columns > 0) {
            break;
        }
        total -= columns;
        i += count;
    }
    return i;
}

size_t terminal_fit(struct buffer *buffer, const char *text, size_t length, size_t width)
{
    static const char gap[] = "...";
    size_t gap_width = sizeof gap - 1;
    size_t columns = terminal_columns(text, length);
    if (columns <= width) {
        buffer_append(buffer, text, length);
        return columns;
    }
    size_t kept = width > gap_width ? width - gap_width : 0;
    size_t head = prefix_within(text, length, kept - kept / 2);
    size_t tail = suffix_within(text, length, kept / 2);
    buffer_append(buffer, text, head);
    buffer_append(buffer, gap, gap_width);
    buffer_append(buffer, text + tail, length - tail);
    return terminal_columns(text, head) + gap_width + terminal_columns(text + tail, length - tail);
}

/* Appends a word at `*column`, on as many lines as it needs. */
static void wrap_word(struct buffer *buffer, const char *word, size_t length, size_t *column, size_t indent)
{
    while (length > 0) {
        size_t count = prefix_within(word, length, terminal_width() - *column);
        buffer_append(buffer, word, count);
        *column += terminal_columns(word, count);
        word += count;
        length -= count;
        if (length > 0) {
            buffer_append(buffer, "\n", 1);
            buffer_fill(buffer, ' ', indent);
            *column = indent;
        }
    }
}

void terminal_wrap(struct buffer *buffer, const char *text, size_t column, size_t indent)
{
    bool fresh = true;
    while (*(text += strspn(text, " ")) != '\0') {
        size_t length = strcspn(text, " ");
        size_t columns = terminal_columns(text, length);
        if (!fresh && column + 1 + columns > terminal_width()) {
            buffer_append(buffer, "\n", 1);
            buffer_fill(buffer, ' ', indent);
            column = indent;
        } else if (!fresh) {
            buffer_append(buffer, " ", 1);
            column++;
        }
        wrap_word(buffer, text, length, &column, indent);
        fresh = false;
        text += length;
    }
    buffer_append(buffer, "\n", 1);
}

/* The names of what is not finite; false for other numbers. */
static bool name_non_finite(double number, char text[TERMINAL_NUMBER])
{
    if (isfinite(number)) {
        return false;
    }
    snprintf(text, TERMINAL_NUMBER, "%s", isnan(number) ? "NaN" : number > 0 ? "Inf" : "-Inf");
    return true;
}

const char *terminal_aligned_number(double number, char text[TERMINAL_NUMBER])
{
    if (name_non_finite(number, text)) {
        return text;
    }
    if (number == 0) {
        snprintf(text, TERMINAL_NUMBER, "0");
        return text;
    }
    snprintf(text, TERMINAL_NUMBER, "%.3e", number);
    long exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent >= -3 && exponent <= 3) {
        snprintf(text, TERMINAL_NUMBER, "%.*f", (int)(3 - exponent), number);
    } else if (exponent <= -100 || exponent >= 100) {
        snprintf(text, TERMINAL_NUMBER, "%.2e", number);
    }
    return text;
}

const char *terminal_short_number(double number, char text[TERMINAL_NUMBER])
{
    if (!name_non_finite(number, text)) {
        bool whole = number == trunc(number) && fabs(number) < 1e9;
        snprintf(text, TERMINAL_NUMBER, whole ? "%.0f" : "%.4g", number + 0.0);
    }
    return text;
}
