#pragma once

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/natural_order.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// "model-00002-of-00003.safetensors", taken apart.
struct shard_name
{
    std::string prefix;      // "model"
    std::size_t digits = 0;  // of the first number
    std::size_t total = 0;
    std::string total_text;  // "00003"

    std::string of_shard(std::size_t i) const
    {
        return fmt::format("{}-{:0{}}-of-{}.safetensors", prefix, i, digits, total_text);
    }
};

inline std::optional<shard_name> parse_shard_name(std::string_view file)
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
        return digits;
    };
    if (!drop_text(".safetensors"))
        return std::nullopt;
    const std::string_view total = drop_digits();
    if (!drop_text("-of-"))
        return std::nullopt;
    const std::string_view number = drop_digits();
    if (total.empty() || number.empty() || !drop_text("-"))
        return std::nullopt;
    shard_name name{.prefix = std::string(file), .digits = number.size(), .total = 0, .total_text = std::string(total)};
    if (std::from_chars(total.data(), total.data() + total.size(), name.total).ec != std::errc())
        return std::nullopt;
    return name;
}

// Refuses a list of files if it holds some of the shards of a model, but not all.
inline void require_all_shards(const std::filesystem::path& folder, const std::vector<std::string>& files)
{
    const std::set<std::string_view> present(files.begin(), files.end());
    for (const std::string& file : files) {
        const auto name = parse_shard_name(file);
        if (!name)
            continue;
        const std::size_t first = present.contains(name->of_shard(0)) ? 0 : 1;
        for (std::size_t i = first; i < first + name->total; ++i)
            if (const std::string expected = name->of_shard(i); !present.contains(expected))
                throw io_error(folder, std::nullopt, {},
                               fmt::format("the shard '{}' is missing; download it as well", printable(expected)));
    }
}

}  // namespace weightscope::detail
