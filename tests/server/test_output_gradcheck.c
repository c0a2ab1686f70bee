/* A gradient check in every format: its findings, and names that mean something in each of them. */
#include "hostile_report.h"
#include "markup.h"
#include "server/output/gradcheck_findings.h"

#include <jansson.h>

#define PARAMETER(text, layer_name, found)                                                         \
    {                                                                                              \
        .name = text, .layer = layer_name, .shape = {2, {32, 64}}, .count = 2048, .checked = 2048, \
        .step = 1e-4, .relative_error = 1e-9, .max_relative_error = 1e-8, .level = found,          \
        .pattern_factor = NAN, .miss_probability = NAN, .fingerprint = "0123456789abcdef"          \
    }

/* clang-format off */
static const struct stability_gradcheck_parameter sample_parameters[] = {
    PARAMETER("fc1.weight", "fc1", STABILITY_GRADCHECK_CORRECT),
    {.name = "fc1.bias", .layer = "fc1", .shape = {1, {64}}, .from_client = true, .count = 64, .checked = 60,
     .relative_error = 2e-3, .max_relative_error = 0.5, .level = STABILITY_GRADCHECK_SUSPICIOUS, .has_worst = true,
     .worst_index = {7}, .worst_given = 0.25, .worst_numerical = 0.5, .worst_uncertainty = 1e-10,
     .pattern_factor = NAN, .miss_probability = NAN, .fingerprint = "00000000000000a1"},
    {.name = "fc2.weight", .layer = "fc2", .shape = {2, {10, 64}}, .from_client = true, .count = 640, .checked = 640,
     .relative_error = 1, .max_relative_error = 1, .level = STABILITY_GRADCHECK_WRONG, .has_worst = true,
     .worst_index = {3, 7}, .worst_given = -0.013, .worst_numerical = 0.013, .worst_uncertainty = 2e-11,
     .pattern = "sign-flipped", .pattern_text = "every element has the wrong sign", .pattern_factor = NAN,
     .miss_probability = NAN, .fingerprint = "00000000000000a2"},
    {.name = "fc2.bias", .layer = "fc2", .shape = {1, {10}}, .count = 10, .checked = 4, .skipped_at_kink = 6,
     .mostly_skipped = true, .relative_error = 0, .level = STABILITY_GRADCHECK_CORRECT, .pattern_factor = NAN,
     .miss_probability = NAN, .fingerprint = "00000000000000a3"},
};

static const struct stability_gradcheck_report sample_check = {
    .failed = true, .level = STABILITY_GRADCHECK_WRONG, .model = "digits-mlp", .loss = 2.31,
    .parameter_count = LENGTH(sample_parameters), .parameters = sample_parameters, .suspect_count = 2,
    .suspect_layers = (const char *const[]){"fc2", "fc1"}, .deterministic = true,
};

static const struct stability_gradcheck_parameter hostile_parameters[] = {
    PARAMETER(SCRIPT, SCRIPT, STABILITY_GRADCHECK_WRONG), PARAMETER(QUOTES, QUOTES, STABILITY_GRADCHECK_WRONG),
    PARAMETER(PIPES, PIPES, STABILITY_GRADCHECK_SUSPICIOUS), PARAMETER(CONTROLS, CONTROLS, STABILITY_GRADCHECK_WRONG),
    PARAMETER(LONGEST_NAME, LONGEST_NAME, STABILITY_GRADCHECK_WRONG),
};

static const struct stability_gradcheck_report hostile_check = {
    .failed = true, .level = STABILITY_GRADCHECK_WRONG, .model = SCRIPT QUOTES PIPES CONTROLS, .loss = NAN,
    .parameter_count = LENGTH(hostile_parameters), .parameters = hostile_parameters,
    .suspect_count = LENGTH(hostile_names), .suspect_layers = hostile_names,
};

static const struct stability_gradcheck_report empty_check = {.loss = 0.5, .deterministic = true};

static const char sample_gitlab[] =
    "[{\"description\":\"The client's gradient of 'fc2.weight' is wrong: relative error 1; worst at [3, 7]: given -0.013, "
    "numerical 0.013 +- 2e-11. It looks sign-flipped: every element has the wrong sign.\","
    "\"check_name\":\"wrong-gradient\",\"fingerprint\":\"00000000000000a2\",\"severity\":\"critical\","
    "\"location\":{\"path\":\"model\",\"lines\":{\"begin\":1}}},"
    "{\"description\":\"The client's gradient of 'fc1.bias' is suspicious: relative error 0.002; worst at [7]: given 0.25, "
    "numerical 0.5 +- 1e-10.\","
    "\"check_name\":\"suspicious-gradient\",\"fingerprint\":\"00000000000000a1\",\"severity\":\"major\","
    "\"location\":{\"path\":\"model\",\"lines\":{\"begin\":1}}},"
    "{\"description\":\"The engine's gradient of 'fc2.bias' is correct: relative error 0; 6 of its elements lie at a kink "
    "and were skipped.\","
    "\"check_name\":\"unchecked-gradient\",\"fingerprint\":\"00000000000000a3\",\"severity\":\"info\","
    "\"location\":{\"path\":\"model\",\"lines\":{\"begin\":1}}}]\n";

static const char sample_junit[] =
    "<testcase classname=\"digits-mlp.gradients\" name=\"fc1.weight\"/>\n"
    "<testcase classname=\"digits-mlp.gradients\" name=\"fc1.bias\">\n"
    "<failure message=\"The client&#39;s gradient of &#39;fc1.bias&#39; is suspicious: relative error 0.002; worst at [7]: "
    "given 0.25, numerical 0.5 +- 1e-10.\" type=\"suspicious-gradient\">";
/* clang-format on */

static struct buffer write_check(const char *format, const struct stability_gradcheck_report *report)
{
    struct buffer buffer = {0};
    assert_true(gradcheck_format(format_find(format), report, &buffer));
    assert_int_equal(strlen(buffer.data), buffer.length);
    return buffer;
}

static json_t *parse(const struct buffer *buffer)
{
    json_t *parsed = json_loads(buffer->data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    return parsed;
}

static json_t *results_of(json_t *sarif)
{
    return json_object_get(json_array_get(json_object_get(sarif, "runs"), 0), "results");
}

static void finds_the_worst_first(void **unused)
{
    (void)unused;
    static const size_t expected[] = {2, 1, 3};
    struct gradcheck_findings findings = {0};
    assert_true(gradcheck_findings_make(&findings, &sample_check));
    assert_int_equal(findings.list.count, LENGTH(expected));
    for (size_t i = 0; i < LENGTH(expected); i++) {
        assert_int_equal(gradcheck_findings_parameter(&findings, i), expected[i]);
        assert_string_equal(findings.list.items[i].layers[0], sample_parameters[expected[i]].layer);
    }
    gradcheck_findings_free(&findings);
}

static void writes_gitlabs_issues_to_the_byte(void **unused)
{
    (void)unused;
    struct buffer buffer = write_check("gitlab", &sample_check);
    assert_string_equal(buffer.data, sample_gitlab);
    buffer_free(&buffer);
}

static void writes_a_test_for_each_parameter(void **unused)
{
    (void)unused;
    struct buffer buffer = write_check("junit", &sample_check);
    assert_non_null(strstr(buffer.data, "<testsuites name=\"digits-mlp\" tests=\"4\" failures=\"2\""));
    assert_non_null(strstr(buffer.data, sample_junit));
    assert_int_equal(markup_count(buffer.data, "<failure "), 2);
    assert_int_equal(markup_count(buffer.data, "<system-out>"), 1);
    buffer_free(&buffer);
}

static void writes_sarifs_results(void **unused)
{
    (void)unused;
    struct buffer buffer = write_check("sarif", &sample_check);
    json_t *parsed = parse(&buffer);
    static const char *const levels[] = {"error", "warning", "note"};
    json_t *results = results_of(parsed);
    assert_int_equal(json_array_size(results), LENGTH(levels));
    for (size_t i = 0; i < LENGTH(levels); i++) {
        json_t *result = json_array_get(results, i);
        assert_string_equal(json_string_value(json_object_get(result, "level")), levels[i]);
        assert_int_equal(json_integer_value(json_object_get(result, "ruleIndex")), i);
    }
    json_decref(parsed);
    buffer_free(&buffer);
}

/* Each level has its band, and what fails its red mark. */
static void draws_the_levels(void **unused)
{
    (void)unused;
    struct buffer buffer = write_check("html", &sample_check);
    for (int level = STABILITY_GRADCHECK_CORRECT; level <= STABILITY_GRADCHECK_WRONG; level++) {
        struct buffer label = {0};
        buffer_format(&label, ">%s</text>",
                      stability_gradcheck_level_name((enum stability_gradcheck_level)level));
        assert_int_equal(markup_count(buffer.data, label.data), 1);
        buffer_free(&label);
    }
    assert_int_equal(markup_count(buffer.data, "class=\"mark series-0 outside\""), 2);
    assert_int_equal(markup_count(buffer.data, "class=\"mark series-0 zero\""), 1);
    buffer_free(&buffer);
}

static void survives_hostile_names(void **unused)
{
    (void)unused;
    const struct stability_gradcheck_report *const reports[] = {&sample_check, &hostile_check, &empty_check};
    for (size_t i = 0; i < LENGTH(reports); i++) {
        struct buffer html = write_check("html", reports[i]);
        markup_check(html.data, "<!DOCTYPE html>\n");
        assert_null(strstr(html.data, "<script"));
        buffer_free(&html);
        struct buffer junit = write_check("junit", reports[i]);
        markup_check(junit.data, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        assert_int_equal(markup_count(junit.data, "<testcase "), reports[i]->parameter_count);
        buffer_free(&junit);
        static const char *const json_formats[] = {"json", "sarif", "gitlab"};
        for (size_t j = 0; j < LENGTH(json_formats); j++) {
            struct buffer buffer = write_check(json_formats[j], reports[i]);
            json_decref(parse(&buffer));
            buffer_free(&buffer);
        }
    }
}

/* Every row of the table has its cells and nothing else; no control character reaches a terminal. */
static void keeps_hostile_names_in_their_cells(void **unused)
{
    (void)unused;
    struct buffer markdown = write_check("markdown", &hostile_check);
    assert_null(strstr(markdown.data, "<script"));
    assert_int_equal(markup_count(markdown.data, "\n| <code>"), LENGTH(hostile_parameters));
    assert_int_equal(markup_count(strstr(markdown.data, "\n| <code>"), "|"), 9 * LENGTH(hostile_parameters));
    buffer_free(&markdown);
    struct buffer text = write_check("text", &hostile_check);
    for (const char *c = text.data; *c != '\0'; c++) {
        assert_true((unsigned char)*c >= ' ' || *c == '\n');
    }
    buffer_free(&text);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < format_count(); i++) {
        bool written = false;
        for (long failure = 0; !written; failure++) {
            struct buffer buffer = {0};
            reallocations_before_failure = failure;
            written = gradcheck_format(format_at(i), &sample_check, &buffer);
            bool all_succeeded = reallocations_before_failure >= 0;
            reallocations_before_failure = -1;
            assert_int_equal(written, all_succeeded);
            assert_int_equal(buffer.failed, !written);
            buffer_free(&buffer);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_worst_first),
        cmocka_unit_test(writes_gitlabs_issues_to_the_byte),
        cmocka_unit_test(writes_a_test_for_each_parameter),
        cmocka_unit_test(writes_sarifs_results),
        cmocka_unit_test(draws_the_levels),
        cmocka_unit_test(survives_hostile_names),
        cmocka_unit_test(keeps_hostile_names_in_their_cells),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
