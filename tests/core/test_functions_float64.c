#define REAL_BITS 64
#include "functions_cases.h"
