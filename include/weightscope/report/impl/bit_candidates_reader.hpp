#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/report/bit_candidates_reader.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::vector<bit_candidate> read_bit_candidates(const std::filesystem::path& path)
{
    const nlohmann::json document = detail::read_json_document<>(path);
    const auto refuse = [&](const std::string& field, const char* fault) { throw io_error(path, std::nullopt, field, fault); };
    if (!document.is_object() || !document.contains("candidates") || !document["candidates"].is_array())
        refuse("candidates", "there is no such list, expected one of entries with name and flat, as bits select writes it");
    std::vector<bit_candidate> result;
    for (const nlohmann::json& entry : document["candidates"]) {
        const std::string place = fmt::format("candidates[{}]", result.size());
        if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string())
            refuse(place, "has no name of a tensor; choose the weights again");
        if (!entry.contains("flat") || !entry["flat"].is_number_unsigned())
            refuse(place, "has no flat, a whole number of 0 or more; choose the weights again");
        const bool scored = entry.contains("score") && entry["score"].is_number();
        result.push_back({.name = entry["name"].get<std::string>(),
                          .flat = static_cast<std::size_t>(entry["flat"].get<std::uint64_t>()),
                          .score = scored ? entry["score"].get<double>() : std::numeric_limits<double>::quiet_NaN(),
                          .part = entry.contains("part") && entry["part"].is_string() ? entry["part"].get<std::string>() : "code"});
    }
    if (result.empty())
        refuse("candidates", "the list is empty; there is nothing to rank");
    return result;
}

}  // namespace weightscope
