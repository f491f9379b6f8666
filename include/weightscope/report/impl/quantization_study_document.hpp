#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/plot_points.hpp>
#include <weightscope/report/plot_spectrum_effects.hpp>
#include <weightscope/report/quantization_diff_console.hpp>
#include <weightscope/report/quantization_diff_result.hpp>
#include <weightscope/report/quantization_study_console.hpp>
#include <weightscope/report/quantization_study_document.hpp>
#include <weightscope/report/quantization_study_measures.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/quantization_study_tables.hpp>

namespace weightscope {

namespace detail {

inline void add_study_measures(report_document& document, const quantization_study_result& study)
{
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    if (study.evaluation)
        add_table(document, "Measured losses", losses_table(study), losses_text(*study.evaluation));
    if (has_spectra(study)) {
        add_table(document, "Spectra", spectra_table(study));
        add_table(document, "Spectral errors", spectral_errors_table(study, all));
    }
    if (study.activations) {
        add_table(document, "Activations", activation_trials_table(*study.activations), activations_text(*study.activations));
        add_table(document, "Activations by layer", activation_layers_table(*study.activations, all));
    }
}

// What the variants that choose chose, layer by layer.
inline void add_study_choices(report_document& document, const quantization_study_result& study)
{
    for (std::size_t v = study.settings.variants.size(); v < study.variants.size(); ++v) {
        text_table table{.headings = {"layer", "scheme", "bytes", "because"}};
        for (std::size_t i = 0; i < study.layers.size(); ++i) {
            const layer_pick& pick = study.variants[v].picks[i];
            if (!study.layers[i].figures.empty())
                table.rows.push_back({harmless(study.layers[i].name), pick.scheme == kept_as_stored ? "kept" : to_string(study.schemes[pick.scheme]),
                                      grouped(bytes_of_pick(study.layers[i], pick)), pick.reason});
        }
        add_table(document, fmt::format("{} picks", study.variants[v].name), std::move(table));
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE report_document to_document(const quantization_study_result& study)
{
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    const variant_result& told = study.variants[study.recommended];
    report_document document{.subject = study.model.path,
                             .verdict = fmt::format("Recommended: {}, {}, relative error {}", told.name, detail::short_bytes(told.bytes),
                                                    detail::percent(told.error.relative_error)),
                             .sentences = detail::document_lines(detail::study_verdict_text(study, {}, detail::document_width)
                                                                 + detail::study_scope_text(study, detail::document_width))};
    document.steps.push_back(fmt::format("--take {} --pack writes it as codes and scales, --write decoded again, in the model's own types", told.name));
    document.steps.emplace_back("weightscope allocate gives each layer its own format where one for all of them loses too much");
    detail::add_table(document, "Variants", detail::variants_table(study), "The * is recommended.");
    detail::add_table(document, "Layers", detail::worst_layers_table(study, all), fmt::format("In {}; the worst first.", told.name));
    detail::add_table(document, "Layers by scheme", detail::schemes_table(study, all));
    detail::add_study_choices(document, study);
    detail::add_study_measures(document, study);
    detail::add_table(document, "What decisions are worth", detail::knobs_table(study));
    document.charts = {plot_scheme_errors(study)};
    if (detail::has_spectra(study))
        document.charts.push_back(plot_spectrum_effects(study));
    document.facts = {{"machine", fmt::format("{}, {} threads", study.environment.cpu, study.environment.threads)}, {"seconds", fmt::format("{:.2f}", study.seconds)}};
    return document;
}

WEIGHTSCOPE_INLINE report_document to_document(const quantization_diff_result& diff)
{
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    std::size_t differing = 0;
    for (const quantization_diff_whole& whole : diff.wholes)
        differing += whole.differing_layers > 0;
    report_document document{.subject = diff.model.path,
                             .verdict = fmt::format("{} of {} schemes differ from {}", differing, diff.schemes.size() - 1, to_string(diff.schemes.front()))};
    for (std::size_t s = 1; s < diff.schemes.size(); ++s)
        document.sentences.push_back(fmt::format("{}: {}", to_string(diff.schemes[s]), diff.wholes[s].reason));
    detail::add_table(document, "Schemes", detail::diff_schemes_table(diff));
    detail::add_table(document, "Layers", detail::diff_layers_table(diff, all), "SQNR in dB; those that are furthest apart first.");
    detail::add_table(document, "Groups", detail::diff_groups_table(diff, all));
    document.facts = {{"machine", fmt::format("{}, {} threads", diff.environment.cpu, diff.environment.threads)}, {"seconds", fmt::format("{:.2f}", diff.seconds)}};
    return document;
}

}  // namespace weightscope
