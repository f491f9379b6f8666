#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/quantizers/activation_observer.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/quantization_activations_result.hpp>
#include <weightscope/study/quantization_activations.hpp>

namespace weightscope::detail {

// x = (clamp(round(x / s) + z) - z) s in float, as runtimes do it. What is NaN stays.
struct round_activations_kernel
{
    [[gnu::always_inline]] void operator()(float* x, std::size_t count, float scale, float lowest, float highest) const
    {
        for (std::size_t i = 0; i < count; ++i) {  // the limits have the zero point taken off
            const float q = std::nearbyint(x[i] / scale);
            const float above = q < lowest ? lowest : q;
            x[i] = (above > highest ? highest : above) * scale;
        }
    }
};

WEIGHTSCOPE_INLINE scheme activation_scheme(const activation_study_options& options)
{
    return {.bits = options.bits, .symmetric = options.symmetric, .granularity = scale_granularity::per_channel};
}

inline void round_activations(float* x, std::size_t count, double scale, double zero_point, const scheme& s)
{
    dispatch(round_activations_kernel{}, x, count, static_cast<float>(scale), static_cast<float>(s.lowest_code() - zero_point),
             static_cast<float>(s.highest_code() - zero_point));
}

WEIGHTSCOPE_INLINE void round_activation_rows(std::span<float> values, std::size_t cols, const activation_code& code,
                                              const activation_study_options& options)
{
    const scheme s = activation_scheme(options);
    const std::size_t rows = cols > 0 ? values.size() / cols : 0, at_once = std::max<std::size_t>(1, 16384 / std::max<std::size_t>(cols, 1));
    parallel_for((rows + at_once - 1) / at_once, [&](std::size_t part) {
        for (std::size_t row = part * at_once; row < std::min(rows, (part + 1) * at_once); ++row) {
            float* x = values.data() + row * cols;
            if (!options.per_token) {
                round_activations(x, cols, code.scale, code.zero_point, s);
                continue;
            }
            float low = std::numeric_limits<float>::infinity(), high = -low, least = low;
            for (std::size_t i = 0; i < cols; ++i)
                if (std::isfinite(x[i])) {
                    low = std::min(low, x[i]), high = std::max(high, x[i]);
                    least = std::min(least, std::fabs(x[i]));
                }
            if (low > high)
                continue;
            const double magnitude = static_cast<double>(std::max(-low, high));
            const group_code own = s.symmetric ? code_of_range(static_cast<double>(least), magnitude, s)
                                               : code_of_range(static_cast<double>(low), static_cast<double>(high), s);
            round_activations(x, cols, own.scale, own.zero_point, s);
        }
    });
}

WEIGHTSCOPE_INLINE void choose_best_trial(activation_study_result& study)
{
    const auto rank = [&](const activation_trial& t) {
        if (t.quality && t.quality->loss.exists())
            return t.quality->loss.value;
        return t.median_sqnr_db.exists() ? 1e6 - t.median_sqnr_db.value : 1e9;
    };
    for (std::size_t t = 1; t < study.trials.size(); ++t)
        if (rank(study.trials[t]) < rank(study.trials[study.best]))
            study.best = t;
}

WEIGHTSCOPE_INLINE activation_change rounding_of(const std::vector<weight_info>& weights, const activation_study_result& study, std::size_t trial)
{
    std::vector<activation_code> codes(weights.size());
    std::vector<bool> seen(weights.size());
    for (std::size_t t = 0; t < weights.size(); ++t)
        for (const activation_layer& layer : study.layers)
            if (layer.name == weights[t].name) {
                codes[t] = layer.codes[trial];
                seen[t] = true;
            }
    return activation_change(
        [codes, options = study.settings](std::size_t tensor, std::span<float> inputs, std::size_t cols) {
            round_activation_rows(inputs, cols, codes[tensor], options);
        },
        [seen](std::size_t tensor) { return tensor < seen.size() && seen[tensor]; });
}

}  // namespace weightscope::detail
