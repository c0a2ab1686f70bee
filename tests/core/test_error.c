#include "support.h"

#include <stability/error.h>

#include <string.h>

static void first_error_wins(void **state)
{
    (void)state;
    struct stability_error error = {0};
    assert_false(
        stability_fail(&error, STABILITY_ERROR_CYCLE, "/model/layers/2", "layer '%s' reads itself", "fc1"));
    assert_false(stability_fail(&error, STABILITY_ERROR_INTERNAL, "/other", "later"));
    assert_error(&error, STABILITY_ERROR_CYCLE, "/model/layers/2", "layer 'fc1' reads itself");
}

static void null_pointer_is_the_empty_pointer(void **state)
{
    (void)state;
    struct stability_error error = {0};
    stability_fail(&error, STABILITY_ERROR_SYNTAX, NULL, "no");
    assert_error(&error, STABILITY_ERROR_SYNTAX, "", "no");
}

static void long_message_is_cut_between_characters(void **state)
{
    (void)state;
    /* 3 bytes each: the cut after 639 bytes falls between two, and after a shift by 1 within one. */
    char text[1000];
    support_repeat(text, sizeof text, "\xE2\x82\xAC", 300);
    struct stability_error error = {0};
    stability_fail(&error, STABILITY_ERROR_SYNTAX, "", "%s", text);
    assert_int_equal(strlen(error.message), 639);
    struct stability_error shifted = {0};
    stability_fail(&shifted, STABILITY_ERROR_SYNTAX, "", "a%s", text);
    assert_int_equal(strlen(shifted.message), 637);
    assert_memory_equal(shifted.message + 634, "\xE2\x82\xAC", 3);
}

static void pointer_escapes(void **state)
{
    (void)state;
    char pointer[64] = "/weights";
    stability_pointer_append(pointer, sizeof pointer, "a/b~c.weight");
    assert_string_equal(pointer, "/weights/a~1b~0c.weight");
    stability_pointer_append(pointer, sizeof pointer, "");
    assert_string_equal(pointer, "/weights/a~1b~0c.weight/");
}

static void pointer_that_does_not_fit_stays(void **state)
{
    (void)state;
    char exact[8] = "/ab";
    stability_pointer_append(exact, sizeof exact, "cde");
    assert_string_equal(exact, "/ab/cde");
    char escaped[8] = "/ab";
    stability_pointer_append(escaped, sizeof escaped, "cd/");
    assert_string_equal(escaped, "/ab");
    char full[4] = "/ab";
    stability_pointer_append(full, sizeof full, "");
    assert_string_equal(full, "/ab");
}

static void long_pointer_is_cut_at_a_member(void **state)
{
    (void)state;
    char pointer[600] = "";
    support_repeat(pointer, sizeof pointer, "/1234567", 50);
    struct stability_error error = {0};
    stability_fail(&error, STABILITY_ERROR_SYNTAX, pointer, "no");
    assert_int_equal(strlen(error.pointer), 47 * 8);
    memset(pointer + 1, 'x', 500);
    struct stability_error long_name = {0};
    stability_fail(&long_name, STABILITY_ERROR_SYNTAX, pointer, "no");
    assert_string_equal(long_name.pointer, "");
}

static void every_code_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < STABILITY_CODE_COUNT; i++) {
        enum stability_code code = (enum stability_code)i;
        assert_true(strlen(stability_code_name(code)) > 0);
        assert_true(strlen(stability_code_title(code)) > 0);
        assert_in_range(stability_code_status(code), i == 0 ? 200 : 400, 599);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(stability_code_name(code), stability_code_name((enum stability_code)k));
    }
    assert_string_equal(stability_code_name(STABILITY_ERROR_SHAPE_MISMATCH), "shape-mismatch");
    assert_int_equal(stability_code_status(STABILITY_ERROR_MODEL_TOO_LARGE), 413);
    assert_string_equal(stability_code_name((enum stability_code)1000), "internal-error");
    assert_int_equal(stability_code_status((enum stability_code) - 1), 500);
    assert_string_equal(stability_code_title((enum stability_code)1000), "The server failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_wins),
        cmocka_unit_test(null_pointer_is_the_empty_pointer),
        cmocka_unit_test(long_message_is_cut_between_characters),
        cmocka_unit_test(pointer_escapes),
        cmocka_unit_test(pointer_that_does_not_fit_stays),
        cmocka_unit_test(long_pointer_is_cut_at_a_member),
        cmocka_unit_test(every_code_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
