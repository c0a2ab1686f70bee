/* Bodies that are read while they arrive. */
#include "tests/server/arrival_case.h"

#include "server/buffer.h"
#include "server/input/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct stability_limits limits = {.layers = 100, .elements = 100000};

static const char *const texts[] = {
    "[]",
    "  12.5e-3 ",
    "-0",
    "true",
    "\"\"",
    "\"caf\xc3\xa9 \\u00e9 \\ud83d\\ude00 \\\" \\\\\"",
    "{\"a\" : [ ], \"b\":[[ ] ,[ ]], \"c\": [\"NaN\", \"x,y\", 1], \"d\": [1, {\"e\": [2, [3, 4]]}]}",
    "{\"w\": [[[1, -2.5], [\"NaN\", 1e-300]], [[\"Infinity\", 4], [5, 6]]], \"n\": [\"NaN\", \"-Infinity\"]}",
    "[1, 2, \"three, four\", [5, 6], null, true, [[7], [8, 9]]]",
    "[[1, 2], [3]]",
    "[1, [2]]",
    "[1, 2",
    "[1, 2,",
    "[1 2]",
    "{\"a\": 1,, \"b\": 2}",
    "{\"a\": 01}",
    "[1, nan, 2]",
    "\"no end",
    "\"\\ud800\"",
    "[1e999, 2]",
    "{\"a\": tru}",
    "{\"a\": 1} 2",
};

static void short_texts_in_any_two_pieces(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strlen(texts[i]);
        for (size_t first = 0; first <= length; first++) {
            if (!arrives_alike(texts[i], length, &limits, first, length + 1)) {
                fail_msg("%s cut at %zu", texts[i], first);
            }
        }
        for (size_t step = 1; step < 5; step++) {
            if (!arrives_alike(texts[i], length, &limits, 0, step)) {
                fail_msg("%s in pieces of %zu", texts[i], step);
            }
        }
    }
}

/* A number from 0 to `below` - 1. */
static unsigned draw(uint64_t *state, unsigned below)
{
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return (unsigned)(*state >> 33) % below;
}

static void write_value(struct buffer *text, uint64_t *state, int depth)
{
    static const char *const spaces[] = {"", "", "", " ", "\n  ", "\t"};
    switch (draw(state, depth > 3 ? 3 : 6)) {
    case 0:
        buffer_format(text, "%d.%de%d", (int)draw(state, 2000) - 1000, (int)draw(state, 100000),
                      (int)draw(state, 20) - 10);
        break;
    case 1:
        buffer_append_text(text, draw(state, 2) == 0 ? "\"NaN\"" : "\"a, [b] \\\" \xe2\x82\xac\"");
        break;
    case 2: /* long enough to be taken out */
        buffer_append_text(text, "\"");
        buffer_fill(text, 'A', draw(state, 1000));
        buffer_append_text(text, "\"");
        break;
    case 3: { /* a matrix */
        unsigned rows = 1 + draw(state, 20);
        unsigned columns = 1 + draw(state, 20);
        for (unsigned i = 0; i < rows; i++) {
            buffer_append_text(text, i == 0 ? "[[" : ", [");
            for (unsigned j = 0; j < columns; j++) {
                buffer_format(text, "%s%s%d", j == 0 ? "" : ",", spaces[draw(state, 6)],
                              (int)draw(state, 100000) - 50000);
            }
            buffer_append_text(text, "]");
        }
        buffer_append_text(text, "]");
        break;
    }
    default: {
        bool object = draw(state, 2) == 0;
        unsigned count = draw(state, 6);
        buffer_append_text(text, object ? "{" : "[");
        for (unsigned i = 0; i < count; i++) {
            buffer_format(text, "%s%s", i == 0 ? "" : ",", spaces[draw(state, 6)]);
            if (object) {
                buffer_format(text, "\"key%u\"%s:", i, spaces[draw(state, 6)]);
            }
            write_value(text, state, depth + 1);
        }
        buffer_append_text(text, object ? "}" : "]");
    }
    }
}

static void long_texts_in_pieces(void **unused)
{
    (void)unused;
    static const size_t steps[] = {1, 13, 100, 4096};
    for (uint64_t seed = 0; seed < 200; seed++) {
        uint64_t state = seed;
        struct buffer text = {0};
        write_value(&text, &state, 0);
        if (draw(&state, 4) == 0) { /* and one that is broken somewhere */
            text.data[draw(&state, (unsigned)text.length)] = ",x]\"9"[draw(&state, 5)];
        }
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            if (!arrives_alike(text.data, text.length, &limits, draw(&state, 20), steps[i])) {
                fail_msg("seed %d in pieces of %zu", (int)seed, steps[i]);
            }
        }
        buffer_free(&text);
    }
}

/* Without looking at the same bytes again with every piece, which would take hours. */
static void an_endless_number_is_waited_for(void **unused)
{
    (void)unused;
    struct buffer text = {0};
    buffer_append_text(&text, "{\"a\": ");
    buffer_fill(&text, '1', 4000000);
    assert_false(text.failed);
    assert_true(arrives_alike(text.data, text.length, &limits, 0, 16));
    buffer_free(&text);
}

static void what_was_taken_of_the_budget_moves(void **unused)
{
    (void)unused;
    static const char body[] = "[[1, 2, 3], [4, 5, 6]]";
    struct budget budget = {.total = 1 << 20};
    struct claim claim = {.budget = &budget};
    struct scan scan = {.claim = &claim};
    struct input_arrival *arrival = input_arrival_new(body, sizeof body - 1, &limits, &budget);
    assert_non_null(arrival);
    input_arrival_read(arrival, 12);
    assert_true(budget.reserved > 0);
    assert_true(input_arrival_finish(arrival, &scan));
    input_arrival_free(arrival);
    assert_int_equal(scan.number_count, 6);
    assert_ptr_equal(scan.claim, &claim);
    assert_true(claim.bytes > 0);
    assert_int_equal(claim.bytes, budget.reserved);
    scan_free(&scan);
    claim_release(&claim);
}

static void without_memory_the_body_is_read_later(void **unused)
{
    (void)unused;
    static const char body[] = "[[1, 2, 3], [4, 5, 6]]";
    struct budget budget = {.total = 10};
    struct scan scan = {0};
    struct input_arrival *arrival = input_arrival_new(body, sizeof body - 1, &limits, &budget);
    assert_non_null(arrival);
    input_arrival_read(arrival, 12);
    assert_false(input_arrival_finish(arrival, &scan));
    assert_int_equal(scan.number_count, 0);
    assert_int_equal(budget.reserved, 0);
    input_arrival_free(arrival);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_texts_in_any_two_pieces),
        cmocka_unit_test(long_texts_in_pieces),
        cmocka_unit_test(an_endless_number_is_waited_for),
        cmocka_unit_test(what_was_taken_of_the_budget_moves),
        cmocka_unit_test(without_memory_the_body_is_read_later),
    };
    input_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
