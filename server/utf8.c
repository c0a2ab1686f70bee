#include "server/utf8.h"

/* One row for each length: the leading byte's fixed bits, and the characters that need that length. */
static const struct {
    uint8_t mask;
    uint8_t lead;
    uint32_t first;
    uint32_t last;
} forms[] = {
    {0x80, 0x00, 0x0, 0x7F},
    {0xE0, 0xC0, 0x80, 0x7FF},
    {0xF0, 0xE0, 0x800, 0xFFFF},
    {0xF8, 0xF0, 0x10000, 0x10FFFF},
};

size_t utf8_decode(const char *text, size_t length, uint32_t *character)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t form = 0; form < sizeof forms / sizeof forms[0] && form < length; form++) {
        if ((bytes[0] & forms[form].mask) != forms[form].lead) {
            continue;
        }
        uint32_t value = bytes[0] & (uint8_t)~forms[form].mask;
        for (size_t i = 1; i <= form; i++) {
            if ((bytes[i] & 0xC0) != 0x80) {
                return 0;
            }
            value = value << 6 | (bytes[i] & 0x3F);
        }
        if (value < forms[form].first || value > forms[form].last || (value >= 0xD800 && value <= 0xDFFF)) {
            return 0;
        }
        *character = value;
        return form + 1;
    }
    return 0;
}
