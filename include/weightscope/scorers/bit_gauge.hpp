#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope::detail {

// The figures of an evaluator that are recorded, and how they are got.
class bit_gauge
{
public:
    static constexpr std::size_t loss = static_cast<std::size_t>(-1);

    bit_gauge(const any_evaluator& evaluator, const std::vector<std::size_t>& batches, std::vector<std::string> names, const char* caller)
        : batches_(batches), names_(std::move(names))
    {
        std::vector<std::string> known = {"loss"};
        for (const metric_info& info : evaluator.metrics())
            known.push_back(info.name);
        for (const std::string& name : names_) {
            const auto found = std::find(known.begin(), known.end(), name);
            require(found != known.end(), "{}: the evaluator has no figure '{}', expected one of {}", caller, printable(name), fmt::join(known, ", "));
            figures_.push_back(found == known.begin() ? loss : static_cast<std::size_t>(found - known.begin()) - 1);
            wants_loss_ = wants_loss_ || figures_.back() == loss;
            wants_figures_ = wants_figures_ || figures_.back() != loss;
        }
        figure_count_ = evaluator.metrics().size();
    }

    const std::vector<std::string>& names() const { return names_; }
    std::size_t size() const { return names_.size(); }
    const std::vector<std::size_t>& batches() const { return batches_; }
    // Calls that one look takes.
    evaluation_counts cost() const
    {
        evaluation_counts counts;
        counts.losses = wants_loss_ ? batches_.size() : 0;
        counts.measures = wants_figures_ ? batches_.size() : 0;
        return counts;
    }

    // Sums of each figure, batch by batch.
    std::vector<std::vector<loss_value>> look(any_evaluator& e) const
    {
        std::vector<std::vector<loss_value>> result(names_.size());
        std::vector<loss_value> figures(figure_count_);
        for (const std::size_t batch : batches_) {
            const loss_value lost = wants_loss_ ? e.loss(batch) : loss_value();
            if (wants_figures_) {
                figures.assign(figure_count_, {});
                e.measure(batch, figures);
            }
            for (std::size_t m = 0; m < names_.size(); ++m)
                result[m].push_back(figures_[m] == loss ? lost : figures[figures_[m]]);
        }
        return result;
    }

    // Means of the figures, then their changes against `base`.
    void compare(const std::vector<std::vector<loss_value>>& base, const std::vector<std::vector<loss_value>>& changed, std::span<double> out) const
    {
        for (std::size_t m = 0; m < names_.size(); ++m) {
            const loss_value before = total(base[m]), after = total(changed[m]);
            out[m] = after.mean();
            out[names_.size() + m] = before.count == after.count ? mean_change(changed[m], base[m], before.count) : after.mean() - before.mean();
        }
    }

private:
    std::vector<std::size_t> batches_;
    std::vector<std::string> names_;
    std::vector<std::size_t> figures_ = {};
    std::size_t figure_count_ = 0;
    bool wants_loss_ = false, wants_figures_ = false;
};

inline bit_trial_outcome outcome_of_figures(std::span<const double> values)
{
    bit_trial_outcome outcome = bit_trial_outcome::finite;
    for (const double v : values) {
        if (std::isnan(v))
            return bit_trial_outcome::nan_loss;
        if (std::isinf(v))
            outcome = bit_trial_outcome::infinite_loss;
    }
    return outcome;
}

inline bit_trial_outcome outcome_of_value(const bit_flip& flip)
{
    return flip.outcome == flip_outcome::finite      ? bit_trial_outcome::finite
           : flip.outcome == flip_outcome::unchanged ? bit_trial_outcome::unchanged
                                                     : bit_trial_outcome::non_finite_value;
}

// Whether a metric is to go up.
inline bool goes_up(const any_evaluator& evaluator, const std::string& metric, bit_goal goal)
{
    if (goal != bit_goal::harm)
        return goal == bit_goal::maximize;
    for (const metric_info& info : evaluator.metrics())
        if (info.name == metric)
            return !info.higher_is_better;
    return true;
}

}  // namespace weightscope::detail
