/* GitLab's code quality report: to the byte, and as jansson reads it back. */
#include "hostile_report.h"

#include <jansson.h>

/* clang-format off */
static const char sample_gitlab[] =
    "[{\"description\":\"The gradient's norm is 1.7e-09, below 1e-06, in 2 layers. The derivative of a sigmoid is at "
    "most 1/4, so each of the sixteen layers between the loss and 'fc1' makes the gradient at least four times "
    "smaller.\",\"check_name\":\"vanishing-gradient\",\"fingerprint\":\"0123456789abcdef\",\"severity\":\"critical\","
    "\"location\":{\"path\":\"model\",\"lines\":{\"begin\":1}}},"
    "{\"description\":\"A quarter of the units is dead.\",\"check_name\":\"dead-units\","
    "\"fingerprint\":\"fedcba9876543210\",\"severity\":\"major\","
    "\"location\":{\"path\":\"model\",\"lines\":{\"begin\":1}}}]\n";
/* clang-format on */

static void writes_the_sample_to_the_byte(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("gitlab", &sample_report);
    assert_string_equal(buffer.data, sample_gitlab);
    buffer_free(&buffer);
}

static void writes_no_findings(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("gitlab", &empty_report);
    assert_string_equal(buffer.data, "[]\n");
    buffer_free(&buffer);
}

static void survives_hostile_names(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("gitlab", &hostile_report);
    json_t *parsed = json_loads(buffer.data, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_array_size(parsed), 2);
    json_t *first = json_array_get(parsed, 0);
    const char *description = json_string_value(json_object_get(first, "description"));
    static const char visible[] = "\\x01\\x1b[31m\\x7f\\n\\t\\r\\u200b\\u0080\\ufffe\\xff. Of \\x01";
    assert_non_null(strstr(description, visible));
    assert_string_equal(json_string_value(json_object_get(json_array_get(parsed, 1), "severity")), "info");
    json_decref(parsed);
    buffer_free(&buffer);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    check_allocation_failures("gitlab", &sample_report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_sample_to_the_byte),
        cmocka_unit_test(writes_no_findings),
        cmocka_unit_test(survives_hostile_names),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
