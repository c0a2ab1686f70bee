#define REAL_BITS 32
#include "functions_cases.h"
