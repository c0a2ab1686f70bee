/* What the files under layers/, losses/ and real/ are written in: they are compiled once for each precision
 * and instruction set, everything in them is static but one table. */
#ifndef REAL_H
#define REAL_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tgmath.h>

#if REAL_BITS == 32
typedef float real;
#define REAL_DTYPE STABILITY_FLOAT32
#define REAL_EPSILON FLT_EPSILON
#define REAL_MIN FLT_MIN
#define REAL_MAX FLT_MAX
#elif REAL_BITS == 64
typedef double real;
#define REAL_DTYPE STABILITY_FLOAT64
#define REAL_EPSILON DBL_EPSILON
#define REAL_MIN DBL_MIN
#define REAL_MAX DBL_MAX
#else
#error "REAL_BITS must be 32 or 64"
#endif

/* VARIANT(layer_Linear) is layer_Linear_float32_baseline in that variant's build. */
#define VARIANT_PASTE_(name, variant) name##_##variant
#define VARIANT_PASTE(name, variant) VARIANT_PASTE_(name, variant)
#define VARIANT(name) VARIANT_PASTE(name, KERNEL_VARIANT)

#endif
