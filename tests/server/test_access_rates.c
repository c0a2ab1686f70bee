/* Requests a minute. */
#include "server/access/rates.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void key_of(uint64_t number, unsigned char key[RATES_KEY_SIZE])
{
    memset(key, 0, RATES_KEY_SIZE);
    memcpy(key, &number, sizeof(number));
    key[RATES_KEY_SIZE - 1] = 1;
}

static void lets_through_as_many_as_said(void **unused)
{
    static const double limits[] = {1, 3, 60, 1000};
    (void)unused;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct rates *rates = rates_new();
        unsigned char key[RATES_KEY_SIZE];
        key_of(i, key);
        assert_non_null(rates);
        for (int count = 0; count < limits[i]; count++) {
            assert_true(rates_take(rates, key, limits[i], 1e6) == 0);
        }
        double wait = rates_take(rates, key, limits[i], 1e6);
        assert_true(fabs(wait - 60 / limits[i]) < 1e-6);
        assert_true(rates_take(rates, key, limits[i], 1e6 + wait / 2) > 0);
        assert_true(rates_take(rates, key, limits[i], 1e6 + wait) == 0);
        assert_true(rates_take(rates, key, limits[i], 1e6 + wait) > 0);
        for (int count = 0; count < limits[i]; count++) {
            assert_true(rates_take(rates, key, limits[i], 1e6 + 1000) == 0);
        }
        assert_true(rates_take(rates, key, limits[i], 1e6 + 1000) > 0);
        rates_free(rates);
    }
}

static void counts_keys_apart(void **unused)
{
    (void)unused;
    struct rates *rates = rates_new();
    unsigned char key[RATES_KEY_SIZE];
    assert_non_null(rates);
    for (uint64_t i = 0; i < 1000; i++) {
        key_of(i, key);
        assert_true(rates_take(rates, key, 1, 5) == 0);
    }
    int refused = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        key_of(i, key);
        refused += rates_take(rates, key, 1, 5) > 0;
    }
    assert_true(refused > 990); /* of a thousand keys hardly five share a set of four */
    rates_free(rates);
}

/* More keys than there are places: the table neither grows nor refuses whom it does not know. */
static void forgets_who_asked_least_recently(void **unused)
{
    (void)unused;
    struct rates *rates = rates_new();
    unsigned char key[RATES_KEY_SIZE];
    assert_non_null(rates);
    for (uint64_t i = 0; i < 200000; i++) {
        key_of(i, key);
        assert_true(rates_take(rates, key, 1, 5 + (double)i * 1e-4) == 0);
    }
    assert_true(rates_take(rates, key, 1, 25) > 0);
    key_of(0, key);
    assert_true(rates_take(rates, key, 1, 25) == 0);
    rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_through_as_many_as_said),
        cmocka_unit_test(counts_keys_apart),
        cmocka_unit_test(forgets_who_asked_least_recently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
