#pragma once

#include <cstddef>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/quantization_study_json.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// One row for each variant and layer, in that order, after a row for each variant as a whole, whose layer is empty.
///
/// `scheme` is empty where the variant keeps the layer, and `reason` says why; then there are no errors. Cells are empty where a number
/// is missing. Names are quoted where RFC 4180 wants it.
[[nodiscard]] inline std::string to_csv(const quantization_study_result& study)
{
    std::string text = "variant,layer,shape,dtype,parameters,stored_bytes,scheme,reason,bytes";
    for_each_figure(quantization_error{}, [&](const char* name, const metric&) { text += fmt::format(",{}", name); });
    text += "\n";
    const auto append_figures = [&](const quantization_error& error) {
        for_each_figure(error, [&](const char*, const metric& figure) {
            text += fmt::format(",{}", figure.exists() ? detail::csv_number(figure.value) : "");
        });
        text += "\n";
    };
    for (const variant_result& variant : study.variants) {
        text += fmt::format("{},,,,{},{},,,{}", detail::quoted(variant.name), study.model.parameters, study.model.bytes, variant.bytes);
        append_figures(variant.error);
        for (std::size_t i = 0; i < study.layers.size(); ++i) {
            const study_layer& layer = study.layers[i];
            const layer_pick& pick = variant.picks[i];
            const bool kept = pick.scheme == kept_as_stored;
            text += fmt::format("{},{},{},{},{},{},{},{},{}", detail::quoted(variant.name), detail::quoted(layer.name),
                                fmt::join(layer.shape, "x"), layer.dtype, layer.parameters, layer.bytes,
                                kept ? "" : to_string(study.schemes[pick.scheme]), detail::quoted(pick.reason),
                                detail::bytes_of_pick(layer, pick));
            append_figures(kept ? summarize_error({}) : layer.figures[pick.scheme].error);
        }
    }
    return text;
}

}  // namespace weightscope
