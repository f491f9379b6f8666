#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/quantization_study_measures_json.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// What a study tells about an error, in the order of a report: f(name, metric).
template <class F>
void for_each_figure(const quantization_error& error, F&& f)
{
    f("sqnr_db", error.sqnr_db);
    f("relative_error", error.relative_error);
    f("mae", error.mae);
    f("rmse", error.rmse);
    f("max_error", error.max_error);
    f("cosine_similarity", error.cosine_similarity);
    f("mse", error.mse);
    f("bias", error.bias);
    f("psnr_db", error.psnr_db);
    f("clipped_fraction", error.clipped_fraction);
    f("flushed_fraction", error.flushed_fraction);
}

namespace detail {

WEIGHTSCOPE_INLINE ordered_json json_of(const scheme_figures& figures, std::uint64_t stored);

WEIGHTSCOPE_INLINE ordered_json json_of(const quantization_study_result& study, const study_layer& layer);

WEIGHTSCOPE_INLINE ordered_json json_of(const quantization_study_result& study, const variant_result& variant);

WEIGHTSCOPE_INLINE ordered_json json_of(const quantization_study_options& options);

WEIGHTSCOPE_INLINE ordered_json json_of(const study_knob& knob);

}  // namespace detail

/// A study as one document, "weightscope/quantize/1", described by tests/schemas/quantize.schema.json.
///
/// A number that does not exist is null, with the reason beside it in "<field>_reason". Layers stand in model order, variants in the
/// order of the study. "chart" holds the points of a chart of size against error.
[[nodiscard]] WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const quantization_study_result& study);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_study_json.hpp>
#endif
