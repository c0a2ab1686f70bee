/* Bodies and what must be said of them, from tests/data/json. */
#include "tests/server/arrival_case.h"

#include "server/input/request.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct stability_limits limits = {.layers = 100, .elements = 1000};

struct body {
    char *bytes;
    size_t length;
    size_t start; /* of the case in its frame */
};

static int hexadecimal(char digit)
{
    const char *digits = "0123456789ABCDEF";
    return (int)(strchr(digits, digit) - digits);
}

/* The frame with a case in place of its @, in memory without anything behind it. */
static struct body make_body(const char *frame, const char *text)
{
    char buffer[4096];
    struct body body = {.start = strcspn(frame, "@")};
    memcpy(buffer, frame, body.start);
    body.length = body.start;
    for (; *text != '\0'; text++) {
        bool escaped = *text == '%';
        buffer[body.length++] = escaped ? (char)(16 * hexadecimal(text[1]) + hexadecimal(text[2])) : *text;
        text += escaped ? 2 : 0;
    }
    const char *rest = frame + body.start + 1;
    memcpy(buffer + body.length, rest, strlen(rest) + 1);
    body.length += strlen(rest);
    body.bytes = malloc(body.length + (body.length == 0));
    assert_non_null(body.bytes);
    memcpy(body.bytes, buffer, body.length);
    return body;
}

/* "float32(2,3)", or the recipe's name in place of the dtype. */
static void describe(const struct stability_named_tensor *item, char text[64])
{
    const struct stability_shape *shape = item->recipe.name ? &item->recipe.shape : &item->tensor.shape;
    int used = snprintf(text, 64, "%s(",
                        item->recipe.name ? item->recipe.name : stability_dtype_name(item->tensor.dtype));
    for (int i = 0; i < shape->rank; i++) {
        used += snprintf(text + used, 64 - (size_t)used, "%s%" PRId64, i > 0 ? "," : "", shape->sizes[i]);
    }
    snprintf(text + used, 64 - (size_t)used, ")");
}

/* Line and column say the same as the offset. */
static void check_position(const struct body *body, const struct input_position *where)
{
    int64_t line = 1;
    int64_t column = 1;
    for (int64_t i = 0; i < where->offset; i++) {
        unsigned char byte = (unsigned char)body->bytes[i];
        line += byte == '\n';
        column = byte == '\n' ? 1 : column + ((byte & 0xc0) != 0x80);
    }
    assert_int_equal(where->line, line);
    assert_int_equal(where->column, column);
}

static bool check_case(const char *frame, const char *line)
{
    char verdict[64];
    char offset[32];
    char pointer[128];
    int used = 0;
    assert_int_equal(sscanf(line, "%63s %31s %127s%n", verdict, offset, pointer, &used), 3);
    struct body body = make_body(frame, line + used + 1);
    for (size_t step = 1; step <= 4; step++) {
        assert_true(arrives_alike(body.bytes, body.length, &limits, step, step));
    }
    struct stability_error error = {0};
    struct input_position where;
    struct input_request *request =
        input_request_parse(&(struct input_body){.json = body.bytes, .length = body.length}, INPUT_DIAGNOSE,
                            &limits, &where, &error);
    char found_pointer[512] = "-";
    char found_offset[32] = "-";
    if (error.pointer[0] != '\0') {
        snprintf(found_pointer, sizeof found_pointer, "%s", error.pointer);
    } else if (request != NULL && request->request.data.count > 0) {
        describe(&request->request.data.items[0], found_pointer);
    }
    if (where.known) {
        check_position(&body, &where);
        snprintf(found_offset, sizeof found_offset, "%" PRId64, where.offset - (int64_t)body.start);
    }
    const char *found = request != NULL ? "ok" : stability_code_name(error.code);
    bool right = strcmp(found, verdict) == 0 && strcmp(found_offset, offset) == 0 &&
                 strcmp(found_pointer, pointer) == 0;
    if (!right) {
        print_error("%s\n  found: %s %s %s (%s)\n", line, found, found_offset, found_pointer, error.message);
    }
    assert_int_equal(request == NULL, error.code != STABILITY_OK && error.message[0] != '\0');
    input_request_free(request);
    free(body.bytes);
    return right;
}

/* Checks the cases of a file, of which there are at least so many. */
static void check_file(const char *name, int at_least)
{
    char path[512];
    char frame[256];
    char line[4096];
    int count = 0;
    int wrong = 0;
    snprintf(path, sizeof path, "%s/tests/data/json/%s", SOURCE_DIRECTORY, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(frame, sizeof frame, file));
    frame[strcspn(frame, "\n")] = '\0';
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#') {
            wrong += !check_case(frame, line);
            count++;
        }
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(count >= at_least);
}

static void syntax(void **unused)
{
    (void)unused;
    check_file("syntax.cases", 150);
}

static void tensors(void **unused)
{
    (void)unused;
    check_file("tensors.cases", 100);
}

static void requests(void **unused)
{
    (void)unused;
    check_file("requests.cases", 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax),
        cmocka_unit_test(tensors),
        cmocka_unit_test(requests),
    };
    input_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
