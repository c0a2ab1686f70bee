/* One case of a golden file as a kernel sees it: a graph of one layer (or of one loss) is built from a
 * request, then its passes are run on memory of their own, each tensor in a block of exactly its size.
 *
 * What a pass must not read is filled with NaN: outputs before the forward pass, gradients and workspace
 * before either, and before the backward pass what the type says it leaves unread. */
#ifndef TESTS_KERNEL_CASE_H
#define TESTS_KERNEL_CASE_H

#include "core/graph.h"
#include "golden.h"

struct kernel_case {
    const struct golden_case *golden;
    struct stability_request request;
    struct graph graph;
    const struct graph_node *node;
    struct arena arena;
    struct tensor *inputs;
    struct tensor *outputs;
    struct tensor *parameters;
    struct tensor *output_gradients;
    struct tensor *input_gradients;
    struct tensor *parameter_gradients;
    struct layer_pass pass;     /* a layer's */
    struct loss_pass loss_pass; /* a loss's */
    double loss;
    size_t saved_size;
    size_t workspace_size;
    struct kernel_block *blocks;
};

/* Builds the case; false with the error where the request is refused. kernel_case_close in both cases. */
bool kernel_case_try_open(struct kernel_case *kernel, const struct golden_file *file,
                          const struct golden_case *golden, enum stability_precision precision,
                          struct stability_error *error);
/* The same, and the test fails where the request is refused. */
void kernel_case_open(struct kernel_case *kernel, const struct golden_file *file,
                      const struct golden_case *golden, enum stability_precision precision);
void kernel_case_close(struct kernel_case *kernel);

bool kernel_case_is_loss(const struct kernel_case *kernel);
int kernel_case_input_count(const struct kernel_case *kernel);
/* Whether the case has gradients to compare. */
bool kernel_case_has_gradients(const struct kernel_case *kernel);
void kernel_case_forward(struct kernel_case *kernel);
void kernel_case_backward(struct kernel_case *kernel);
/* After a forward pass: the type's hash of the sides of its kinks; 0 where it has none. */
uint64_t kernel_case_switches(const struct kernel_case *kernel);

/* Tensors by the names of the golden file: of inputs "0", "1"; of outputs "-", "h_n". NULL where there is
 * none. */
const struct tensor *kernel_case_tensor(const struct kernel_case *kernel, enum golden_keyword keyword,
                                        const char *name);
/* An element as a float64. */
double kernel_case_element(const struct kernel_case *kernel, const struct tensor *tensor, int64_t element);

#endif
