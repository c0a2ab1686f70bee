/* Every registered layer type and loss with shapes and attributes that nobody should send: each is either
 * refused, with an error that says where, or runs and writes all that it is to write. Run under the
 * sanitizers this finds what the shape rules overlook. */
#include "support.h"

#include "kernel_case.h"
#include "within_plan.h"

#include <stability/stability.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject {
    bool is_loss;
    const char *type;
};

/* A case that is changed in one place. */
struct change {
    const struct golden_file *file;
    struct golden_case golden;
    struct golden_record *records;
    struct stability_member *attributes; /* with room for one more */
    struct arena arena;
    int64_t *accepted;
    bool analyses; /* asks for all of them */
};

/* ---- running ---------------------------------------------------------------------------------------- */

/* Whether an element still has the pattern that memory is filled with before a pass. */
static void assert_written(const struct kernel_case *kernel, const struct tensor *tensor, const char *what)
{
    for (int64_t i = 0; tensor->data && i < tensor->count; i++) {
        uint64_t bits;
        memcpy(&bits, (const double *)tensor->data + i, sizeof(bits));
        if (bits == UINT64_MAX)
            fail_msg("%s: element %lld of %s was not written, or made of what must not be read",
                     kernel->golden->name, (long long)i, what);
    }
}

static void run_layer(struct kernel_case *kernel)
{
    const struct graph_node *node = kernel->node;
    double *ones[LAYER_MAX_OUTPUTS] = {0};
    kernel_case_forward(kernel);
    for (int k = 0; k < node->output_count; k++) {
        assert_written(kernel, &kernel->outputs[k], "an output");
        ones[k] = malloc((size_t)kernel->outputs[k].count * sizeof(double) + 1);
        assert_non_null(ones[k]);
        for (int64_t i = 0; i < kernel->outputs[k].count; i++)
            ones[k][i] = 1;
        kernel->output_gradients[k].data = ones[k];
    }
    bool wanted = false;
    for (int k = 0; k < node->input_count; k++)
        wanted |= kernel->input_gradients[k].data != NULL;
    for (int k = 0; k < node->parameter_count; k++)
        wanted |= kernel->parameter_gradients[k].data != NULL;
    if (wanted)
        kernel_case_backward(kernel);
    for (int k = 0; wanted && k < node->input_count; k++)
        assert_written(kernel, &kernel->input_gradients[k], "an input's gradient");
    for (int k = 0; wanted && k < node->parameter_count; k++)
        assert_written(kernel, &kernel->parameter_gradients[k], "a parameter's gradient");
    for (int k = 0; k < node->output_count; k++)
        free(ones[k]);
}

static void run_loss(struct kernel_case *kernel)
{
    kernel_case_forward(kernel);
    kernel_case_backward(kernel);
    for (int k = 0; k < kernel_case_input_count(kernel); k++)
        assert_written(kernel, &kernel->input_gradients[k], "an input's gradient");
}

/* A refusal says where: at a member of the request, and for a layer's shapes by its name. */
static void check_error(const struct change *change, const struct stability_error *error)
{
    char owner[96];
    snprintf(owner, sizeof(owner), change->file->is_loss ? "loss %s" : "layer 'layer' (%s)",
             change->file->type);
    if (error->message[0] == '\0' || error->pointer[0] != '/')
        fail_msg("%s: an error without words or a place: '%s' at '%s'", change->golden.name, error->message,
                 error->pointer);
    if (error->code == STABILITY_ERROR_SHAPE_MISMATCH && strncmp(error->pointer, "/weights", 8) != 0 &&
        !strstr(error->message, owner))
        fail_msg("%s: '%s' does not name %s", change->golden.name, error->message, owner);
}

/* A request takes no more memory than its plan says, whatever becomes of it. */
static void diagnose(const struct change *change, struct stability_request *request)
{
    enum { MOST = 32 };
    struct stability_analysis analyses[MOST] = {{0}};
    struct stability_error refusal = {0};
    size_t count = stability_analysis_type_count();
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++)
        analyses[i].name = stability_analysis_type_at(i)->name;
    request->options.analyses = analyses;
    request->options.analysis_count = change->analyses ? count : 0;
    stability_report_free(diagnose_within_plan(request, change->golden.name, &refusal));
}

static void try_change(struct change *change, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void try_change(struct change *change, const char *format, ...)
{
    char what[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    const char *name = change->golden.name;
    change->golden.name = arena_format(&change->arena, "case %s with %s", name, what);
    struct kernel_case kernel;
    struct stability_error error = {0};
    if (kernel_case_try_open(&kernel, change->file, &change->golden, STABILITY_PRECISION_FLOAT64, &error)) {
        (change->file->is_loss ? run_loss : run_layer)(&kernel);
        ++*change->accepted;
    } else {
        check_error(change, &error);
    }
    diagnose(change, &kernel.request);
    kernel_case_close(&kernel);
    change->golden.name = name;
}

/* ---- shapes ----------------------------------------------------------------------------------------- */

/* A tensor of that shape, filled with the elements of `old` over and over. */
static struct stability_tensor reshaped(struct change *change, const struct stability_tensor *old,
                                        const struct stability_shape *shape)
{
    struct stability_tensor tensor = {old->dtype, *shape, NULL};
    int64_t count = stability_shape_count(shape), old_count = stability_shape_count(&old->shape);
    char *data = arena_array(&change->arena, (size_t)count, 8);
    assert_non_null(data);
    for (int64_t i = 0; old_count > 0 && i < count; i++)
        memcpy(data + 8 * i, (const char *)old->data + 8 * (i % old_count), 8);
    tensor.data = data;
    return tensor;
}

static void try_shape(struct change *change, struct golden_record *record,
                      const struct stability_shape *shape)
{
    char text[STABILITY_SHAPE_TEXT];
    struct stability_tensor old = record->tensor;
    record->tensor = reshaped(change, &old, shape);
    try_change(change, "%s of shape %s", record->keyword == GOLDEN_TARGET ? "a target" : "an input",
               stability_shape_text(shape, text));
    record->tensor = old;
}

static void try_sizes(struct change *change, struct golden_record *record)
{
    const struct stability_shape usual = record->tensor.shape;
    for (int d = 0; d < usual.rank; d++) {
        const int64_t sizes[] = {0, 1, usual.sizes[d] - 1, usual.sizes[d] + 1, 2 * usual.sizes[d]};
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct stability_shape shape = usual;
            shape.sizes[d] = sizes[i];
            if (sizes[i] >= 0)
                try_shape(change, record, &shape);
        }
    }
}

/* No elements, whatever the other size is: nothing may take memory for it. */
static void try_empty(struct change *change, struct golden_record *record)
{
    const struct stability_shape usual = record->tensor.shape;
    for (int d = 0; d < usual.rank; d++) {
        for (int huge = 0; huge < usual.rank; huge++) {
            struct stability_shape shape = usual;
            shape.sizes[huge] = INT32_MAX;
            shape.sizes[d] = 0;
            if (huge != d)
                try_shape(change, record, &shape);
        }
    }
}

static void try_ranks(struct change *change, struct golden_record *record)
{
    const struct stability_shape usual = record->tensor.shape;
    for (int rank = 0; rank <= STABILITY_MAX_RANK; rank++) {
        struct stability_shape last = {.rank = rank}, first = {.rank = rank};
        for (int d = 0; d < rank; d++) {
            last.sizes[d] = d < usual.rank ? usual.sizes[d] : 1;
            first.sizes[d] = d + usual.rank >= rank ? usual.sizes[d + usual.rank - rank] : 1;
        }
        try_shape(change, record, &last);
        try_shape(change, record, &first);
    }
}

static void all_empty(struct change *change)
{
    for (size_t i = 0; i < change->golden.record_count; i++) {
        struct golden_record *record = &change->records[i];
        if ((record->keyword == GOLDEN_INPUT || record->keyword == GOLDEN_TARGET) &&
            record->tensor.shape.rank > 0)
            record->tensor.shape.sizes[0] = 0;
    }
    try_change(change, "a batch of none");
}

/* ---- attributes ------------------------------------------------------------------------------------- */

static struct stability_member *find_attribute(struct change *change, const char *name)
{
    for (size_t i = 0; i < change->golden.attributes.count; i++)
        if (strcmp(change->attributes[i].name, name) == 0)
            return &change->attributes[i];
    change->attributes[change->golden.attributes.count].name = name;
    return &change->attributes[change->golden.attributes.count++];
}

static void try_value(struct change *change, const char *name, struct stability_value value, const char *text)
{
    size_t count = change->golden.attributes.count;
    struct stability_member *member = find_attribute(change, name);
    struct stability_value usual = member->value;
    member->value = value;
    try_change(change, "%s = %s", name, text);
    member->value = usual;
    change->golden.attributes.count = count;
}

static const double numbers[] = {0, 1, -1, 2, 3, 5, 100, -9, 0x1p31, 0x1p40, 0x1p62, -0x1p62};
enum { NUMBER_COUNT = sizeof(numbers) / sizeof(numbers[0]) };

static void try_numbers(struct change *change, const struct stability_attribute *row)
{
    const double reals[] = {0.5, -0.5, 1e300, 1e-300, (double)INFINITY, (double)NAN};
    char text[64];
    for (int i = 0; i < NUMBER_COUNT; i++) {
        snprintf(text, sizeof(text), "%g", numbers[i]);
        try_value(change, row->name,
                  (struct stability_value){STABILITY_INTEGER, .integer = (int64_t)numbers[i]}, text);
    }
    for (size_t i = 0; row->kind == STABILITY_ATTRIBUTE_REAL && i < sizeof(reals) / sizeof(reals[0]); i++) {
        snprintf(text, sizeof(text), "%g", reals[i]);
        try_value(change, row->name, (struct stability_value){STABILITY_REAL, .real = reals[i]}, text);
    }
}

/* Each length with each number in its last place, and twos before. */
static void try_lists(struct change *change, const struct stability_attribute *row)
{
    char text[64];
    for (size_t length = 0; length <= STABILITY_MAX_RANK + 1; length++) {
        for (int i = 0; i < NUMBER_COUNT; i++) {
            double items[STABILITY_MAX_RANK + 1];
            for (size_t k = 0; k < length; k++)
                items[k] = k + 1 == length ? numbers[i] : 2;
            snprintf(text, sizeof(text), "%zu numbers, the last %g", length, numbers[i]);
            try_value(change, row->name,
                      (struct stability_value){STABILITY_LIST, .list = {length, items, true}}, text);
        }
    }
}

static void try_words(struct change *change, const struct stability_attribute *row)
{
    char word[64];
    for (const char *rest = row->choices; rest && *rest; rest += strspn(rest, " ")) {
        size_t length = strcspn(rest, " ");
        snprintf(word, sizeof(word), "%.*s", (int)length, rest);
        rest += length;
        try_value(change, row->name, (struct stability_value){STABILITY_STRING, .string = word}, word);
    }
}

static void try_tensors(struct change *change, const struct stability_attribute *row)
{
    static const double elements[16] = {1, 0.5, 2, 0.25, -1};
    static const struct stability_shape shapes[] = {{0},         {1, {1}}, {1, {3}},
                                                    {2, {1, 5}}, {1, {0}}, {2, {4, 4}}};
    char text[STABILITY_SHAPE_TEXT];
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        try_value(
            change, row->name,
            (struct stability_value){STABILITY_TENSOR, .tensor = {STABILITY_FLOAT64, shapes[i], elements}},
            stability_shape_text(&shapes[i], text));
}

static void try_attribute(struct change *change, const struct stability_attribute *row)
{
    try_value(change, row->name, (struct stability_value){.kind = STABILITY_NULL}, "null");
    for (int b = 0; row->kind == STABILITY_ATTRIBUTE_BOOLEAN && b < 2; b++)
        try_value(change, row->name, (struct stability_value){STABILITY_BOOLEAN, .boolean = b},
                  b ? "true" : "false");
    if (row->kind != STABILITY_ATTRIBUTE_BOOLEAN)
        try_numbers(change, row);
    if (row->kind == STABILITY_ATTRIBUTE_INTEGERS || row->kind == STABILITY_ATTRIBUTE_TENSOR)
        try_lists(change, row);
    if (row->kind == STABILITY_ATTRIBUTE_TENSOR)
        try_tensors(change, row);
    try_words(change, row);
}

/* ---- every type ------------------------------------------------------------------------------------- */

/* A copy of a case: what is given, with or without the parameters, which are drawn then. */
static void copy_case(struct change *change, const struct golden_case *golden, bool with_parameters)
{
    change->golden = (struct golden_case){.name = golden->name, .evaluate = golden->evaluate};
    change->records = arena_array(&change->arena, golden->record_count, sizeof(*change->records));
    change->attributes =
        arena_array(&change->arena, golden->attributes.count + 1, sizeof(*change->attributes));
    assert_true(change->records && change->attributes);
    for (size_t i = 0; i < golden->record_count; i++) {
        enum golden_keyword keyword = golden->records[i].keyword;
        bool parameter = keyword == GOLDEN_PARAMETER || keyword == GOLDEN_BUFFER;
        if (keyword == GOLDEN_INPUT || keyword == GOLDEN_TARGET || (parameter && with_parameters))
            change->records[change->golden.record_count++] = golden->records[i];
    }
    if (golden->attributes.count > 0)
        memcpy(change->attributes, golden->attributes.items,
               golden->attributes.count * sizeof(*change->attributes));
    change->golden.records = change->records;
    change->golden.attributes = (struct stability_members){golden->attributes.count, change->attributes};
}

static const struct stability_attribute *attributes_of(const struct subject *subject)
{
    int index = subject->is_loss ? kernels_find_loss(subject->type) : kernels_find_layer(subject->type);
    return subject->is_loss ? stability_loss_type_at((size_t)index)->attributes
                            : stability_layer_type_at((size_t)index)->attributes;
}

static void shapes_are_checked(void **state)
{
    const struct subject *subject = *state;
    struct golden_file file;
    int64_t accepted = 0;
    golden_read(&file, subject->is_loss, subject->type);
    for (size_t i = 0; i < file.case_count; i++) {
        struct change change = {.file = &file, .accepted = &accepted};
        copy_case(&change, &file.cases[i], true);
        for (size_t r = 0; r < change.golden.record_count; r++) {
            struct golden_record *record = &change.records[r];
            if (record->keyword == GOLDEN_INPUT || record->keyword == GOLDEN_TARGET) {
                try_sizes(&change, record);
                try_empty(&change, record);
                try_ranks(&change, record);
            }
        }
        change.analyses = i == 0; /* they take time */
        if (change.analyses)
            try_change(&change, "all analyses");
        all_empty(&change);
        arena_free(&change.arena);
    }
    golden_free(&file);
    assert_true(accepted > 0);
}

static void attributes_are_checked(void **state)
{
    enum { CASES = 3 };
    const struct subject *subject = *state;
    struct golden_file file;
    int64_t accepted = 0;
    golden_read(&file, subject->is_loss, subject->type);
    for (size_t i = 0; i < file.case_count && i < CASES; i++) {
        struct change change = {.file = &file, .accepted = &accepted};
        copy_case(&change, &file.cases[i], false);
        for (const struct stability_attribute *row = attributes_of(subject); row && row->name; row++)
            try_attribute(&change, row);
        arena_free(&change.arena);
    }
    golden_free(&file);
}

int main(void)
{
    size_t layers = stability_layer_type_count(), types = layers + stability_loss_type_count();
    struct CMUnitTest *tests = calloc(2 * types, sizeof(*tests));
    struct subject *subjects = calloc(types, sizeof(*subjects));
    struct stability_error error = {0};
    if (!tests || !subjects || !stability_initialize(&error)) /* one BLAS thread, as in the product */
        return 1;
    for (size_t i = 0; i < types; i++) {
        bool is_loss = i >= layers;
        subjects[i].is_loss = is_loss;
        subjects[i].type =
            is_loss ? stability_loss_type_at(i - layers)->type : stability_layer_type_at(i)->type;
        tests[2 * i] = (struct CMUnitTest){
            .name = subjects[i].type, .test_func = shapes_are_checked, .initial_state = &subjects[i]};
        tests[2 * i + 1] = (struct CMUnitTest){
            .name = subjects[i].type, .test_func = attributes_are_checked, .initial_state = &subjects[i]};
    }
    int failures = _cmocka_run_group_tests("degenerate", tests, 2 * types, NULL, NULL);
    free(tests);
    free(subjects);
    return failures;
}
