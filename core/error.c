#include <stability/error.h>

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int status;
    const char *title;
} codes[STABILITY_CODE_COUNT] = {
    [STABILITY_OK] = {"ok", 200, "No error"},
#define STABILITY_ERROR(name, code, status, title) [STABILITY_ERROR_##name] = {code, status, title},
#include <stability/errors.def>
#undef STABILITY_ERROR
};

/* Cuts an incomplete UTF-8 sequence off the end, so that a truncated message stays valid text. */
static void drop_partial_character(char *text)
{
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length - (start - 1) < size)
        text[start - 1] = '\0';
}

static void copy_pointer(char *buffer, size_t size, const char *pointer)
{
    size_t length = strlen(pointer);
    while (length >= size)
        while (length > 0 && pointer[--length] != '/')
            ;
    memcpy(buffer, pointer, length);
    buffer[length] = '\0';
}

bool stability_fail_v(struct stability_error *error, enum stability_code code, const char *pointer,
                      const char *format, va_list arguments)
{
    if (error->code != STABILITY_OK)
        return false;
    error->code = code;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    if (strlen(error->message) == sizeof error->message - 1)
        drop_partial_character(error->message);
    copy_pointer(error->pointer, sizeof error->pointer, pointer ? pointer : "");
    return false;
}

bool stability_fail(struct stability_error *error, enum stability_code code, const char *pointer,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    stability_fail_v(error, code, pointer, format, arguments);
    va_end(arguments);
    return false;
}

static size_t escaped_length(const char *token)
{
    size_t length = 0;
    for (; *token; token++)
        length += *token == '~' || *token == '/' ? 2 : 1;
    return length;
}

void stability_pointer_append(char *buffer, size_t size, const char *token)
{
    size_t length = strlen(buffer);
    if (escaped_length(token) + 2 > size - length)
        return;
    char *end = buffer + length;
    *end++ = '/';
    for (; *token; token++) {
        bool escaped = *token == '~' || *token == '/';
        if (escaped)
            *end++ = '~';
        *end++ = *token == '~' ? '0' : *token == '/' ? '1' : *token;
    }
    *end = '\0';
}

static bool code_exists(enum stability_code code)
{
    return (unsigned)code < STABILITY_CODE_COUNT;
}

const char *stability_code_name(enum stability_code code)
{
    return codes[code_exists(code) ? code : STABILITY_ERROR_INTERNAL].name;
}

int stability_code_status(enum stability_code code)
{
    return codes[code_exists(code) ? code : STABILITY_ERROR_INTERNAL].status;
}

const char *stability_code_title(enum stability_code code)
{
    return codes[code_exists(code) ? code : STABILITY_ERROR_INTERNAL].title;
}
