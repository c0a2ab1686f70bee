/* What each format tells of a report's baseline: which findings it has, and how many it lacks. */
#include "hostile_report.h"

static struct report_finding known[] = {{STABILITY_ERROR_SEVERITY, "0123456789abcdef"},
                                        {STABILITY_WARNING, "00000000000000ff"}};
static const struct report_findings baseline = {.count = LENGTH(known), .items = known};
static const struct report_findings empty = {0};

/* The sample's error is known, its warning is not. GitLab compares reports itself. */
static const struct {
    const char *format;
    const char *told;
} cases[] = {
    {"json", "\"baseline\":{\"new\":{\"error\":0,\"warning\":1,\"info\":0},\"known\":1}}\n"},
    {"text", "UNSTABLE: 1 error, 1 warning (1 new)\n"},
    {"text", "E1  known error: vanishing-gradient in fc1, act\n"},
    {"text", "W2  warning: dead-units in act\n"},
    {"markdown", "\n1 error, 1 warning (1 new).\n"},
    {"html", "1 error, 1 warning (1 new)</p>\n"},
    {"sarif", "\"baselineState\":\"unchanged\",\"properties\":{\"evidence\":{\"gradient_norm\""},
    {"sarif", "\"baselineState\":\"new\",\"properties\":{\"evidence\":{\"dead_units\""},
    {"junit", " failures=\"0\" errors=\"0\">\n"},
    {"junit", "<system-out>known error: vanishing-gradient: The gradient&#39;s norm"},
    {"junit", "\nwarning: dead-units: A quarter"},
};

static struct buffer write_since(const char *format, const struct report_findings *since)
{
    struct buffer buffer = {0};
    assert_true(report_format(format_find(format), &sample_report, since, &buffer));
    return buffer;
}

static void every_format_tells_what_is_new(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct buffer told = write_since(cases[i].format, &baseline);
        struct buffer alone = write_since(cases[i].format, NULL);
        if (strstr(told.data, cases[i].told) == NULL) {
            fail_msg("%s does not say: %s", cases[i].format, cases[i].told);
        }
        assert_null(strstr(alone.data, "known"));
        assert_null(strstr(alone.data, "baseline"));
        assert_null(strstr(alone.data, " new"));
        buffer_free(&alone);
        buffer_free(&told);
    }
}

static void all_is_new_to_an_empty_baseline(void **unused)
{
    (void)unused;
    struct buffer told = write_since("text", &empty);
    assert_non_null(strstr(told.data, "UNSTABLE: 1 error, 1 warning (2 new)\n"));
    assert_null(strstr(told.data, "known"));
    buffer_free(&told);
    told = write_since("junit", &empty);
    struct buffer alone = write_since("junit", NULL);
    assert_string_equal(told.data, alone.data);
    buffer_free(&alone);
    buffer_free(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_tells_what_is_new),
        cmocka_unit_test(all_is_new_to_an_empty_baseline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
