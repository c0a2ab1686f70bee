/* The report for a terminal: literally, and its promises for any report: 100 columns, no blanks at the end of
 * a line, nothing that a terminal obeys. */
#include "failing_buffer.h"
#include "sample_report.h"
#include "server/output/format.h"
#include "server/output/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* clang-format off */
static const char sample_text[] =
    "verdict        UNSTABLE: 1 error, 1 warning\n"
    "model          digits-mlp\n"
    "loss           2.31\n"
    "gradient norm  Inf\n"
    "parameters     3466\n"
    "batch          32\n"
    "cost           665.5 kFLOP, 74 KiB\n"
    "engine         stabilityd 1.0.0, float32, train mode, seed 18446744073709551615, OpenBLAS 0.3.21\n"
    "               SkylakeX\n"
    "\n"
    "                                               output  output  output      output   parameter\n"
    "layer                            type          shape     mean     std  |gradient|  |gradient|  flags\n"
    "-------------------------------  ------------  ------  ------  ------  ----------  ----------  -----\n"
    "fc1                              Linear        32x64   0.2500   1.118   1.700e-09   1.700e-09  E1\n"
    "act                              ReLU          32x64      Inf     NaN         NaN           -  E1 W2\n"
    "lstm                             LSTM          32x2x8  0.2500   1.118       2.291           -\n"
    "encoder.\"layer...ojection.\xC3\xA9\\xff  Trans...ayer  scalar       -       -           -           -\n"
    "\n"
    "E1  error: vanishing-gradient in fc1, act\n"
    "    The gradient's norm is 1.7e-09, below 1e-06, in 2 layers.\n"
    "    cause: The derivative of a sigmoid is at most 1/4, so each of the sixteen layers between the\n"
    "    loss and 'fc1' makes the gradient at least four times smaller.\n"
    "    evidence: gradient_norm = 1.7e-09, threshold = 1e-06\n"
    "\n"
    "W2  warning: dead-units in act\n"
    "    A quarter of the units is dead.\n"
    "    evidence: dead_units = Inf\n";
/* clang-format on */

static void check_lines(const struct buffer *buffer)
{
    assert_int_equal(strlen(buffer->data), buffer->length);
    for (const char *line = buffer->data; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        assert_true(terminal_columns(line, length) <= terminal_width());
        assert_true(length == 0 || line[length - 1] != ' ');
        for (size_t i = 0; i < length; i++) {
            assert_true((unsigned char)line[i] >= ' ' && line[i] != 0x7F);
        }
        assert_int_equal(line[length], '\n');
        line += length + 1;
    }
}

static struct buffer write_text(const struct stability_report *report)
{
    struct buffer buffer = {0};
    assert_true(report_format(format_find("text"), report, NULL, &buffer));
    check_lines(&buffer);
    return buffer;
}

static void writes_the_sample_to_the_byte(void **unused)
{
    (void)unused;
    struct buffer buffer = write_text(&sample_report);
    assert_string_equal(buffer.data, sample_text);
    buffer_free(&buffer);
}

static void writes_an_empty_report(void **unused)
{
    (void)unused;
    static const struct stability_report empty = {.loss = NAN,
                                                  .precision = STABILITY_PRECISION_FLOAT64,
                                                  .evaluate = true,
                                                  .seed = 7,
                                                  .findings_by_severity = {[STABILITY_INFO] = 2}};
    struct buffer buffer = write_text(&empty);
    assert_string_equal(buffer.data, "verdict        STABLE: 2 notes\n"
                                     "loss           NaN\n"
                                     "gradient norm  0\n"
                                     "parameters     0\n"
                                     "batch          0\n"
                                     "cost           0 FLOP, 0 B\n"
                                     "engine         stabilityd 1.0.0, float64, eval mode, seed 7\n"
                                     "\n"
                                     "             output  output  output      output   parameter\n"
                                     "layer  type  shape     mean     std  |gradient|  |gradient|  flags\n"
                                     "-----  ----  ------  ------  ------  ----------  ----------  -----\n");
    buffer_free(&buffer);
}

#define TEN "0123456789"
#define LONG_NAME TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "01234567"

#define BLOCK "encoder.layers."

/* Long names that begin alike, on terminals of any width: columns go before names do. */
static void fits_a_narrow_terminal(void **unused)
{
    (void)unused;
    const struct stability_statistics plain = {
        .all = {.count = 4, .mean = -0.123456, .std = 1e-3, .norm = 1e-12}};
    const struct stability_output_report output = {
        .name = "", .shape = {2, {32, 64}}, .value = &plain, .gradient = &plain};
    const struct stability_layer_report layers[] = {
        {.name = BLOCK "0.feed_forward.projection", .type = "Linear", .output_count = 1, .outputs = &output},
        {.name = BLOCK "1.feed_forward.projection", .type = "Linear", .output_count = 1, .outputs = &output}};
    const struct stability_report report = {.layer_count = LENGTH(layers), .layers = layers};
    static const struct {
        size_t width;
        const char *row;
    } cases[] = {
        {200, "\n...1.feed_forward.projection  Linear  32x64   -0.1235  0.001000   1.000e-12           -\n"},
        {80, "\n...1.feed_...projection  Linear  32x64   0.001000   1.000e-12           -\n"},
        {1, "\n...1.feed_forward.projection   1.000e-12           -\n"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        terminal_use_width(cases[i].width);
        struct buffer buffer = write_text(&report);
        assert_non_null(strstr(buffer.data, cases[i].row));
        buffer_free(&buffer);
    }
    terminal_use_width(TERMINAL_WIDTH);
}

/* All columns at their widest. */
static void keeps_the_width_at_its_worst(void **unused)
{
    (void)unused;
    enum { FINDINGS = 12000 };
    struct stability_statistics widest = {
        .all = {.count = 1, .mean = -1.23456e-100, .std = 1e-300, .norm = 1e-300}};
    const struct stability_parameter_report parameter = {
        .name = "weight", .value = &widest, .gradient = &widest};
    const struct stability_output_report output = {
        .name = "",
        .shape = {8,
                  {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}},
        .value = &widest,
        .gradient = &widest};
    const struct stability_layer_report layer = {.name = LONG_NAME,
                                                 .type = LONG_NAME,
                                                 .output_count = 1,
                                                 .outputs = &output,
                                                 .parameter_count = 1,
                                                 .parameters = &parameter};
    struct stability_finding *findings = calloc(FINDINGS, sizeof *findings);
    assert_non_null(findings);
    const char *const names[] = {LONG_NAME, LONG_NAME "a", LONG_NAME "\n"};
    for (size_t i = 0; i < FINDINGS; i++) {
        findings[i] = (struct stability_finding){.rule = "dead-units",
                                                 .severity = STABILITY_INFO,
                                                 .layer_count = LENGTH(names),
                                                 .layers = names,
                                                 .message = LONG_NAME " " LONG_NAME,
                                                 .cause = "\x1b[31m\n" LONG_NAME};
    }
    const struct stability_report report = {.model = LONG_NAME,
                                            .blas = LONG_NAME,
                                            .flops = INT64_MAX,
                                            .planned_bytes = INT64_MAX,
                                            .layer_count = 1,
                                            .layers = &layer,
                                            .finding_count = FINDINGS,
                                            .findings = findings};
    struct buffer buffer = write_text(&report);
    assert_non_null(strstr(buffer.data,
                           "\n0123...567  01234...4567  9223372...775807  -1.23e-100  1.00e-300   "
                           "1.00e-300   1.00e-300  I1 +11999\n"));
    buffer_free(&buffer);
    free(findings);
}

#define ROW "      T     scalar       -       -           -           -"

/* Layers 'b', 'a' and 'c', of which the findings name 'a', and the first one 'b' too. */
static void check_flags(size_t finding_count, const char *expected)
{
    const struct stability_output_report output = {.name = ""};
    const struct stability_layer_report layers[] = {
        {.name = "b", .type = "T", .output_count = 1, .outputs = &output},
        {.name = "a", .type = "T", .output_count = 1, .outputs = &output},
        {.name = "c", .type = "T", .output_count = 1, .outputs = &output},
    };
    struct stability_finding findings[20] = {{0}};
    const char *const names[] = {"a", "b"};
    for (size_t i = 0; i < finding_count; i++) {
        findings[i] = (struct stability_finding){.rule = "r",
                                                 .severity = (enum stability_severity)(i % 3),
                                                 .layer_count = i == 0 ? 2 : 1,
                                                 .layers = names,
                                                 .message = "m"};
    }
    const struct stability_report report = {.layer_count = LENGTH(layers),
                                            .layers = layers,
                                            .finding_count = finding_count,
                                            .findings = findings};
    struct buffer buffer = write_text(&report);
    struct buffer rows = {0};
    const char *first = finding_count > 0 ? "  I1" : "";
    buffer_format(&rows, "\nb" ROW "%s\na" ROW "%s\nc" ROW "\n", first, expected);
    assert_non_null(strstr(buffer.data, rows.data));
    buffer_free(&rows);
    buffer_free(&buffer);
}

static void refers_to_findings_while_there_is_room(void **unused)
{
    (void)unused;
    check_flags(0, "");
    check_flags(1, "  I1");
    check_flags(3, "  I1 W2 E3");
    check_flags(4, "  I1 W2 E3 I4");
    check_flags(5, "  I1 W2 E3 +2");
    check_flags(20, "  I1 W2 +18");
}

static void lists_few_of_many_layers(void **unused)
{
    (void)unused;
    const char *const names[] = {"l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9", "l10"};
    const struct stability_finding finding = {
        .rule = "r", .layer_count = LENGTH(names), .layers = names, .message = "m"};
    const struct stability_report report = {.finding_count = 1, .findings = &finding};
    struct buffer buffer = write_text(&report);
    assert_non_null(
        strstr(buffer.data, "\nI1  info: r in l1, l2, l3, l4, l5, l6, l7, l8 and 2 more\n    m\n"));
    buffer_free(&buffer);
}

/* Two gradients of norms 3 and 4 make 5; a NaN beside an infinity is a NaN. */
static void joins_the_gradients_of_parameters(void **unused)
{
    (void)unused;
    const struct stability_statistics three = {.all = {.norm = 3}};
    const struct stability_statistics four = {.all = {.norm = 4}};
    const struct stability_statistics infinite_norm = {.all = {.norm = INFINITY}};
    const struct stability_statistics no_number = {.all = {.norm = NAN}};
    const struct stability_parameter_report finite[] = {
        {.name = "a", .gradient = &three}, {.name = "b"}, {.name = "c", .gradient = &four}};
    const struct stability_parameter_report others[] = {{.name = "a", .gradient = &infinite_norm},
                                                        {.name = "b", .gradient = &no_number}};
    const struct stability_output_report output = {.name = ""};
    const struct stability_layer_report layers[] = {
        {.name = "finite",
         .type = "T",
         .output_count = 1,
         .outputs = &output,
         .parameter_count = 3,
         .parameters = finite},
        {.name = "others",
         .type = "T",
         .output_count = 1,
         .outputs = &output,
         .parameter_count = 2,
         .parameters = others},
        {.name = "one",
         .type = "T",
         .output_count = 1,
         .outputs = &output,
         .parameter_count = 1,
         .parameters = others},
    };
    const struct stability_report report = {.layer_count = LENGTH(layers), .layers = layers};
    struct buffer buffer = write_text(&report);
    assert_non_null(strstr(buffer.data, "-       5.000\nothers "));
    assert_non_null(strstr(buffer.data, "-         NaN\none "));
    assert_non_null(strstr(buffer.data, "-         Inf\n"));
    buffer_free(&buffer);
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    long failure = 0;
    for (;; failure++) {
        struct buffer buffer = {0};
        reallocations_before_failure = failure;
        bool written = report_format(format_find("text"), &sample_report, NULL, &buffer);
        bool all_succeeded = reallocations_before_failure >= 0;
        reallocations_before_failure = -1;
        assert_int_equal(written, all_succeeded);
        assert_int_equal(buffer.failed, !written);
        buffer_free(&buffer);
        if (written) {
            break;
        }
    }
    assert_true(failure > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_sample_to_the_byte),
        cmocka_unit_test(writes_an_empty_report),
        cmocka_unit_test(fits_a_narrow_terminal),
        cmocka_unit_test(keeps_the_width_at_its_worst),
        cmocka_unit_test(refers_to_findings_while_there_is_room),
        cmocka_unit_test(lists_few_of_many_layers),
        cmocka_unit_test(joins_the_gradients_of_parameters),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
