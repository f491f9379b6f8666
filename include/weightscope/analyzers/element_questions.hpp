#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/percentile.hpp>

namespace weightscope {

/// What survey_elements shall find out.
struct element_questions
{
    std::vector<double> percentiles = {};            ///< of w, as fractions in [0, 1]
    std::vector<double> magnitude_percentiles = {};  ///< of |w|, as fractions in [0, 1]
    std::vector<double> thresholds = {};             ///< t >= 0: how many |w| <= t
    bool outliers = false;                           ///< quartiles, and how many w lie outside the fences 1.5 and 3 IQR beyond them
    int quantization_bits = 0;                       ///< 2 to 16: error of symmetric per-tensor quantization; 0 for none
    std::size_t histogram_bins = 0;                  ///< bins of a histogram from min to max; 0 for none
};

/// How many entries are of which kind. `nan + infinities + finite = count`; subnormals and zeros are finite.
struct value_census
{
    std::size_t count = 0;                    ///< elements in all
    std::size_t nan_count = 0;                ///< NaN of any payload
    std::size_t positive_infinity_count = 0;  ///< +Inf
    std::size_t negative_infinity_count = 0;  ///< -Inf
    std::size_t subnormal_count = 0;          ///< non-zero, below the smallest normal number of their own type
    std::size_t zero_count = 0;               ///< +0 and -0
    std::size_t negative_zero_count = 0;      ///< -0

    [[nodiscard]] std::size_t infinity_count() const { return positive_infinity_count + negative_infinity_count; }
    [[nodiscard]] std::size_t finite_count() const { return count - nan_count - infinity_count(); }
};

/// Sums over the finite entries, in double.
struct value_moments
{
    double mean = 0;
    double m2 = 0;             ///< Σ (w - mean)²
    double m3 = 0;             ///< Σ (w - mean)³
    double m4 = 0;             ///< Σ (w - mean)⁴
    double sum_magnitude = 0;  ///< Σ |w|
    double min = 0;            ///< 0 where there is no finite entry
    double max = 0;            ///< 0 where there is no finite entry
};

/// Error of replacing each w by scale · round(w / scale), scale = max|w| / (2^(bits-1) - 1), halves to even.
struct quantization_error_sums
{
    double scale = 0;
    double squared_error = 0;   ///< Σ e², e = w - ŵ
    double absolute_error = 0;  ///< Σ |e|
    double signal_error = 0;    ///< Σ w e
};

/// Counts between neighbouring edges. Edges lie where counting is exact: close to evenly spaced for float and double
/// (within 1/128 of their value), evenly spaced for narrower types.
struct value_histogram
{
    std::vector<double> edges = {};           ///< [bins + 1] ascending; bin i holds edges[i] <= w < edges[i+1], the last one its upper edge too
    std::vector<std::uint64_t> counts = {};   ///< [bins]
};

/// Answers to element_questions.
struct element_survey
{
    value_census census = {};
    value_moments moments = {};
    std::vector<double> percentiles = {};              ///< as asked, linear between order statistics at rank (n-1)p; NaN without finite entries
    std::vector<double> magnitude_percentiles = {};    ///< as asked, of |w|
    std::vector<std::size_t> threshold_counts = {};    ///< as asked
    double lower_quartile = 0, upper_quartile = 0;     ///< 25th and 75th percentile of w
    std::size_t outlier_count = 0;                     ///< w < q1 - 1.5 IQR or w > q3 + 1.5 IQR
    std::size_t extreme_outlier_count = 0;             ///< the same with 3 IQR
    quantization_error_sums quantization = {};
    value_histogram histogram = {};

    [[nodiscard]] double sum_squares() const  ///< Σ w²
    {
        return moments.m2 + static_cast<double>(census.finite_count()) * moments.mean * moments.mean;
    }
    [[nodiscard]] double max_magnitude() const { return std::fmax(std::fabs(moments.min), std::fabs(moments.max)); }
};

namespace detail {

/// The levels on each side of zero: codes run from -levels to +levels.
[[nodiscard]] inline double symmetric_levels(int bits) { return static_cast<double>((1 << (bits - 1)) - 1); }

inline constexpr double fence_factor = 1.5, extreme_fence_factor = 3.0;  // Tukey 1977

// Fills in the answers that depend on the order of the elements. Values has
//   kth(k), kth_magnitude(k)          0-based order statistics of w and |w|
//   count_below(x), count_at_most(x)  w < x, w <= x
//   count_magnitude_at_most(t)        |w| <= t
template <class Values>
void answer_order_questions(const Values& values, const element_questions& questions, element_survey& survey)
{
    const std::size_t n = survey.census.finite_count();
    const double none = std::nan("");
    for (const double p : questions.percentiles) {
        const auto rank = rank_of(p, n ? n : 1);
        survey.percentiles.push_back(n ? interpolate(values.kth(rank.below), values.kth(rank.above), rank.fraction) : none);
    }
    for (const double p : questions.magnitude_percentiles) {
        const auto rank = rank_of(p, n ? n : 1);
        survey.magnitude_percentiles.push_back(
            n ? interpolate(values.kth_magnitude(rank.below), values.kth_magnitude(rank.above), rank.fraction) : none);
    }
    for (const double t : questions.thresholds)
        survey.threshold_counts.push_back(n ? values.count_magnitude_at_most(t) : 0);
    if (questions.outliers && n) {
        const auto quartile = [&](double p) {
            const auto rank = rank_of(p, n);
            return interpolate(values.kth(rank.below), values.kth(rank.above), rank.fraction);
        };
        survey.lower_quartile = quartile(0.25);
        survey.upper_quartile = quartile(0.75);
        const double iqr = survey.upper_quartile - survey.lower_quartile;
        const auto outside = [&](double factor) {
            return values.count_below(survey.lower_quartile - factor * iqr) + n
                   - values.count_at_most(survey.upper_quartile + factor * iqr);
        };
        survey.outlier_count = outside(fence_factor);
        survey.extreme_outlier_count = outside(extreme_fence_factor);
    }
}

}  // namespace detail
}  // namespace weightscope
