#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope::detail {

// How far a model's outputs are from those that it had when this was made, as figures that flips can be ranked by. They have the names
// that reports give them, and are not finite where an output is not.
class bit_output_figures
{
public:
    static constexpr std::size_t count = 4;

    static const std::array<metric_info, count>& infos();

    // Runs each batch once; `most_bytes` of outputs may be kept.
    bit_output_figures(any_evaluator& evaluator, std::span<const std::size_t> batches, const char* caller, double most_bytes = 1e9);

    // Sums over batch number `i` of those that were given.
    std::array<loss_value, count> look(any_evaluator& evaluator, std::size_t i, std::size_t batch) const;

    // A figure from its sums over all batches.
    static double value_of(std::size_t figure, const loss_value& sum) { return is_root(figure) ? std::sqrt(sum.mean()) : sum.mean(); }
    static bool is_root(std::size_t figure) { return figure == 3; }

private:
    std::vector<model_outputs> kept_ = {};
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_output_figures.hpp>
#endif
