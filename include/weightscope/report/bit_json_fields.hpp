#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/report/bit_selection_json.hpp>

namespace weightscope::detail {

// The members of a saved choice or ranking of bits. What is not as it should be is refused with its name and what to do: `again`.
class bit_json_fields
{
public:
    using json = nlohmann::ordered_json;

    bit_json_fields(const std::filesystem::path& path, const char* again) : path_(path), document_(read_json_document<json>(path)), again_(again) {}

    const json& document() const { return document_; }

    [[noreturn]] void refuse(std::string field, std::string_view fault) const { throw io_error(path_, std::nullopt, std::move(field), fault); }
    [[noreturn]] void refuse_field(std::string field, std::string_view fault) const { refuse(std::move(field), fmt::format("{}; {}", fault, again_)); }

    void require_schema(std::string_view schema, std::string_view command) const
    {
        if (!document_.is_object() || !document_.contains("schema") || document_["schema"] != schema)
            refuse("schema", fmt::format("is not {}; give a file that bits {} wrote", schema, command));
    }

    const json& member(const json& object, const char* name, const char* around) const
    {
        const std::string place = *around ? fmt::format("{}.{}", around, name) : std::string(name);
        if (!object.is_object() || !object.contains(name))
            refuse_field(place, "is missing");
        return object.at(name);
    }
    std::string text(const json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (!value.is_string())
            refuse_field(name, "is no text");
        return value.get<std::string>();
    }
    // empty where it is null
    std::string text_or_null(const json& object, const char* name) const { return member(object, name, "").is_null() ? std::string() : text(object, name); }
    std::vector<std::string> texts(const json& object, const char* name) const
    {
        std::vector<std::string> result;
        const auto& list = member(object, name, "");
        for (const auto& value : list) {
            if (!list.is_array() || !value.is_string())
                refuse_field(name, "is no list of texts");
            result.push_back(value.get<std::string>());
        }
        return result;
    }
    std::size_t whole(const json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (!value.is_number_unsigned())
            refuse_field(name, "is no whole number of 0 or more");
        return static_cast<std::size_t>(value.get<std::uint64_t>());
    }
    bool flag(const json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (!value.is_boolean())
            refuse_field(name, "is not true or false");
        return value.get<bool>();
    }
    // NaN where it is null
    double number(const json& object, const char* name) const
    {
        const auto& value = member(object, name, "");
        if (value.is_null())
            return std::numeric_limits<double>::quiet_NaN();
        if (!value.is_number())
            refuse_field(name, "is no number");
        return value.get<double>();
    }
    bit_report_context context(const json& meta) const
    {
        return {.model = text(meta, "model"),
                .format = text(meta, "format"),
                .restricted = texts(meta, "restrict"),
                .num_val_batches = whole(meta, "num_val_batches"),
                .eval_seq_len = whole(meta, "eval_seq_len"),
                .notes = texts(document_, "notes")};
    }

private:
    const std::filesystem::path& path_;
    json document_;
    const char* again_;
};

}  // namespace weightscope::detail
