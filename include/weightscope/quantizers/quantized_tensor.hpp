#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <variant>
#include <vector>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

/// Groups that call for a second look. One group may be counted more than once.
struct odd_groups
{
    std::size_t all_zero = 0;         ///< scale 1
    std::size_t constant = 0;         ///< one number that is not 0: it is the scale up to its sign
    std::size_t one_signed = 0;       ///< not all zero, and no two weights of different sign
    std::size_t subnormal_scale = 0;  ///< the scale is so small that its type keeps few digits of it
    std::size_t non_finite = 0;       ///< some weight is NaN or infinite
    std::size_t nan_weights = 0;      ///< weights, not groups: they got the code of 0
    std::size_t infinite_weights = 0; ///< weights, not groups: they got the last code on their side
    std::size_t overflowing_scale = 0;  ///< the scale is beyond the numbers of its type: that type's infinity, as the runtime has it

    odd_groups& operator+=(const odd_groups& other) noexcept
    {
        all_zero += other.all_zero;
        constant += other.constant;
        one_signed += other.one_signed;
        subnormal_scale += other.subnormal_scale;
        non_finite += other.non_finite;
        nan_weights += other.nan_weights;
        infinite_weights += other.infinite_weights;
        overflowing_scale += other.overflowing_scale;
        return *this;
    }
};

/// Codes q, scales s and zero points z: ŵ = (q - z) s; of other grids ŵ = g(q) s, with g(q) the number that has the bits q.
struct quantized_tensor
{
    weightscope::scheme scheme = {};
    std::variant<xt::xarray<std::int8_t>, xt::xarray<std::int16_t>> codes = {};  ///< [shape of the weights]; 16-bit codes are the second
    std::vector<double> scales = {};             ///< one for each group, a value of scheme.scale; groups by rows, then along them
    std::vector<std::int16_t> zero_points = {};  ///< one for each group; empty where symmetric
    std::vector<std::size_t> shape = {};
    odd_groups odd = {};
    double global_scale = 1;            ///< scheme.rules.global: multiplies or divides all scales, a float
    std::vector<double> minima = {};    ///< scheme.rules.minimum: one for each group, a value of scheme.scale; ŵ = (q - lowest code) s + minimum
};

namespace detail {

// What quantizing a strip finds out about its groups; `low` and `high` are of the strip where it is part of a larger group.
struct strip_report
{
    odd_groups odd = {};
    double low = std::numeric_limits<double>::infinity();
    double high = -std::numeric_limits<double>::infinity();
};

inline void report_group(double low, double high, double scale, bool non_finite, scale_type type, odd_groups& odd)
{
    odd.all_zero += low == 0 && high == 0;
    odd.constant += low == high && low != 0;
    odd.one_signed += (low >= 0 || high <= 0) && !(low == 0 && high == 0);
    odd.subnormal_scale += scale < smallest_normal_scale(type);
    odd.non_finite += non_finite;
}

}  // namespace detail

}  // namespace weightscope
