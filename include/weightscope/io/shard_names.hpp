#pragma once

#include <charconv>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/natural_order.hpp>

namespace weightscope::detail {

// "model-00002-of-00003.safetensors", taken apart.
struct shard_name
{
    std::string prefix;  // "model"
    std::string number;  // "00002"
    std::string total;   // "00003"
};

inline std::optional<shard_name> parse_shard_name(std::string_view file, std::string_view format = ".safetensors")
{
    const auto drop_text = [&](std::string_view ending) {
        const bool found = file.ends_with(ending);
        file.remove_suffix(found ? ending.size() : 0);
        return found;
    };
    const auto drop_digits = [&] {
        std::size_t begin = file.size();
        while (begin > 0 && is_digit(file[begin - 1]))
            --begin;
        const std::string_view digits = file.substr(begin);
        file.remove_suffix(digits.size());
        return std::string(digits);
    };
    if (!drop_text(format))
        return std::nullopt;
    const std::string total = drop_digits();
    if (total.empty() || !drop_text("-of-"))
        return std::nullopt;
    const std::string number = drop_digits();
    if (number.empty() || !drop_text("-"))
        return std::nullopt;
    return shard_name{std::string(file), number, total};
}

inline constexpr std::size_t most_missing_shards = 1000;  // that are named

// Names of the shards that a list of files, in natural order, lacks: where it holds some of a model, but not all.
inline std::vector<std::string> missing_shards(const std::vector<std::string>& files, std::string_view format = ".safetensors")
{
    const auto value = [](const std::string& digits) -> std::optional<std::size_t> {
        std::size_t n = 0;
        const bool fits = std::from_chars(digits.data(), digits.data() + digits.size(), n).ec == std::errc();
        return fits ? std::optional(n) : std::nullopt;
    };
    struct shard_set
    {
        std::size_t digits;  // of the first number: 1 in "1 of 10", 5 in "00001-of-00010"
        std::set<std::size_t> numbers = {};
    };
    std::map<std::pair<std::string, std::string>, shard_set> sets;  // by prefix and total
    for (const std::string& file : files)
        if (const auto name = parse_shard_name(file, format); name && value(name->number) && value(name->total))
            sets.try_emplace({name->prefix, name->total}, shard_set{name->number.size()})
                .first->second.numbers.insert(*value(name->number));
    std::vector<std::string> missing;
    for (const auto& [key, shards] : sets) {
        const auto& [prefix, total] = key;
        const std::size_t first = shards.numbers.contains(0) ? 0 : 1;
        for (std::size_t i = first; i - first < *value(total) && missing.size() < most_missing_shards; ++i)
            if (!shards.numbers.contains(i))
                missing.push_back(fmt::format("{}-{:0{}}-of-{}{}", prefix, i, shards.digits, total, format));
    }
    return missing;
}

}  // namespace weightscope::detail
