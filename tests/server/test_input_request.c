/* What a request becomes, member by member; that nothing can break its reading. */
#include "server/input/request.h"

#include "support_allocation.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct stability_limits limits = {.layers = 100, .elements = 1000, .bytes = 12345};

static const char whole[] =
    "{\"model\": {\"name\": \"m\\u00e9\", \"inputs\": [\"input\", \"NaN\"],\n"
    " \"layers\": [{\"name\": \"fc1\", \"type\": \"Linear\", \"in_features\": 64, \"out_features\": 32,"
    " \"init\": {\"weight\": {\"init\": \"kaiming_normal_\", \"a\": 0.5, \"mode\": \"fan_out\"}}},\n"
    "  {\"name\": \"odd\", \"type\": \"Anything\", \"inputs\": [\"fc1\", \"NaN\"], \"weights_from\": "
    "\"fc1\", \"none\": null,"
    "   \"yes\": true, \"no\": false, \"real\": 2.5, \"big\": 1e20, \"list\": [1, 2], \"reals\": [1, 2.5], "
    "\"empty\": [],"
    "   \"matrix\": [[1, 2], [3, 4]], \"coded\": {\"dtype\": \"uint8\", \"shape\": [3], \"base64\": "
    "\"AQID\"}},\n"
    "  {\"name\": \"parameter\", \"type\": \"Parameter\", \"inputs\": [], \"shape\": [2]}],\n"
    " \"loss\": {\"type\": \"CrossEntropyLoss\", \"inputs\": [\"odd\"], \"label_smoothing\": 0.1}},\n"
    " \"weights\": {\"fc1.weight\": [[0.5, \"Infinity\"], [1, 2]], \"fc1.bias\": [1, 2],"
    "   \"fc1.drawn\": {\"init\": \"uniform_\", \"b\": 2}},\n"
    " \"data\": {\"input\": {\"random\": \"normal\", \"shape\": [4, 5], \"std\": 2}, \"target\": [3, -1], "
    "\"scalar\": 7},\n"
    " \"options\": {\"precision\": \"float64\", \"mode\": \"eval\", \"seed\": 9007199254740993, "
    "\"learning_rate\": 1,"
    "   \"thresholds\": {\"dead-units\": 0.25, \"exploding-gradient\": {\"maximum\": 100, \"other\": "
    "\"Infinity\"}},"
    "   \"init\": {\"init\": \"zeros_\"}, \"analyses\": []}}";

/* Reading changes none of these texts: that is for base64 of some length. */
static struct input_request *parse_text(const char *text, size_t length,
                                        const struct stability_limits *kept_to, struct input_position *where,
                                        struct stability_error *error)
{
    const struct input_body body = {.json = (char *)(uintptr_t)text, .length = length};
    return input_request_parse(&body, INPUT_DIAGNOSE, kept_to, where, error);
}

static struct input_request *parse(const char *body)
{
    struct stability_error error = {0};
    struct input_position where;
    struct input_request *request = parse_text(body, strlen(body), &limits, &where, &error);
    if (request == NULL) {
        fail_msg("%s at %s", error.message, error.pointer);
    }
    return request;
}

static void assert_number(const struct stability_member *member, const char *name, double value)
{
    assert_string_equal(member->name, name);
    assert_int_equal(member->value.kind, STABILITY_REAL);
    assert_true(member->value.real == value);
}

static void reads_the_model(void **unused)
{
    (void)unused;
    struct input_request *request = parse(whole);
    const struct stability_model *model = &request->request.model;
    assert_string_equal(model->name, "mé");
    assert_int_equal(model->input_count, 2);
    assert_string_equal(model->inputs[0], "input");
    assert_string_equal(model->inputs[1], "NaN");
    assert_int_equal(model->layer_count, 3);
    const struct stability_layer *layer = &model->layers[0];
    assert_string_equal(layer->name, "fc1");
    assert_string_equal(layer->type, "Linear");
    assert_null(layer->inputs);
    assert_null(layer->weights_from);
    assert_int_equal(layer->attributes.count, 2);
    assert_string_equal(layer->attributes.items[1].name, "out_features");
    assert_int_equal(layer->attributes.items[1].value.kind, STABILITY_INTEGER);
    assert_int_equal(layer->attributes.items[1].value.integer, 32);
    assert_int_equal(layer->init.count, 1);
    assert_string_equal(layer->init.items[0].name, "weight");
    const struct stability_recipe *recipe = &layer->init.items[0].recipe;
    assert_string_equal(recipe->name, "kaiming_normal_");
    assert_int_equal(recipe->arguments.count, 2);
    assert_number(&recipe->arguments.items[0], "a", 0.5);
    assert_string_equal(recipe->arguments.items[1].value.string, "fan_out");
    assert_non_null(model->layers[2].inputs);
    assert_int_equal(model->layers[2].input_count, 0);
    assert_string_equal(model->loss.type, "CrossEntropyLoss");
    assert_int_equal(model->loss.input_count, 1);
    assert_string_equal(model->loss.inputs[0], "odd");
    assert_int_equal(model->loss.attributes.count, 1);
    assert_number(&model->loss.attributes.items[0], "label_smoothing", 0.1);
    input_request_free(request);
}

static void reads_every_kind_of_attribute(void **unused)
{
    (void)unused;
    struct input_request *request = parse(whole);
    const struct stability_layer *layer = &request->request.model.layers[1];
    assert_string_equal(layer->weights_from, "fc1");
    assert_int_equal(layer->input_count, 2);
    assert_string_equal(layer->inputs[1], "NaN");
    const struct stability_member *items = layer->attributes.items;
    assert_int_equal(layer->attributes.count, 10);
    assert_string_equal(items[0].name, "none");
    assert_int_equal(items[0].value.kind, STABILITY_NULL);
    assert_int_equal(items[1].value.kind, STABILITY_BOOLEAN);
    assert_true(items[1].value.boolean);
    assert_false(items[2].value.boolean);
    assert_number(&items[3], "real", 2.5);
    assert_number(&items[4], "big", 1e20);
    assert_int_equal(items[5].value.kind, STABILITY_LIST);
    assert_int_equal(items[5].value.list.count, 2);
    assert_true(items[5].value.list.items[1] == 2);
    assert_true(items[5].value.list.integers);
    assert_false(items[6].value.list.integers);
    assert_int_equal(items[7].value.kind, STABILITY_LIST);
    assert_int_equal(items[7].value.list.count, 0);
    assert_int_equal(items[8].value.kind, STABILITY_TENSOR);
    assert_int_equal(items[8].value.tensor.dtype, STABILITY_FLOAT64);
    assert_int_equal(items[8].value.tensor.shape.rank, 2);
    assert_true(((const double *)items[8].value.tensor.data)[3] == 4);
    assert_int_equal(items[9].value.tensor.dtype, STABILITY_UINT8);
    assert_memory_equal(items[9].value.tensor.data, "\1\2\3", 3);
    input_request_free(request);
}

static void reads_tensors(void **unused)
{
    (void)unused;
    struct input_request *request = parse(whole);
    const struct stability_named_tensor *weights = request->request.weights.items;
    assert_int_equal(request->request.weights.count, 3);
    assert_string_equal(weights[0].name, "fc1.weight");
    assert_null(weights[0].recipe.name);
    static const double expected[] = {0.5, INFINITY, 1, 2};
    assert_memory_equal(weights[0].tensor.data, expected, sizeof expected);
    assert_int_equal(weights[1].tensor.dtype, STABILITY_FLOAT64); /* weights are never integers */
    assert_memory_equal(weights[1].tensor.data, expected + 2, 2 * sizeof *expected);
    assert_string_equal(weights[2].recipe.name, "uniform_");
    assert_int_equal(weights[2].recipe.arguments.count, 1);
    const struct stability_named_tensor *data = request->request.data.items;
    assert_int_equal(request->request.data.count, 3);
    assert_string_equal(data[0].recipe.name, "normal");
    assert_int_equal(data[0].recipe.shape.rank, 2);
    assert_int_equal(data[0].recipe.shape.sizes[1], 5);
    assert_int_equal(data[0].recipe.arguments.count, 1);
    assert_string_equal(data[0].recipe.arguments.items[0].name, "std");
    static const int64_t target[] = {3, -1};
    assert_int_equal(data[1].tensor.dtype, STABILITY_INT64);
    assert_memory_equal(data[1].tensor.data, target, sizeof target);
    assert_int_equal(data[2].tensor.shape.rank, 0);
    assert_int_equal(*(const int64_t *)data[2].tensor.data, 7);
    input_request_free(request);
}

static void reads_options(void **unused)
{
    (void)unused;
    struct input_request *request = parse(whole);
    const struct stability_options *options = &request->request.options;
    assert_int_equal(options->precision, STABILITY_PRECISION_FLOAT64);
    assert_true(options->evaluate);
    assert_true(options->seed == UINT64_C(9007199254740993));
    assert_true(options->learning_rate == 1);
    assert_int_equal(options->limits.bytes, limits.bytes);
    assert_int_equal(options->threshold_count, 2);
    assert_string_equal(options->thresholds[0].rule, "dead-units");
    assert_int_equal(options->thresholds[0].values.count, 1);
    assert_number(options->thresholds[0].values.items, "", 0.25);
    assert_string_equal(options->thresholds[1].rule, "exploding-gradient");
    assert_number(&options->thresholds[1].values.items[0], "maximum", 100);
    assert_number(&options->thresholds[1].values.items[1], "other", INFINITY);
    assert_int_equal(options->init.count, 1);
    assert_string_equal(options->init.items[0].name, "");
    assert_string_equal(options->init.items[0].recipe.name, "zeros_");
    input_request_free(request);
}

static void defaults_are_the_core_s(void **unused)
{
    (void)unused;
    struct input_request *request =
        parse("{\"model\": {\"layers\": [], \"loss\": {\"type\": \"MSELoss\"}}, \"data\": {}}");
    const struct stability_options *options = &request->request.options;
    assert_int_equal(options->precision, stability_default_options.precision);
    assert_true(options->learning_rate == stability_default_options.learning_rate);
    assert_false(options->evaluate);
    assert_int_equal(options->limits.layers, limits.layers);
    assert_null(request->request.model.name);
    assert_null(request->request.model.inputs);
    input_request_free(request);
}

/* A text that is so long that it is not copied, and one with escapes that is. */
static void reads_long_texts(void **unused)
{
    (void)unused;
    static const char frame[] =
        "{\"model\": {\"name\": \"%s\", \"layers\": [], \"loss\": {\"type\": \"MSELoss\"}},"
        " \"data\": {\"x\": {\"dtype\": \"uint8\", \"shape\": [600], \"base64\": \"%s\"}}}";
    char name[301];
    char base64[1601];
    char body[3000];
    memset(name, 'n', 300);
    name[300] = '\0';
    memset(base64, '/', 800);
    base64[800] = '\0';
    snprintf(body, sizeof body, frame, name, base64);
    struct input_request *request = parse(body);
    assert_string_equal(request->request.model.name, name);
    unsigned char ones[600];
    memset(ones, 0xff, sizeof ones);
    const char *elements = request->request.data.items[0].tensor.data;
    assert_memory_equal(elements, ones, sizeof ones);
    assert_true(elements > body && elements < body + sizeof body); /* decoded in its place, and aligned */
    assert_int_equal((uintptr_t)elements % sizeof(double), 0);
    assert_string_equal(request->request.model.name, name);
    input_request_free(request);
    for (size_t i = 0; i < 800; i++) {
        memcpy(base64 + 2 * i, "\\/", 2);
    }
    base64[1600] = '\0';
    snprintf(body, sizeof body, frame, name, base64);
    request = parse(body);
    assert_memory_equal(request->request.data.items[0].tensor.data, ones, sizeof ones);
    input_request_free(request);
}

static void ignores_the_locale(void **unused)
{
    (void)unused;
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C.UTF-8", "C"};
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++) {
        if (setlocale(LC_ALL, locales[i]) != NULL) {
            break;
        }
    }
    struct input_request *request = parse(whole);
    assert_number(&request->request.model.layers[1].attributes.items[3], "real", 2.5);
    input_request_free(request);
    setlocale(LC_ALL, "C");
}

static void refuses_what_is_over_a_limit(void **unused)
{
    (void)unused;
    static const struct stability_limits small = {.layers = 2, .elements = 4};
    static const struct {
        const char *body;
        const char *pointer;
        const char *message;
    } cases[] = {
        {"{\"model\": {\"layers\": [{}, {}, {}]}}", "/model/layers",
         "a model may have 2 layers, and this one has 3"},
        {"{\"data\": {\"x\": [1, 2, 3, 4, 5]}}", "/data/x/4",
         "line 1, column 29: a tensor may have 4 elements, and this one has at least 5"},
        {"{\"data\": {\"x\": [[1, 2], [3, 4], [5, 6]]}}", "/data/x/2/0",
         "line 1, column 34: a tensor may have 4 elements, and this one has at least 5"},
        {"{\"data\": {\"x\": {\"shape\": [5], \"data\": []}}}", "/data/x/shape",
         "a tensor may have 4 elements, and shape (5) has 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stability_error error = {0};
        struct input_position where;
        assert_null(parse_text(cases[i].body, strlen(cases[i].body), &small, &where, &error));
        assert_string_equal(error.message, cases[i].message);
        assert_string_equal(error.pointer, cases[i].pointer);
        assert_int_equal(error.code, STABILITY_ERROR_MODEL_TOO_LARGE);
    }
}

static void assert_refused(const char *body, enum stability_code code, const char *pointer,
                           const char *message)
{
    struct stability_error error = {0};
    struct input_position where;
    assert_null(parse_text(body, strlen(body), &limits, &where, &error));
    assert_string_equal(error.message, message);
    assert_string_equal(error.pointer, pointer);
    assert_int_equal(error.code, code);
}

/* Names that are also words for numbers were taken out with the numbers. */
static void reads_names_that_look_like_numbers(void **unused)
{
    (void)unused;
    struct input_request *request =
        parse("{\"model\": {\"inputs\": [\"NaN\", \"Infinity\", \"-Infinity\"], \"layers\": [],"
              " \"loss\": {\"type\": \"MSELoss\"}}, \"data\": {}}");
    assert_int_equal(request->request.model.input_count, 3);
    assert_string_equal(request->request.model.inputs[0], "NaN");
    assert_string_equal(request->request.model.inputs[1], "Infinity");
    assert_string_equal(request->request.model.inputs[2], "-Infinity");
    input_request_free(request);
}

static void says_what_was_expected_and_found(void **unused)
{
    (void)unused;
    assert_refused("{\"modle\": {}}", STABILITY_ERROR_UNKNOWN_MEMBER, "/modle",
                   "unknown member of the request 'modle': did you mean 'model'?");
    assert_refused("{\"options\": {\"precision\": \"half\"}}", STABILITY_ERROR_INVALID_VALUE,
                   "/options/precision", "expected 'float32' or 'float64', found the string 'half'");
    assert_refused("{\"options\": {\"seed\": 1e20}}", STABILITY_ERROR_INVALID_VALUE, "/options/seed",
                   "expected an integer from 0 to 9223372036854775807, found the number 1e+20");
    /* A long text is cut between two characters. */
    assert_refused("{\"data\": {\"x\": \"01234567890123456789012345678901234567890123456\u00e9\u00e9\"}}",
                   STABILITY_ERROR_INVALID_VALUE, "/data/x",
                   "expected a number, found the string '01234567890123456789012345678901234567890123456…'");
    assert_refused(
        "{\"data\": {\"x\": [[1, 2], [3]]}}", STABILITY_ERROR_INVALID_TENSOR, "/data/x/1",
        "line 1, column 25: the lists of a tensor must be equally long, but [0] has 2 items and [1] has 1");
    assert_refused(
        "[NaN]", STABILITY_ERROR_SYNTAX, "",
        "line 1, column 2: expected a value, found 'NaN': JSON has no NaN or Infinity; write \"NaN\", "
        "\"Infinity\" or \"-Infinity\", with the quotes");
}

static void bounds_the_depth(void **unused)
{
    (void)unused;
    char body[65 * 5 + 1];
    for (size_t i = 0; i < 65; i++) {
        memcpy(body + 5 * i, "{\"a\":", 5);
    }
    body[65 * 5] = '\0';
    assert_refused(body, STABILITY_ERROR_SYNTAX, "",
                   "line 1, column 321: objects and lists may be nested 64 deep");
}

/* A list that begins like that and has `count` repetitions must be refused as too large. */
static void refuse_repetition(const char *start, const char *repeated, size_t count)
{
    static const char rest[] = "{}]";
    size_t length = strlen(start) + count * strlen(repeated) + strlen(rest);
    char *body = malloc(length + 1);
    assert_non_null(body);
    char *end = body + snprintf(body, length + 1, "%s", start);
    for (size_t i = 0; i < count; i++) {
        memcpy(end, repeated, strlen(repeated));
        end += strlen(repeated);
    }
    memcpy(end, rest, strlen(rest));
    struct stability_error error = {0};
    struct input_position where;
    assert_null(parse_text(body, length, &limits, &where, &error));
    assert_int_equal(error.code, STABILITY_ERROR_MODEL_TOO_LARGE);
    assert_true(where.known);
    free(body);
}

static void bounds_the_structure(void **unused)
{
    (void)unused;
    refuse_repetition("[", "{},", 1000000);
    refuse_repetition("[", "[],", 1000000);
    refuse_repetition("[", "0.5,\"x\",", 1000000);
    refuse_repetition("[", "\"some text that is not that short, but many times\",", 100000);
}

/* What is no number among very many is told of at once. */
static void finds_a_stranger_among_many_numbers(void **unused)
{
    (void)unused;
    static const struct {
        const char *stranger;
        const char *found;
    } cases[] = {{"null", "true, false or null"}, {"\"nan\"", "another string"}, {"{}", "an object"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const struct stability_limits none = {0};
        char body[8192];
        char expected[256];
        int length = snprintf(body, sizeof body, "{\"weights\": {\"w\": [[1.5], [2.5");
        for (int k = 0; k < 1100; k++) {
            length += snprintf(body + length, 4, ", 1");
        }
        size_t offset = (size_t)length + 2;
        snprintf(body + length, 32, ", %s]]}}", cases[i].stranger);
        struct stability_error error = {0};
        struct input_position where;
        assert_null(parse_text(body, strlen(body), &none, &where, &error));
        assert_int_equal(error.code, STABILITY_ERROR_INVALID_TENSOR);
        assert_string_equal(error.pointer, "/weights/w/1/1101");
        assert_int_equal(where.offset, offset);
        snprintf(expected, sizeof expected,
                 "line 1, column %zu: an item of a tensor must be a number, \"NaN\", \"Infinity\" or "
                 "\"-Infinity\", "
                 "found %s",
                 offset + 1, cases[i].found);
        assert_string_equal(error.message, expected);
    }
}

/* Every beginning of a request is a syntax error, at its end or where a string or a literal begins. */
static void refuses_every_truncation(void **unused)
{
    (void)unused;
    for (size_t length = 0; length < strlen(whole); length++) {
        char *body = malloc(length + (length == 0));
        assert_non_null(body);
        memcpy(body, whole, length);
        struct stability_error error = {0};
        struct input_position where;
        assert_null(parse_text(body, length, &limits, &where, &error));
        assert_int_equal(error.code, STABILITY_ERROR_SYNTAX);
        assert_true(where.known && where.offset <= (int64_t)length && where.offset + 20 >= (int64_t)length);
        free(body);
    }
}

/* Any byte in any place gives a request or an error. */
static void survives_every_mutation(void **unused)
{
    (void)unused;
    static const char bytes[] = "\0\"\\{}[],:-+.0159eEtfnu \n\x1f\x7f\x80\xc3\xff";
    char *body = malloc(sizeof whole - 1);
    assert_non_null(body);
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        for (size_t k = 0; k < sizeof bytes - 1; k++) {
            memcpy(body, whole, sizeof whole - 1);
            body[i] = bytes[k];
            struct stability_error error = {0};
            struct input_position where;
            struct input_request *request = parse_text(body, sizeof whole - 1, &limits, &where, &error);
            assert_int_equal(request == NULL, error.code != STABILITY_OK);
            input_request_free(request);
        }
    }
    free(body);
}

/* Parses with each allocation failing in turn, until none is left that could. */
static void fail_each_allocation(const char *body, enum stability_code otherwise)
{
    for (long count = 0;; count++) {
        struct stability_error error = {0};
        struct input_position where;
        support_fail_allocation_after(count);
        struct input_request *request = parse_text(body, strlen(body), &limits, &where, &error);
        bool failed = support_allocation_has_failed();
        assert_int_equal(request == NULL, error.code != STABILITY_OK);
        assert_true(error.code == otherwise || (failed && error.code == STABILITY_ERROR_OUT_OF_MEMORY));
        input_request_free(request);
        if (!failed) {
            assert_true(count > 5);
            break;
        }
    }
}

static void survives_every_failed_allocation(void **unused)
{
    (void)unused;
    fail_each_allocation(whole, STABILITY_OK);
    fail_each_allocation("{\"data\": {\"x\": [1.5], \"y\": 0.5, \"x\": []}}", STABILITY_ERROR_DUPLICATE_KEY);
    fail_each_allocation("{\"data\": {\"a b\": [1.5], \"y\": [[1], [1, 2]]}}",
                         STABILITY_ERROR_INVALID_TENSOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_model),
        cmocka_unit_test(reads_every_kind_of_attribute),
        cmocka_unit_test(reads_tensors),
        cmocka_unit_test(reads_options),
        cmocka_unit_test(defaults_are_the_core_s),
        cmocka_unit_test(reads_long_texts),
        cmocka_unit_test(ignores_the_locale),
        cmocka_unit_test(refuses_what_is_over_a_limit),
        cmocka_unit_test(reads_names_that_look_like_numbers),
        cmocka_unit_test(says_what_was_expected_and_found),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(bounds_the_structure),
        cmocka_unit_test(finds_a_stranger_among_many_numbers),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(survives_every_mutation),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    input_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
