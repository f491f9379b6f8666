#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope {

/// What an estimate may cost; 0: no limit.
struct evaluation_budget
{
    double seconds = 0;      ///< of computing, what the plan itself takes aside
    std::size_t losses = 0;  ///< calls of loss() in all; a gradient counts as three and a Hessian-vector product as six
};

/// What an estimate will cost and how good it will be, known before it starts.
struct evaluation_plan
{
    evaluation_counts counts = {};         ///< calls that the run will make, exactly; at most so many where a tolerance may stop it earlier
    double seconds_per_loss = 0;           ///< measured, all chosen batches together, median of three
    double seconds_per_gradient = 0;       ///< measured; 0 where no gradient is needed
    double seconds = 0;                    ///< of the run on one thread
    double memory_bytes = 0;               ///< beyond the evaluator's own
    double step = 0;                       ///< of differences; 0: none, or chosen when it runs
    double noise = 0;                      ///< sigma of the mean loss
    metric predicted_relative_error = {};  ///< of a typical value
    std::string refusal = {};              ///< why it should not be run; empty where it can be
    evaluation_counts spent = {};          ///< calls that the plan itself made
};

/// A plan, and the options that carry it out.
template <class Options>
struct planned
{
    Options options = {};
    evaluation_plan plan = {};
};

namespace detail {

WEIGHTSCOPE_INLINE double seconds_of(const std::function<void()>& f);

WEIGHTSCOPE_INLINE double median_seconds(const std::function<void()>& f);

WEIGHTSCOPE_INLINE double storage_bytes_of(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors);

WEIGHTSCOPE_INLINE double elements_of(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors);

// How many units of work a budget buys, each of so many calls and seconds; `wanted` where it sets no limit.
WEIGHTSCOPE_INLINE std::size_t affordable(const evaluation_budget& budget, std::size_t wanted, double calls_per_unit, double seconds_per_unit,
                                          double calls_before, double seconds_before);

// Different numbers below `size`, as many as asked for, in ascending order.
WEIGHTSCOPE_INLINE std::vector<std::size_t> random_sample(std::size_t size, std::size_t count, std::uint64_t seed);

WEIGHTSCOPE_INLINE void refuse_if_hopeless(evaluation_plan& plan, std::string_view cure);

}  // namespace detail

/// A plan as text for people: calls, time, memory, step, noise and error, and the refusal if there is one.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string describe(const evaluation_plan& plan);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/evaluation_plan.hpp>
#endif
