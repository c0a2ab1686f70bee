/* The table of operators. */
#ifndef SERVER_INPUT_ONNX_OPERATORS_H
#define SERVER_INPUT_ONNX_OPERATORS_H

#include "server/input/onnx/import.h"

/* Gives the outputs of the import's node; false with an error or a refusal. */
typedef bool onnx_translation(struct onnx_import *import);

enum onnx_trait {
    ONNX_PLAIN,
    ONNX_MOVES, /* it only moves elements: folding initializers gives parameters */
    ONNX_SHAPES /* folding reads shapes, not elements */
};

struct onnx_operator {
    const char *type;
    onnx_translation *translate; /* into layers; NULL: only what is known can be computed */
    onnx_translation *fold;      /* from inputs that are known; NULL: it always becomes layers */
    enum onnx_trait trait;
    const char *attributes; /* that it may have, separated by spaces */
};

/* Whether a word is among `words`, which are separated by spaces. */
bool onnx_is_listed(const char *words, const char *word);

/* Operators are read as opset 7 and later define them. Whether an operator of an older opset is the same. */
bool onnx_is_unchanged(const char *type, int64_t opset);

/* NULL where there is none. */
const struct onnx_operator *onnx_find_operator(const char *type);

#define OPERATOR(type, trait, translate, fold, attributes) onnx_translation translate, fold;
#define LAYERS(type, translate, attributes) onnx_translation translate;
#define CONSTANTS(type, trait, fold, attributes) onnx_translation fold;
#include "server/input/onnx/operators.def"
#undef OPERATOR
#undef LAYERS
#undef CONSTANTS

#endif
