#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_documents.hpp>
#include <weightscope/report/bit_map_console.hpp>
#include <weightscope/report/bit_map_figures.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/bit_ranking_console.hpp>
#include <weightscope/report/bit_selection_console.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/plot_bit_maps.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_failing_share_result.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope {

namespace detail {

// Rows of a page, at most.
inline constexpr std::size_t most_bit_rows = 2000;

// A document whose first sentence is the verdict.
inline report_document bit_document(const std::string& subject, std::vector<std::string> sentences)
{
    report_document document{.subject = subject, .verdict = sentences.front()};
    document.sentences.assign(sentences.begin() + 1, sentences.end());
    return document;
}

}  // namespace detail

WEIGHTSCOPE_INLINE report_document to_document(const bit_map_study_result& study)
{
    report_document document = detail::bit_document(study.model.path, detail::bit_map_sentences(study));
    document.steps.emplace_back("weightscope bits select chooses weights, weightscope bits rank flips their bits and runs the model");
    detail::add_table(document, "Tensors", detail::worst_bits_table(detail::by_worst_bit(study)), "The worst bits first; |change| is of one weight.");
    document.charts = plot_bit_maps(study);
    return document;
}

WEIGHTSCOPE_INLINE report_document to_document(const bit_selection& selection, const std::string& model)
{
    report_document document = detail::bit_document(model, detail::bit_selection_sentences(selection));
    document.steps.emplace_back("weightscope bits rank --weights-in flips their bits and runs the model");
    detail::add_table(document, "Weights", detail::bit_candidates_table(selection, detail::most_bit_rows), "At most 2,000 of them; --csv has all.");
    return document;
}

WEIGHTSCOPE_INLINE report_document to_document(const bit_ranking& ranking, const std::string& model)
{
    std::vector<std::string> sentences = detail::bit_ranking_sentences(ranking);
    sentences.insert(sentences.begin(), detail::bit_ranking_outcome(ranking));
    report_document document = detail::bit_document(model, std::move(sentences));
    document.steps.emplace_back("weightscope bits flip --plan makes these flips in a copy, and undoes them");
    detail::add_table(document, "Flips", detail::ranked_flips_table(ranking, detail::most_bit_rows), "At most 2,000 of them; --output has all.");
    if (ranking.quality)
        detail::add_table(document, "Outputs", detail::flips_quality_table(*ranking.quality, detail::flip_set_names(ranking, detail::most_bit_rows)),
                          "Of the model with these flips, beside those without.");
    return document;
}

WEIGHTSCOPE_INLINE report_document to_document(const failing_share_result& result, const std::string& model)
{
    report_document document = detail::bit_document(model, detail::failing_share_sentences(result));
    detail::add_table(document, "Bits", detail::failing_strata_table(result, std::numeric_limits<std::size_t>::max()), "Those that fail most first.");
    return document;
}

}  // namespace weightscope
