#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/group_probe.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/global_mask.hpp>
#include <weightscope/scorers/removable.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::vector<std::size_t> shares_of_strata(const std::vector<std::size_t>& sizes, std::size_t samples)
{
    std::size_t total = 0;
    for (const std::size_t size : sizes)
        total += size;
    samples = std::min(samples, total);
    std::vector<std::size_t> result(sizes.size());
    std::vector<std::size_t> order(sizes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
    std::size_t left = samples;
    for (const std::size_t s : order) {
        const double share = static_cast<double>(samples) * static_cast<double>(sizes[s]) / static_cast<double>(std::max<std::size_t>(total, 1));
        result[s] = std::min({sizes[s], left, std::max<std::size_t>(sizes[s] > 0 ? 1 : 0, static_cast<std::size_t>(share))});
        left -= result[s];
    }
    for (std::size_t i = 0; left > 0; i = (i + 1) % order.size())  // what the roundings left, largest first
        if (result[order[i]] < sizes[order[i]]) {
            ++result[order[i]];
            --left;
        }
    return result;
}

// One of each of `count` runs of equal length through the items in the order of their predictions.
inline std::vector<std::size_t> sample_by_prediction(std::vector<std::size_t> items, const std::vector<double>& predicted, std::size_t count,
                                                     const counter_random& random)
{
    std::stable_sort(items.begin(), items.end(), [&](std::size_t a, std::size_t b) { return predicted[a] < predicted[b]; });
    std::vector<std::size_t> result;
    for (std::size_t k = 0; k < count; ++k) {
        const std::size_t begin = k * items.size() / count, end = (k + 1) * items.size() / count;
        result.push_back(items[begin + static_cast<std::size_t>(random.uniform(k, 0) * static_cast<double>(end - begin))]);
    }
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<std::size_t> sample_removables(std::span<const removable> items, const sample_removables_options& options)
{
    std::map<std::string, std::vector<std::size_t>> strata;
    std::vector<double> predicted;
    for (std::size_t i = 0; i < items.size(); ++i) {
        predicted.push_back(items[i].predicted);
        if (std::isfinite(items[i].predicted))
            strata[items[i].stratum].push_back(i);
    }
    std::vector<std::size_t> sizes, result;
    for (const auto& [name, members] : strata)
        sizes.push_back(members.size());
    const std::vector<std::size_t> shares = detail::shares_of_strata(sizes, options.samples);
    std::size_t s = 0;
    for (const auto& [name, members] : strata) {
        const auto drawn = detail::sample_by_prediction(members, predicted, shares[s++], counter_random(options.seed, "validation", name));
        result.insert(result.end(), drawn.begin(), drawn.end());
    }
    std::sort(result.begin(), result.end());
    return result;
}

WEIGHTSCOPE_INLINE std::vector<removable> sample_weights(std::span<const weight_info> weights, std::span<const scored_tensor> tensors,
                                                         const sample_removables_options& options)
{
    std::vector<std::size_t> sizes;
    for (const scored_tensor& tensor : tensors)
        sizes.push_back(tensor.size);
    const std::vector<std::size_t> shares = detail::shares_of_strata(sizes, options.samples);
    std::vector<removable> result;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        const auto found = std::find_if(weights.begin(), weights.end(), [&](const weight_info& info) { return info.name == tensors[t].name; });
        require(found != weights.end(), "sample_weights(weights, tensors): the evaluator has no tensor '{}'", printable(tensors[t].name));
        require(found->size() == tensors[t].size, "sample_weights(weights, tensors): tensor '{}' has {} scores, the evaluator {} weights",
                printable(tensors[t].name), tensors[t].size, found->size());
        if (shares[t] == 0)
            continue;
        const std::vector<double> scores = detail::scores_of(tensors[t]);
        const counter_random random(options.seed, "validation candidates", tensors[t].name);
        std::vector<std::size_t> candidates;
        for (std::size_t i = 0; i < 8 * shares[t]; ++i)
            if (const auto element = static_cast<std::size_t>(random.uniform(i, 0) * static_cast<double>(scores.size())); std::isfinite(scores[element]))
                candidates.push_back(element);
        std::sort(candidates.begin(), candidates.end());
        candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
        const std::size_t count = std::min(shares[t], candidates.size());
        for (const std::size_t element : detail::sample_by_prediction(candidates, scores, count, counter_random(options.seed, "validation", tensors[t].name)))
            result.push_back({.group = {.name = fmt::format("{}[{}]", tensors[t].name, element),
                                        .slices = {{.tensor = static_cast<std::size_t>(found - weights.begin()), .first = element, .count = 1}}},
                              .predicted = scores[element],
                              .stratum = tensors[t].name});
    }
    return result;
}

}  // namespace weightscope
