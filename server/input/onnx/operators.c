#include "server/input/onnx/operators.h"

#include <string.h>

#define OLDEST_DEFINED 7

static const struct onnx_operator operators[] = {
#define OPERATOR(type, trait, translate, fold, attributes) {#type, translate, fold, ONNX_##trait, attributes},
#define LAYERS(type, translate, attributes) {#type, translate, NULL, ONNX_PLAIN, attributes},
#define CONSTANTS(type, trait, fold, attributes) {#type, NULL, fold, ONNX_##trait, attributes},
#include "server/input/onnx/operators.def"
};

bool onnx_is_listed(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *found = length > 0 ? strstr(words, word) : NULL; found != NULL;
         found = strstr(found + 1, word)) {
        if ((found == words || found[-1] == ' ') && (found[length] == ' ' || found[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* From which opset on each is what opset 7 has. */
static const struct {
    int64_t opset;
    const char *types;
} unchanged[] = {
    {1, "Constant Conv ConvTranspose DepthToSpace Flatten Gather GlobalAveragePool GlobalMaxPool Identity "
        "LogSoftmax MatMul MaxPool Not ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean "
        "ReduceMin ReduceProd ReduceSum ReduceSumSquare Shape Size Slice Softmax Softplus Softsign "
        "SpaceToDepth Squeeze Transpose Unsqueeze"},
    {2, "Pad Split"},
    {4, "Concat"},
    {5, "Reshape"},
    {6, "Abs Cast Ceil Clip Elu Exp Floor HardSigmoid InstanceNormalization LeakyRelu Log Max Mean Min Neg "
        "Reciprocal Relu Selu Sigmoid Sqrt Sum Tanh Tile"},
};

bool onnx_is_unchanged(const char *type, int64_t opset)
{
    for (size_t i = 0; i < sizeof unchanged / sizeof *unchanged && unchanged[i].opset <= opset; i++) {
        if (onnx_is_listed(unchanged[i].types, type)) {
            return true;
        }
    }
    return opset >= OLDEST_DEFINED;
}

const struct onnx_operator *onnx_find_operator(const char *type)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (strcmp(operators[i].type, type) == 0) {
            return &operators[i];
        }
    }
    return NULL;
}
