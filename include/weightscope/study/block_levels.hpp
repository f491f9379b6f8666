#pragma once
// The steps of blocks as whole numbers.

#include <cstddef>
#include <cstdint>

namespace weightscope::detail {

// Steps as whole numbers from 0 on; of each part of a block the largest magnitude, and whether one is 0.
struct block_level_kernel
{
    [[gnu::always_inline]] void operator()(const float* steps, std::size_t parts, std::size_t weights, std::int32_t lowest, std::int32_t* levels,
                                           std::int32_t* most, std::int32_t* any_zero) const
    {
        for (std::size_t p = 0; p < parts; ++p) {
            std::int32_t high = 0, zero = 0;
            for (std::size_t e = p * weights; e < (p + 1) * weights; ++e) {
                const auto step = static_cast<std::int32_t>(steps[e]), magnitude = step < 0 ? -step : step;
                levels[e] = step - lowest;
                high = magnitude > high ? magnitude : high;
                zero |= step == 0 ? 1 : 0;
            }
            most[p] = high;
            any_zero[p] = zero;
        }
    }
};

}  // namespace weightscope::detail
