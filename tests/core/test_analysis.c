/* Analyses: which run, how they are asked for, what is refused. */
#include "support.h"

#include "request_builder.h"

#include <stability/registry.h>

#include <string.h>

static void small_model(struct builder *b)
{
    builder_data(b, "input", SHAPE(1, 1), (double[]){1});
    builder_data(b, "target", SHAPE(1, 1), (double[]){3});
    builder_linear(b, "fc", NULL, 1, 1);
    builder_loss(b, "L1Loss", NULL);
}

static void every_analysis_is_described(void **state)
{
    (void)state;
    assert_true(stability_analysis_type_count() > 0);
    for (size_t i = 0; i < stability_analysis_type_count(); i++) {
        const struct stability_analysis_type *type = stability_analysis_type_at(i);
        assert_true(strlen(type->documentation) > 40 && strlen(type->source) > 10);
        for (const struct stability_attribute *row = type->settings; row && row->name; row++)
            assert_true(strlen(row->documentation) > 10);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(type->name, stability_analysis_type_at(k)->name);
    }
}

static void some_always_run_and_all_run_when_asked_for(void **state)
{
    (void)state;
    struct stability_analysis asked[16];
    size_t count = stability_analysis_type_count();
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++)
        asked[i] = (struct stability_analysis){.name = stability_analysis_type_at(i)->name};
    for (size_t all = 0; all < 2; all++) {
        struct builder b = {0};
        small_model(&b);
        builder_options(&b)->analyses = asked;
        builder_options(&b)->analysis_count = all ? count : 0;
        struct stability_report *report = builder_diagnose(&b);
        assert_int_equal(report->analyses->kind, STABILITY_RESULT_OBJECT);
        for (size_t i = 0; i < count; i++) {
            const struct stability_result *result = stability_result_member(report->analyses, asked[i].name);
            assert_int_equal(result != NULL, all || stability_analysis_type_at(i)->always);
            if (result)
                assert_int_equal(result->kind, STABILITY_RESULT_OBJECT);
        }
        stability_report_free(report);
        builder_free(&b);
    }
}

static void expect_refusal(const struct stability_analysis *analysis, enum stability_code code,
                           const char *pointer)
{
    struct builder b = {0};
    small_model(&b);
    builder_options(&b)->analyses = analysis;
    builder_options(&b)->analysis_count = 1;
    builder_expect_error(&b, code, pointer);
    builder_free(&b);
}

static void what_does_not_exist_is_refused(void **state)
{
    (void)state;
    struct stability_member member = {"loss_scale", {STABILITY_INTEGER, .integer = 1}};
    struct stability_analysis analysis = {"forecasts", {0}};
    expect_refusal(&analysis, STABILITY_ERROR_UNKNOWN_MEMBER, "/options/analyses/forecasts");
    analysis = (struct stability_analysis){"precision", {1, &member}};
    expect_refusal(&analysis, STABILITY_ERROR_UNKNOWN_ATTRIBUTE, "/options/analyses/precision/loss_scale");
    member = (struct stability_member){"loss_scale_exponent", {STABILITY_INTEGER, .integer = 65}};
    expect_refusal(&analysis, STABILITY_ERROR_INVALID_ATTRIBUTE,
                   "/options/analyses/precision/loss_scale_exponent");
    analysis = (struct stability_analysis){"forecast", {1, &member}};
    expect_refusal(&analysis, STABILITY_ERROR_UNKNOWN_ATTRIBUTE,
                   "/options/analyses/forecast/loss_scale_exponent");
}

static void only_objects_have_members(void **state)
{
    (void)state;
    struct stability_result number = {.kind = STABILITY_RESULT_NUMBER, .name = "q", .number = 1};
    struct stability_result object = {.kind = STABILITY_RESULT_OBJECT, .name = "", .children = &number};
    assert_ptr_equal(stability_result_member(&object, "q"), &number);
    assert_null(stability_result_member(&object, "p"));
    assert_null(stability_result_member(&number, "q"));
    assert_null(stability_result_member(NULL, "q"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_analysis_is_described),
        cmocka_unit_test(some_always_run_and_all_run_when_asked_for),
        cmocka_unit_test(what_does_not_exist_is_refused),
        cmocka_unit_test(only_objects_have_members),
    };
    return cmocka_run_group_tests_name("analyses", tests, NULL, NULL);
}
