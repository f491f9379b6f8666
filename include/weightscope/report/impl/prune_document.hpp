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
#include <weightscope/report/prune_charts.hpp>
#include <weightscope/report/prune_console.hpp>
#include <weightscope/report/prune_document.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE report_document to_document(const prune_result& result)
{
    constexpr auto all = std::numeric_limits<std::size_t>::max();
    const prune_trial& trial = result.chosen();
    const bool groups = result.settings.unit == prune_unit::group;
    report_document document{.subject = result.model_path,
                             .verdict = fmt::format("{}: {:.2f} % of the {} go{}", trial.method, 100 * trial.actual_ratio, groups ? "parameters" : "weights",
                                                    result.before.perplexity.exists() && trial.after.perplexity.exists()
                                                        ? fmt::format(", perplexity {:.4g} before and {:.4g} after", result.before.perplexity.value,
                                                                      trial.after.perplexity.value)
                                                        : ""),
                             .sentences = {detail::prune_verdict(result), "scored by " + trial.formula + detail::prune_evidence_words(trial.evidence)}};
    for (std::string& line : detail::prune_scope_lines(result))
        document.sentences.push_back(std::move(line));
    document.steps.emplace_back(groups ? "--write writes the smaller model, --masks the model in its own shapes with zeros for what goes"
                                       : "--masks writes the model in its own shapes with zeros for what goes");
    if (!result.before.loss.exists())
        document.steps.emplace_back("--data, --text or --evaluator runs the model: only then it is known what is left of it");
    detail::add_table(document, "Methods", detail::prune_methods_table(result), "The * is the one that counts; overlap is the Jaccard index of what goes.");
    if (groups)
        detail::add_table(document, "Blocks", detail::prune_layers_table(result));
    if (groups)
        detail::add_table(document, "Groups", detail::prune_groups_table(result, 2000), "Those that go first stand first; at most 2,000 of them, --csv has all.");
    else
        detail::add_table(document, "Matrices", detail::prune_matrices_table(result, all));
    detail::add_table(document, "Scores checked", detail::prune_validation_table(result),
                      "\"together\" and \"sum\" are changes of the loss of a quarter of what was checked, removed together and one by one.");
    document.charts = plot_pruning(result);
    document.facts = {{"seed", fmt::format("{}", result.settings.seed)}, {"calibration data", result.fingerprint}, {"seconds", fmt::format("{:.2f}", result.seconds)}};
    return document;
}

}  // namespace weightscope
