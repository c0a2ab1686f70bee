/* The normal distribution without the C library's log and exp, whose last bits differ from one to the next.
 */
#include "core/random.h"

#include <math.h>
#include <string.h>

static const double log_2_high = 0x1.62e42fefa3800p-1; /* 42 bits: exact times an exponent */
static const double log_2_low = 0x1.ef35793c76730p-45;

/* log x for a positive normal x: with x = 2^e m, √½ <= m < √2 and s = (m - 1) / (m + 1),
 * log m = 2 (s + s³/3 + s⁵/5 + ...), s² < 0.0295. */
static double logarithm(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000);
    double mantissa;
    memcpy(&mantissa, &bits, sizeof mantissa);
    if (mantissa > 1.4142135623730951) {
        mantissa *= 0.5;
        exponent++;
    }
    double s = (mantissa - 1.0) / (mantissa + 1.0);
    double square = s * s;
    double sum = 0.0;
    for (int k = 23; k >= 3; k -= 2)
        sum = (sum + 1.0 / k) * square;
    return exponent * log_2_high + (2.0 * s + (2.0 * s * sum + exponent * log_2_low));
}

/* e^x for -745 < x <= 0: 2^k times the Taylor series at |r| <= log(2) / 2. */
static double exponential(double x)
{
    double k = floor(x / log_2_high + 0.5);
    double r = (x - k * log_2_high) - k * log_2_low;
    double sum = 1.0;
    for (int n = 14; n >= 1; n--)
        sum = 1.0 + sum * r / n;
    return ldexp(sum, (int)k);
}

/* Below 0.5 + φ(x) (x + x³/3 + x⁵/15 + ...), above the continued fraction of the tail (Abramowitz and Stegun,
 * 26.2.10 and 26.2.14). */
double random_normal_distribution(double x)
{
    if (isnan(x))
        return x;
    if (fabs(x) > 38.5)
        return x > 0.0 ? 1.0 : 0.0;
    double density = 0.39894228040143267794 * exponential(-0.5 * x * x);
    if (fabs(x) < 3.0) {
        double term = x;
        double sum = x;
        for (int k = 3; fabs(term) > 1e-18; k += 2) {
            term *= x * x / k;
            sum += term;
        }
        return 0.5 + density * sum;
    }
    double fraction = fabs(x);
    for (int k = 200; k >= 1; k--)
        fraction = fabs(x) + k / fraction;
    double tail = density / fraction;
    return x > 0.0 ? 1.0 - tail : tail;
}

struct rational {
    double numerator[8]; /* lowest power first */
    double denominator[8];
};

static double evaluate(const struct rational *rational, double x)
{
    double numerator = rational->numerator[7];
    double denominator = rational->denominator[7];
    for (int i = 6; i >= 0; i--) {
        numerator = numerator * x + rational->numerator[i];
        denominator = denominator * x + rational->denominator[i];
    }
    return numerator / denominator;
}

/* Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37
 * (1988), routine PPND16. */
double random_normal_quantile(double p)
{
    static const struct rational centre = {
        {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
         4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3},
        {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
         2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3}};
    static const struct rational shoulder = {
        {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
         3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
         2.27238449892691845833e-2, 7.74545014278341407640e-4},
        {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
         1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
         1.05075007164441684324e-9}};
    static const struct rational tail = {
        {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
         2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
         2.71155556874348757815e-5, 2.01033439929228813265e-7},
        {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
         7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
         2.04426310338993978564e-15}};

    double q = p - 0.5;
    if (fabs(q) <= 0.425)
        return q * evaluate(&centre, 0.180625 - q * q);
    double r = sqrt(-logarithm(q < 0.0 ? p : 1.0 - p));
    double value = r <= 5.0 ? evaluate(&shoulder, r - 1.6) : evaluate(&tail, r - 5.0);
    return q < 0.0 ? -value : value;
}
