#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/quantization_study_csv.hpp>
#include <weightscope/report/quantization_study_json.hpp>
#include <weightscope/report/quantization_study_measures.hpp>
#include <weightscope/report/quantization_study_measures_json.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_csv(const quantization_study_result& study)
{
    std::string text = "variant,layer,shape,dtype,parameters,stored_bytes,scheme,reason,bytes";
    const auto heading = [&](const char* name, const metric&) { text += fmt::format(",{}", name); };
    const auto cell = [&](const char*, const metric& figure) { text += fmt::format(",{}", figure.exists() ? detail::csv_number(figure.value) : ""); };
    const bool spectra = detail::has_spectra(study);
    for_each_figure(quantization_error{}, heading);
    if (spectra)
        for_each_figure(spectrum_effect_result{}, heading);
    if (study.evaluation)
        for_each_figure(model_quality{}, heading);
    text += "\n";
    const auto append_figures = [&](const quantization_error& error, const std::optional<spectrum_effect_result>& spectrum,
                                    const std::optional<model_quality>& quality) {
        for_each_figure(error, cell);
        if (spectra)
            for_each_figure(spectrum.value_or(spectrum_effect_result{}), cell);
        if (study.evaluation)
            for_each_figure(quality.value_or(model_quality{}), cell);
        text += "\n";
    };
    for (const variant_result& variant : study.variants) {
        text += fmt::format("{},,,,{},{},,,{}", detail::quoted(variant.name), study.model.parameters, study.model.bytes, variant.bytes);
        append_figures(variant.error, {}, variant.quality);
        for (std::size_t i = 0; i < study.layers.size(); ++i) {
            const study_layer& layer = study.layers[i];
            const layer_pick& pick = variant.picks[i];
            const bool kept = pick.scheme == kept_as_stored;
            text += fmt::format("{},{},{},{},{},{},{},{},{}", detail::quoted(variant.name), detail::quoted(layer.name),
                                fmt::join(layer.shape, "x"), layer.dtype, layer.parameters, layer.bytes,
                                kept ? "" : to_string(study.schemes[pick.scheme]), detail::quoted(pick.reason),
                                detail::bytes_of_pick(layer, pick));
            if (kept)
                append_figures(summarize_error({}), {}, {});
            else
                append_figures(layer.figures[pick.scheme].error, layer.figures[pick.scheme].spectrum, {});
        }
    }
    return text;
}

}  // namespace weightscope
