#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_gauge.hpp>
#include <weightscope/scorers/bit_output_figures.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope::detail {

// The figures that an evaluator can be asked for: its loss, its own, and changes of its outputs, where it has those and no figure of
// that name.
inline std::vector<metric_info> bit_figures_of(const any_evaluator& evaluator)
{
    std::vector<metric_info> known = {{.name = "loss"}};
    known.insert(known.end(), evaluator.metrics().begin(), evaluator.metrics().end());
    if (evaluator.supports_outputs())
        for (const metric_info& info : bit_output_figures::infos())
            if (std::none_of(known.begin(), known.end(), [&](const metric_info& other) { return other.name == info.name; }))
                known.push_back(info);
    return known;
}

WEIGHTSCOPE_INLINE bit_gauge::bit_gauge(any_evaluator& evaluator, const std::vector<std::size_t>& batches, std::vector<std::string> names,
                                        const char* caller, std::shared_ptr<const bit_output_figures> unchanged)
    : batches_(batches), names_(std::move(names)), outputs_(std::move(unchanged)), figure_count_(evaluator.metrics().size())
{
    const std::vector<metric_info> known = bit_figures_of(evaluator);
    for (const std::string& name : names_) {
        const auto found = std::find_if(known.begin(), known.end(), [&](const metric_info& info) { return info.name == name; });
        if (found == known.end()) {
            std::vector<std::string> all;
            for (const metric_info& info : known)
                all.push_back(info.name);
            require(false, "{}: the evaluator has no figure '{}', expected one of {}", caller, printable(name), fmt::join(all, ", "));
        }
        const auto place = static_cast<std::size_t>(found - known.begin());
        infos_.push_back(*found);
        figures_.push_back({.of = place == 0 ? source::loss : place <= figure_count_ ? source::own : source::outputs});
        figure& added = figures_.back();
        if (added.of == source::own)
            added.number = place - 1;
        for (std::size_t i = 0; added.of == source::outputs && i < bit_output_figures::count; ++i)
            added.number = bit_output_figures::infos()[i].name == name ? i : added.number;
    }
    if (!outputs_ && wants(source::outputs))
        outputs_ = std::make_shared<const bit_output_figures>(evaluator, batches_, caller);
}

WEIGHTSCOPE_INLINE std::vector<std::string> bit_gauge::output_names() const
{
    std::vector<std::string> result;
    for (std::size_t m = 0; m < names_.size(); ++m)
        if (figures_[m].of == source::outputs)
            result.push_back(names_[m]);
    return result;
}

WEIGHTSCOPE_INLINE evaluation_counts bit_gauge::cost() const
{
    evaluation_counts counts;
    counts.losses = wants(source::loss) ? batches_.size() : 0;
    counts.measures = wants(source::own) ? batches_.size() : 0;
    counts.outputs = wants(source::outputs) ? batches_.size() : 0;
    return counts;
}

WEIGHTSCOPE_INLINE std::vector<std::vector<loss_value>> bit_gauge::look(any_evaluator& e) const
{
    std::vector<std::vector<loss_value>> result(names_.size());
    std::vector<loss_value> own(figure_count_);
    for (std::size_t b = 0; b < batches_.size(); ++b) {
        const loss_value lost = wants(source::loss) ? e.loss(batches_[b]) : loss_value();
        if (wants(source::own)) {
            own.assign(figure_count_, {});
            e.measure(batches_[b], own);
        }
        std::array<loss_value, bit_output_figures::count> moved{};
        if (wants(source::outputs))
            moved = outputs_->look(e, b, batches_[b]);
        for (std::size_t m = 0; m < names_.size(); ++m) {
            const figure& f = figures_[m];
            result[m].push_back(f.of == source::loss ? lost : f.of == source::own ? own[f.number] : moved[f.number]);
        }
    }
    return result;
}

WEIGHTSCOPE_INLINE double bit_gauge::value(std::size_t m, const loss_value& sum) const
{
    return figures_[m].of == source::outputs ? bit_output_figures::value_of(figures_[m].number, sum) : sum.mean();
}

WEIGHTSCOPE_INLINE void bit_gauge::compare(const std::vector<std::vector<loss_value>>& base, const std::vector<std::vector<loss_value>>& changed,
                                           std::span<double> out) const
{
    for (std::size_t m = 0; m < names_.size(); ++m) {
        const loss_value before = total(base[m]), after = total(changed[m]);
        const bool adds_up = before.count == after.count && !(figures_[m].of == source::outputs && bit_output_figures::is_root(figures_[m].number));
        out[m] = value(m, after);
        out[names_.size() + m] = adds_up ? mean_change(changed[m], base[m], before.count) : out[m] - value(m, before);
    }
}

WEIGHTSCOPE_INLINE bool bit_gauge::wants(source of) const
{
    return std::any_of(figures_.begin(), figures_.end(), [&](const figure& f) { return f.of == of; });
}

WEIGHTSCOPE_INLINE bit_trial_outcome outcome_of_figures(std::span<const double> values)
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

WEIGHTSCOPE_INLINE bit_trial_outcome outcome_of_value(const bit_flip& flip)
{
    return flip.outcome == flip_outcome::finite      ? bit_trial_outcome::finite
           : flip.outcome == flip_outcome::unchanged ? bit_trial_outcome::unchanged
                                                     : bit_trial_outcome::non_finite_value;
}

WEIGHTSCOPE_INLINE bool goes_up(const any_evaluator& evaluator, const std::string& metric, bit_goal goal)
{
    if (goal != bit_goal::harm)
        return goal == bit_goal::maximize;
    for (const metric_info& info : bit_figures_of(evaluator))
        if (info.name == metric)
            return !info.higher_is_better;
    return true;
}

}  // namespace weightscope::detail
