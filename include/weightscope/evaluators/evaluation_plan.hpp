#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/counter_random.hpp>
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

inline double seconds_of(const std::function<void()>& f)
{
    const auto start = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median_seconds(const std::function<void()>& f)
{
    std::array<double, 3> seconds{};
    for (double& s : seconds)
        s = seconds_of(f);
    std::sort(seconds.begin(), seconds.end());
    return seconds[1];
}

inline double storage_bytes_of(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors)
{
    double bytes = 0;
    for (const std::size_t t : tensors)
        bytes += static_cast<double>(evaluator.weights()[t].size()) * static_cast<double>(bits_of(evaluator.weights()[t].dtype) / 8);
    return bytes;
}

inline double elements_of(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors)
{
    double elements = 0;
    for (const std::size_t t : tensors)
        elements += static_cast<double>(evaluator.weights()[t].size());
    return elements;
}

// How many units of work a budget buys, each of so many calls and seconds; `wanted` where it sets no limit.
inline std::size_t affordable(const evaluation_budget& budget, std::size_t wanted, double calls_per_unit, double seconds_per_unit, double calls_before,
                              double seconds_before)
{
    double units = static_cast<double>(wanted);
    if (budget.losses > 0)
        units = std::min(units, std::floor((static_cast<double>(budget.losses) - calls_before) / calls_per_unit));
    if (budget.seconds > 0 && seconds_per_unit > 0)
        units = std::min(units, std::floor((budget.seconds - seconds_before) / seconds_per_unit));
    return units > 0 ? static_cast<std::size_t>(units) : 0;
}

// Different numbers below `size`, as many as asked for, in ascending order.
inline std::vector<std::size_t> random_sample(std::size_t size, std::size_t count, std::uint64_t seed)
{
    const counter_random random(seed, "sample", "");
    std::set<std::size_t> chosen;  // Floyd's method
    for (std::size_t j = size - count; j < size; ++j) {
        const auto candidate = static_cast<std::size_t>(random.uniform(j, 0) * static_cast<double>(j + 1));
        if (!chosen.insert(candidate).second)
            chosen.insert(j);
    }
    return {chosen.begin(), chosen.end()};
}

inline void refuse_if_hopeless(evaluation_plan& plan, std::string_view cure)
{
    if (plan.refusal.empty() && plan.predicted_relative_error.exists() && plan.predicted_relative_error.value > 1)
        plan.refusal = fmt::format("the errors would be {:.2g} times the values; {}", plan.predicted_relative_error.value, cure);
}

}  // namespace detail

/// A plan as text for people: calls, time, memory, step, noise and error, and the refusal if there is one.
[[nodiscard]] inline std::string describe(const evaluation_plan& plan)
{
    std::string text = fmt::format("{} losses, {} gradients, {} Hessian-vector products; {:.3g} s at {:.3g} s per forward; {:.3g} MB",
                                   plan.counts.losses, plan.counts.gradients, plan.counts.hessian_vectors, plan.seconds, plan.seconds_per_loss,
                                   plan.memory_bytes / 1e6);
    if (plan.step > 0)
        text += fmt::format("; step {:.2g}", plan.step);
    if (plan.noise > 0)
        text += fmt::format("; noise {:.2g}", plan.noise);
    text += plan.predicted_relative_error.exists() ? fmt::format("; error about {:.2g} %", 100 * plan.predicted_relative_error.value)
                                                   : "; error unknown: " + plan.predicted_relative_error.reason;
    if (!plan.refusal.empty())
        text += "; refused: " + plan.refusal;
    return text;
}

}  // namespace weightscope
