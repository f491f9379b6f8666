#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/counter_random.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_population.hpp>
#include <weightscope/scorers/bit_tensors.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::string kind_of_tensor(std::string_view name)
{
    std::string kind;
    for (const char c : name) {
        const bool digit = c >= '0' && c <= '9';
        if (!digit)
            kind += c;
        else if (kind.empty() || kind.back() != '*')
            kind += '*';
    }
    return kind;
}

WEIGHTSCOPE_INLINE std::vector<bit_population> bit_populations(const std::vector<bit_tensor>& tensors)
{
    std::vector<bit_population> result;
    std::map<std::tuple<std::string, std::string, unsigned>, std::size_t> known;
    for (const bit_tensor& tensor : tensors)
        for (const unsigned bit : tensor.bits) {
            const std::string kind = kind_of_tensor(tensor.source->name);
            const auto [found, is_new] = known.emplace(std::tuple(kind, tensor.part_name(), bit), result.size());
            if (is_new)
                result.push_back({.kind = kind, .part = tensor.part_name(), .bit = bit});
            result[found->second].tensors.push_back(tensor);
            result[found->second].size += tensor.count();
        }
    return result;
}

WEIGHTSCOPE_INLINE std::vector<bit_candidate> draw_bits(const bit_population& population, std::size_t count, std::uint64_t seed)
{
    const counter_random random(seed, "failing share", population.part == "code" ? population.kind : population.kind + " " + population.part);
    std::set<std::size_t> chosen;
    for (std::size_t j = population.size - count; j < population.size; ++j) {
        const auto drawn = static_cast<std::size_t>(random.uniform(j, population.bit) * static_cast<double>(j + 1));
        if (!chosen.insert(drawn).second)
            chosen.insert(j);
    }
    std::vector<bit_candidate> result;
    std::size_t t = 0, begin = 0;
    for (const std::size_t number : chosen) {
        while (number - begin >= population.tensors[t].count())
            begin += population.tensors[t++].count();
        const bit_tensor& tensor = population.tensors[t];
        result.push_back({.name = tensor.source->name, .flat = (number - begin) * tensor.weights(),
                          .drawn = true, .part = population.part, .tensor = tensor.number});
    }
    return result;
}

}  // namespace weightscope::detail
