#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/quantizers/exact_search.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/round_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/search_kernel.hpp>

namespace weightscope::detail {

// Σ |e|^norm of a group in a code, rounded as it will be.
template <class Real, class Decoded>
double objective_in(std::span<const Real> group, const group_code& code, const scheme& options)
{
    const double norm = options.search == range_search::mse ? 2 : options.norm;
    const auto scale = static_cast<Real>(code.scale), zero_point = static_cast<Real>(code.zero_point);
    constexpr Real beyond = std::numeric_limits<Real>::max();
    const strip_code<Real> strip{.group_size = rounded_at_once,
                                 .low = &beyond,
                                 .high = &beyond,
                                 .scale = &scale,
                                 .zero_point = &zero_point,
                                 .lowest_code = static_cast<Real>(options.lowest_code()),
                                 .highest_code = static_cast<Real>(options.highest_code()),
                                 .symmetric = options.symmetric,
                                 .half_away = options.rounding == rounding_mode::half_away};
    const auto partials = map_chunks(group.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
        double sum = 0, decoded[rounded_at_once];
        for (; begin < end; begin += rounded_at_once) {
            const std::size_t count = std::min(end - begin, rounded_at_once);
            dispatch(round_kernel<Real, Decoded, double>{}, &strip, group.data() + begin, std::size_t{0}, count, +decoded);
            for (std::size_t i = 0; i < count; ++i) {
                const double e = static_cast<double>(group[begin + i]) - decoded[i];
                sum += norm == 2 ? e * e : std::pow(std::fabs(e), norm);
            }
        }
        return sum;
    });
    double sum = 0;
    for (const double part : partials)
        sum += part;
    return sum;
}

template <class Real>
double objective_of(std::span<const Real> group, const group_code& code, const scheme& options)
{
    return options.scale == scale_type::f64 ? objective_in<Real, double>(group, code, options)
                                                : objective_in<Real, float>(group, code, options);
}

template <class Real>
trial_sums try_code(std::span<const Real> group, const trial_code& code, double norm)
{
    trial_sums sums;
    if (group.size() <= chunk_elements) {
        dispatch(trial_kernel<Real>{}, group.data(), group.size(), &code, norm, &sums);
        return sums;
    }
    const auto partials = map_chunks(group.size(), chunk_elements, [&](std::size_t begin, std::size_t end) {
        trial_sums part;
        dispatch(trial_kernel<Real>{}, group.data() + begin, end - begin, &code, norm, &part);
        return part;
    });
    for (const trial_sums& part : partials)
        sums += part;
    return sums;
}

// The rank (count - 1) · share of `values`, between order statistics linearly.
inline double order_statistic(std::vector<double>& values, double share)
{
    const double rank = static_cast<double>(values.size() - 1) * share;
    const auto below = static_cast<std::size_t>(rank);
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(below);
    std::nth_element(values.begin(), at, values.end());
    const double low = *at;
    if (below + 1 == values.size())
        return low;
    return low + (*std::min_element(at + 1, values.end()) - low) * (rank - static_cast<double>(below));
}

template <class Real>
group_code percentile_code(std::span<const Real> group, double low, double high, const scheme& options)
{
    std::vector<double> values(group.begin(), group.end());
    const double share = options.percentile / 100;
    if (options.symmetric) {
        for (double& value : values)
            value = std::fabs(value);
        const double magnitude = order_statistic(values, share);
        return magnitude > 0 ? symmetric_code(magnitude, options) : code_of_range(low, high, options);
    }
    const double first = order_statistic(values, (1 - share) / 2), last = order_statistic(values, 1 - (1 - share) / 2);
    return first < 0 || last > 0 ? asymmetric_code(first, last, options) : code_of_range(low, high, options);
}

// The exact optimum of small groups; for others and other norms a grid of scales around the one of the whole range and, where asymmetric, of places of the range that they span.
template <class Real>
class code_search
{
public:
    code_search(std::span<const Real> group, double low, double high, const scheme& options)
        : group_(group), options_(options), plain_(code_of_range(low, high, options)),
          low_(options.symmetric ? -high : std::min(low, 0.0)), high_(std::max(high, 0.0)),
          norm_(options.search == range_search::mse ? 0 : options.norm)
    {
        best_.scale = plain_.scale;
        best_.lowest = options.lowest_code() - plain_.zero_point;
        best_.highest = options.highest_code() - plain_.zero_point;
    }

    group_code best()
    {
        const bool squares = norm_ == 0;
        if (squares && exact_search_steps(group_.size(), options_) <= most_exact_steps) {
            best_ = exact_code(group_, options_);
        } else {
            for (int i = 0; i < scale_count; ++i)
                try_scale(plain_.scale * largest_factor * std::pow(smallest_factor / largest_factor, i / (scale_count - 1.0)));
            if (squares)
                refine_by_least_squares();
        }
        if (!squares) {
            double step = std::pow(largest_factor / smallest_factor, 1 / (scale_count - 1.0));
            for (int round = 0; round < 3; ++round) {
                const trial_code center = best_;
                step = std::cbrt(step);
                for (const double factor : {1 / (step * step), 1 / step, step, step * step})
                    consider({center.scale * factor, center.lowest, center.highest});
            }
        }
        const group_code found{stored_scale(best_.scale, options_.scale), options_.lowest_code() - best_.lowest};
        return objective_of(group_, found, options_) < objective_of(group_, plain_, options_) ? found : plain_;
    }

private:
    // The best scale of few codes may be far below that of the whole range, and a little above it where no weight has to be clipped.
    static constexpr int scale_count = 100;
    static constexpr double largest_factor = 1.25, smallest_factor = 0.2;
    static constexpr int place_count = 9;

    void try_scale(double scale)
    {
        const double first = options_.lowest_code(), last = options_.highest_code();
        if (options_.symmetric)
            return consider({scale, first, last});
        double known = std::numeric_limits<double>::quiet_NaN();
        for (int place = 0; place < place_count; ++place) {
            const double slack = (high_ - low_) - (last - first) * scale;
            const double start = std::nearbyint((low_ + slack * place / (place_count - 1)) / scale);
            const double lowest = std::clamp(start, first - last, 0.0);
            if (lowest != known)
                consider({scale, lowest, lowest + (last - first)});
            known = lowest;
        }
    }

    void consider(const trial_code& code)
    {
        if (static_cast<Real>(code.scale) == 0)
            return;
        const trial_sums sums = try_code(group_, code, norm_);
        if (norm_ == 0 && sums.level_squares == 0)
            return;
        // with the best scale for its levels, A = Σxk and B = Σk², a trial leaves Σx² - A²/B
        const double loss = norm_ == 0 ? -sums.dot / sums.level_squares * sums.dot
                                       : std::log2(sums.error_powers) + norm_ * std::log2(code.scale);
        if (loss >= least_)
            return;
        least_ = loss;
        best_ = code;
        if (norm_ == 0)
            best_.scale = sums.dot / sums.level_squares;
    }

    void refine_by_least_squares()
    {
        for (int round = 0; round < 10; ++round) {
            const double before = least_;
            consider(best_);
            if (!(least_ < before))
                return;
        }
    }

    std::span<const Real> group_;
    const scheme& options_;
    group_code plain_;
    double low_, high_, norm_;
    trial_code best_;
    double least_ = std::numeric_limits<double>::infinity();
};

// The code that the scheme's search finds for a group with these extremes (of |w| where symmetric, of w where not).
template <class Real>
group_code search_code(std::span<const Real> group, double low, double high, const scheme& options)
{
    if (low == high || options.search == range_search::whole)
        return code_of_range(low, high, options);
    if (options.search == range_search::percentile)
        return percentile_code(group, low, high, options);
    return code_search<Real>(group, low, high, options).best();
}

}  // namespace weightscope::detail
