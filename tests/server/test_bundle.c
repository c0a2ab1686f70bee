/* Reports packed in every format, and the findings that are read back from them. */
#include "server/output/bundle.h"
#include "server/report_findings.h"

#include "support_allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void add(struct buffer *bundle, const char *format, const char *text)
{
    struct buffer body = {0};
    buffer_append_text(&body, text);
    bundle_add(bundle, format, &body);
    buffer_free(&body);
}

static struct buffer sample(void)
{
    struct buffer bundle = {0};
    add(&bundle, "json", "{\"verdict\":\"stable\"}\n");
    add(&bundle, "text", "");
    struct buffer large = {0};
    buffer_fill(&large, 'x', 100000);
    bundle_add(&bundle, "html", &large);
    buffer_free(&large);
    assert_false(bundle.failed);
    return bundle;
}

static void finds_each_format(void **unused)
{
    (void)unused;
    struct buffer bundle = sample();
    struct buffer body = {0};
    struct buffer names = {0};
    struct stability_error error = {0};
    bool found;
    assert_true(bundle.length < 1000);
    assert_true(bundle_find(&bundle, "json", &body, &found, &error) && found);
    assert_string_equal(body.data, "{\"verdict\":\"stable\"}\n");
    buffer_truncate(&body, 0);
    assert_true(bundle_find(&bundle, "text", &body, &found, &error) && found);
    assert_int_equal(body.length, 0);
    assert_true(bundle_find(&bundle, "html", &body, &found, &error) && found);
    assert_int_equal(body.length, 100000);
    assert_true(bundle_find(&bundle, "jso", &body, &found, &error) && !found);
    bundle_list(&bundle, &names);
    assert_string_equal(names.data, "json, text, html");
    buffer_free(&names);
    buffer_free(&body);
    buffer_free(&bundle);
}

/* Cut at every byte, and with every byte changed, it is an error or something else, but never out of bounds.
 */
static void bears_what_is_broken(void **unused)
{
    (void)unused;
    struct buffer bundle = sample();
    for (size_t i = 0; i < bundle.length; i++) {
        struct buffer body = {0};
        struct stability_error error = {0};
        bool found;
        struct buffer cut = bundle;
        cut.length = i;
        bool done = bundle_find(&cut, "html", &body, &found, &error);
        assert_true(!done || !found);
        buffer_free(&body);
        bundle.data[i] ^= 0x55;
        if (!bundle_find(&bundle, "html", &body, &found, &error)) {
            assert_int_equal(error.code, STABILITY_ERROR_INTERNAL);
        }
        bundle.data[i] ^= 0x55;
        buffer_free(&body);
    }
    buffer_free(&bundle);
}

static void bears_a_lack_of_memory(void **unused)
{
    (void)unused;
    struct buffer bundle = sample();
    bool reached = true;
    for (long i = 0; reached; i++) {
        struct buffer body = {0};
        struct stability_error error = {0};
        bool found;
        support_fail_allocation_after(i);
        bool done = bundle_find(&bundle, "html", &body, &found, &error);
        reached = support_allocation_has_failed();
        assert_true(done != reached);
        buffer_free(&body);
        support_fail_allocation_after(i);
        struct buffer second = {0};
        add(&second, "json", "{}");
        reached = support_allocation_has_failed() || reached;
        buffer_free(&second);
    }
    buffer_free(&bundle);
}

static void reads_findings(void **unused)
{
    static const char text[] =
        "{\"verdict\": \"unstable\", \"findings\": [{\"severity\": \"error\", \"fingerprint\": "
        "\"0000000000000001\"},"
        " {\"severity\": \"info\", \"fingerprint\": \"0000000000000002\", \"more\": [1]}], \"layers\": []}";
    (void)unused;
    struct report_findings findings = {0};
    struct stability_error error = {0};
    assert_true(report_findings_read(&findings, text, sizeof(text) - 1, &error));
    assert_int_equal(findings.count, 2);
    assert_int_equal(findings.items[0].severity, STABILITY_ERROR_SEVERITY);
    assert_int_equal(findings.items[1].severity, STABILITY_INFO);
    assert_false(report_findings_lack(&findings, "0000000000000002"));
    assert_true(report_findings_lack(&findings, "0000000000000003"));
    assert_false(findings.gradcheck);
    report_findings_free(&findings);
}

static void refuses_what_is_no_report(void **unused)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"verdict\":\"stable\"}",
        "{\"verdict\":\"stable\",\"findings\":{}}",
        "{\"verdict\":\"stable\",\"findings\":[1]}",
        "{\"verdict\":\"stable\",\"findings\":[{\"severity\":\"error\"}]}",
        "{\"verdict\":\"stable\",\"findings\":[{\"severity\":\"none\",\"fingerprint\":\"0\"}]}",
        "{\"verdict\":\"\",\"findings\":[{\"severity\":\"info\",\"fingerprint\":\"00000000000000000\"}]}",
        "{\"findings\":[]}",
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct report_findings findings = {0};
        struct stability_error error = {0};
        assert_false(report_findings_read(&findings, texts[i], strlen(texts[i]), &error));
        assert_int_equal(error.code, STABILITY_ERROR_INVALID_VALUE);
        report_findings_free(&findings);
    }
}

static void knows_gradient_checks(void **unused)
{
    static const char text[] = "{\"verdict\":\"fail\",\"parameters\":[]}";
    (void)unused;
    struct report_findings findings = {0};
    struct stability_error error = {0};
    assert_true(report_findings_read(&findings, text, sizeof(text) - 1, &error));
    assert_true(findings.gradcheck && findings.failed);
    report_findings_free(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_format),         cmocka_unit_test(bears_what_is_broken),
        cmocka_unit_test(bears_a_lack_of_memory),    cmocka_unit_test(reads_findings),
        cmocka_unit_test(refuses_what_is_no_report), cmocka_unit_test(knows_gradient_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
