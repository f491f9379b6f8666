#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/quantization_study_console.hpp>
#include <weightscope/report/quantization_study_measures.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/quantization_study_tables.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::string study_scope_text(const quantization_study_result& study, std::size_t width)
{
    std::map<std::string, std::size_t> kept;
    std::size_t quantized = 0, lost = 0, non_finite = 0;
    for (const study_layer& layer : study.layers) {
        quantized += !layer.figures.empty();
        lost += !layer.error.empty();
        if (!layer.kept.empty())
            ++kept[layer.kept.starts_with("equals") ? "equal to one of these" : layer.kept];
        if (!layer.figures.empty() && layer.duplicate_of.empty() && layer.tied_to.empty())
            non_finite += layer.figures.front().error.sums.non_finite_count;
    }
    std::string reasons;
    for (const auto& [reason, count] : kept)
        reasons += fmt::format("{}{} {}{}", reasons.empty() ? "" : ", ", grouped(count), harmless(reason),
                               count > 1 && (reason == "vector" || reason == "embedding") ? "s" : "");
    std::string text = fmt::format("{} can be quantized", counted(quantized, "layer", "layers"));
    if (!reasons.empty())
        text += fmt::format("; kept as stored: {}", reasons);
    if (lost > 0)
        text += fmt::format("; {} could not be measured", counted(lost, "layer", "layers"));
    if (non_finite > 0)
        text += fmt::format("; {} NaN or infinite", counted(non_finite, "weight is", "weights are"));
    std::string result;
    append_wrapped(result, text, width, 0, plain);
    const bool skips = std::any_of(study.variants.begin(), study.variants.end(), [](const auto& v) { return v.skip_first_last; });
    if (!study.first_layer.empty())
        append_wrapped(result,
                       fmt::format("first layer {}, last layer {}{}", harmless(study.first_layer),
                                   study.last_layer.empty() ? "none" : harmless(study.last_layer),
                                   skips ? ": kept by variants that skip them" : ": quantized like the others"),
                       width, 0, plain);
    return result;
}

WEIGHTSCOPE_INLINE std::string study_verdict_text(const quantization_study_result& study, const console_style& style, std::size_t width)
{
    const auto described = [&](std::size_t index) {
        const variant_result& variant = study.variants[index];
        return fmt::format("{} ({}, relative error {})", harmless(variant.name), short_bytes(variant.bytes), percent(variant.error.relative_error));
    };
    std::string text;
    append_wrapped(text, "Best accuracy: " + described(study.best_accuracy), width, 0, plain);
    append_wrapped(text, "Smallest: " + described(study.smallest), width, 0, plain);
    append_wrapped(text, "Recommended: " + described(study.recommended) + ": " + study.recommended_because, width, 0,
                   [&](std::string_view line) { return style.bold(line); });
    if (!study.knobs.empty() && study.knobs.front().error_change_db.exists()) {
        const study_knob& most = study.knobs.front();
        append_wrapped(text,
                       fmt::format("What mattered most: {} ({:+.2f} dB of error from {} to {})", most.knob, most.error_change_db.value,
                                   harmless(most.from), harmless(most.to)),
                       width, 0, plain);
    }
    return text;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const quantization_study_result& study, const console_options& options)
{
    require(options.width >= 60 && options.width <= 200, "to_console(study, options): options.width is {}, expected 60 to 200", options.width);
    const detail::console_style style{options.color};
    std::string text;
    detail::append_wrapped(text,
                           fmt::format("{}: {} weights, {} as stored, measured in {:.2f} s", detail::harmless(study.model.path),
                                       detail::grouped(study.model.parameters), detail::short_bytes(study.model.bytes), study.seconds),
                           options.width, 0, [&](std::string_view line) { return style.bold(line); });
    text += detail::study_scope_text(study, options.width);
    detail::append_table(text, detail::fitting(detail::variants_table(study), options.width, 7), style, options.width);
    detail::append_choices(text, study, style, options.width);
    detail::append_table(text, detail::fitting(detail::worst_layers_table(study, options.top_issues), options.width, 5), style, options.width);
    detail::append_table(text, detail::fitting(detail::schemes_table(study, options.top_issues), options.width, 3), style, options.width);
    detail::append_measures(text, study, style, options.width, options.top_issues);
    detail::append_table(text, detail::knobs_table(study), style, options.width);
    text += "\n" + detail::study_verdict_text(study, style, options.width);
    return text;
}

}  // namespace weightscope
