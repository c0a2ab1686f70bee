/* The page: well-formed, self-contained, its links and labels whole; the numbers and marks of its charts and
 * tables; and nothing that a request is named gets out of its place. */
#include "hostile_report.h"
#include "markup.h"

#define PROLOGUE "<!DOCTYPE html>\n"

/* Reads attributes `name="…"` one after the other; NULL at the end. */
static const char *next_attribute(const char *text, const char *name, char value[64])
{
    text = strstr(text, name);
    if (text == NULL) {
        return NULL;
    }
    text += strlen(name);
    size_t length = strcspn(text, "\"");
    assert_true(length < 64);
    memcpy(value, text, length);
    value[length] = '\0';
    return text;
}

static void check_references(const char *page, const char *attribute)
{
    char id[64];
    for (const char *next = page; (next = next_attribute(next, attribute, id)) != NULL;) {
        char target[80];
        snprintf(target, sizeof target, " id=\"%s\"", id);
        if (markup_count(page, target) != 1) {
            fail_msg("%s%s\" has no target, or several", attribute, id);
        }
    }
}

/* Ids are unique, and what refers to one finds it; nothing is loaded, run or styled by attributes. */
static void check_page(const char *page)
{
    markup_check(page, PROLOGUE);
    check_references(page, " id=\"");
    check_references(page, " aria-labelledby=\"");
    check_references(page, " href=\"#");
    assert_int_equal(markup_count(page, " href=\""), markup_count(page, " href=\"#"));
    static const char *const absent[] = {"<script", "<img",      "<link", "<iframe",
                                         " src=\"", " style=\"", "url(",  "@import"};
    for (size_t i = 0; i < LENGTH(absent); i++) {
        assert_null(strstr(page, absent[i]));
    }
    assert_non_null(strstr(page, "<html lang=\"en\">"));
    assert_non_null(strstr(page, "default-src 'none'; style-src 'unsafe-inline'"));
    assert_non_null(strstr(page, "@media screen and (prefers-color-scheme: dark)"));
    assert_non_null(strstr(page, "@media print"));
    assert_int_equal(markup_count(page, "<svg "), markup_count(page, " role=\"img\""));
}

static struct buffer write_html(const struct stability_report *report)
{
    struct buffer buffer = write_report("html", report);
    check_page(buffer.data);
    return buffer;
}

static void expect(const struct buffer *page, const char *text)
{
    if (page->data == NULL || strstr(page->data, text) == NULL) {
        fail_msg("not in the page: %s", text);
    }
}

/* clang-format off */
static const char sample_header[] =
    "<header>\n"
    "<h1>digits-mlp</h1>\n"
    "<p><strong class=\"verdict unstable\">\u2715 unstable</strong> 1 error, 1 warning</p>\n"
    "<dl class=\"facts\">\n"
    "<div><dt>Loss</dt><dd>2.31</dd></div>\n"
    "<div><dt>Gradient norm</dt><dd>Inf</dd></div>\n"
    "<div><dt>Layers</dt><dd>4</dd></div>\n"
    "<div><dt>Parameters</dt><dd>3466</dd></div>\n"
    "<div><dt>Batch size</dt><dd>32</dd></div>\n"
    "<div><dt>Cost</dt><dd>665.5 kFLOP, 74 KiB</dd></div>\n"
    "</dl>\n"
    "</header>\n";
static const char sample_card[] =
    "<article class=\"error\" id=\"finding-1\">\n"
    "<h3><span class=\"severity\">E1 error</span> vanishing-gradient</h3>\n"
    "<p>The gradient&#39;s norm is 1.7e-09, below 1e-06, in 2 layers.</p>\n"
    "<p><strong>Cause:</strong> The derivative of a sigmoid is at most 1/4, so each of the sixteen layers between the "
    "loss and &#39;fc1&#39; makes the gradient at least four times smaller.</p>\n"
    "<p class=\"names\">Layers: <code>fc1</code> <code>act</code></p>\n"
    "<dl class=\"evidence\">\n"
    "<div><dt>gradient_norm</dt><dd>1.7e-09</dd></div>\n"
    "<div><dt>threshold</dt><dd>1e-06</dd></div>\n"
    "</dl>\n"
    "</article>\n";
static const char sample_rows[] =
    "<tr><td class=\"n\">1</td><th scope=\"row\"><code>fc1</code></th><td>Linear</td><td>32x64</td>"
    "<td class=\"n\">0.2500</td><td class=\"n\">1.118</td><td class=\"n\">2.000</td><td class=\"n\">25 %</td>"
    "<td class=\"n\">0</td><td class=\"n\">-</td><td class=\"n\">-</td><td class=\"n\">1.700e-09</td>"
    "<td class=\"n\">1.700e-09</td><td><a class=\"error\" href=\"#finding-1\">E1</a></td></tr>\n"
    "<tr><td class=\"n\">2</td><th scope=\"row\"><code>act</code></th><td>ReLU</td><td>32x64</td>"
    "<td class=\"n strange\">Inf</td><td class=\"n strange\">NaN</td><td class=\"n strange\">Inf</td>"
    "<td class=\"n\">0 %</td><td class=\"n strange\">1</td><td class=\"n\">25 %</td><td class=\"n\">-</td>"
    "<td class=\"n strange\">NaN</td><td class=\"n\">-</td><td><a class=\"error\" href=\"#finding-1\">E1</a> "
    "<a class=\"warning\" href=\"#finding-2\">W2</a></td></tr>\n";
static const char sample_parameter_rows[] =
    "<tr><th scope=\"row\"><code>fc1.weight</code></th><td>64x16</td><td>given</td><td class=\"n\">0.2500</td>"
    "<td class=\"n\">1.118</td><td class=\"n\">2.000</td><td class=\"n\">2.291</td><td class=\"n\">1.700e-09</td>"
    "<td class=\"n\">1.000e-04</td></tr>\n"
    "<tr><th scope=\"row\"><code>fc1.bias</code></th><td>64</td><td>shared with <code>fc0</code></td>"
    "<td class=\"n\">0.2500</td><td class=\"n\">1.118</td><td class=\"n\">2.000</td><td class=\"n\">2.291</td>"
    "<td class=\"n\">-</td><td class=\"n\">-</td></tr>\n"
    "<tr><th scope=\"row\"><code>lstm.steps</code></th><td>scalar</td><td>given, buffer</td><td class=\"n\">-</td>";
/* clang-format on */

static void writes_the_sample_literally(void **unused)
{
    (void)unused;
    struct buffer page = write_html(&sample_report);
    expect(&page, "<title>digits-mlp: unstable - stabilityd</title>");
    expect(&page, sample_header);
    expect(&page, sample_card);
    expect(&page, sample_rows);
    expect(&page, sample_parameter_rows);
    expect(&page, "<dt>vanishing-gradient</dt>\n<dd>");
    assert_null(strstr(page.data, "<dt>exploding-gradient</dt>"));
    expect(&page, "<footer class=\"quiet\">stabilityd 1.0.0, float32, train mode, seed 18446744073709551615");
    buffer_free(&page);
}

static void writes_no_layers(void **unused)
{
    (void)unused;
    struct buffer page = write_html(&empty_report);
    expect(&page,
           "<h1>Model</h1>\n<p><strong class=\"verdict stable\">\u2713 stable</strong> no findings</p>\n");
    assert_null(strstr(page.data, "<article"));
    assert_null(strstr(page.data, "<svg"));
    assert_null(strstr(page.data, "<table"));
    buffer_free(&page);
}

/* What the chart with that id draws and says. */
static struct buffer chart_of(const struct buffer *page, const char *id)
{
    struct buffer heading = {0};
    buffer_format(&heading, "<figure>\n<h3 id=\"%s\">", id);
    const char *start = strstr(page->data, heading.data);
    assert_non_null(start);
    buffer_free(&heading);
    struct buffer chart = {0};
    buffer_append(&chart, start, (size_t)(strstr(start, "</figure>") - start));
    return chart;
}

/* Five layers: norms 1e-9, 1, nothing, 0 and NaN. The axis reaches from 1e-9 to 1e3, 220 units in all. */
static void draws_gradient_norms_on_a_logarithmic_axis(void **unused)
{
    (void)unused;
    static const double norms[] = {1e-9, 1, 0, 0, NAN};
    struct stability_statistics gradients[LENGTH(norms)];
    struct stability_output_report outputs[LENGTH(norms)];
    struct stability_layer_report layers[LENGTH(norms)];
    static const char *const names[] = {"one", "two", "three", "four", "five"};
    for (size_t i = 0; i < LENGTH(norms); i++) {
        gradients[i] = (struct stability_statistics){.all = {.count = 1, .norm = norms[i]}};
        outputs[i] = (struct stability_output_report){.name = "", .gradient = i == 2 ? NULL : &gradients[i]};
        layers[i] = (struct stability_layer_report){
            .name = names[i], .type = "Linear", .output_count = 1, .outputs = &outputs[i]};
    }
    const struct stability_report report = {.layer_count = LENGTH(layers), .layers = layers};
    struct buffer page = write_html(&report);
    assert_null(strstr(page.data, "id=\"variance\""));
    struct buffer chart = chart_of(&page, "gradient-norm");
    expect(&chart, "<rect class=\"band\" x=\"56\" y=\"10\" width=\"640\" height=\"165\"/>");
    expect(&chart, ">acceptable: 1e-06 to 1000</text>");
    expect(&chart, "<path class=\"line series-0\" d=\"M120 230L248 65\"/>");
    expect(&chart, "<circle class=\"mark series-0 outside\" cx=\"120\" cy=\"230\" r=\"3\">"
                   "<title>one, gradient of the output: 1e-09</title></circle>");
    expect(&chart, "<circle class=\"mark series-0\" cx=\"248\" cy=\"65\" r=\"3\">"
                   "<title>two, gradient of the output: 1</title></circle>");
    expect(&chart, "cx=\"504\" cy=\"230\" r=\"3\"><title>four, gradient of the output: 0</title></circle>");
    expect(
        &chart,
        "<path class=\"cross\" d=\"M628 13l8 8m0-8l-8 8\"><title>five, gradient of the output: NaN</title>");
    expect(
        &chart,
        " gradient of the output: least 1e-09 at <code>one</code>, greatest 1 at <code>two</code>, 0 in 1, "
        "not finite in 1, outside of the acceptable range in 3 of 4</div>");
    expect(&chart, " gradient of the parameters: none</div>");
    assert_int_equal(markup_count(chart.data, "<title>"), 4);
    buffer_free(&chart);
    buffer_free(&page);
}

static void says_when_all_gradients_are_acceptable(void **unused)
{
    (void)unused;
    struct stability_report report = sample_report;
    report.layers = &sample_layers[2];
    report.layer_count = 1;
    struct buffer page = write_html(&report);
    expect(&page, " gradient of the output: least 2.291 at <code>lstm</code>, greatest 2.291 at "
                  "<code>lstm</code>, all in "
                  "the acceptable range</div>");
    buffer_free(&page);
}

static void refers_to_few_of_many_findings(void **unused)
{
    (void)unused;
    struct stability_finding findings[12];
    struct stability_report report = make_repeated(findings);
    struct buffer page = write_html(&report);
    expect(&page, "<a class=\"error\" href=\"#finding-8\">E8</a> +4</td></tr>");
    buffer_free(&page);
}

/* Thresholds that the request set take the place of the defaults; others change nothing. */
static void draws_the_acceptable_range_that_the_request_set(void **unused)
{
    (void)unused;
    const struct stability_threshold_report thresholds[] = {{"vanishing-gradient", "through_time", 0.5},
                                                            {"vanishing-gradient", "gradient_norm", 1e-8},
                                                            {"exploding-gradient", "gradient_norm", 1e6}};
    struct stability_report report = sample_report;
    report.thresholds = thresholds;
    report.threshold_count = LENGTH(thresholds);
    struct buffer page = write_html(&report);
    expect(&page, ">acceptable: 1e-08 to 1000000</text>");
    expect(&page, ", seed 18446744073709551615, vanishing-gradient.through_time = 0.5, "
                  "vanishing-gradient.gradient_norm = 1e-08, ");
    buffer_free(&page);
}

/* A rule that is told to be silent leaves the band without a lower end. */
static void draws_a_range_from_0(void **unused)
{
    (void)unused;
    const struct stability_threshold_report threshold = {"vanishing-gradient", "gradient_norm", 0};
    struct stability_report report = sample_report;
    report.thresholds = &threshold;
    report.threshold_count = 1;
    struct buffer page = write_html(&report);
    struct buffer chart = chart_of(&page, "gradient-norm");
    expect(&chart, ">acceptable: 0 to 1000</text>");
    assert_null(strstr(chart.data, "inf\""));
    assert_null(strstr(chart.data, "nan"));
    buffer_free(&chart);
    buffer_free(&page);
}

static void draws_exponents_beside_float16(void **unused)
{
    (void)unused;
    static struct stability_statistics values[2];
    values[0].exponents[20 - STABILITY_EXPONENT_MIN] = 1;
    values[0].exponents[0 - STABILITY_EXPONENT_MIN] = 4;
    values[1].exponents[-20 - STABILITY_EXPONENT_MIN] = 2;
    values[1].exponents[-30 - STABILITY_EXPONENT_MIN] = 1;
    const struct stability_output_report outputs[] = {{.name = "", .value = &values[0]},
                                                      {.name = "", .value = &values[1]}};
    const struct stability_layer_report layers[] = {
        {.name = "one", .type = "Linear", .output_count = 1, .outputs = &outputs[0]},
        {.name = "two", .type = "Linear", .output_count = 1, .outputs = &outputs[1]}};
    const struct stability_report report = {.layer_count = 2, .layers = layers};
    struct buffer page = write_html(&report);
    struct buffer chart = chart_of(&page, "exponents-outputs");
    /* The axis reaches from 2^-31 to 2^22: 4.15 units a power. A column has 288 of its 320 units to use. */
    expect(&chart, "<path class=\"bars normal\" d=\"M72 97.17h288v4.15h-288z\"/>");
    expect(&chart, "<path class=\"bars subnormal\" d=\"M392 180.2h288v4.15h-288z\"/>");
    expect(&chart, "<path class=\"bars lost\" d=\"M392 221.7h144v4.15h-144z\"/>");
    expect(&chart, "<path class=\"bars lost\" d=\"M72 14.15h72v4.15h-72z\"/>");
    expect(
        &chart,
        "In float16 12.5 % of the finite numbers other than 0 would be too small, 25 % subnormal, 12.5 % too "
        "large; most are lost in <code>two</code>, 33.3 %.");
    assert_null(strstr(page.data, "id=\"exponents-parameters\""));
    buffer_free(&chart);
    buffer_free(&page);
}

static void survives_hostile_names(void **unused)
{
    (void)unused;
    struct buffer page = write_html(&hostile_report);
    assert_int_equal(markup_count(page.data, "<script"), 0);
    expect(&page,
           "<td class=\"n\">1</td><th scope=\"row\"><code>&lt;script&gt;alert(1)&lt;/script&gt;</code></th>"
           "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>");
    expect(&page, "<td class=\"n\">5</td><th scope=\"row\"><code>" LONGEST_NAME "</code></th>");
    expect(&page, "<code>\\x01\\x1b[31m\\x7f\\n\\t\\r\\u200b\\u0080\\ufffe\\xff</code>");
    buffer_free(&page);
}

/* Cards for the first forty, rows for the others; columns that layers share; no marks where lines do. */
static void tells_many_findings(void **unused)
{
    (void)unused;
    struct many many = make_many(420);
    struct buffer page = write_html(&many.report);
    assert_int_equal(markup_count(page.data, "<article "), 40);
    assert_int_equal(markup_count(page.data, "<tr id=\"finding-"), 380);
    expect(&page, "<a href=\"#finding-41\">380 further findings</a>");
    expect(&page, " and 380 more</p>");
    expect(&page,
           "<tr id=\"finding-420\"><th scope=\"row\" class=\"warning\">W420 warning</th><td>dead-units</td>"
           "<td class=\"text\"><code>block.419.linear</code></td>");
    struct buffer chart = chart_of(&page, "variance");
    assert_int_equal(markup_count(chart.data, "<title>"), 0);
    expect(&chart, ">400</text>");
    expect(&chart, "layer, by its number in the table");
    buffer_free(&chart);
    buffer_free(&page);
    free_many(&many);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    check_allocation_failures("html", &sample_report);
    check_allocation_failures("html", &hostile_report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_sample_literally),
        cmocka_unit_test(writes_no_layers),
        cmocka_unit_test(draws_gradient_norms_on_a_logarithmic_axis),
        cmocka_unit_test(says_when_all_gradients_are_acceptable),
        cmocka_unit_test(refers_to_few_of_many_findings),
        cmocka_unit_test(draws_the_acceptable_range_that_the_request_set),
        cmocka_unit_test(draws_a_range_from_0),
        cmocka_unit_test(draws_exponents_beside_float16),
        cmocka_unit_test(survives_hostile_names),
        cmocka_unit_test(tells_many_findings),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
