#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/exact_search.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/quantize_weighted.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/round_kernel.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/storage_size.hpp>

namespace weightscope::detail {

// One group, in double; weights that are not finite stand as zeros of no importance.
class weighted_search
{
public:
    weighted_search(std::vector<double> weights, std::vector<double> importance, const scheme& options)
        : w_(std::move(weights)), a_(std::move(importance)), options_(options)
    {
    }

    group_code plain() const
    {
        double low = w_[0], high = w_[0];
        for (const double w : w_) {
            const double x = options_.symmetric ? std::fabs(w) : w;
            low = &w == w_.data() ? x : std::min(low, x);
            high = &w == w_.data() ? x : std::max(high, x);
        }
        return code_of_range(low, high, options_);
    }

    group_code best() const
    {
        const group_code known = plain();
        trial_code found{known.scale, options_.lowest_code() - known.zero_point, options_.highest_code() - known.zero_point};
        if (exact_search_steps(w_.size(), options_) <= most_exact_steps) {
            found = exact_code(std::span<const double>(w_), options_, a_);
            if (found.highest == found.lowest)
                return known;  // nothing of any importance
        } else {
            double most = 0;
            for (int i = 0; i < 100; ++i)
                for (int place = 0; place < (options_.symmetric ? 1 : 9); ++place)
                    consider({known.scale * std::pow(0.2, i / 99.0) * 1.25, 0, 0}, known, place, most, found);
            for (int round = 0; round < 10; ++round)
                refine(found, most);
        }
        group_code code{stored_scale(found.scale, options_.scale), options_.lowest_code() - found.lowest};
        return error_in(code) < error_in(known) ? code : known;
    }

    // The level q - z of a weight, rounded as quantize_uniform rounds it.
    template <class Real>
    static double level_of(double w, const group_code& code, const scheme& options)
    {
        const Real t = static_cast<Real>(w) / static_cast<Real>(code.scale);
        const double level = static_cast<double>(round_kernel<Real, void, double>::rounded(t, options.rounding == rounding_mode::half_away));
        return std::clamp(level, options.lowest_code() - code.zero_point, options.highest_code() - code.zero_point);
    }

    double level_of(double w, const group_code& code) const
    {
        return options_.scale == scale_type::f64 ? level_of<double>(w, code, options_) : level_of<float>(w, code, options_);
    }

    double error_in(const group_code& code) const
    {
        double sum = 0;
        for (std::size_t i = 0; i < w_.size(); ++i) {
            const double level = level_of(w_[i], code), product = level * code.scale;
            const double decoded = options_.scale == scale_type::f64 ? product : static_cast<double>(static_cast<float>(level) * static_cast<float>(code.scale));
            sum += a_[i] * (w_[i] - decoded) * (w_[i] - decoded);
        }
        return sum;
    }

private:
    // With the best scale for its levels, A = Σawk and B = Σak², a trial leaves Σaw² - A²/B.
    void try_levels(const trial_code& code, double& most, trial_code& best) const
    {
        double dot = 0, squares = 0;
        for (std::size_t i = 0; i < w_.size(); ++i) {
            const double level = std::clamp(std::nearbyint(w_[i] / code.scale), code.lowest, code.highest);
            dot += a_[i] * w_[i] * level;
            squares += a_[i] * level * level;
        }
        if (squares > 0 && dot * dot / squares > most) {
            most = dot * dot / squares;
            best = {dot / squares, code.lowest, code.highest};
        }
    }

    void consider(trial_code code, const group_code& known, int place, double& most, trial_code& best) const
    {
        const double first = options_.lowest_code(), last = options_.highest_code();
        double zero = 0;
        if (!options_.symmetric) {
            // the range that the codes span lies somewhere within that of the weights
            const double low = (first - known.zero_point) * known.scale, slack = (last - first) * (known.scale - code.scale);
            zero = std::clamp(std::nearbyint(first - (low + slack * place / 8) / code.scale), first, last);
        }
        code.lowest = first - zero;
        code.highest = last - zero;
        try_levels(code, most, best);
    }

    void refine(trial_code& best, double& most) const
    {
        const trial_code code = best;
        try_levels(code, most, best);
    }

    std::vector<double> w_, a_;
    const scheme& options_;
};

WEIGHTSCOPE_INLINE weighted_quantization quantize_weighted(const weight_source& source, const scheme& options, std::vector<std::size_t> shape,
                                                           std::span<const double> importance)
{
    weighted_quantization result{.quantized = {.scheme = options, .shape = std::move(shape)}};
    quantized_tensor& q = result.quantized;
    const matrix_shape matrix = matrix_shape_of(q.shape);
    xt::xarray<std::int8_t> codes = xt::xarray<std::int8_t>::from_shape(q.shape);
    const std::size_t size = options.granularity == scale_granularity::per_group ? options.group_size : matrix.cols;
    const std::size_t groups = matrix.cols == 0 ? 0 : divide_up(matrix.cols, size);
    q.scales.resize(matrix.rows * groups);
    q.zero_points.resize(options.symmetric ? 0 : matrix.rows * groups);
    struct row_report
    {
        odd_groups odd = {};
        double error = 0, plain = 0;
    };
    const auto reports = map_chunks(groups == 0 ? 0 : matrix.rows, 1, [&](std::size_t row, std::size_t) {
        row_report report;
        std::vector<double> weights(matrix.cols);
        source.read_double(source.data, row * matrix.cols, matrix.cols, weights.data());
        for (std::size_t g = 0; g < groups; ++g) {
            const std::size_t begin = g * size, end = std::min(begin + size, matrix.cols);
            std::vector<double> w(weights.begin() + static_cast<std::ptrdiff_t>(begin), weights.begin() + static_cast<std::ptrdiff_t>(end));
            std::vector<double> a(importance.begin() + static_cast<std::ptrdiff_t>(begin), importance.begin() + static_cast<std::ptrdiff_t>(end));
            bool non_finite = false;
            for (std::size_t i = 0; i < w.size(); ++i)
                if (!std::isfinite(w[i])) {
                    report.odd.nan_weights += std::isnan(w[i]);
                    report.odd.infinite_weights += std::isinf(w[i]);
                    non_finite = true;
                    w[i] = a[i] = 0;
                }
            const auto [low, high] = std::minmax_element(w.begin(), w.end());
            const double least = *low, most = *high;
            const weighted_search search(std::move(w), std::move(a), options);
            const group_code code = search.best();
            report.error += search.error_in(code);
            report.plain += search.error_in(search.plain());
            report_group(least, most, code.scale, non_finite, options.scale, report.odd);
            q.scales[row * groups + g] = code.scale;
            if (!options.symmetric)
                q.zero_points[row * groups + g] = static_cast<std::int16_t>(code.zero_point);
            for (std::size_t i = begin; i < end; ++i) {
                const double x = weights[i], level = std::isnan(x) ? 0 : std::isinf(x) ? (x > 0 ? options.highest_code() : options.lowest_code()) - code.zero_point
                                                                                    : search.level_of(x, code);
                codes.data()[row * matrix.cols + i] = static_cast<std::int8_t>(level + code.zero_point);
            }
        }
        return report;
    });
    for (const row_report& report : reports) {
        q.odd += report.odd;
        result.weighted_error += report.error;
        result.plain_weighted_error += report.plain;
    }
    q.codes = std::move(codes);
    return result;
}

}  // namespace weightscope::detail
