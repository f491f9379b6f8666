#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <weightscope/evaluators/transformer_config.hpp>

namespace weightscope::detail {

// Cosines and sines [position, pair].
template <class Real>
struct rope_table
{
    rope_table(const transformer_config& config, rope_layout rows, std::size_t length) : layout(rows), pairs(config.head_size / 2)
    {
        for (std::size_t position = 0; position < length; ++position)
            for (std::size_t p = 0; p < pairs; ++p) {
                const double angle = static_cast<double>(position) * frequency(config, p);
                cosine.push_back(static_cast<Real>(std::cos(angle)));
                sine.push_back(static_cast<Real>(std::sin(angle)));
            }
    }

    static double frequency(const transformer_config& config, std::size_t pair)
    {
        const double exponent = 2 * static_cast<double>(pair) / static_cast<double>(config.head_size);
        const double divisor = config.rope_divisors.empty() ? 1 : config.rope_divisors[pair];
        const double plain = std::pow(config.rope_theta, -exponent) / divisor, slowed = plain / config.scaling_factor;
        if (config.scaling == rope_scaling::none)
            return plain;
        if (config.scaling == rope_scaling::linear)
            return slowed;
        // turns over the original context: many are kept, few are slowed, between the bounds both are mixed
        const double turns = config.original_positions * plain / (2 * std::numbers::pi);
        const double keep = (turns - config.low_frequency_factor) / (config.high_frequency_factor - config.low_frequency_factor);
        return std::lerp(slowed, plain, std::clamp(keep, 0.0, 1.0));
    }

    rope_layout layout;
    std::size_t pairs;
    std::vector<Real> cosine = {}, sine = {};
};

}  // namespace weightscope::detail
