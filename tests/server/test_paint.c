/* Colours of a report: where they are, and that nothing else changes. */
#include "server/paint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RED "\x1b[1;31m"
#define YELLOW "\x1b[1;33m"
#define GREEN "\x1b[1;32m"
#define CYAN "\x1b[1;36m"
#define RESET "\x1b[0m"

static void assert_painted(const char *text, const char *expected)
{
    struct buffer out = {0};
    paint_report(&out, text, strlen(text));
    assert_false(out.failed);
    assert_string_equal(out.length > 0 ? out.data : "", expected);
    buffer_free(&out);
}

static void paints_verdicts(void **unused)
{
    (void)unused;
    assert_painted("verdict        STABLE\n", "verdict        " GREEN "STABLE" RESET "\n");
    assert_painted("verdict  UNSTABLE: 1 error", "verdict  " RED "UNSTABLE: 1 error" RESET);
    assert_painted("verdict  WARNING: 2 warnings", "verdict  " YELLOW "WARNING: 2 warnings" RESET);
    assert_painted("verdict  ", "verdict  ");
}

static void paints_headings(void **unused)
{
    (void)unused;
    assert_painted("E1  error: a in b\n    c\n", RED "E1  error: a in b" RESET "\n    c\n");
    assert_painted("I12  info: a", CYAN "I12  info: a" RESET);
    assert_painted("E1", "E1");
    assert_painted("E  error", "E  error");
}

static void paints_flags(void **unused)
{
    (void)unused;
    assert_painted("fc1  Linear  0.5  E1 W2 +3\n",
                   "fc1  Linear  0.5  " RED "E1" RESET " " YELLOW "W2" RESET " +3\n");
    assert_painted("E1x  Linear  0.5\n", "E1x  Linear  0.5\n");
    assert_painted("a sentence that ends with E1\n", "a sentence that ends with E1\n");
}

static void leaves_the_rest(void **unused)
{
    (void)unused;
    assert_painted("", "");
    assert_painted("\n\n", "\n\n");
    assert_painted("model  x\n\nloss", "model  x\n\nloss");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paints_verdicts),
        cmocka_unit_test(paints_headings),
        cmocka_unit_test(paints_flags),
        cmocka_unit_test(leaves_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
