#include "server/input/onnx/operators.h"

#include <string.h>

static const struct onnx_operator operators[] = {
#define OPERATOR(type, trait, translate, fold, attributes) {#type, translate, fold, ONNX_##trait, attributes},
#define LAYERS(type, translate, attributes) {#type, translate, NULL, ONNX_PLAIN, attributes},
#define CONSTANTS(type, trait, fold, attributes) {#type, NULL, fold, ONNX_##trait, attributes},
#include "server/input/onnx/operators.def"
};

const struct onnx_operator *onnx_find_operator(const char *type)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (strcmp(operators[i].type, type) == 0) {
            return &operators[i];
        }
    }
    return NULL;
}
