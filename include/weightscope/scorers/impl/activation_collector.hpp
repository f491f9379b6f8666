#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/activation_collector.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE activation_tap activation_collector::tap()
{
    return activation_tap([this](std::size_t tensor) { return wants(tensor); },
                          [this](std::size_t tensor, const activation_view& inputs) { take(tensor, inputs); });
}

WEIGHTSCOPE_INLINE std::vector<activation_statistics> activation_collector::result() const
{
    std::vector<activation_statistics> result;
    for (const auto& [tensor, found] : found_) {
        activation_statistics statistics = found;
        for (std::size_t c = 0; c < statistics.max_magnitudes.size(); ++c)
            if (!std::isfinite(statistics.sums_of_magnitudes[c]))  // a maximum passes over NaN
                statistics.max_magnitudes[c] = statistics.sums_of_magnitudes[c];
        result.push_back(std::move(statistics));
    }
    return result;
}

WEIGHTSCOPE_INLINE bool activation_collector::wants(std::size_t tensor) const
{
    return tensor < names_.size()
        && (options_.tensors.empty() || std::find(options_.tensors.begin(), options_.tensors.end(), tensor) != options_.tensors.end());
}

WEIGHTSCOPE_INLINE void activation_collector::take(std::size_t tensor, const activation_view& inputs)
{
    if (!wants(tensor))
        return;
    require(inputs.row_mask.empty() || inputs.row_mask.size() == inputs.rows,
            "activation_collector: the inputs of '{}' have {} rows and a mask of {}, expected one entry for each", printable(names_[tensor]),
            inputs.rows, inputs.row_mask.size());
    const bool fresh = found_.find(tensor) == found_.end();
    activation_statistics& into = found_[tensor];
    if (fresh) {
        into.tensor = names_[tensor];
        for (std::vector<double>* sums : {&into.sums, &into.sums_of_magnitudes, &into.sums_of_squares, &into.max_magnitudes})
            sums->resize(inputs.cols);
    }
    require(into.sums.size() == inputs.cols, "activation_collector: the inputs of '{}' have {} columns, and had {} before",
            printable(names_[tensor]), inputs.cols, into.sums.size());
    std::size_t& shown = shown_[tensor];
    std::vector<std::uint8_t> counts(inputs.rows, 1);
    for (std::size_t row = 0; row < inputs.rows; ++row, ++shown) {
        const bool first = options_.drop_first_of > 0 && shown % options_.drop_first_of == 0;
        counts[row] = !first && (inputs.row_mask.empty() || inputs.row_mask[row] != 0) ? 1 : 0;
        into.rows += counts[row];
    }
    const detail::input_sums sums{into.sums.data(), into.sums_of_magnitudes.data(), into.sums_of_squares.data(), into.max_magnitudes.data()};
    constexpr std::size_t columns_at_once = 512;  // four sums of each stay in the first-level cache
    parallel_for((inputs.cols + columns_at_once - 1) / columns_at_once, [&](std::size_t part) {
        const std::size_t begin = part * columns_at_once, end = std::min(begin + columns_at_once, inputs.cols);
        detail::dispatch(detail::input_sums_kernel{}, inputs.data, static_cast<const std::uint8_t*>(counts.data()), inputs.rows, inputs.cols,
                         begin, end, sums);
    });
}

}  // namespace weightscope
