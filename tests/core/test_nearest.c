#include <stability/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const known[] = {"ReLU", "LeakyReLU", "Linear",      "Conv1d",       "Conv2d",
                                    "x",    "options",   "in_features", "out_features", NULL};

static void check(const char *name, const char *expected)
{
    const char *found = stability_nearest(name, known);
    if (expected == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, expected);
    }
}

static void finds_the_nearest_name(void **unused)
{
    (void)unused;
    check("ReLU", "ReLU");
    check("relu", "ReLU");
    check("RelU6", "ReLU");
    check("leaky_relu", "LeakyReLU");
    check("Liner", "Linear");
    check("Lienar", "Linear");
    check("infeatures", "in_features");
    check("out_feature", "out_features");
    check("optoins", "options");
    check("Conv3d", "Conv1d"); /* the first of two that are equally near */
}

static void finds_nothing_far_away(void **unused)
{
    (void)unused;
    check("", NULL);
    check("y", NULL);
    check("weights", NULL);
    check("Transformer", NULL);
}

static void does_not_compare_long_names(void **unused)
{
    (void)unused;
    char name[66];
    memset(name, 'a', 65);
    name[65] = '\0';
    const char *const names[] = {name, NULL};
    assert_null(stability_nearest(name, names));
    assert_null(stability_nearest("a", names));
    name[64] = '\0';
    assert_ptr_equal(stability_nearest(name, names), name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_nearest_name),
        cmocka_unit_test(finds_nothing_far_away),
        cmocka_unit_test(does_not_compare_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
