/* Conversion between dtypes, in blocks: floating elements pass through float64, integers through int64, both
 * exact. */
#include <stability/tensor.h>

#include <math.h>
#include <string.h>

enum { BLOCK = 512 };

union block {
    double real[BLOCK];
    int64_t integer[BLOCK];
};

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The exponent's bias goes from 15 to 127 by one multiplication, which normalises subnormals too. */
static float float_of_float16(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t infinite = magnitude | 0x7F800000;
    float finite = float_of_bits(magnitude) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &finite, sizeof bits);
    return float_of_bits(sign | (magnitude >= 0x0F800000 ? infinite : bits));
}

static void read_float64(const unsigned char *source, union block *block, size_t count)
{
    memcpy(block->real, source, count * sizeof(double));
}

static void read_float32(const unsigned char *source, union block *block, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, source + 4 * i, sizeof value);
        block->real[i] = (double)value;
    }
}

static void read_float16(const unsigned char *source, union block *block, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t value;
        memcpy(&value, source + 2 * i, sizeof value);
        block->real[i] = (double)float_of_float16(value);
    }
}

static void read_bfloat16(const unsigned char *source, union block *block, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t value;
        memcpy(&value, source + 2 * i, sizeof value);
        block->real[i] = (double)float_of_bits((uint32_t)value << 16);
    }
}

static void read_int64(const unsigned char *source, union block *block, size_t count)
{
    memcpy(block->integer, source, count * sizeof(int64_t));
}

static void read_int32(const unsigned char *source, union block *block, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int32_t value;
        memcpy(&value, source + 4 * i, sizeof value);
        block->integer[i] = value;
    }
}

static void read_uint8(const unsigned char *source, union block *block, size_t count)
{
    for (size_t i = 0; i < count; i++)
        block->integer[i] = source[i];
}

static void read_bool(const unsigned char *source, union block *block, size_t count)
{
    for (size_t i = 0; i < count; i++)
        block->integer[i] = source[i] != 0;
}

/* Truncates; NaN becomes 0 and what is out of range the nearest bound. */
static int64_t integer_of_real(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 0x1p63)
        return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

static void write_reals(const union block *block, enum stability_dtype to, void *destination, size_t start,
                        size_t count)
{
    if (to == STABILITY_FLOAT64)
        memcpy((double *)destination + start, block->real, count * sizeof(double));
    else if (to == STABILITY_FLOAT32)
        for (size_t i = 0; i < count; i++)
            ((float *)destination)[start + i] = (float)block->real[i];
    else
        for (size_t i = 0; i < count; i++)
            ((int64_t *)destination)[start + i] = integer_of_real(block->real[i]);
}

static void write_integers(const union block *block, enum stability_dtype to, void *destination, size_t start,
                           size_t count)
{
    if (to == STABILITY_INT64)
        memcpy((int64_t *)destination + start, block->integer, count * sizeof(int64_t));
    else if (to == STABILITY_FLOAT32)
        for (size_t i = 0; i < count; i++)
            ((float *)destination)[start + i] = (float)block->integer[i];
    else
        for (size_t i = 0; i < count; i++)
            ((double *)destination)[start + i] = (double)block->integer[i];
}

void stability_convert(enum stability_dtype from, const void *source, enum stability_dtype to,
                       void *destination, int64_t count)
{
    static void (*const readers[STABILITY_DTYPE_COUNT])(const unsigned char *, union block *, size_t) = {
        [STABILITY_FLOAT64] = read_float64, [STABILITY_FLOAT32] = read_float32,
        [STABILITY_FLOAT16] = read_float16, [STABILITY_BFLOAT16] = read_bfloat16,
        [STABILITY_INT64] = read_int64,     [STABILITY_INT32] = read_int32,
        [STABILITY_UINT8] = read_uint8,     [STABILITY_BOOL] = read_bool,
    };
    size_t size = stability_dtype_size(from);
    if (from == to) {
        if (count > 0)
            memcpy(destination, source, (size_t)count * size);
        return;
    }
    bool floating = stability_dtype_is_floating(from);
    union block block;
    for (size_t start = 0; start < (size_t)count; start += BLOCK) {
        size_t length = (size_t)count - start < BLOCK ? (size_t)count - start : BLOCK;
        readers[from]((const unsigned char *)source + start * size, &block, length);
        (floating ? write_reals : write_integers)(&block, to, destination, start, length);
    }
}
