#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/metric.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

/// Score 80 or more, 60 or more, 40 or more, and below.
enum class health_grade
{
    critical,
    warning,
    good,
    excellent
};

/// "Excellent", "Good", "Warning" or "Critical".
[[nodiscard]] constexpr std::string_view to_string(health_grade grade)
{
    return grade == health_grade::excellent ? "Excellent"
           : grade == health_grade::good    ? "Good"
           : grade == health_grade::warning ? "Warning"
                                            : "Critical";
}

[[nodiscard]] constexpr health_grade grade_of(int score)
{
    return score >= 80   ? health_grade::excellent
           : score >= 60 ? health_grade::good
           : score >= 40 ? health_grade::warning
                         : health_grade::critical;
}

/// One rule that one layer, or the model, does not keep.
struct finding
{
    std::string rule_id = {};
    severity level = severity::info;
    std::string layer = {};  ///< empty: the whole model
    std::string metric_name = {};
    double value = 0;
    double threshold = 0;      ///< the limit that it crossed
    metric baseline = {};      ///< what Gaussian entries in that shape would give
    std::string message = {};  ///< one line: what was found
    std::string meaning = {};  ///< one clause: what is wrong with that
    std::string remedy = {};   ///< one sentence: what to do
};

/// What a rule had to say.
struct rule_outcome
{
    rule judged_by = {};
    std::size_t judged_count = 0;   ///< layers whose number it looked at (1 for a rule about the model)
    std::size_t missing_count = 0;  ///< layers that it applies to, but whose number is missing
    std::size_t finding_count = 0;
};

struct layer_health
{
    std::string name = {};
    int score = 100;
    health_grade grade = health_grade::excellent;
};

/// What `judge` returns.
struct health_result
{
    int score =
        100;  ///< max(0, 100 - 10 critical - 3 warning), and at most the score_limit of each rule that fires as critical
    health_grade grade = health_grade::excellent;
    std::string recommendation = {};        ///< "deploy", "optimise first" or "do not deploy", by the grade
    std::string limited_by = {};            ///< rule whose score_limit holds the score down; empty if none does
    std::vector<finding> findings = {};     ///< critical first, then warning, then info; each in model order
    std::vector<rule_outcome> rules = {};   ///< the table, with how often each rule could judge
    std::vector<layer_health> layers = {};  ///< in model order

    [[nodiscard]] std::size_t count(severity level) const
    {
        return static_cast<std::size_t>(
            std::count_if(findings.begin(), findings.end(), [=](const finding& f) { return f.level == level; }));
    }

    /// The worst `limit` findings, or all if there are fewer.
    [[nodiscard]] std::span<const finding> top_issues(std::size_t limit) const
    {
        return std::span(findings).first(std::min(limit, findings.size()));
    }
};

}  // namespace weightscope
