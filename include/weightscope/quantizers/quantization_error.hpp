#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/metric.hpp>

namespace weightscope {

/// What was added up over some weights w and their decoded values ŵ; e = w - ŵ. Weights that are not finite are counted, no more.
struct error_sums
{
    std::size_t count = 0;           ///< finite weights
    std::size_t non_finite_count = 0;
    std::size_t clipped_count = 0;   ///< w / s rounds beyond the lowest or highest code
    std::size_t flushed_count = 0;   ///< w is not 0 and ŵ is
    double signal = 0;               ///< Σ w²
    double squared_error = 0;        ///< Σ e²
    double absolute_error = 0;       ///< Σ |e|
    double error = 0;                ///< Σ e
    double signal_error = 0;         ///< Σ w e
    double max_error = 0;            ///< max |e|
    double max_magnitude = 0;        ///< max |w|

    error_sums& operator+=(const error_sums& other) noexcept
    {
        count += other.count;
        non_finite_count += other.non_finite_count;
        clipped_count += other.clipped_count;
        flushed_count += other.flushed_count;
        signal += other.signal;
        squared_error += other.squared_error;
        absolute_error += other.absolute_error;
        error += other.error;
        signal_error += other.signal_error;
        max_error = std::max(max_error, other.max_error);
        max_magnitude = std::max(max_magnitude, other.max_magnitude);
        return *this;
    }
};

/// What a code loses. Missing where there are no finite weights.
struct quantization_error
{
    error_sums sums = {};
    metric mse = {};                   ///< mean e², e = w - ŵ
    metric mae = {};                   ///< mean |e|
    metric rmse = {};
    metric max_error = {};             ///< max |e|
    metric p999_error = {};            ///< 99.9th percentile of |e|; on request
    metric bias = {};                  ///< mean e
    metric sqnr_db = {};               ///< 10 log10(Σw² / Σe²); missing with reason "exact" where every ŵ = w
    metric psnr_db = {};               ///< 10 log10(max w² / mean e²): the peak is the largest weight
    metric cosine_similarity = {};     ///< of w and ŵ, at most 1; missing where ‖ŵ‖ is below 1e-6 ‖w‖
    metric relative_error = {};        ///< ‖w - ŵ‖ / ‖w‖, Frobenius
    metric codes_used_fraction = {};   ///< codes that occur, of all codes of the scheme; on request
    metric clipped_fraction = {};      ///< weights beyond the lowest or highest code
    metric flushed_fraction = {};      ///< weights that are not 0 and become 0
    std::vector<error_sums> channels = {};  ///< one for each row of [out, in * kernel]; on request
    std::vector<error_sums> groups = {};    ///< one for each scale, in their order; on request
};

namespace detail {

// Scale times code is rounded once more, by up to 2^-53 of the weight: a noise below that is none.
inline metric sqnr_db(double signal, double noise)
{
    if (!(signal > 0))
        return metric::missing("all zero");
    return noise > 0x1p-100 * signal ? metric(10 * std::log10(signal / noise)) : metric::missing("exact");
}

}  // namespace detail

/// The figures that follow from sums.
///
///     <w, ŵ> = Σw² - Σwe    ‖ŵ‖² = Σw² - 2 Σwe + Σe²
///
/// @return every figure but p999_error and codes_used_fraction, which do not follow from sums
[[nodiscard]] inline quantization_error summarize_error(const error_sums& sums)
{
    quantization_error result{.sums = sums};
    const auto not_asked = metric::missing("not asked for");
    result.p999_error = result.codes_used_fraction = not_asked;
    if (sums.count == 0) {
        result.mse = result.mae = result.rmse = result.max_error = result.bias = result.sqnr_db = result.psnr_db =
            result.cosine_similarity = result.relative_error = result.clipped_fraction = result.flushed_fraction =
                metric::missing(sums.non_finite_count == 0 ? "no entries" : "no finite entries");
        return result;
    }
    const auto n = static_cast<double>(sums.count);
    result.mse = sums.squared_error / n;
    result.mae = sums.absolute_error / n;
    result.rmse = std::sqrt(sums.squared_error / n);
    result.max_error = sums.max_error;
    result.bias = sums.error / n;
    result.clipped_fraction = static_cast<double>(sums.clipped_count) / n;
    result.flushed_fraction = static_cast<double>(sums.flushed_count) / n;
    result.sqnr_db = detail::sqnr_db(sums.signal, sums.squared_error);
    if (!(sums.signal > 0)) {
        result.psnr_db = result.cosine_similarity = result.relative_error = metric::missing("all zero");
        return result;
    }
    result.psnr_db = detail::sqnr_db(sums.max_magnitude * sums.max_magnitude * n, sums.squared_error);
    result.relative_error = std::sqrt(sums.squared_error / sums.signal);
    const double dot = sums.signal - sums.signal_error, decoded = dot + (sums.squared_error - sums.signal_error);
    // what is left of so little after the subtractions is rounding
    result.cosine_similarity = decoded > 0x1p-40 * sums.signal
                                   ? metric(std::clamp(dot / std::sqrt(sums.signal * decoded), -1.0, 1.0))
                                   : metric::missing("decoded to almost nothing");
    return result;
}

}  // namespace weightscope
