/* Text made harmless, format by format. */
#include "hostile_report.h"
#include "server/output/escape.h"

static const struct {
    enum escape escape;
    const char *text;
    const char *expected;
} cases[] = {
    {ESCAPE_MARKUP, "", ""},
    {ESCAPE_MARKUP, "encoder.layers.0", "encoder.layers.0"},
    {ESCAPE_MARKUP, SCRIPT, "&lt;script&gt;alert(1)&lt;/script&gt;"},
    {ESCAPE_MARKUP, QUOTES, "it&#39;s &quot;quoted&quot; &amp; &amp;amp; ]]&gt; --&gt; &lt;!--"},
    {ESCAPE_MARKUP, CONTROLS, "\\x01\\x1b[31m\\x7f\\n\\t\\r\\u200b\\u0080\\ufffe\\xff"},
    {ESCAPE_MARKUP, "\xC3\xA9\xF0\x9F\x98\x80", "\xC3\xA9\xF0\x9F\x98\x80"},
    {ESCAPE_MARKDOWN, SCRIPT, "&lt;script&gt;alert(1)&lt;/script&gt;"},
    {ESCAPE_MARKDOWN, PIPES,
     "a&#92;&#124;b &#124; &#96;c&#96; \\*d\\* \\_e\\_ \\~f\\~ \\#g \\$h\\$ @&#8288;team {0} "
     "\\[i\\](http&#58;//example.com)"},
    {ESCAPE_MARKDOWN, "a:b www.example.com me@example.com", "a:b www&#46;example.com me@&#8288;example.com"},
    {ESCAPE_MARKDOWN, "\n", "&#92;n"},
    {ESCAPE_SARIF, SCRIPT, SCRIPT},
    {ESCAPE_SARIF, "{0} {{1}} [i](1) x[0] ](", "{{0}} {{{{1}}}} [i] (1) x[0] ] ("},
    {ESCAPE_SARIF, "(a)]", "(a)]"},
};

static void escapes(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct buffer buffer = {0};
        buffer_append_text(&buffer, "<kept>");
        escape_text(&buffer, cases[i].escape, cases[i].text);
        assert_false(buffer.failed);
        assert_int_equal(strncmp(buffer.data, "<kept>", 6), 0);
        assert_string_equal(buffer.data + 6, cases[i].expected);
        buffer_free(&buffer);
    }
}

static void escapes_what_is_there_already(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    escape_tail(&buffer, ESCAPE_MARKUP, 0);
    assert_int_equal(buffer.length, 0);
    buffer_append_text(&buffer, "<a>&");
    escape_tail(&buffer, ESCAPE_MARKUP, 3);
    assert_string_equal(buffer.data, "<a>&amp;");
    buffer_free(&buffer);
}

/* What was there before stays as it was. */
static void fails_when_memory_ends(void **unused)
{
    (void)unused;
    struct buffer buffer = {0};
    for (int i = 0; i < 60; i++) {
        buffer_append_text(&buffer, "&&&&");
    }
    reallocations_before_failure = 0;
    escape_tail(&buffer, ESCAPE_MARKUP, 0);
    reallocations_before_failure = -1;
    assert_true(buffer.failed);
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(escapes_what_is_there_already),
        cmocka_unit_test(fails_when_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
