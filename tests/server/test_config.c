/* Options: defaults, the environment, the command line, and what is refused. */
#include "server/config.h"

#include "server/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static int clear_environment(void **unused)
{
    static const char *const names[] = {"STABILITYD_BIND",     "STABILITYD_PORT",      "STABILITYD_THREADS",
                                        "STABILITYD_MEMORY",   "STABILITYD_MAX_BODY",  "STABILITYD_TIMEOUT",
                                        "STABILITYD_INSECURE", "STABILITYD_LOG_LEVEL", "STABILITYD_FORMAT",
                                        "STABILITYD_HELP"};
    (void)unused;
    for (int i = 0; i < COUNT(names); i++) {
        unsetenv(names[i]);
    }
    return 0;
}

static void has_defaults(void **unused)
{
    (void)unused;
    struct config config;
    struct stability_error error = {0};
    assert_true(config_read(&config, CONFIG_SERVE, 0, NULL, &error));
    assert_string_equal(config.bind, "127.0.0.1");
    assert_int_equal(config.port, 8080);
    assert_int_equal(config.threads, 0);
    assert_int_equal(config.memory, 0);
    assert_int_equal(config.max_body, 256 << 20);
    assert_true(config.timeout == 60);
    assert_false(config.insecure);
    assert_int_equal(config.log_level, LOG_info);
    assert_null(config.file);
}

static void finishes_with_the_machine(void **unused)
{
    (void)unused;
    struct config config = {.memory = 12345};
    config_finish(&config);
    assert_true(config.threads >= 1);
    assert_int_equal(config.memory, 12345);
    config = (struct config){.threads = 3};
    config_finish(&config);
    assert_int_equal(config.threads, 3);
    assert_true(config.memory > 1 << 20);
}

static void reads_the_command_line(void **unused)
{
    (void)unused;
    char *arguments[] = {"--bind", "::1",        "--port=0",    "--threads", "7",   "--memory",
                         "2G",     "--max-body", "64k",         "--timeout", "0.5", "--insecure",
                         "--port", "9000",       "--log-level", "debug"};
    struct config config;
    struct stability_error error = {0};
    assert_true(config_read(&config, CONFIG_SERVE, COUNT(arguments), arguments, &error));
    assert_string_equal(config.bind, "::1");
    assert_int_equal(config.port, 9000);
    assert_int_equal(config.threads, 7);
    assert_int_equal(config.memory, (int64_t)2 << 30);
    assert_int_equal(config.max_body, 64 << 10);
    assert_true(config.timeout == 0.5);
    assert_true(config.insecure);
    assert_int_equal(config.log_level, LOG_debug);
}

static void reads_the_environment(void **unused)
{
    (void)unused;
    char *arguments[] = {"--port", "9000", "--insecure=false"};
    struct config config;
    struct stability_error error = {0};
    setenv("STABILITYD_PORT", "7000", 1);
    setenv("STABILITYD_MAX_BODY", "5", 1);
    setenv("STABILITYD_INSECURE", "1", 1);
    setenv("STABILITYD_THREADS", "", 1);
    assert_true(config_read(&config, CONFIG_SERVE, 0, NULL, &error));
    assert_int_equal(config.port, 7000);
    assert_int_equal(config.max_body, 5);
    assert_true(config.insecure);
    assert_int_equal(config.threads, 0);
    assert_true(config_read(&config, CONFIG_SERVE, COUNT(arguments), arguments, &error));
    assert_int_equal(config.port, 9000);
    assert_false(config.insecure);
    assert_true(config_read(&config, CONFIG_HEALTHCHECK, 0, NULL, &error));
    assert_int_equal(config.port, 7000);
}

static void keeps_the_environment_out_of_check(void **unused)
{
    (void)unused;
    char *arguments[] = {"--fail-on", "info", "-"};
    struct config config;
    struct stability_error error = {0};
    setenv("STABILITYD_FORMAT", "nonsense", 1);
    setenv("STABILITYD_PORT", "nonsense", 1);
    setenv("STABILITYD_HELP", "true", 1);
    assert_true(config_read(&config, CONFIG_CHECK, COUNT(arguments), arguments, &error));
    assert_string_equal(config.format, "text");
    assert_string_equal(config.fail_on, "info");
    assert_string_equal(config.file, "-");
    assert_false(config.help);
}

static void refuses(void **unused)
{
    static const struct {
        enum config_command command;
        char *arguments[2];
        const char *message;
    } cases[] = {
        {CONFIG_SERVE, {"--prot", "1"}, "there is no option '--prot': did you mean 'port'?"},
        {CONFIG_SERVE, {"--prot=1"}, "there is no option '--prot': did you mean 'port'?"},
        {CONFIG_SERVE, {"--xyzzy", "1"}, "there is no option '--xyzzy'"},
        {CONFIG_SERVE, {"--", "1"}, "there is no option '--'"},
        {CONFIG_SERVE, {"-p", "1"}, "the argument '-p' is one too many"},
        {CONFIG_SERVE, {"--insecure", "--port"}, "--port needs a value: --port NUMBER"},
        {CONFIG_SERVE, {"--port", ""}, "--port must be an integer from 0 to 65535, not ''"},
        {CONFIG_SERVE, {"--port", "1x"}, "--port must be an integer from 0 to 65535, not '1x'"},
        {CONFIG_SERVE,
         {"--port", "99999999999999999999"},
         "--port must be an integer from 0 to 65535, not '99999999999999999999'"},
        {CONFIG_SERVE,
         {"--max-body", "0"},
         "--max-body must be a number of bytes (or like 512M) from 1 to 1099511627776, not '0'"},
        {CONFIG_SERVE,
         {"--max-body", "1MB"},
         "--max-body must be a number of bytes (or like 512M) from 1 to 1099511627776, not '1MB'"},
        {CONFIG_SERVE,
         {"--max-body", "M"},
         "--max-body must be a number of bytes (or like 512M) from 1 to 1099511627776, not 'M'"},
        {CONFIG_SERVE,
         {"--max-body", "9223372036854775807T"},
         "--max-body must be a number of bytes (or like 512M) from 1 to 1099511627776, not "
         "'9223372036854775807T'"},
        {CONFIG_SERVE,
         {"--timeout", "inf"},
         "--timeout must be a number of seconds from 0.1 to 86400, not 'inf'"},
        {CONFIG_SERVE, {"--insecure=maybe"}, "--insecure must be true or false, not 'maybe'"},
        {CONFIG_SERVE,
         {"--log-level", "INFO"},
         "--log-level must be error, warning, info or debug, not 'INFO'"},
        {CONFIG_CHECK, {"a", "b"}, "the argument 'b' is one too many"},
        {CONFIG_CHECK, {"--format", "json"}, "check needs a FILE, or - for standard input"},
        {CONFIG_HEALTHCHECK, {"--threads", "1"}, "there is no option '--threads'"},
    };
    (void)unused;
    for (int i = 0; i < COUNT(cases); i++) {
        struct config config;
        struct stability_error error = {0};
        int count = cases[i].arguments[1] == NULL ? 1 : 2;
        assert_false(config_read(&config, cases[i].command, count, cases[i].arguments, &error));
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.code, STABILITY_ERROR_PARAMETER);
    }
}

static void help_needs_nothing_else(void **unused)
{
    (void)unused;
    char *arguments[] = {"--help"};
    struct config config;
    struct stability_error error = {0};
    assert_true(config_read(&config, CONFIG_CHECK, 1, arguments, &error));
    assert_true(config.help);
}

static void describes_its_options(void **unused)
{
    (void)unused;
    struct buffer text = {0};
    config_describe(CONFIG_SERVE, &text);
    assert_false(text.failed);
    assert_non_null(strstr(text.data, "--max-body BYTES"));
    assert_non_null(strstr(text.data, "environment: STABILITYD_MAX_BODY"));
    assert_null(strstr(text.data, "--fail-on"));
    assert_null(strstr(text.data, "STABILITYD_HELP"));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(has_defaults, clear_environment),
        cmocka_unit_test_setup(finishes_with_the_machine, clear_environment),
        cmocka_unit_test_setup(reads_the_command_line, clear_environment),
        cmocka_unit_test_setup(reads_the_environment, clear_environment),
        cmocka_unit_test_setup(keeps_the_environment_out_of_check, clear_environment),
        cmocka_unit_test_setup(refuses, clear_environment),
        cmocka_unit_test_setup(help_needs_nothing_else, clear_environment),
        cmocka_unit_test_setup(describes_its_options, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
