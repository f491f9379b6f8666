#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// Fields of a config.json: each may be absent or null, then `otherwise` counts, or the file is refused if there is none.
class config_reader
{
public:
    config_reader(const std::filesystem::path& path, const nlohmann::json& fields, std::string prefix = {})
        : path_(path), fields_(fields), prefix_(std::move(prefix))
    {
        if (!fields.is_object())
            refuse("", "an object of settings", fields);
    }

    const nlohmann::json* find(const char* name) const
    {
        const auto at = fields_.find(name);
        return at == fields_.end() || at->is_null() ? nullptr : &*at;
    }
    std::size_t count(const char* name, std::optional<std::size_t> otherwise = {}) const
    {
        constexpr std::size_t largest = 2147483647;
        const nlohmann::json* value = find(name);
        if (!value)
            return need(name, otherwise);
        if (!value->is_number_unsigned() || *value == 0U || *value > largest)
            refuse(name, fmt::format("a whole number from 1 to {}", largest), *value);
        return value->get<std::size_t>();
    }
    std::size_t count_or_none(const char* name) const
    {
        const nlohmann::json* value = find(name);
        return value && value->is_number_unsigned() && *value == 0U ? 0 : count(name);
    }
    double positive(const char* name, std::optional<double> otherwise = {}) const
    {
        const nlohmann::json* value = find(name);
        if (!value)
            return need(name, otherwise);
        if (!value->is_number() || !(value->get<double>() > 0))
            refuse(name, "a number above 0", *value);
        return value->get<double>();
    }
    bool flag(const char* name, bool otherwise) const
    {
        const nlohmann::json* value = find(name);
        if (value && !value->is_boolean())
            refuse(name, "true or false", *value);
        return value ? value->get<bool>() : otherwise;
    }
    std::string text(const char* name, const char* otherwise) const
    {
        const nlohmann::json* value = find(name);
        if (value && !value->is_string())
            refuse(name, "a string", *value);
        return value ? value->get<std::string>() : otherwise;
    }
    void one_of(const char* name, const char* otherwise, std::initializer_list<std::string_view> known) const
    {
        const std::string value = text(name, otherwise);
        for (const std::string_view word : known)
            if (value == word)
                return;
        refuse(name, fmt::format("one that is supported: {}", fmt::join(known, ", ")), value);
    }
    void must_be(const char* name, bool wanted) const
    {
        if (flag(name, wanted) != wanted)
            refuse(name, fmt::format("{}: the other is not supported", wanted), !wanted);
    }
    [[noreturn]] void refuse(const char* name, std::string_view expected, const nlohmann::json& found) const
    {
        const std::string dump = found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        throw io_error(path_, std::nullopt, prefix_ + name, fmt::format("is {}, expected {}", printable(dump, 60), expected));
    }

private:
    template <class T>
    T need(const char* name, std::optional<T> otherwise) const
    {
        if (!otherwise)
            throw io_error(path_, std::nullopt, prefix_ + name, "is missing; the model's own config.json is needed, whole");
        return *otherwise;
    }

    const std::filesystem::path& path_;
    const nlohmann::json& fields_;
    std::string prefix_;
};

}  // namespace weightscope::detail
