#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

enum class severity
{
    info,     ///< worth knowing
    warning,  ///< worth a look before the model ships
    critical  ///< breaks the model, or what is usually done to it next
};

[[nodiscard]] constexpr std::string_view to_string(severity level)
{
    return level == severity::critical ? "critical" : level == severity::warning ? "warning" : "info";
}

/// How a value crosses a limit.
enum class comparison
{
    above,
    at_least,
    below,
    at_most
};

/// ">", ">=", "<" or "<=".
[[nodiscard]] constexpr std::string_view to_string(comparison how)
{
    return how == comparison::above ? ">" : how == comparison::at_least ? ">=" : how == comparison::below ? "<" : "<=";
}

/// One line of the rule table: a number, the limits that it should keep, and what it means where it does not.
///
/// Verdicts come from a list of these alone (`judge`), so adding a question is adding a rule:
///
///     auto rules = default_rules();
///     rules.push_back({.id = "loud",
///                      .metric_name = "basic_stats.l2_norm",
///                      .value = metric_of(&layer_result::basic_stats, &basic_stats_result::l2_norm),
///                      .warning = 100,
///                      .meaning = "the layer is louder than our hardware can stand",
///                      .remedy = "rescale it"});
///
/// Functions that are not set: no baseline, applies to every layer, message from the numbers, `remedy` as it stands.
struct rule
{
    std::string id = {};           ///< unique in its table; what findings, JSON and override_threshold call it
    std::string label = {};        ///< what the number is, for people; metric_name where empty
    std::string metric_name = {};  ///< where the number stands in the JSON of a layer, or what it is made of
    std::function<metric(const layer_result&)> value = {};  ///< the number of one layer; a missing one is not judged
    std::function<metric(const scan_result&)> model_value =
        {};                                  ///< set instead of `value`: one number for the whole model
    comparison compare = comparison::above;  ///< the value is ill where it is `compare` a limit
    std::optional<double> info = {};         ///< limits; the most severe one that is crossed counts
    std::optional<double> warning = {};
    std::optional<double> critical = {};
    bool times_baseline = false;                               ///< limits are multiples of the baseline
    std::string unit = {};                                     ///< of the value: "%", "dB"; empty for a pure number
    std::string meaning = {};                                  ///< one clause: what is wrong where it fires
    std::string remedy = {};                                   ///< one sentence: what to do about it
    std::function<metric(const layer_result&)> baseline = {};  ///< what Gaussian entries in that shape would give
    std::function<bool(const layer_result&)> applies = {};     ///< false: this layer is not judged
    std::function<std::string(const layer_result&)> describe =
        {};                                                       ///< what was found, where numbers alone do not say it
    std::function<std::string(const layer_result&)> advise = {};  ///< a remedy that names this layer's figures
    std::vector<std::string> explained_by =
        {};                      ///< rules: where one of them fires on the same layer this one is not told
    bool judges_copies = false;  ///< also judges layers whose figures are those of an earlier one
    int score_limit = 100;       ///< the score is at most this where it fires as critical, 0 to 100
    int warning_penalty = 20, critical_penalty = 40;  ///< what a finding takes from the 100 of its layer's own score
    std::function<severity(const layer_result&)> worst = {};  ///< no finding about this layer is more severe than that
    bool judges_parts = false;  ///< judges the codes and scales of quantized tensors, which other rules pass by
    std::function<std::string(const scan_result&)> describe_model = {};  ///< `describe` of a rule with a model_value

    [[nodiscard]] const std::optional<double>& limit(severity level) const;
};

/// The accessor of a metric, for `rule::value`: `metric_of(&layer_result::spectral, &spectral_result::stable_rank)`.
template <class Result>
[[nodiscard]] std::function<metric(const layer_result&)> metric_of(std::optional<Result> layer_result::*method,
                                                                   metric Result::*field)
{
    return [=](const layer_result& layer) {
        return layer.*method ? *(layer.*method).*field : metric::missing("not measured");
    };
}

/// The table `rules` with one limit changed; std::nullopt removes it. A critical limit that is set holds for every layer, whatever
/// `rule::worst` said.
///
///     const health_result health = judge(scan, override_threshold(default_rules(), "outliers", severity::warning, 5));
///
/// @param rules  see default_rules, classic_rules
/// @param id     of the rule
/// @param level  whose limit
/// @param limit  in the unit of the rule's value; a multiple of the baseline where the rule says times_baseline
/// @throws std::invalid_argument  no rule has that id; the message lists those that there are
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<rule> override_threshold(std::vector<rule> rules, std::string_view id, severity level,
                                                                      std::optional<double> limit);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/rule.hpp>
#endif
