#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/counter_random.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_tensors.hpp>

namespace weightscope::detail {

// Numbers in a name tell layers apart, not kinds of tensors.
inline std::string kind_of_tensor(std::string_view name)
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

struct bit_population
{
    std::string kind = {};
    unsigned bit = 0;
    std::vector<const bit_source*> tensors = {};
    std::size_t size = 0;
};

inline std::vector<bit_population> bit_populations(const std::vector<bit_tensor>& tensors)
{
    std::vector<bit_population> result;
    std::map<std::pair<std::string, unsigned>, std::size_t> known;
    for (const bit_tensor& tensor : tensors)
        for (const unsigned bit : tensor.bits) {
            const std::string kind = kind_of_tensor(tensor.source->name);
            const auto [found, is_new] = known.emplace(std::pair(kind, bit), result.size());
            if (is_new)
                result.push_back({.kind = kind, .bit = bit});
            result[found->second].tensors.push_back(tensor.source);
            result[found->second].size += tensor.source->size;
        }
    return result;
}

// Different weights of a population, by Floyd's method, rising.
inline std::vector<bit_candidate> draw_bits(const bit_population& population, std::size_t count, std::uint64_t seed)
{
    const counter_random random(seed, "failing share", population.kind);
    std::set<std::size_t> chosen;
    for (std::size_t j = population.size - count; j < population.size; ++j) {
        const auto drawn = static_cast<std::size_t>(random.uniform(j, population.bit) * static_cast<double>(j + 1));
        if (!chosen.insert(drawn).second)
            chosen.insert(j);
    }
    std::vector<bit_candidate> result;
    std::size_t t = 0, begin = 0;
    for (const std::size_t number : chosen) {
        while (number - begin >= population.tensors[t]->size)
            begin += population.tensors[t++]->size;
        result.push_back({.name = population.tensors[t]->name, .flat = number - begin, .drawn = true});
    }
    return result;
}

}  // namespace weightscope::detail
