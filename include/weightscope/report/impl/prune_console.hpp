#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/prune_console.hpp>
#include <weightscope/report/quantization_study_tables.hpp>
#include <weightscope/report/text_layout.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/prune_result.hpp>

namespace weightscope {

namespace detail {

inline std::string short_number(const metric& number, const char* format) { return number.exists() ? short_figure(number, format) : "-"; }

WEIGHTSCOPE_INLINE std::vector<std::string> prune_scope_lines(const prune_result& result)
{
    const study_pruning_options& s = result.settings;
    std::string what;
    if (s.unit == prune_unit::group) {
        std::map<group_kind, std::size_t> counts;
        for (const group_family& family : result.groups.families)
            counts[family.kind] += family.unit_count;
        for (const auto& [kind, count] : counts)
            what += fmt::format("{}{} {}", what.empty() ? "" : ", ", grouped(count), to_string(kind));
        what = fmt::format("{} of {} parameters may go, in {} groups ({})", grouped(result.prunable_parameters), grouped(result.groups.parameters),
                           grouped(result.groups.group_count()), what);
        what += fmt::format("; importance is the {} over a group{}", to_string(s.group_scores.reduction),
                            s.group_scores.per_parameter ? ", score = importance / parameters" : ", and the score");
    } else {
        what = fmt::format("{} of {} parameters may go, weights of {}; compared within {}", grouped(result.prunable_parameters),
                           grouped(result.groups.parameters), counted(result.matrices.size(), "matrix", "matrices"),
                           s.unit == prune_unit::weight   ? "their matrix"
                           : s.unit == prune_unit::global ? "the whole model"
                           : s.unit == prune_unit::row    ? "their row"
                                                          : "blocks, " + to_string(s.nm));
    }
    std::vector<std::string> lines = {std::move(what)};
    lines.insert(lines.end(), result.notes.begin(), result.notes.end());
    if (!result.fingerprint.empty())
        lines.push_back(fmt::format("calibration data {}, seed {}", result.fingerprint, s.seed));
    return lines;
}

WEIGHTSCOPE_INLINE text_table prune_methods_table(const prune_result& result)
{
    text_table table{.headings = {"method", "removed", "loss", "change", "perplexity"}, .rows = {}};
    std::vector<std::string> names;
    for (const named_metric& figure : result.before.figures)
        names.push_back(figure.name);
    table.headings.insert(table.headings.end(), names.begin(), names.end());
    table.headings.insert(table.headings.end(), {"KL", "same top 1", "overlap", "s", "collecting s", "peak"});
    const auto add = [&](const std::string& name, const std::string& removed, const model_quality& q, const prune_trial* trial) {
        std::string change = trial ? short_number(q.loss_change, "{:+.4f}") : "0";
        if (trial && q.loss_change_error.exists())
            change += fmt::format(" ± {:.4f}", q.loss_change_error.value);
        std::vector<std::string> row = {name, removed, short_number(q.loss, "{:.4f}"), std::move(change), short_number(q.perplexity, "{:.4g}")};
        for (std::size_t i = 0; i < names.size(); ++i)
            row.push_back(i < q.figures.size() ? short_number(q.figures[i].value, "{:.4f}") : "-");
        row.push_back(trial ? short_number(q.outputs.kl_divergence, "{:.4f}") : "0");
        row.push_back(trial ? short_number(q.outputs.top1_agreement, "{:.4f}") : "1");
        row.push_back(trial ? short_number(trial->overlap, "{:.3f}") : "-");
        row.push_back(trial ? fmt::format("{:.2f}", trial->seconds) : "-");
        row.push_back(trial ? fmt::format("{:.2f}", trial->collecting_seconds) : "-");
        row.push_back(trial && trial->peak_bytes.exists() ? short_bytes(static_cast<std::uint64_t>(trial->peak_bytes.value)) : "-");
        table.rows.push_back(std::move(row));
    };
    add("(whole model)", "0 %", result.before, nullptr);
    for (const prune_trial& trial : result.trials)
        add((&trial == &result.trials.front() ? "* " : "") + trial.method, fmt::format("{:.2f} %", 100 * trial.actual_ratio), trial.after, &trial);
    return table;
}

WEIGHTSCOPE_INLINE text_table prune_layers_table(const prune_result& result)
{
    text_table table{.headings = {"layer", "parameters", "removed"}, .rows = {}};
    std::vector<std::string> kinds;
    for (const prune_share& share : result.chosen().shares)
        kinds.push_back(share.name);
    table.headings.insert(table.headings.end(), kinds.begin(), kinds.end());
    for (const layer_selection& layer : result.chosen().selection.layers) {
        std::vector<std::string> row = {fmt::format("{}", layer.layer), grouped(layer.parameters),
                                        layer.parameters > 0 ? fmt::format("{:.1f} %", 100.0 * static_cast<double>(layer.removed_parameters)
                                                                                           / static_cast<double>(layer.parameters))
                                                             : "-"};
        for (const std::string& kind : kinds) {
            std::string cell = "-";
            for (const auto& share : layer.families)
                if (const group_family& family = result.groups.families[share.family]; to_string(family.kind) == kind)
                    cell = fmt::format("{} of {}", share.removed, family.unit_count);
            row.push_back(std::move(cell));
        }
        table.rows.push_back(std::move(row));
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table prune_groups_table(const prune_result& result, std::size_t count)
{
    text_table table{.headings = {"first to go", "importance", "parameters", "score"}, .rows = {}};
    const std::vector<group_place> places = result.groups.places();
    const std::vector<double>& scores = result.chosen().scores.scores;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (scores[i] == scores[i])
            order.push_back(i);
    count = std::min(count, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), [&](std::size_t a, std::size_t b) {
        return scores[a] != scores[b] ? scores[a] < scores[b] : a < b;
    });
    for (std::size_t k = 0; k < count; ++k) {
        const std::size_t i = order[k];
        const group_family& family = result.groups.families[places[i].family];
        table.rows.push_back({family.name(places[i].unit), fmt::format("{:.4g}", result.chosen().scores.importance[i]), grouped(family.parameters),
                              fmt::format("{:.4g}", scores[i])});
    }
    return table;
}

WEIGHTSCOPE_INLINE text_table prune_matrices_table(const prune_result& result, std::size_t count)
{
    text_table table{.headings = {"matrix", "weights", "removed", "by"}, .rows = {}};
    for (const prune_share& share : result.chosen().shares)
        if (table.rows.size() < count)
            table.rows.push_back({harmless(share.name), grouped(share.parameters),
                                  fmt::format("{:.2f} %", 100.0 * static_cast<double>(share.removed) / static_cast<double>(share.parameters)),
                                  share.method});
    return table;
}

WEIGHTSCOPE_INLINE text_table prune_validation_table(const prune_result& result)
{
    text_table table{.headings = {"checked by removal", "Spearman", "95 %", "top decile", "slope", "together", "sum"}, .rows = {}};
    for (const prune_trial& trial : result.trials)
        for (const prune_validation& v : trial.validation) {
            const validation_result& r = v.result;
            const std::string interval = r.spearman.lower.exists() ? fmt::format("{:.2f} to {:.2f}", r.spearman.lower.value, r.spearman.upper.value) : "-";
            table.rows.push_back({fmt::format("{}{}{}, {} removed", trial.method == "auto" ? (v.chosen ? "* auto, " : "auto, ") : "", v.method,
                                              v.part == "all" ? "" : " of " + v.part, r.items.size()),
                                  short_number(r.spearman.value, "{:.3f}"), interval, short_number(r.top_decile_overlap, "{:.2f}"),
                                  short_number(r.calibration_slope.value, "{:.3g}"), short_number(r.joint_change, "{:+.4g}"),
                                  short_number(r.joint_sum, "{:+.4g}")});
        }
    return table;
}

WEIGHTSCOPE_INLINE std::string prune_evidence_words(const prune_evidence& evidence)
{
    std::string text;
    if (evidence.batches > 0)
        text += ", from " + (evidence.samples > 0 ? counted(evidence.samples, "sample", "samples") + " in " : std::string())
              + counted(evidence.batches, "batch", "batches");
    if (evidence.relative_standard_error.exists())
        text += fmt::format("; standard errors are {:.3g} % of them", 100 * evidence.relative_standard_error.value);
    return text;
}

WEIGHTSCOPE_INLINE std::string prune_verdict(const prune_result& result)
{
    const prune_trial& trial = result.chosen();
    std::string text;
    if (result.settings.unit == prune_unit::group) {
        const selection_result& s = trial.selection;
        const std::uint64_t left = result.groups.parameters - s.removed_parameters, bytes = result.groups.bytes - s.removed_bytes;
        text = fmt::format("{}: {} go, {} of {} parameters ({:.2f} %), {} are left, {}", trial.method,
                           counted(s.removed.size(), "group", "groups"), grouped(s.removed_parameters), grouped(result.groups.parameters),
                           100.0 * static_cast<double>(s.removed_parameters) / static_cast<double>(std::max<std::uint64_t>(result.groups.parameters, 1)),
                           grouped(left), short_bytes(bytes));
        if (!s.reached)
            text += fmt::format("; the target of {} {} is out of reach: one group of each kind stays in each layer, and what is frozen does",
                                grouped(s.target), s.in_bytes ? "bytes" : "parameters");
    } else {
        text = fmt::format("{}: {} of {} weights go ({:.2f} %)", trial.method, grouped(trial.removed_parameters), grouped(result.prunable_parameters),
                           100 * trial.actual_ratio);
        if (trial.tied_count > 0)
            text += fmt::format("; {} have the score of the last one that goes: the first of them go", grouped(trial.tied_count));
    }
    if (trial.unscored_count > 0)
        text += fmt::format("; {} without a score stay", grouped(trial.unscored_count));
    if (result.before.perplexity.exists() && trial.after.perplexity.exists())
        text += fmt::format("; perplexity {:.4g} before, {:.4g} after", result.before.perplexity.value, trial.after.perplexity.value);
    return text;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string to_console(const prune_result& result, const console_options& options)
{
    require(options.width >= 60 && options.width <= 200, "to_console(result, options): options.width is {}, expected 60 to 200", options.width);
    const detail::console_style style{options.color};
    std::string text;
    detail::append_wrapped(text,
                           fmt::format("{}: {} parameters, {}, studied in {:.2f} s", detail::harmless(result.model_path),
                                       detail::grouped(result.groups.parameters), detail::short_bytes(result.groups.bytes), result.seconds),
                           options.width, 0, [&](std::string_view line) { return style.bold(line); });
    for (const std::string& line : detail::prune_scope_lines(result))
        detail::append_wrapped(text, line, options.width, 0, detail::plain);
    const bool groups = result.settings.unit == prune_unit::group;
    if (groups) {
        detail::append_table(text, detail::prune_layers_table(result), style, options.width);
        detail::append_table(text, detail::prune_groups_table(result, options.top_issues), style, options.width);
    } else {
        detail::append_table(text, detail::prune_matrices_table(result, options.top_issues), style, options.width);
    }
    detail::append_table(text, detail::fitting(detail::prune_validation_table(result), options.width, 4), style, options.width);
    detail::append_table(text, detail::fitting(detail::prune_methods_table(result), options.width, 4), style, options.width);
    text += "\n";
    detail::append_wrapped(text, detail::prune_verdict(result), options.width, 0, [&](std::string_view line) { return style.bold(line); });
    detail::append_wrapped(text, "scored by " + result.chosen().formula + detail::prune_evidence_words(result.chosen().evidence), options.width, 0,
                           detail::plain);
    return text;
}

}  // namespace weightscope
