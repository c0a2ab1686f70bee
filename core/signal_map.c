#include "core/signal_map.h"

#include <math.h>

/* gain E f(sqrt(q) z)^2 + bias_square - q: above 0 where q grows. */
static double growth(const struct signal_map *map, double q)
{
    struct expectation expectation = expectation_of_values(map->gaussian, map->activation, q);
    return map->gain * expectation_scaled(expectation, map->factor, map->shift).square + map->bias_square - q;
}

/* Values of q between which the growth changes its sign: it is above 0 at the low one. */
struct bracket {
    double low, high;
    double growth_low, growth_high;
};

/* Where the growth is 0, in a bracket of q. By false position, which halves the value at an end that stays
 * (Illinois). */
static double solve_between(const struct signal_map *map, struct bracket b)
{
    double q = b.low, before = b.high;
    for (int step = 0, stays = 0; step < 60 && fabs(q - before) > 1e-15 * q; step++) {
        before = q;
        q = (b.low * b.growth_high - b.high * b.growth_low) / (b.growth_high - b.growth_low);
        q = q > b.low && q < b.high ? q : b.low + (b.high - b.low) / 2;
        double grows = growth(map, q);
        if (fabs(grows) <= 0x1p-51 * q) /* it is rounded to that */
            return q;
        if (grows > 0) {
            b.growth_high *= stays > 0 ? 0.5 : 1;
            b.low = q, b.growth_low = grows, stays = 1;
        } else {
            b.growth_low *= stays < 0 ? 0.5 : 1;
            b.high = q, b.growth_high = grows, stays = -1;
        }
    }
    return q;
}

/* The powers of two that q is looked for between. */
static const double least_power = -40, greatest_power = 40;

/* Down to a factor of 2, by bisection of log2(q). */
static double solve_between_powers(const struct signal_map *map, double low, double high)
{
    struct bracket bracket = {exp2(low), exp2(high), growth(map, exp2(low)), growth(map, exp2(high))};
    while (high - low > 1) {
        double middle = (low + high) / 2, grows = growth(map, exp2(middle));
        if (grows > 0)
            low = middle, bracket.low = exp2(middle), bracket.growth_low = grows;
        else
            high = middle, bracket.high = exp2(middle), bracket.growth_high = grows;
    }
    return solve_between(map, bracket);
}

double signal_map_limit(const struct signal_map *map, double start)
{
    double from = fmin(fmax(log2(start), least_power), greatest_power), moves = growth(map, exp2(from));
    if (fabs(moves) <= 1e-12 * exp2(from))
        return exp2(from);
    double direction = moves > 0 ? 1 : -1;
    for (double step = 1;; step *= 2) {
        double to = fmin(fmax(from + direction * step, least_power), greatest_power);
        if ((growth(map, exp2(to)) > 0) != (moves > 0))
            return solve_between_powers(map, fmin(from, to), fmax(from, to));
        if (to == least_power)
            return 0;
        if (to == greatest_power)
            return INFINITY;
        from = to;
    }
}

double signal_map_chi(const struct signal_map *map, double q)
{
    double at = fmin(fmax(q, exp2(least_power)), exp2(greatest_power));
    return map->gain * map->factor * map->factor *
           expectation_of(map->gaussian, map->activation, at).derivative_square;
}
