/* SARIF 2.1.0, as jansson reads it back: the members that the standard and GitHub ask for, and GitHub's
 * limits. */
#include "hostile_report.h"

#include <stability/registry.h>

#include <jansson.h>

/* clang-format off */
#define PHYSICAL "{\"physicalLocation\":{\"artifactLocation\":{\"uri\":\"model\"},\"region\":{\"startLine\":1}}"
#define LOCATION(layer) \
    PHYSICAL ",\"logicalLocations\":[{\"name\":\"" layer "\",\"fullyQualifiedName\":\"" layer "\",\"kind\":\"module\"}]}"

static const char sample_results[] =
    "\"automationDetails\":{\"id\":\"stabilityd/digits-mlp/\"},"
    "\"invocations\":[{\"executionSuccessful\":true}],"
    "\"results\":["
    "{\"ruleId\":\"vanishing-gradient\",\"ruleIndex\":%zu,\"level\":\"error\",\"message\":{\"text\":\"The gradient's norm "
    "is 1.7e-09, below 1e-06, in 2 layers. The derivative of a sigmoid is at most 1/4, so each of the sixteen layers "
    "between the loss and 'fc1' makes the gradient at least four times smaller.\"},"
    "\"locations\":[" LOCATION("fc1") "," LOCATION("act") "],"
    "\"partialFingerprints\":{\"stabilityd/v1\":\"0123456789abcdef\","
    "\"primaryLocationLineHash\":\"0123456789abcdef:1\"},"
    "\"properties\":{\"evidence\":{\"gradient_norm\":1.7e-9,\"threshold\":0.000001}}},"
    "{\"ruleId\":\"dead-units\",\"ruleIndex\":%zu,\"level\":\"warning\","
    "\"message\":{\"text\":\"A quarter of the units is dead.\"},\"locations\":[" LOCATION("act") "],"
    "\"partialFingerprints\":{\"stabilityd/v1\":\"fedcba9876543210\","
    "\"primaryLocationLineHash\":\"fedcba9876543210:1\"},"
    "\"properties\":{\"evidence\":{\"dead_units\":\"Infinity\"}}}]}]}\n";
/* clang-format on */

static size_t rule_index(const char *name)
{
    size_t index = 0;
    while (strcmp(stability_rule_type_at(index)->name, name) != 0) {
        index++;
    }
    return index;
}

static json_t *parse(const struct buffer *buffer)
{
    json_t *parsed = json_loads(buffer->data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    return parsed;
}

static json_t *run_of(json_t *parsed)
{
    json_t *runs = json_object_get(parsed, "runs");
    assert_int_equal(json_array_size(runs), 1);
    return json_array_get(runs, 0);
}

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(json_object_get(object, key), "text"));
}

static void writes_the_samples_results_to_the_byte(void **unused)
{
    (void)unused;
    struct buffer expected = {0};
    buffer_format(&expected, sample_results, rule_index("vanishing-gradient"), rule_index("dead-units"));
    struct buffer buffer = write_report("sarif", &sample_report);
    assert_string_equal(strstr(buffer.data, "\"automationDetails\""), expected.data);
    buffer_free(&expected);
    buffer_free(&buffer);
}

/* What GitHub requires of a rule, and that its messages have no placeholders. */
static void describes_every_rule(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("sarif", &empty_report);
    json_t *parsed = parse(&buffer);
    assert_string_equal(json_string_value(json_object_get(parsed, "version")), "2.1.0");
    json_t *driver = json_object_get(json_object_get(run_of(parsed), "tool"), "driver");
    assert_string_equal(json_string_value(json_object_get(driver, "name")), "stabilityd");
    json_t *rules = json_object_get(driver, "rules");
    assert_int_equal(json_array_size(rules), stability_rule_type_count());
    for (size_t i = 0; i < stability_rule_type_count(); i++) {
        const struct stability_rule_type *rule = stability_rule_type_at(i);
        json_t *written = json_array_get(rules, i);
        assert_string_equal(json_string_value(json_object_get(written, "id")), rule->name);
        const char *title = text_of(written, "shortDescription");
        const char *criterion = text_of(written, "fullDescription");
        assert_int_equal(strlen(title), strlen(rule->name));
        assert_null(strchr(title, '-'));
        assert_true(strlen(criterion) > 20 && strlen(criterion) <= 1024);
        assert_int_equal(criterion[strlen(criterion) - 1], '.');
        assert_non_null(strstr(text_of(written, "help"), rule->source));
        assert_non_null(
            strstr(json_string_value(json_object_get(json_object_get(written, "help"), "markdown")),
                   "\n\nSource: "));
        assert_non_null(json_object_get(json_object_get(written, "defaultConfiguration"), "level"));
    }
    json_t *vanishing = json_array_get(rules, rule_index("vanishing-gradient"));
    assert_string_equal(text_of(vanishing, "shortDescription"), "Vanishing gradient");
    assert_non_null(strstr(text_of(vanishing, "help"), "\ngradient_norm, 1e-06 by default: the smallest L2"));
    json_decref(parsed);
    buffer_free(&buffer);
}

static void writes_no_findings(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("sarif", &empty_report);
    assert_non_null(strstr(buffer.data,
                           "\"automationDetails\":{\"id\":\"stabilityd/\"},"
                           "\"invocations\":[{\"executionSuccessful\":true}],\"results\":[]}]}\n"));
    buffer_free(&buffer);
}

static void survives_hostile_names(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("sarif", &hostile_report);
    json_t *parsed = parse(&buffer);
    json_t *results = json_object_get(run_of(parsed), "results");
    assert_int_equal(json_array_size(results), LENGTH(hostile_findings));
    json_t *locations = json_object_get(json_array_get(results, 0), "locations");
    assert_int_equal(json_array_size(locations), LENGTH(hostile_names));
    json_t *logical = json_array_get(json_object_get(json_array_get(locations, 4), "logicalLocations"), 0);
    assert_string_equal(json_string_value(json_object_get(logical, "name")), LONGEST_NAME);
    const char *message = text_of(json_array_get(results, 0), "message");
    assert_non_null(strstr(message, "{{0}} [i] (http://example.com)\\x01\\x1b"));
    locations = json_object_get(json_array_get(results, 1), "locations");
    assert_int_equal(json_array_size(locations), 1);
    assert_null(json_object_get(json_array_get(locations, 0), "logicalLocations"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(results, 1), "level")), "note");
    json_decref(parsed);
    buffer_free(&buffer);
}

static void keeps_githubs_limits(void **unused)
{
    (void)unused;
    struct many many = make_many(5001);
    struct buffer buffer = write_report("sarif", &many.report);
    json_t *parsed = parse(&buffer);
    json_t *results = json_object_get(run_of(parsed), "results");
    assert_int_equal(json_array_size(results), 5000);
    assert_int_equal(json_array_size(json_object_get(json_array_get(results, 0), "locations")), 100);
    json_t *invocation = json_array_get(json_object_get(run_of(parsed), "invocations"), 0);
    json_t *notifications = json_object_get(invocation, "toolExecutionNotifications");
    assert_string_equal(text_of(json_array_get(notifications, 0), "message"),
                        "The 5000 most severe of 5001 findings are listed.");
    json_decref(parsed);
    buffer_free(&buffer);
    many.report.finding_count = 5000;
    buffer = write_report("sarif", &many.report);
    assert_null(strstr(buffer.data, "toolExecutionNotifications"));
    buffer_free(&buffer);
    free_many(&many);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    check_allocation_failures("sarif", &sample_report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_samples_results_to_the_byte),
        cmocka_unit_test(describes_every_rule),
        cmocka_unit_test(writes_no_findings),
        cmocka_unit_test(survives_hostile_names),
        cmocka_unit_test(keeps_githubs_limits),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
