#pragma once
// Figures of a plan that its reports share.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope::detail {

inline std::string plan_format_name(const allocation_plan& plan, std::size_t scheme)
{
    return scheme == kept_as_stored ? "keep" : to_string(plan.study.schemes[scheme]);
}

inline const plan_option& chosen_option(const plan_item& item)
{
    return item.options[item.chosen];
}

// The option next in size that loses less, and the one that is smaller and loses least.
inline std::optional<std::size_t> next_better(const plan_item& item)
{
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < item.options.size(); ++i)
        if (item.options[i].bytes > chosen_option(item).bytes && item.options[i].loss < chosen_option(item).loss
            && (!found || item.options[i].bytes < item.options[*found].bytes))
            found = i;
    return found;
}

inline std::optional<std::size_t> next_worse(const plan_item& item)
{
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < item.options.size(); ++i)
        if (item.options[i].bytes < chosen_option(item).bytes && (!found || item.options[i].loss < item.options[*found].loss))
            found = i;
    return found;
}

// What the loss is, for headings and axes.
inline std::string allocation_loss_words(allocation_loss loss)
{
    switch (loss) {
    case allocation_loss::error: return "squared error of the weights";
    case allocation_loss::relative_error: return "squared error over squared weights, summed over layers";
    case allocation_loss::activation_error: return "squared error of the outputs for one token";
    case allocation_loss::relative_activation_error: return "squared error over squared outputs, summed over layers";
    case allocation_loss::curvature: return "expected increase of the loss, by the Hessian";
    case allocation_loss::fisher: return "expected increase of the loss, by the empirical Fisher information";
    case allocation_loss::measured: return "rise of the loss, measured layer by layer";
    case allocation_loss::kl_divergence: return "KL divergence of the outputs, measured layer by layer";
    case allocation_loss::given: break;
    }
    return "loss as given";
}

// How many decisions change if one loss moves by its standard error.
inline std::size_t plan_flip_count(const allocation_plan& plan)
{
    std::size_t count = 0;
    for (const plan_item& item : plan.items)
        count += item.margin.flips;
    return count;
}

inline bool plan_has_errors(const allocation_plan& plan)
{
    for (const plan_item& item : plan.items)
        for (const plan_option& option : item.options)
            if (option.standard_error > 0)
                return true;
    return false;
}

// Of the sum of the chosen losses, as far as errors are known.
inline double plan_standard_error(const allocation_plan& plan)
{
    double squares = 0;
    for (const plan_item& item : plan.items)
        squares += chosen_option(item).standard_error * chosen_option(item).standard_error;
    return std::sqrt(squares);
}

// "120,000 bytes and 3.2e+09 bit operations".
inline std::string plan_budget_words(const allocation_plan& plan)
{
    std::string text;
    for (std::size_t k = 0; k < plan.budgets.size(); ++k) {
        const plan_budget& budget = plan.budgets[k];
        text += k == 0 ? "" : k + 1 == plan.budgets.size() ? " and " : ", ";
        text += budget.name == "bytes"     ? fmt::format("{} bytes", grouped(static_cast<std::size_t>(plan.budget)))
                : budget.name == "latency" ? fmt::format("a latency of {:.6g}", budget.limit)
                                           : fmt::format("{:.6g} {}", budget.limit, budget.name);
    }
    return text;
}

}  // namespace weightscope::detail
