#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/search_kernel.hpp>

namespace weightscope::detail {

// Sorting n numbers and going through them once for every zero point is worth it for groups that do not take more than this.
inline constexpr std::size_t most_exact_steps = 32768;

inline std::size_t exact_search_steps(std::size_t count, const scheme& options)
{
    const std::size_t codes = options.code_count();
    return options.symmetric ? count * (codes / 2) : count * (codes - 1) * codes;
}

// The code of the least Σ a e², with a = 1 where `importance` is empty. As the scale falls, |w| reaches level k at |w| / (k - 1/2);
// between two such steps the levels stay and the best scale is Σaxk / Σak², which leaves Σax² - (Σaxk)² / Σak². So the largest
// (Σaxk)² / Σak² of all steps is the optimum.
template <class Real>
trial_code exact_code(std::span<const Real> group, const scheme& options, std::span<const double> importance = {})
{
    struct step
    {
        double scale;
        double magnitude;
        int level;
        bool negative;
        double importance;
    };
    const int first = options.lowest_code(), last = options.highest_code();
    std::vector<step> steps;
    for (std::size_t i = 0; i < group.size(); ++i)
        if (const Real x = group[i]; x != 0 && (importance.empty() || importance[i] > 0)) {
            const double magnitude = std::fabs(static_cast<double>(x));
            const int highest = options.symmetric ? (x < 0 ? -first : last) : last - first;
            for (int level = 1; level <= highest; ++level)
                steps.push_back({magnitude / (level - 0.5), magnitude, level, x < 0, importance.empty() ? 1 : importance[i]});
        }
    std::sort(steps.begin(), steps.end(), [](const step& a, const step& b) { return a.scale > b.scale; });
    trial_code best;
    double most = 0;
    for (int zero = options.symmetric ? 0 : first; zero <= (options.symmetric ? 0 : last); ++zero) {
        double dot = 0, squares = 0;
        for (const step& s : steps) {
            if (s.level > (s.negative ? zero - first : last - zero))
                continue;
            dot += s.importance * s.magnitude;
            squares += s.importance * (2 * s.level - 1);
            if (dot * dot > most * squares) {
                most = dot * dot / squares;
                best = {.scale = dot / squares, .lowest = static_cast<double>(first - zero), .highest = static_cast<double>(last - zero)};
            }
        }
    }
    return best;
}

}  // namespace weightscope::detail
