#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/analyzers/compare_weights_details.hpp>
#include <weightscope/analyzers/principal_angles.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::string shape_text(const std::vector<std::size_t>& shape)
{
    return fmt::format("{}", shape);
}

inline metric percentage_of_pairs(std::size_t part, std::size_t whole)
{
    return whole ? metric(100 * static_cast<double>(part) / static_cast<double>(whole)) : metric::missing("no entries");
}

// What the sums alone tell.
inline compare_weights_result figures_of(const pair_sums& s)
{
    compare_weights_result r{.count = s.count + s.non_finite_count, .non_finite_count = s.non_finite_count, .appeared_count = s.appeared_count};
    r.changed_percentage = percentage_of_pairs(s.changed_count, r.count);
    const auto none = metric::missing(r.count ? "no finite entries" : "no entries");
    if (s.count == 0) {
        r.l2_distance = r.relative_l2_distance = r.cosine_similarity = r.mean_absolute_difference = r.max_absolute_difference =
            r.significant_change_percentage = r.zeroed_percentage = r.l2_norm_ratio = r.sqnr_db = none;
        r.difference_stats = {none, none, none, none};
        return r;
    }
    const auto n = static_cast<double>(s.count);
    const auto zero = metric::missing("all zero");
    r.significant_change_percentage = percentage_of_pairs(s.significant_count, s.count);
    r.zeroed_percentage = percentage_of_pairs(s.zeroed_count, s.count);
    r.l2_distance = std::sqrt(s.dd);
    r.relative_l2_distance = s.aa > 0 ? metric(std::sqrt(s.dd / s.aa)) : zero;
    r.l2_norm_ratio = s.aa > 0 ? metric(std::sqrt(s.bb / s.aa)) : zero;
    r.cosine_similarity = s.aa > 0 && s.bb > 0 ? metric(std::clamp(s.ab / (std::sqrt(s.aa) * std::sqrt(s.bb)), -1.0, 1.0)) : zero;
    r.mean_absolute_difference = s.magnitudes / n;
    r.max_absolute_difference = std::max(s.most, -s.least);
    r.sqnr_db = !(s.aa > 0) ? zero : s.dd > 0 ? metric(10 * std::log10(s.aa / s.dd)) : metric::missing("exact");
    r.difference_stats = {-s.shifted / n, s.count > 1 ? metric(std::sqrt(s.shifted_squares / (n - 1))) : metric::missing("one entry"),
                          -s.most, -s.least};
    return r;
}

inline void add_channels(compare_weights_result& result, const std::vector<pair_sums>& rows)
{
    for (const pair_sums& row : rows)
        result.channel_drift.push_back(row.aa > 0 ? std::sqrt(row.dd / row.aa) : row.dd > 0 ? HUGE_VAL : 0);
    if (rows.empty()) {
        result.median_channel_drift = result.max_channel_drift = metric::missing("no rows");
        return;
    }
    const auto largest = std::max_element(result.channel_drift.begin(), result.channel_drift.end());
    result.max_channel = static_cast<std::size_t>(largest - result.channel_drift.begin());
    result.max_channel_drift = std::isinf(*largest) ? metric::missing("a row was zero") : metric(*largest);
    std::vector<double> sorted = result.channel_drift;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t n = sorted.size();
    result.median_channel_drift = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

// Rounding leaves at most unit |w| / √3 rms of noise, whose singular values end at rms (√rows + √cols).
inline double rounding_edge(const rounding_units& units, const pair_sums& sums, std::size_t rows, std::size_t cols)
{
    const auto m = static_cast<double>(rows), n = static_cast<double>(cols);
    const double mean_square = (units.a * units.a * sums.aa + units.b * units.b * sums.bb) / (3 * m * n);
    return std::sqrt(mean_square) * (std::sqrt(m) + std::sqrt(n));
}

// `rows` is 0 where the tensors are no matrices.
WEIGHTSCOPE_INLINE compare_weights_result compare_sources(const weight_source& a, const weight_source& b, std::size_t rows, bool same_type,
                                                          const rounding_units& units, const compare_weights_options& options)
{
    const std::size_t cols = rows ? a.size / rows : 0;
    const compared_rows compared = compare_by_rows(a, b, cols);
    compare_weights_result result = figures_of(compared.sums);
    add_channels(result, compared.rows);
    if (same_type)
        result.changed_bits = changed_bits(a, b);
    result.rank_above_rounding = metric::missing("no spectrum");
    if (compared.sums.dd > 0)
        result.grid = find_grid_evidence(a, b, rows ? cols : a.size);
    if (rows == 0 || cols == 0)
        return result;
    const bool finite = result.non_finite_count == 0;
    const std::size_t n = std::min(rows, cols);
    const auto too_large = [n](std::size_t limit) { return fmt::format("min(rows, cols) is {}, above the limit of {}", n, limit); };
    if (options.spectrum) {
        if (!finite || n > options.largest_spectrum)
            result.difference = no_spectrum(rows, cols, finite ? too_large(options.largest_spectrum) : "entries that are not finite");
        else {
            const weight_pair pair{a, b};
            const matrix_source d = matrix_of(difference_source(pair), rows);
            // how singular d is asks nobody: no QR
            result.difference =
                spectral_of(singular_values(d, result.max_absolute_difference.value, {.smallest_tolerance = INFINITY}), rows, cols, {});
            const double edge = rounding_edge(units, compared.sums, rows, cols);
            const auto& values = result.difference->singular_values.values;
            result.rank_above_rounding = static_cast<double>(std::count_if(values.begin(), values.end(), [&](double s) { return s > edge; }));
        }
    }
    if (options.subspace_count > 0) {
        if (!finite || n > options.largest_subspace)
            result.angles = principal_angles_result{.reason = finite ? too_large(options.largest_subspace) : "entries that are not finite"};
        else
            result.angles = principal_angles(matrix_of(a, rows), max_magnitude(a), matrix_of(b, rows), max_magnitude(b),
                                             {.count = options.subspace_count});
    }
    return result;
}

}  // namespace weightscope::detail
