#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/batch_error.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope {

namespace detail {

inline double log_sum_exp(std::span<const float> logits)
{
    const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    double sum = 0;
    for (const float x : logits)
        sum += std::exp(static_cast<double>(x) - largest);
    return largest + std::log(sum);
}

}  // namespace detail

WEIGHTSCOPE_INLINE output_comparer::output_comparer(double peak) : given_peak_(peak)
{
    require(peak >= 0 && std::isfinite(peak), "output_comparer(peak): peak is {}, expected 0 or a positive number", peak);
}

WEIGHTSCOPE_INLINE void output_comparer::add(const model_outputs& original, const model_outputs& changed)
{
    require(original.rows == changed.rows && original.cols == changed.cols,
            "output_comparer::add(original, changed): outputs are {} x {} and {} x {}, expected the same shape", original.rows,
            original.cols, changed.rows, changed.cols);
    require(original.cols > 0, "output_comparer::add(original, changed): outputs have 0 columns, expected 1 or more");
    for (const model_outputs* outputs : {&original, &changed})
        require(outputs->values.size() == outputs->rows * outputs->cols,
                "output_comparer::add(original, changed): {} values for {} x {} outputs", outputs->values.size(), outputs->rows,
                outputs->cols);
    const double before = kl_;
    const std::size_t finite = rows_ - non_finite_rows_;
    for (std::size_t row = 0; row < original.rows; ++row)
        add_row(std::span(original.values).subspan(row * original.cols, original.cols),
                std::span(changed.values).subspan(row * original.cols, original.cols));
    if (const std::size_t rows = rows_ - non_finite_rows_ - finite; rows > 0)
        divergences_.push_back({kl_ - before, static_cast<double>(rows)});
}

WEIGHTSCOPE_INLINE output_comparison output_comparer::result() const
{
    output_comparison r{.peak = given_peak_ > 0 ? given_peak_ : largest_, .rows = rows_, .non_finite_rows = non_finite_rows_};
    const double n = static_cast<double>(elements_), finite_rows = static_cast<double>(rows_ - non_finite_rows_);
    if (rows_ == 0) {
        for (metric* m : {&r.mae, &r.rmse, &r.psnr_db, &r.cosine, &r.kl_divergence, &r.kl_divergence_error, &r.top1_agreement})
            *m = metric::missing("no outputs");
        return r;
    }
    r.top1_agreement = static_cast<double>(same_top1_) / static_cast<double>(rows_);
    if (elements_ == 0) {
        for (metric* m : {&r.mae, &r.rmse, &r.psnr_db, &r.cosine, &r.kl_divergence, &r.kl_divergence_error})
            *m = metric::missing("no finite outputs");
        return r;
    }
    r.mae = absolute_ / n;
    r.rmse = std::sqrt(squares_ / n);
    r.psnr_db = squares_ == 0 ? metric::missing("exact")
              : r.peak == 0   ? metric::missing("all original outputs are 0")
                              : metric(20 * std::log10(r.peak / r.rmse.value));
    r.cosine = original_squares_ == 0 || changed_squares_ == 0
                 ? metric::missing("all outputs are 0")
                 : metric(std::clamp(product_ / std::sqrt(original_squares_) / std::sqrt(changed_squares_), -1.0, 1.0));
    r.kl_divergence = std::max(kl_ / finite_rows, 0.0);
    r.kl_divergence_error = estimate_batch_error(divergences_);
    return r;
}

WEIGHTSCOPE_INLINE void output_comparer::add_row(std::span<const float> a, std::span<const float> b)
{
    ++rows_;
    const auto finite = [](std::span<const float> row) { return std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); }); };
    if (!finite(a) || !finite(b)) {
        ++non_finite_rows_;
        return;
    }
    same_top1_ += std::max_element(a.begin(), a.end()) - a.begin() == std::max_element(b.begin(), b.end()) - b.begin() ? 1 : 0;
    const double total_a = detail::log_sum_exp(a), total_b = detail::log_sum_exp(b);
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]), log_p = x - total_a;
        absolute_ += std::fabs(y - x);
        squares_ += (y - x) * (y - x);
        product_ += x * y;
        original_squares_ += x * x;
        changed_squares_ += y * y;
        largest_ = std::max(largest_, std::fabs(x));
        kl_ += std::exp(log_p) * (log_p - (y - total_b));
    }
    elements_ += a.size();
}

}  // namespace weightscope
