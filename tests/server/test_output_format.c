/* Which format a name or an Accept header asks for. */
#include "server/output/format.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file without a line in the table is found here; a line without a file does not link. */
static void every_file_is_in_the_table(void **unused)
{
    (void)unused;
    glob_t files;
    assert_int_equal(glob(SOURCE_DIRECTORY "/server/output/report_*.c", 0, NULL, &files), 0);
    assert_int_equal(files.gl_pathc, format_count());
    globfree(&files);
}

static void finds_each_by_its_name(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < format_count(); i++) {
        assert_ptr_equal(format_find(format_at(i)->name), format_at(i));
    }
    assert_string_equal(format_at(0)->name, "json");
    assert_null(format_find("JSON"));
    assert_null(format_find(""));
    assert_null(format_find("yaml"));
}

static void finds_each_by_its_media_type(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < format_count(); i++) {
        assert_ptr_equal(format_accept(format_at(i)->media_type), format_at(i));
    }
}

/* NULL: nothing is acceptable. */
static const struct {
    const char *accept;
    const char *format;
} cases[] = {
    {NULL, "json"},
    {"", "json"},
    {" \t", "json"},
    {"*/*", "json"},
    {"application/json", "json"},
    {"Application/JSON", "json"},
    {"application/*", "json"},
    {"text/plain", "text"},
    {"text/*", "text"},
    {"TEXT/PLAIN;charset=utf-8", "text"},
    {"text/plain ; q=0.1", "text"},
    {"text/plain;q=0.1, */*;q=0.2", "json"},
    {"text/plain;q=0.3, */*;q=0.2", "text"},
    {"text/plain, */*", "text"},
    {"*/*, text/plain", "text"},
    {"application/json, text/plain, */*", "json"},
    {"text/plain, application/json", "text"},
    {"application/json;q=0.5,text/plain;q=0.500", "json"},
    {"application/json;q=0.5,text/plain;q=0.501", "text"},
    {"text/markdown", "markdown"},
    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"},
    {"application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "junit"},
    {"application/sarif+json, application/json;q=0.9", "sarif"},
    {"application/json;q=0, */*", "text"},
    {"*/*, application/json;q=0.0", "text"},
    {"text/*, text/plain;q=0", "markdown"},
    {"text/plain;q=0", NULL},
    {"*/*;q=0", NULL},
    {"application/pdf", NULL},
    {"application/jso", NULL},
    {"application/jsonx", NULL},
    {"textual/*", NULL},
    {"*", NULL},
    {"*/plain", NULL},
    {",,text/plain,,", "text"},
    {"text/plain;q=1.000", "text"},
    {"text/plain;q=1.001", NULL},
    {"text/plain;q=2", NULL},
    {"text/plain;q=0.1234", NULL},
    {"text/plain;q=-1", NULL},
    {"text/plain;q=", NULL},
    {"text/plain;q=.5", NULL},
    {"text/plain;q=x, application/json;q=0.1", "json"},
    {"text/plain;Q=0.2, application/json;q=0.1", "text"},
    {"text/plain;format=\"a,b;q=0\";q=0.5, application/json;q=0.1", "text"},
    {"text/plain;x=\"\\\",\", application/json;q=0.1", "text"},
    {"text/plain;x=\"never closed, application/json", "text"},
};

static void negotiates(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct format *format = format_accept(cases[i].accept);
        const char *name = format != NULL ? format->name : "none";
        const char *expected = cases[i].format != NULL ? cases[i].format : "none";
        if (strcmp(name, expected) != 0) {
            fail_msg("%s: expected %s, found %s", cases[i].accept, expected, name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_is_in_the_table),
        cmocka_unit_test(finds_each_by_its_name),
        cmocka_unit_test(finds_each_by_its_media_type),
        cmocka_unit_test(negotiates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
