/* JUnit's XML: literally, and well-formed whatever a request is named. */
#include "hostile_report.h"
#include "markup.h"

#include <stability/registry.h>

#define PROLOGUE "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/* clang-format off */
static const char sample_layers_suite[] =
    "<testsuite name=\"layers\" tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"0\">\n"
    "<properties>\n"
    "<property name=\"verdict\" value=\"unstable\"/>\n"
    "<property name=\"loss\" value=\"2.31\"/>\n"
    "<property name=\"gradient_norm\" value=\"Inf\"/>\n"
    "<property name=\"engine\" value=\"stabilityd 1.0.0, float32, train mode, seed 18446744073709551615, OpenBLAS 0.3.21 "
    "SkylakeX\"/>\n"
    "</properties>\n"
    "<testcase classname=\"digits-mlp.layers\" name=\"fc1\">\n"
    "<failure message=\"The gradient&#39;s norm is 1.7e-09, below 1e-06, in 2 layers.\" type=\"vanishing-gradient\">"
    "error: vanishing-gradient: The gradient&#39;s norm is 1.7e-09, below 1e-06, in 2 layers.\n"
    "</failure>\n"
    "</testcase>\n"
    "<testcase classname=\"digits-mlp.layers\" name=\"act\">\n"
    "<failure message=\"The gradient&#39;s norm is 1.7e-09, below 1e-06, in 2 layers.\" type=\"vanishing-gradient\">"
    "error: vanishing-gradient: The gradient&#39;s norm is 1.7e-09, below 1e-06, in 2 layers.\n"
    "</failure>\n"
    "<system-out>warning: dead-units: A quarter of the units is dead.\n"
    "</system-out>\n"
    "</testcase>\n"
    "<testcase classname=\"digits-mlp.layers\" name=\"lstm\"/>\n"
    "<testcase classname=\"digits-mlp.layers\" name=\"encoder.&quot;layers&quot;.\\n\\x1b[31m.self_attention."
    "out_projection.\xC3\xA9\\xff\"/>\n"
    "</testsuite>\n";
static const char sample_vanishing_case[] =
    "<testcase classname=\"digits-mlp.rules\" name=\"vanishing-gradient\">\n"
    "<failure message=\"The gradient&#39;s norm is 1.7e-09, below 1e-06, in 2 layers.\" type=\"vanishing-gradient\">"
    "error: vanishing-gradient: The gradient&#39;s norm is 1.7e-09, below 1e-06, in 2 layers.\n"
    "  cause: The derivative of a sigmoid is at most 1/4, so each of the sixteen layers between the loss and &#39;fc1&#39; "
    "makes the gradient at least four times smaller.\n"
    "  evidence: gradient_norm = 1.7e-09, threshold = 1e-06\n"
    "</failure>\n"
    "</testcase>\n";
static const char sample_dead_case[] =
    "<testcase classname=\"digits-mlp.rules\" name=\"dead-units\">\n"
    "<system-out>warning: dead-units: A quarter of the units is dead.\n"
    "  evidence: dead_units = Inf\n"
    "</system-out>\n"
    "</testcase>\n";
/* clang-format on */

static struct buffer write_junit(const struct stability_report *report)
{
    struct buffer buffer = write_report("junit", report);
    markup_check(buffer.data, PROLOGUE);
    assert_int_equal(markup_count(buffer.data, "<testcase "),
                     report->layer_count + stability_rule_type_count());
    return buffer;
}

static void check_totals(const struct buffer *buffer, const char *name, size_t tests, size_t failures)
{
    struct buffer expected = {0};
    buffer_format(&expected,
                  PROLOGUE "<testsuites name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n", name,
                  tests, failures);
    assert_int_equal(strncmp(buffer->data, expected.data, expected.length), 0);
    assert_int_equal(markup_count(buffer->data, "<failure "), failures);
    buffer_free(&expected);
}

static void writes_the_sample_literally(void **unused)
{
    (void)unused;
    struct buffer buffer = write_junit(&sample_report);
    check_totals(&buffer, "digits-mlp", 4 + stability_rule_type_count(), 3);
    const char *layers = strstr(buffer.data, "<testsuite ");
    assert_int_equal(strncmp(layers, sample_layers_suite, sizeof sample_layers_suite - 1), 0);
    assert_non_null(strstr(buffer.data, sample_vanishing_case));
    assert_non_null(strstr(buffer.data, sample_dead_case));
    assert_non_null(strstr(buffer.data, "<testcase classname=\"digits-mlp.rules\" name=\"non-finite\"/>\n"));
    buffer_free(&buffer);
}

static void writes_no_findings(void **unused)
{
    (void)unused;
    struct buffer buffer = write_junit(&empty_report);
    check_totals(&buffer, "model", stability_rule_type_count(), 0);
    assert_null(strstr(buffer.data, "system-out"));
    buffer_free(&buffer);
}

static void survives_hostile_names(void **unused)
{
    (void)unused;
    struct buffer buffer = write_junit(&hostile_report);
    assert_int_equal(markup_count(buffer.data, "<failure "), LENGTH(hostile_names) + 1);
    assert_non_null(strstr(buffer.data, " name=\"&lt;script&gt;alert(1)&lt;/script&gt;\">"));
    assert_non_null(strstr(buffer.data, " name=\"" LONGEST_NAME "\">"));
    buffer_free(&buffer);
}

/* The first finding names every layer: each has a failure, a third of them a second error in it. */
static void tells_many_findings(void **unused)
{
    (void)unused;
    struct many many = make_many(300);
    struct buffer buffer = write_junit(&many.report);
    check_totals(&buffer, "digits-mlp", 300 + stability_rule_type_count(), 301);
    assert_int_equal(markup_count(buffer.data, "error: dead-units: "), 300 + 99 + 100);
    assert_int_equal(markup_count(buffer.data, "warning: dead-units: "), 200 + 200);
    buffer_free(&buffer);
    free_many(&many);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    check_allocation_failures("junit", &sample_report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_sample_literally), cmocka_unit_test(writes_no_findings),
        cmocka_unit_test(survives_hostile_names),      cmocka_unit_test(tells_many_findings),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
