#pragma once
// What was measured of a study besides errors of weights, as JSON.

#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/model_quality_json.hpp>
#include <weightscope/report/quantization_activations_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// What a study tells about a spectrum, in the order of a report: f(name, metric).
template <class F>
void for_each_figure(const spectrum_effect_result& effect, F&& f)
{
    f("relative_spectral_error", effect.relative_spectral_error);
    f("stable_rank", effect.stable_rank.before);
    f("stable_rank_after", effect.stable_rank.after);
    f("stable_rank_ratio", effect.stable_rank.change);
    f("alpha", effect.alpha.before);
    f("alpha_after", effect.alpha.after);
    f("alpha_change", effect.alpha.change);
    f("alpha_error", effect.alpha_error);
    f("condition_number", effect.condition_number.before);
    f("condition_number_after", effect.condition_number.after);
    f("condition_number_ratio", effect.condition_number.change);
    f("largest_angle", effect.largest_angle);
    f("subspace_gap", effect.subspace_gap);
}

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const spectrum_effect_result& effect);

WEIGHTSCOPE_INLINE ordered_json json_of(const study_evaluation& evaluation);

WEIGHTSCOPE_INLINE ordered_json json_of(const activation_study_result& study);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_study_measures_json.hpp>
#endif
