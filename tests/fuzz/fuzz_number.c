/* Any bytes as a number: what the grammar of JSON takes has the value that strtod gives it, alone and in a
 * list. */
#include "server/input/number.h"
#include "tests/fuzz/fuzz.h"

#include <float.h>
#include <math.h>

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* In the midst of a list, with whatever a list needs to read numbers more quickly than alone. */
static void compare_listed(const char *text, size_t length, const struct number *number)
{
    static const char behind[] = ", 0.25, -17, 0.3333333333333333, 0, 1.5]";
    const size_t rest = sizeof(behind) - 1;
    char *list = malloc(length + rest); /* exactly as large */
    double values[6];
    bool reals = false;
    require(list != NULL);
    memcpy(list, text, length);
    memcpy(list + length, behind, rest);
    const char *after = list;
    require(number_parse_list(&after, list + length + rest, values, 6, &reals) == 6 && reals);
    require(after == list + length + rest - 1 && same(values[0], number->value));
    require(values[1] == 0.25 && values[2] == -17 && values[4] == 0 && values[5] == 1.5);
    free(list);
}

/* The parser reads no further than `end`; strtod needs a NUL there. */
static void compare(const char *text, size_t length)
{
    struct number number = {0};
    const char *after = number_parse(text, text + length, &number);
    require(after >= text && after <= text + length);
    require((number.kind == NUMBER_MALFORMED) == (number.problem != NULL));
    if (number.kind == NUMBER_MALFORMED) {
        return;
    }
    char *copy = strndup(text, (size_t)(after - text)), *end;
    require(copy != NULL);
    double expected = strtod(copy, &end);
    require(*end == '\0');
    require((fabs(expected) > DBL_MAX) == (number.kind == NUMBER_TOO_LARGE));
    if (number.kind != NUMBER_TOO_LARGE) {
        double listed;
        bool reals = false;
        const char *start = text;
        require(same(expected, number.value));
        require(number_parse_list(&start, text + length, &listed, 1, &reals) == 1);
        require(same(expected, listed) && start == after && reals == (number.kind == NUMBER_REAL));
        compare_listed(copy, (size_t)(after - text), &number);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text =
        malloc(size + (size == 0)); /* exactly as large, so that a sanitizer sees what is read beyond */
    require(text != NULL);
    memcpy(text, data, size);
    if (size > 0) {
        compare(text, size);
    }
    free(text);
    return 0;
}
