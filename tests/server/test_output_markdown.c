/* The Markdown report: literally; its tables keep their columns whatever a request is named; and it fits into
 * a job's summary. */
#include "hostile_report.h"

/* clang-format off */
static const char sample_markdown[] =
    "## \u274C digits-mlp: unstable\n"
    "\n"
    "1 error, 1 warning.\n"
    "\n"
    "| Loss | Gradient norm | Parameters | Batch | Cost | Engine |\n"
    "|---:|---:|---:|---:|---:|---|\n"
    "| 2.31 | Inf | 3466 | 32 | 665.5 kFLOP, 74 KiB | stabilityd 1.0.0, float32, train mode, seed 18446744073709551615, "
    "OpenBLAS 0.3.21 SkylakeX |\n"
    "\n"
    "### Findings\n"
    "\n"
    "#### E1 error: vanishing-gradient\n"
    "\n"
    "The gradient's norm is 1.7e-09, below 1e-06, in 2 layers.\n"
    "\n"
    "- **Layers:** <code>fc1</code>, <code>act</code>\n"
    "- **Cause:** The derivative of a sigmoid is at most 1/4, so each of the sixteen layers between the loss and 'fc1' "
    "makes the gradient at least four times smaller.\n"
    "- **Evidence:** gradient\\_norm = 1.7e-09, threshold = 1e-06\n"
    "\n"
    "#### W2 warning: dead-units\n"
    "\n"
    "A quarter of the units is dead.\n"
    "\n"
    "- **Layers:** <code>act</code>\n"
    "- **Evidence:** dead\\_units = Inf\n"
    "\n"
    "<details>\n"
    "<summary>4 layers</summary>\n"
    "\n"
    "| Layer | Type | Output shape | Output mean | Output std | Output gradient norm | Parameter gradient norm | Findings |\n"
    "|---|---|---|---:|---:|---:|---:|---|\n"
    "| <code>fc1</code> | Linear | 32x64 | 0.2500 | 1.118 | 1.700e-09 | 1.700e-09 | E1 |\n"
    "| <code>act</code> | ReLU | 32x64 | Inf | NaN | NaN | - | E1 W2 |\n"
    "| <code>lstm</code> | LSTM | 32x2x8 | 0.2500 | 1.118 | 2.291 | - | |\n"
    "| <code>encoder.\"layers\".&#92;n&#92;x1b\\[31m.self\\_attention.out\\_projection.\xC3\xA9&#92;xff</code> "
    "| TransformerEncoderLayer | scalar | - | - | - | - | |\n"
    "\n"
    "</details>\n";
/* clang-format on */

static void writes_the_sample_to_the_byte(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("markdown", &sample_report);
    assert_string_equal(buffer.data, sample_markdown);
    buffer_free(&buffer);
}

static void writes_no_findings(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("markdown", &empty_report);
    static const char expected[] =
        "## \u2705 Model: stable\n"
        "\n"
        "No findings.\n"
        "\n"
        "| Loss | Gradient norm | Parameters | Batch | Cost | Engine |\n"
        "|---:|---:|---:|---:|---:|---|\n"
        "| 0.5 | 0 | 0 | 0 | 0 FLOP, 0 B | stabilityd 1.0.0, float64, eval mode, seed 7 |\n"
        "\n"
        "<details>\n"
        "<summary>0 layers</summary>\n";
    assert_int_equal(strncmp(buffer.data, expected, sizeof expected - 1), 0);
    buffer_free(&buffer);
}

static size_t count_character(const char *text, size_t length, char character)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += text[i] == character;
    }
    return count;
}

/* Rows have the pipes of their heading, and no line holds a tag that the format did not write itself. */
static void survives_hostile_names(void **unused)
{
    (void)unused;
    struct buffer buffer = write_report("markdown", &hostile_report);
    size_t rows = 0;
    for (const char *line = buffer.data; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        size_t pipes = count_character(line, length, '|');
        assert_true(pipes == 0 || pipes == 3 || pipes == 7 || pipes == 9);
        rows += pipes == 9;
        assert_int_equal(count_character(line, length, '`'), 0);
        line += length + 1;
    }
    assert_int_equal(rows, LENGTH(hostile_names) + 2);
    assert_null(strstr(buffer.data, "<script"));
    assert_null(strstr(buffer.data, "@team"));
    assert_null(strchr(buffer.data, '\x1b'));
    assert_non_null(strstr(buffer.data, "| <code>&lt;script&gt;alert(1)&lt;/script&gt;</code> |"));
    assert_non_null(strstr(buffer.data, "#### I2 info: dead-units\n\nNo layer at all.\n\n\n### Analyses\n"));
    buffer_free(&buffer);
}

/* GitHub's limit of 1 MiB. */
static void leaves_out_what_does_not_fit(void **unused)
{
    (void)unused;
    struct many many = make_many(10000);
    struct buffer buffer = write_report("markdown", &many.report);
    assert_true(buffer.length < 1024 * 1024);
    assert_non_null(strstr(buffer.data, "<code>block.7.linear</code> and 9992 more\n"));
    assert_non_null(strstr(buffer.data, " further findings are left out here.\n"));
    assert_non_null(strstr(buffer.data, " further layers are left out here.\n"));
    buffer_free(&buffer);
    many.report.layer_count = many.report.finding_count = 1000;
    buffer = write_report("markdown", &many.report);
    assert_null(strstr(buffer.data, "left out"));
    assert_non_null(strstr(buffer.data, "<code>block.999.linear</code> | Linear | 32x64 |"));
    buffer_free(&buffer);
    free_many(&many);
}

static void refers_to_few_of_many_findings(void **unused)
{
    (void)unused;
    struct stability_finding findings[12];
    struct stability_report report = make_repeated(findings);
    struct buffer buffer = write_report("markdown", &report);
    assert_non_null(strstr(buffer.data, " | E1 E2 E3 E4 E5 E6 E7 E8 +4 |\n"));
    buffer_free(&buffer);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    check_allocation_failures("markdown", &sample_report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_sample_to_the_byte),  cmocka_unit_test(writes_no_findings),
        cmocka_unit_test(survives_hostile_names),         cmocka_unit_test(leaves_out_what_does_not_fit),
        cmocka_unit_test(refers_to_few_of_many_findings), cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
