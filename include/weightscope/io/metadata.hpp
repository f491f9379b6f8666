#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

#include <weightscope/io/model.hpp>

namespace weightscope {

/// What the file says about itself under `key`: find_metadata(m, "llama.attention.head_count") is "32".
///
/// @return  the text, which lives as long as the model; nothing where there is no such key
[[nodiscard]] inline std::optional<std::string_view> find_metadata(const model& m, std::string_view key)
{
    const auto at = std::find_if(m.metadata.begin(), m.metadata.end(), [&](const auto& entry) { return entry.first == key; });
    return at == m.metadata.end() ? std::nullopt : std::optional<std::string_view>(at->second);
}

/// The number that a text of metadata is, all of it; nothing where it is none, or does not fit into T.
template <class T>
[[nodiscard]] std::optional<T> metadata_number(std::string_view text)
{
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace weightscope
