#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope {

struct bit_map_options
{
    double rms_factor = 10;  ///< a change of more than so many times the root mean square of the weights counts as a large one; above 0
};

/// How many numbers x have 2^exponent <= |x| < 2^(exponent + 1).
struct binade_count
{
    int exponent = 0;
    std::uint64_t count = 0;

    friend bool operator==(const binade_count&, const binade_count&) = default;
};

/// What becomes of a tensor when one bit position is flipped, in one number at a time, over all of them.
///
/// A flip's change is |new - old| of the weight; of a number that several weights depend on, the largest of theirs.
struct bit_position
{
    std::string part = "code";              ///< "code", or the number of a block that weights share: "scale", "min", "sub_scale", "sub_min"
    unsigned bit = 0;                       ///< 0 is the least significant
    bit_class kind = bit_class::mantissa;
    std::size_t weights_per_flip = 1;       ///< that depend on one such number
    std::uint64_t flip_count = 0;           ///< numbers with finite weights
    std::uint64_t nan_count = 0;            ///< flips after which a weight is NaN
    std::uint64_t infinite_count = 0;       ///< flips after which one is infinite and none NaN
    std::uint64_t unchanged_count = 0;      ///< flips that change no value: 0 to -0
    metric max_change = {};                 ///< largest change that ends at finite weights
    std::size_t max_index = 0;              ///< the first weight that has it, row-major
    double max_old = 0, max_new = 0;        ///< its value before and after
    metric mean_change = {};                ///< over the flips that end at finite weights, those that change nothing too
    metric rms_change = {};
    std::uint64_t above_max_count = 0;      ///< flips that end at finite weights and change by more than max|w|
    std::uint64_t above_rms_count = 0;      ///< by more than rms_factor times the root mean square
    std::vector<binade_count> changes = {};  ///< of the flips that end at other finite weights, rising
};

/// What single flipped bits do to a tensor.
struct bit_map_result
{
    std::size_t size = 0;                      ///< weights
    std::uint64_t nonfinite_count = 0;         ///< NaN or infinite as they are stored; left out of all else
    std::uint64_t zero_count = 0;
    double max_magnitude = 0;
    double rms = 0;                            ///< root mean square of the finite weights
    std::vector<binade_count> exponents = {};  ///< of the weights that are not 0, rising
    std::vector<bit_position> positions = {};  ///< the code's from bit 0 on, then those of the scales
};

}  // namespace weightscope
