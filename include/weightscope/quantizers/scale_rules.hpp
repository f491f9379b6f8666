#pragma once

namespace weightscope {

/// What the scale of a group is made from. `top` is the largest number of the grid: the highest code of integers, 448 of FP8 E4M3.
enum class scale_base
{
    codes,             ///< the range over the codes, as the table of `scheme` says; a group of one number is decoded to itself
    largest,           ///< max|w| / top
    half_span,         ///< max|w| / half the distance from the lowest to the highest code
    half_span_signed,  ///< the same, but half of it where no weight is negative: codes below that of 0 are then not used
    span,              ///< (max - min) / the distance from the lowest to the highest code
    signed_largest,    ///< the first weight of the largest magnitude / lowest code, so that it is negative where that weight is positive
    signed_side,       ///< |min| / -lowest code where |min| is not below max, else max / lowest code
    power_floor,       ///< 2^(floor(log2 max|w|) - e), e the exponent of the largest number of the grid
    power_log2,        ///< the same with the logarithm as a float gives it: one more just below a power of two
    power_ceil,        ///< 2^(ceil(log2 max|w|) - e)
    power_up,          ///< the next power of two from max|w| · (1 / top) on
    power_even,        ///< as power_floor, after max|w| has been rounded to the mantissa of the grid, halves up
};

/// How the scale of the whole tensor is stored that goes with those of its groups.
enum class global_scale
{
    none,
    multiplier,  ///< g = max|W| / (top · 448); a group stores max|w| / (top · g), and is divided by that times g
    divisor,     ///< g = (top · 448) / max|W|; a group stores g · (max|w| / top), and is divided by that over g
};

/// How a runtime makes scales and codes, where that differs from what `scheme` says. All arithmetic is then in float, one operation
/// after the other.
struct scale_rules
{
    scale_base base = scale_base::codes;
    double least_scale = 0;     ///< what a scale of less becomes, before it is rounded to its type
    double least_range = 0;     ///< what a range max - min (or max|w|) of less becomes
    double zero_scale = 1;      ///< what a scale of 0 becomes, and one that is rounded to 0; 0: it stays, and the group becomes 0
    double zero_below = 0;      ///< scales below this count as 0
    bool holds_zero = true;     ///< asymmetric: the range is extended to hold 0
    bool in_double = false;     ///< scale and zero point are computed in double, the zero point from the scale before it is rounded
    bool reciprocal = false;    ///< weights are multiplied by 1 / s, itself rounded, instead of divided by s
    bool unrounded = false;     ///< they are divided by s as it was before it was rounded to its type
    bool zero_first = false;    ///< the zero point is added to w / s before that is rounded
    bool zero_sum = false;      ///< the zero point is round(lowest code - min / s) instead of lowest code - round(min / s)
    bool minimum = false;       ///< asymmetric: ŵ = q s + minimum, with codes from 0 and the minimum stored like the scale
    global_scale global = global_scale::none;

    bool operator==(const scale_rules&) const = default;
};

}  // namespace weightscope
