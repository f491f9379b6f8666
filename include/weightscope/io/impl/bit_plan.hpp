#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/bit_plan.hpp>
#include <weightscope/io/bit_plan_reader.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/planned_flip.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE planned_flip plan_flip(const named_tensor& tensor, std::size_t element, unsigned bit, std::string_view part)
{
    const bit_flip flip = flip_change(tensor, element, bit, part);
    return {.name = tensor.name,
            .flat = element,
            .bit = bit,
            .part = std::string(part),
            .old_code = flip.old_code,
            .new_code = flip.new_code,
            .old_value = flip.old_value,
            .new_value = flip.new_value};
}

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const planned_flip& flip)
{
    nlohmann::ordered_json json = {{"model", flip.model}, {"name", flip.name}, {"flat", flip.flat}, {"bit", flip.bit}, {"part", flip.part}};
    const auto put_value = [&](const char* key, const std::optional<double>& value) {
        if (value)
            json[key] = std::isfinite(*value) ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
    };
    put_value("old", flip.old_value);
    put_value("new", flip.new_value);
    if (flip.old_code)
        json["old_code"] = fmt::format("{:#x}", *flip.old_code);
    if (flip.new_code)
        json["new_code"] = fmt::format("{:#x}", *flip.new_code);
    return json;
}

WEIGHTSCOPE_INLINE nlohmann::ordered_json to_json(const bit_plan& plan)
{
    nlohmann::ordered_json flips = nlohmann::ordered_json::array();
    for (const planned_flip& flip : plan.flips)
        flips.push_back(to_json(flip));
    return {{"schema", "weightscope/bits_plan/1"},
            {"version", plan.version},
            {"meta", {{"model", plan.model}, {"format", plan.format}}},
            {"plan", std::move(flips)}};
}

WEIGHTSCOPE_INLINE std::string to_text(const bit_plan& plan)
{
    return to_json(plan).dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

WEIGHTSCOPE_INLINE bit_plan read_bit_plan(const std::filesystem::path& path, std::string_view source)
{
    return detail::bit_plan_of_json(detail::read_json_document<>(path), path, source);
}

}  // namespace weightscope
