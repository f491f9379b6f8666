#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/io/planned_flip.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// One entry of a list of flips.
class bit_entry_reader
{
public:
    bit_entry_reader(const nlohmann::json& entry, const std::filesystem::path& path, std::string place)
        : entry_(entry), path_(path), place_(std::move(place))
    {
    }

    planned_flip read() const
    {
        if (!entry_.is_object())
            refuse("", "is no object");
        planned_flip flip;
        flip.name = text("name");
        flip.flat = static_cast<std::size_t>(whole("flat"));
        flip.bit = static_cast<unsigned>(whole("bit", 63));
        if (has("model"))
            flip.model = text("model");
        if (has("part"))
            flip.part = text("part");
        flip.old_code = code("old_code");
        flip.new_code = code("new_code");
        flip.old_value = value("old");
        flip.new_value = value("new");
        if (flip.old_code && flip.new_code && *flip.new_code != (*flip.old_code ^ std::uint64_t{1} << flip.bit))
            refuse("new_code", fmt::format("is {:#x}, which is not {:#x} with bit {} flipped", *flip.new_code, *flip.old_code, flip.bit));
        return flip;
    }

private:
    [[noreturn]] void refuse(const char* field, std::string_view fault) const
    {
        throw io_error(path_, std::nullopt, *field ? fmt::format("{}: {}", place_, field) : place_, fmt::format("{}; make the plan again", fault));
    }

    bool has(const char* field) const { return entry_.contains(field) && !entry_[field].is_null(); }

    const nlohmann::json& at(const char* field) const
    {
        if (!entry_.contains(field))
            refuse(field, "is missing");
        return entry_[field];
    }

    std::string text(const char* field) const
    {
        if (!at(field).is_string())
            refuse(field, "is no text");
        return at(field).get<std::string>();
    }

    std::uint64_t whole(const char* field, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const
    {
        if (!at(field).is_number_unsigned() || at(field).get<std::uint64_t>() > most)
            refuse(field, most < 100 ? fmt::format("is no whole number from 0 to {}", most) : "is no whole number of 0 or more");
        return at(field).get<std::uint64_t>();
    }

    std::optional<std::uint64_t> code(const char* field) const
    {
        if (!has(field))
            return std::nullopt;
        const std::string digits = text(field);
        std::uint64_t result = 0;
        const char* end = digits.data() + digits.size();
        const bool prefixed = digits.starts_with("0x") && digits.size() > 2;
        const auto [stop, error] = prefixed ? std::from_chars(digits.data() + 2, end, result, 16)
                                            : std::from_chars_result{digits.data(), std::errc::invalid_argument};
        if (error != std::errc() || stop != end)
            refuse(field, fmt::format("is '{}', expected a number in base 16 as 0x3c00", printable(digits)));
        return result;
    }

    // null where it is not finite
    std::optional<double> value(const char* field) const
    {
        if (!entry_.contains(field))
            return std::nullopt;
        if (entry_[field].is_null())
            return std::numeric_limits<double>::quiet_NaN();
        if (!entry_[field].is_number())
            refuse(field, "is no number");
        return entry_[field].get<double>();
    }

    const nlohmann::json& entry_;
    const std::filesystem::path& path_;
    std::string place_;
};

inline bit_plan bit_plan_of_json(const nlohmann::json& document, const std::filesystem::path& path, std::string_view source)
{
    const auto refuse = [&](std::string field, std::string_view fault) { throw io_error(path, std::nullopt, std::move(field), fault); };
    const std::string key(source);
    if (!document.is_object() || !document.contains(key) || !document[key].is_array())
        refuse(key, "there is no such list, expected one of entries with name, flat and bit, as bits rank writes it");
    bit_plan plan{.version = {}};
    const auto meta_text = [](const nlohmann::json& object, const char* field) {
        return object.contains(field) && object[field].is_string() ? object[field].get<std::string>() : std::string();
    };
    if (document.contains("meta") && document["meta"].is_object()) {
        plan.model = meta_text(document["meta"], "model");
        plan.format = meta_text(document["meta"], "format");
    }
    plan.version = meta_text(document, "version");
    std::size_t number = 0;
    for (const nlohmann::json& entry : document[key])
        plan.flips.push_back(bit_entry_reader(entry, path, fmt::format("{}[{}]", source, number++)).read());
    if (plan.flips.empty())
        refuse(key, "the list is empty; nothing would be flipped");
    return plan;
}

}  // namespace weightscope::detail
