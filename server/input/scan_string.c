#include "server/input/scanner.h"

#include <string.h>

#define BLOCK 64

/* Whether a string may have the byte as it is, and it is ASCII. */
static inline bool is_plain(signed char byte)
{
    return (byte >= ' ') & (byte != '"') & (byte != '\\');
}

/* Skips plain bytes, a block at a time where it can. */
static const char *skip_plain(const char *text, const char *end)
{
    for (; end - text >= BLOCK; text += BLOCK) {
        unsigned char plain = 1;
        for (int i = 0; i < BLOCK; i++) {
            plain &= is_plain((signed char)text[i]);
        }
        if (!plain) {
            break;
        }
    }
    while (text < end && is_plain((signed char)*text)) {
        text++;
    }
    return text;
}

/* The code unit that four hexadecimal digits at `text` give, or -1. */
static int read_unit(const char *text, const char *end)
{
    int unit = 0;
    for (int i = 0; i < 4; i++, text++) {
        int digit = text < end ? *text : 0;
        int letter = digit | 0x20;
        if (digit >= '0' && digit <= '9') {
            unit = 16 * unit + digit - '0';
        } else if (letter >= 'a' && letter <= 'f') {
            unit = 16 * unit + letter - 'a' + 10;
        } else {
            return -1;
        }
    }
    return unit;
}

static const char *scan_unicode_escape(struct scanner *scanner, const char *text)
{
    int unit = read_unit(text + 2, scanner->end);
    if (unit < 0) {
        scanner_fail(scanner, text, STABILITY_ERROR_SYNTAX,
                     "\\u must be followed by four hexadecimal digits");
        return NULL;
    }
    if (unit == 0) {
        scanner_fail(scanner, text, STABILITY_ERROR_SYNTAX, "a string must not hold the character \\u0000");
        return NULL;
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        return text + 6;
    }
    bool pair = unit <= 0xdbff && scanner->end - text >= 12 && text[6] == '\\' && text[7] == 'u';
    int second = pair ? read_unit(text + 8, scanner->end) : -1;
    if (second < 0xdc00 || second > 0xdfff) {
        scanner_fail(scanner, text, STABILITY_ERROR_SYNTAX, "\\u%04x is half of a surrogate pair",
                     (unsigned)unit);
        return NULL;
    }
    return text + 12;
}

static const char *scan_escape(struct scanner *scanner, const char *text)
{
    char escaped = scanner->end - text > 1 ? text[1] : '\0';
    if (escaped == 'u') {
        return scan_unicode_escape(scanner, text);
    }
    if (escaped == '\0' || strchr("\"\\/bfnrt", escaped) == NULL) {
        scanner_fail(scanner, text, STABILITY_ERROR_SYNTAX,
                     "a backslash must be followed by one of \" \\ / b f n r t u");
        return NULL;
    }
    return text + 2;
}

/* The length of the UTF-8 character at `text`, or 0 where it is malformed, overlong or a surrogate. */
static int character_length(const char *text, const char *end)
{
    unsigned char lead = (unsigned char)text[0];
    unsigned char next = end - text > 1 ? (unsigned char)text[1] : 0;
    int length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    bool overlong = (lead == 0xe0 && next < 0xa0) || (lead == 0xf0 && next < 0x90);
    bool invalid = (lead == 0xed && next > 0x9f) || (lead == 0xf4 && next > 0x8f);
    if (overlong || invalid || end - text < length) {
        return 0;
    }
    for (int i = 1; i < length; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

static const char *scan_character(struct scanner *scanner, const char *text)
{
    if ((unsigned char)*text < ' ') {
        scanner_fail(scanner, text, STABILITY_ERROR_SYNTAX,
                     "a string must not hold the control character 0x%02x", (unsigned)*text);
        return NULL;
    }
    int length = character_length(text, scanner->end);
    if (length == 0) {
        scanner_fail(scanner, text, STABILITY_ERROR_SYNTAX,
                     "the byte 0x%02x does not belong to a valid UTF-8 character",
                     (unsigned)(unsigned char)*text);
        return NULL;
    }
    return text + length;
}

/* An escaped character, or one that is not ASCII, is not looked at before so much is there. */
#define LONGEST_CHARACTER 12

const char *scan_string(struct scanner *scanner)
{
    const char *text = scanner->string;
    if (text == NULL) {
        text = scanner->position + 1;
        scanner->plain = true;
    }
    while (text != NULL) {
        text = skip_plain(text, scanner->end);
        scanner->string = text;
        if (text < scanner->end && *text == '"') {
            return text + 1;
        }
        if (!scanner_has_all(scanner) && scanner->end - text < LONGEST_CHARACTER) {
            return NULL;
        }
        if (text == scanner->end) {
            scanner_fail(scanner, scanner->position, STABILITY_ERROR_SYNTAX,
                         "the string that begins here has no end");
            return NULL;
        }
        scanner->plain = false;
        text = *text == '\\' ? scan_escape(scanner, text) : scan_character(scanner, text);
    }
    return NULL;
}
