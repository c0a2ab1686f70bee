/* What analyses found, in text, Markdown and HTML. */
#include "hostile_report.h"
#include "server/output/results.h"

#include <string.h>

/* clang-format off */
#define VALUE(type, title, ...) &(const struct stability_result){.kind = STABILITY_RESULT_##type, .name = title, __VA_ARGS__}
#define ITEM(value, ...) VALUE(NUMBER, "", .number = (value), .next = __VA_ARGS__)

static const struct stability_result losses = {.kind = STABILITY_RESULT_LIST, .name = "losses", .children =
    ITEM(0.5, ITEM(0.25, ITEM(INFINITY, ITEM(4, ITEM(5, ITEM(6, ITEM(7, ITEM(8, ITEM(9, ITEM(10, NULL))))))))))};

static const struct stability_result rows[] = {
    {.kind = STABILITY_RESULT_OBJECT, .name = "", .next = &rows[1], .children =
         VALUE(TEXT, "layer", .text = "fc1", .next = VALUE(OBJECT, "ratio", .children = VALUE(NUMBER, "least", .number = 0.125)))},
    {.kind = STABILITY_RESULT_OBJECT, .name = "", .children =
         VALUE(TEXT, "layer", .text = "a longer name", .next = VALUE(BOOLEAN, "sound", .boolean = true))},
};

static const struct stability_result wide = {.kind = STABILITY_RESULT_OBJECT, .name = "", .children =
    VALUE(TEXT, "message", .text = "a sentence that alone is longer than any line of a terminal that has one hundred "
          "columns, which this one has", .next = VALUE(NULL, "step", .next = VALUE(INTEGER, "count", .integer = 7)))};

static const struct stability_result analyses = {.kind = STABILITY_RESULT_OBJECT, .name = "", .children =
    VALUE(OBJECT, "always", .children = VALUE(INTEGER, "hidden", .integer = 1), .next =
    VALUE(OBJECT, "training", .children = VALUE(TEXT, "outcome", .text = "diverged", .next =
        VALUE(OBJECT, "clipping", .children = VALUE(NULL, "threshold"), .next =
        VALUE(LIST, "empty", .next =
        VALUE(LIST, "layers", .children = rows, .next =
        VALUE(LIST, "events", .children = &wide, .next = &losses))))))) };

static const struct stability_report report = {
    .loss = 0.5, .analyses = &analyses, .asked_count = 1, .asked = (const char *const[]){"training"}};
/* clang-format on */

static void assert_contains(const char *format, const char *expected)
{
    struct buffer buffer = write_report(format, &report);
    if (strstr(buffer.data, expected) == NULL) {
        print_error("%s\nhas no\n%s\n", buffer.data, expected);
        fail();
    }
    assert_null(strstr(buffer.data, "hidden"));
    buffer_free(&buffer);
}

static void text_has_lines_tables_and_paragraphs(void **unused)
{
    (void)unused;
    assert_contains("text",
                    "\nanalysis: training\n"
                    "  outcome             diverged\n"
                    "  clipping.threshold  -\n"
                    "  empty               none\n"
                    "  layers\n"
                    "    layer          ratio.least  sound\n"
                    "    fc1            0.125        -\n"
                    "    a longer name  -            yes\n"
                    "  events\n"
                    "    - message a sentence that alone is longer than any line of a terminal that has one "
                    "hundred\n"
                    "      columns, which this one has; count 7\n"
                    "  losses              0.5, 0.25, Inf, 4, 5, 6, ... 9, 10 (10 values)\n");
}

#define WIDE_ROW(word, wide_value, following)                                                                \
    {                                                                                                        \
        .kind = STABILITY_RESULT_OBJECT, .name = "", .next = following,                                      \
        .children = VALUE(                                                                                   \
            TEXT, "layer", .text = word,                                                                     \
            .next = VALUE(                                                                                   \
                INTEGER, "first_of_some_columns_with_long_names", .integer = wide_value,                     \
                .next = VALUE(                                                                               \
                    TEXT, "alike", .text = "yes",                                                            \
                    .next = VALUE(                                                                           \
                        NULL, "nowhere",                                                                     \
                        .next = VALUE(                                                                       \
                            INTEGER, "second_of_some_columns_with_long_names", .integer = 7 + wide_value,    \
                            .next =                                                                          \
                                VALUE(INTEGER, "third_of_some_columns_with_long_names", .integer = 3,        \
                                      .next = wide_value == 1                                                \
                                                  ? NULL                                                     \
                                                  : VALUE(TEXT, "how",                                       \
                                                          .text = "a sentence that is too long to stand in " \
                                                                  "a column beside others")))))))            \
    }

/* What does not fit side by side stands below, what is alike once, what is long by itself. */
static void wide_tables_stand_in_blocks(void **unused)
{
    (void)unused;
    const struct stability_result second = WIDE_ROW("fc2", 2, NULL);
    const struct stability_result first = WIDE_ROW("fc1", 1, &second);
    const struct stability_result list = {.kind = STABILITY_RESULT_LIST, .name = "rows", .children = &first};
    const struct stability_result training = {
        .kind = STABILITY_RESULT_OBJECT, .name = "training", .children = &list};
    const struct stability_result all = {.kind = STABILITY_RESULT_OBJECT, .name = "", .children = &training};
    struct stability_report wide_report = report;
    wide_report.analyses = &all;
    struct buffer buffer = write_report("text", &wide_report);
    assert_non_null(
        strstr(buffer.data,
               "  rows\n"
               "    in each: alike yes; third_of_some_columns_with_long_names 3\n"
               "    layer  first_of_some_columns_with_long_names  second_of_some_columns_with_long_names\n"
               "    fc1    1                                      8\n"
               "    fc2    2                                      9\n"
               "    - layer fc2; how a sentence that is too long to stand in a column beside others\n"));
    buffer_free(&buffer);
}

static void markdown_has_a_list_and_tables(void **unused)
{
    (void)unused;
    assert_contains("markdown", "\n### Analyses\n\n#### training\n\n"
                                "- **outcome:** diverged\n"
                                "- **clipping.threshold:** -\n"
                                "- **empty:** none\n"
                                "- **losses:** 0.5, 0.25, Inf, 4, 5, 6, ... 9, 10 (10 values)\n"
                                "\n**layers**\n\n"
                                "| layer | ratio.least | sound |\n"
                                "|---|---|---|\n"
                                "| fc1 | 0.125 | - |\n"
                                "| a longer name | - | yes |\n");
}

static void html_has_a_list_and_tables(void **unused)
{
    (void)unused;
    assert_contains("html", "<h2>Analyses</h2>\n<h3>training</h3>\n<dl class=\"evidence\">\n"
                            "<div><dt>outcome</dt><dd>diverged</dd></div>\n");
    assert_contains("html", "<tr><th scope=\"col\">layer</th><th scope=\"col\">ratio.least</th>"
                            "<th scope=\"col\">sound</th></tr>\n</thead>\n<tbody>\n"
                            "<tr><td>fc1</td><td>0.125</td><td>-</td></tr>\n");
}

static void rows_are_counted_where_there_are_too_many(void **unused)
{
    (void)unused;
    struct results_table table = {0};
    const struct stability_result list = {.kind = STABILITY_RESULT_LIST, .name = "layers", .children = rows};
    assert_true(results_table_make(&table, &list, 1));
    assert_int_equal(table.row_count, 1);
    assert_int_equal(table.left_out, 1);
    assert_int_equal(table.width, strlen("layer  ratio.least"));
    results_table_free(&table);
}

static void nothing_asked_for_shows_nothing(void **unused)
{
    (void)unused;
    struct stability_report silent = report;
    silent.asked_count = 0;
    const char *const formats[] = {"text", "markdown", "html"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct buffer buffer = write_report(formats[i], &silent);
        assert_null(strstr(buffer.data, "training"));
        buffer_free(&buffer);
    }
}

static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    const char *const formats[] = {"text", "markdown", "html"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        check_allocation_failures(formats[i], &report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_has_lines_tables_and_paragraphs),
        cmocka_unit_test(wide_tables_stand_in_blocks),
        cmocka_unit_test(markdown_has_a_list_and_tables),
        cmocka_unit_test(html_has_a_list_and_tables),
        cmocka_unit_test(rows_are_counted_where_there_are_too_many),
        cmocka_unit_test(nothing_asked_for_shows_nothing),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
