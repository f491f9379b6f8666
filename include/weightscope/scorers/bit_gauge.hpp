#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/scorers/bit_output_figures.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

namespace weightscope::detail {

// The figures of an evaluator that are recorded, and how they are got.
class bit_gauge
{
public:
    // Changes of outputs are those from `unchanged`, and from the evaluator as it is where that is null.
    bit_gauge(any_evaluator& evaluator, const std::vector<std::size_t>& batches, std::vector<std::string> names, const char* caller,
              std::shared_ptr<const bit_output_figures> unchanged = nullptr);

    const std::vector<std::string>& names() const { return names_; }
    const std::vector<metric_info>& infos() const { return infos_; }
    std::size_t size() const { return names_.size(); }
    const std::vector<std::size_t>& batches() const { return batches_; }
    const std::shared_ptr<const bit_output_figures>& unchanged_outputs() const { return outputs_; }
    // Of the figures those that are changes of outputs.
    std::vector<std::string> output_names() const;

    // Calls that one look takes.
    evaluation_counts cost() const;

    // Sums of each figure, batch by batch.
    std::vector<std::vector<loss_value>> look(any_evaluator& e) const;

    // Of figure m, from its sums.
    double value(std::size_t m, const loss_value& sum) const;

    // Values of the figures, then their changes against `base`.
    void compare(const std::vector<std::vector<loss_value>>& base, const std::vector<std::vector<loss_value>>& changed, std::span<double> out) const;

private:
    enum class source
    {
        loss,
        own,      // what the evaluator measures
        outputs,  // changes of outputs
    };
    struct figure
    {
        source of = source::loss;
        std::size_t number = 0;  // among those of its source
    };

    bool wants(source of) const;

    std::vector<std::size_t> batches_;
    std::vector<std::string> names_;
    std::vector<metric_info> infos_ = {};  // of these
    std::vector<figure> figures_ = {};
    std::shared_ptr<const bit_output_figures> outputs_;
    std::size_t figure_count_ = 0;  // of the evaluator's own
};

WEIGHTSCOPE_INLINE bit_trial_outcome outcome_of_figures(std::span<const double> values);

WEIGHTSCOPE_INLINE bit_trial_outcome outcome_of_value(const bit_flip& flip);

// Whether a metric is to go up.
WEIGHTSCOPE_INLINE bool goes_up(const any_evaluator& evaluator, const std::string& metric, bit_goal goal);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_gauge.hpp>
#endif
