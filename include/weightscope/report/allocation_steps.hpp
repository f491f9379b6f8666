#pragma once
// Figures of a plan that its reports share.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/allocation_result.hpp>
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

}  // namespace weightscope::detail
