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

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/evaluation_plan.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE double seconds_of(const std::function<void()>& f)
{
    const auto start = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

WEIGHTSCOPE_INLINE double median_seconds(const std::function<void()>& f)
{
    std::array<double, 3> seconds{};
    for (double& s : seconds)
        s = seconds_of(f);
    std::sort(seconds.begin(), seconds.end());
    return seconds[1];
}

WEIGHTSCOPE_INLINE double storage_bytes_of(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors)
{
    double bytes = 0;
    for (const std::size_t t : tensors)
        bytes += static_cast<double>(evaluator.weights()[t].size()) * static_cast<double>(bits_of(evaluator.weights()[t].dtype) / 8);
    return bytes;
}

WEIGHTSCOPE_INLINE double elements_of(const any_evaluator& evaluator, const std::vector<std::size_t>& tensors)
{
    double elements = 0;
    for (const std::size_t t : tensors)
        elements += static_cast<double>(evaluator.weights()[t].size());
    return elements;
}

WEIGHTSCOPE_INLINE std::size_t affordable(const evaluation_budget& budget, std::size_t wanted, double calls_per_unit, double seconds_per_unit,
                                          double calls_before, double seconds_before)
{
    double units = static_cast<double>(wanted);
    if (budget.losses > 0)
        units = std::min(units, std::floor((static_cast<double>(budget.losses) - calls_before) / calls_per_unit));
    if (budget.seconds > 0 && seconds_per_unit > 0)
        units = std::min(units, std::floor((budget.seconds - seconds_before) / seconds_per_unit));
    return units > 0 ? static_cast<std::size_t>(units) : 0;
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> random_sample(std::size_t size, std::size_t count, std::uint64_t seed)
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

WEIGHTSCOPE_INLINE void refuse_if_hopeless(evaluation_plan& plan, std::string_view cure)
{
    if (plan.refusal.empty() && plan.predicted_relative_error.exists() && plan.predicted_relative_error.value > 1)
        plan.refusal = fmt::format("the errors would be {:.2g} times the values; {}", plan.predicted_relative_error.value, cure);
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::string describe(const evaluation_plan& plan)
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
