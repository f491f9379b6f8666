#pragma once
// The spectral part of report/fields.hpp.

#include <type_traits>
#include <vector>

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/analyzers/marchenko_pastur.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/report/field_words.hpp>

namespace weightscope {

template <detail::fields_of<heavy_tail_result> R, class F>
void for_each_field(R& r, F&& f)
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

template <detail::fields_of<eigenvalue_bulk> R, class F>
void for_each_field(R& r, F&& f)
{
    f("std", r.std);
    f("bulk_min", r.bulk_min);
    f("bulk_max", r.bulk_max);
    f("spike_limit", r.spike_limit);
    detail::whole_field(f, "spike_count", r.spike_count);
    f("soft_rank", r.soft_rank);
}

template <detail::fields_of<shuffled_bulk> R, class F>
void for_each_field(R& r, F&& f)
{
    f("shuffle_count", r.shuffle_count);
    f("max_eigenvalue", r.max_eigenvalue);
    f("mean_eigenvalue", r.mean_eigenvalue);
    f("spike_count", r.spike_count);
    f("soft_rank", r.soft_rank);
}

template <detail::fields_of<marchenko_pastur_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("elements", r.elements);
    f("fitted", r.fitted);
    f("bulk_ks_distance", r.bulk_ks_distance);
    detail::where_held(f, "shuffled", r.shuffled);
}

template <detail::fields_of<tap_spectra_result> R, class F>
void for_each_field(R& r, F&& f)
{
    std::vector<double> largest;
    for (const singular_values_result& tap : r.taps)
        largest.push_back(tap.values.empty() ? 0 : tap.values.front());
    f("tap_count", r.tap_count);
    f("max_singular_values", largest);
    if constexpr (!std::is_const_v<R>) {
        r.taps.clear();
        for (const double value : largest)
            r.taps.push_back({.values = {value}});
    }
}

template <detail::fields_of<convolution_norm_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("operator_norm", r.operator_norm);
    f("min_singular_value", r.min_singular_value);
    f("frequency_count", r.frequency_count);
}

template <detail::fields_of<spectral_result> R, class F>
void for_each_field(R& r, F&& f)
{
    f("max_singular_value", r.max_singular_value);
    f("min_singular_value", r.min_singular_value);
    f("condition_number", r.condition_number);
    f("stable_rank", r.stable_rank);
    detail::whole_field(f, "effective_rank", r.effective_rank);
    f("total_rank", r.total_rank);
    f("top_singular_values", r.top_singular_values);
    f("singular_value_ratio", r.singular_value_ratio);
    f("rows", r.rows);
    f("columns", r.cols);
    f("condition_number_at_least", r.condition_number_at_least);
    f("condition_number_p_value", r.condition_number_p_value);
    f("deflated_stable_rank", r.deflated_stable_rank);
    f("entropy_rank", r.entropy_rank);
    detail::whole_field(f, "numerical_rank", r.numerical_rank);
    detail::whole_field(f, "rank_90_energy", r.rank_90_energy);
    detail::whole_field(f, "rank_95_energy", r.rank_95_energy);
    detail::whole_field(f, "rank_99_energy", r.rank_99_energy);
    detail::baseline_field(f, "gaussian_condition_number", r.gaussian_condition_number, r.stable_rank);
    detail::baseline_field(f, "gaussian_stable_rank", r.gaussian_stable_rank, r.stable_rank);
    detail::method_field(f, r.singular_values.method);
    detail::where_held(f, "heavy_tail", r.heavy_tail);
    detail::where_held(f, "marchenko_pastur", r.marchenko_pastur);
}

}  // namespace weightscope
