/* How fast requests are read: text of numbers and base64 become tensors; and what others take for the same
 * numbers. Each figure is the best of several runs. */
#include "server/input/base64.h"
#include "server/input/number.h"
#include "server/input/request.h"

#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMBERS 2000000
#define RUNS 7

static const char before[] =
    "{\"model\": {\"layers\": [], \"loss\": {\"type\": \"MSELoss\"}}, \"data\": {}, \"weights\": {\"w\": ";
static const char after[] = "}}";

struct text {
    char *bytes;
    size_t length;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *must_allocate(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

/* Weights as a trained layer has them, and small integers. */
static double weight(uint64_t i)
{
    uint64_t bits = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return 0.1 * ((double)(bits >> 11) / 9007199254740992.0 - 0.5);
}

/* A request with one weight of NUMBERS elements, written with `format`. */
static struct text make_numbers(const char *format, double factor)
{
    struct text text = {must_allocate(NUMBERS * 32 + 256), 0};
    text.length = (size_t)sprintf(text.bytes, "%s[", before);
    for (uint64_t i = 0; i < NUMBERS; i++) {
        double value = factor == 1 ? weight(i) : trunc(weight(i) * factor);
        text.length += (size_t)sprintf(text.bytes + text.length, i > 0 ? ", " : "");
        text.length += (size_t)sprintf(text.bytes + text.length, format, value);
    }
    text.length += (size_t)sprintf(text.bytes + text.length, "]%s", after);
    return text;
}

static struct text make_base64(void)
{
    struct text text = {must_allocate(NUMBERS * 8 / 3 * 4 + 512), 0};
    text.length = (size_t)sprintf(text.bytes, "%s{\"dtype\": \"float64\", \"shape\": [%d], \"base64\": \"",
                                  before, NUMBERS / 3 * 3);
    for (size_t i = 0; i < NUMBERS / 3 * 3 * 8 / 3 * 4; i++) {
        text.bytes[text.length++] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[i * 37 % 64];
    }
    text.length += (size_t)sprintf(text.bytes + text.length, "\"}%s", after);
    return text;
}

static void print(const char *name, size_t length, double time)
{
    printf("%-44s %8.0f MB/s %8.1f ns a number\n", name, 1e-6 * (double)length / time, 1e9 * time / NUMBERS);
}

static void measure_request(const char *name, struct text text)
{
    double best = INFINITY;
    char *copy = must_allocate(text.length); /* which reading may change */
    for (int run = 0; run < RUNS; run++) {
        struct stability_limits limits = {0};
        struct stability_error error = {0};
        struct input_position where;
        const struct input_body body = {.json = copy, .length = text.length};
        memcpy(copy, text.bytes, text.length);
        double start = seconds();
        struct input_request *request = input_request_parse(&body, INPUT_DIAGNOSE, &limits, &where, &error);
        double elapsed = seconds() - start;
        if (request == NULL) {
            fprintf(stderr, "%s: %s\n", name, error.message);
            exit(1);
        }
        input_request_free(request);
        best = elapsed < best ? elapsed : best;
    }
    print(name, text.length, best);
    free(copy);
    free(text.bytes);
}

/* Time of the best of RUNS. */
static double best_time(double (*run)(const struct text *text), const struct text *text)
{
    double best = INFINITY;
    for (int i = 0; i < RUNS; i++) {
        double start = seconds();
        if (isnan(run(text))) {
            fprintf(stderr, "what was to be compared cannot read the text\n");
            exit(1);
        }
        double elapsed = seconds() - start;
        best = elapsed < best ? elapsed : best;
    }
    return best;
}

static double run_strtod(const struct text *text)
{
    double sum = 0;
    char *next = text->bytes + strlen(before);
    for (int i = 0; i < NUMBERS; i++) {
        sum += strtod(next + 1, &next);
    }
    return sum;
}

static double run_jansson(const struct text *text)
{
    json_t *json = json_loadb(text->bytes, text->length, 0, NULL);
    double result = json == NULL ? NAN : 0;
    json_decref(json);
    return result;
}

static void compare(struct text text)
{
    static const struct {
        const char *name;
        double (*run)(const struct text *text);
    } others[] = {{"  strtod, number after number", run_strtod}, {"  jansson, as values", run_jansson}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        print(others[i].name, text.length, best_time(others[i].run, &text));
    }
    free(text.bytes);
}

int main(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20); /* as the server does */
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    measure_request("request, 17 digits (-0.012345678901234567)", make_numbers("%.17g", 1));
    compare(make_numbers("%.17g", 1));
    measure_request("request, 9 digits (-0.0123456789)", make_numbers("%.9g", 1));
    measure_request("request, integers (-12)", make_numbers("%.0f", 1000));
    measure_request("request, float64 in base64", make_base64());
    return 0;
}
