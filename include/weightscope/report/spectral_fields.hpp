#pragma once
// The spectral part of report/fields.hpp.

#include <vector>

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope {

/// A metric whose value is a whole number.
struct whole_metric
{
    metric number = {};
};

namespace detail {

// 0 stands for a baseline that was not worked out, for the same reason as the metric it belongs to.
inline metric known_baseline(double value, const metric& beside)
{
    return value > 0 ? metric(value) : metric::missing(beside.exists() ? "not computed" : beside.reason);
}

}  // namespace detail

template <class F>
void for_each_field(const heavy_tail_result& r, F&& f)
{
    f("alpha", r.fit.alpha);
    f("xmin", r.fit.xmin);
    f("xmax", r.fit.xmax);
    f("ks_distance", r.fit.ks_distance);
    f("alpha_error", r.fit.alpha_error);
    f("tail_count", r.fit.tail_count);
    f("value_count", r.fit.value_count);
    f("alpha_weighted", r.alpha_weighted);
    f("log_alpha_norm", r.log_alpha_norm);
    f("log_norm", r.log_norm);
    f("log_spectral_norm", r.log_spectral_norm);
    f("entropy", r.entropy);
}

template <class F>
void for_each_field(const eigenvalue_bulk& r, F&& f)
{
    f("std", r.std);
    f("bulk_min", r.bulk_min);
    f("bulk_max", r.bulk_max);
    f("spike_limit", r.spike_limit);
    f("spike_count", whole_metric{r.spike_count});
    f("soft_rank", r.soft_rank);
}

template <class F>
void for_each_field(const shuffled_bulk& r, F&& f)
{
    f("shuffle_count", r.shuffle_count);
    f("max_eigenvalue", r.max_eigenvalue);
    f("mean_eigenvalue", r.mean_eigenvalue);
    f("spike_count", r.spike_count);
    f("soft_rank", r.soft_rank);
}

template <class F>
void for_each_field(const marchenko_pastur_result& r, F&& f)
{
    f("elements", r.elements);
    f("fitted", r.fitted);
    f("bulk_ks_distance", r.bulk_ks_distance);
    if (r.shuffled)
        f("shuffled", *r.shuffled);
}

template <class F>
void for_each_field(const tap_spectra_result& r, F&& f)
{
    std::vector<double> largest;
    for (const singular_values_result& tap : r.taps)
        largest.push_back(tap.values.empty() ? 0 : tap.values.front());
    f("tap_count", r.tap_count);
    f("max_singular_values", largest);
}

template <class F>
void for_each_field(const convolution_norm_result& r, F&& f)
{
    f("operator_norm", r.operator_norm);
    f("min_singular_value", r.min_singular_value);
    f("frequency_count", r.frequency_count);
}

template <class F>
void for_each_field(const spectral_result& r, F&& f)
{
    f("max_singular_value", r.max_singular_value);
    f("min_singular_value", r.min_singular_value);
    f("condition_number", r.condition_number);
    f("stable_rank", r.stable_rank);
    f("effective_rank", whole_metric{r.effective_rank});
    f("total_rank", r.total_rank);
    f("top_singular_values", r.top_singular_values);
    f("singular_value_ratio", r.singular_value_ratio);
    f("rows", r.rows);
    f("columns", r.cols);
    f("condition_number_at_least", r.condition_number_at_least);
    f("condition_number_p_value", r.condition_number_p_value);
    f("deflated_stable_rank", r.deflated_stable_rank);
    f("entropy_rank", r.entropy_rank);
    f("numerical_rank", whole_metric{r.numerical_rank});
    f("rank_90_energy", whole_metric{r.rank_90_energy});
    f("rank_95_energy", whole_metric{r.rank_95_energy});
    f("rank_99_energy", whole_metric{r.rank_99_energy});
    f("gaussian_condition_number", detail::known_baseline(r.gaussian_condition_number, r.stable_rank));
    f("gaussian_stable_rank", detail::known_baseline(r.gaussian_stable_rank, r.stable_rank));
    f("method", r.singular_values.method);
    if (r.heavy_tail)
        f("heavy_tail", *r.heavy_tail);
    if (r.marchenko_pastur)
        f("marchenko_pastur", *r.marchenko_pastur);
}

}  // namespace weightscope
