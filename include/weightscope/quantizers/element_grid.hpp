#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weightscope {

/// What the codes of a scheme stand for.
enum class element_grid
{
    integer,       ///< whole numbers; the others are of 4 to 8 bits, sign included
    fp8_e4m3,      ///< OCP FP8 E4M3 ("fn": without Inf): up to 448
    fp8_e5m2,      ///< OCP FP8 E5M2: up to 57344
    fp8_e4m3fnuz,  ///< E4M3 with bias 8, neither Inf nor -0: up to 240
    fp8_e5m2fnuz,  ///< E5M2 with bias 16, neither Inf nor -0: up to 57344
    fp6_e3m2,      ///< OCP FP6 E3M2: up to 28
    fp6_e2m3,      ///< OCP FP6 E2M3: up to 7.5
    fp4_e2m1,      ///< OCP FP4 E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives
    nf4,           ///< NF4: quantiles of the normal distribution from -1 to 1, Dettmers et al. 2023, arXiv:2305.14314
};

namespace detail {

// A number of a float grid is m 2^(e - mantissa_bits), with e at least lowest_exponent, and at most `largest`.
struct grid_format
{
    std::string_view name = {};
    int bits = 0;
    int mantissa_bits = 0;
    int lowest_exponent = 0;
    int highest_exponent = 0;
    float largest = 0;
    bool negative_zero = true;
};

inline constexpr std::array<grid_format, 9> grid_formats = {{
    {.name = "int"},
    {.name = "fp8-e4m3", .bits = 8, .mantissa_bits = 3, .lowest_exponent = -6, .highest_exponent = 8, .largest = 448},
    {.name = "fp8-e5m2", .bits = 8, .mantissa_bits = 2, .lowest_exponent = -14, .highest_exponent = 15, .largest = 57344},
    {.name = "fp8-e4m3fnuz", .bits = 8, .mantissa_bits = 3, .lowest_exponent = -7, .highest_exponent = 7, .largest = 240, .negative_zero = false},
    {.name = "fp8-e5m2fnuz", .bits = 8, .mantissa_bits = 2, .lowest_exponent = -15, .highest_exponent = 15, .largest = 57344, .negative_zero = false},
    {.name = "fp6-e3m2", .bits = 6, .mantissa_bits = 2, .lowest_exponent = -2, .highest_exponent = 4, .largest = 28},
    {.name = "fp6-e2m3", .bits = 6, .mantissa_bits = 3, .lowest_exponent = 0, .highest_exponent = 2, .largest = 7.5F},
    {.name = "fp4-e2m1", .bits = 4, .mantissa_bits = 1, .lowest_exponent = 0, .highest_exponent = 2, .largest = 6},
    {.name = "nf4", .bits = 4, .largest = 1, .negative_zero = false},
}};

constexpr const grid_format& format_of(element_grid grid)
{
    return grid_formats[static_cast<std::size_t>(grid)];
}

// The numbers of NF4, and those between which they change: a weight above threshold i stands for at least value i + 1. Both as the
// runtime has them (bitsandbytes, csrc/kernels.cu, dQuantizeNF4), where thresholds are not quite the middles.
inline constexpr std::array<float, 16> nf4_values = {
    -1.0F, -0.6961928009986877F, -0.5250730514526367F, -0.39491748809814453F, -0.28444138169288635F, -0.18477343022823334F,
    -0.09105003625154495F, 0.0F, 0.07958029955625534F, 0.16093020141124725F, 0.24611230194568634F, 0.33791524171829224F,
    0.44070982933044434F, 0.5626170039176941F, 0.7229568362236023F, 1.0F};
inline constexpr std::array<float, 15> nf4_thresholds = {
    -0.8480964004993439F, -0.6106329262256622F, -0.4599952697753906F, -0.33967943489551544F, -0.23460740596055984F,
    -0.13791173323988914F, -0.045525018125772476F, 0.03979014977812767F, 0.1202552504837513F, 0.2035212516784668F,
    0.2920137718319893F, 0.3893125355243683F, 0.5016634166240692F, 0.6427869200706482F, 0.8614784181118011F};

}  // namespace detail

}  // namespace weightscope
