#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/field_reader.hpp>
#include <weightscope/report/scan_reader.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

namespace detail {

inline layer_result read_layer(const std::string& name, const nlohmann::ordered_json& object, const json_place& around)
{
    const json_place place{around.file, &around, name};
    layer_result layer{.name = name};
    for_each_field(layer, field_reader(object, place));
    if (layer.basic_stats)
        layer.census = layer.basic_stats->census;
    const std::size_t finite = layer.census ? layer.census->finite_count() : 0;
    if (layer.census && layer.census->nan_count + layer.census->infinity_count() > layer.census->count)
        place.refuse("counts more entries that are not finite than entries");
    if (layer.sparsity)
        for (sparsity_level& level : layer.sparsity->sparsity_levels)
            if (level.percentage.exists())
                level.count = static_cast<std::size_t>(std::llround(level.percentage.value / 100 * static_cast<double>(finite)));
    return layer;
}

// Refuses what begins like no JSON, such as a model, before it is read as text.
inline void require_text(const std::filesystem::path& path)
{
    const mapped_file file(path);
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != text.npos && text[first] != '{' && text[first] != '[')
        throw io_error(path, std::nullopt, {}, "is no JSON text, and so no saved scan; a model is scanned by: weightscope scan FILE");
}

inline void require_scan(const nlohmann::ordered_json& document, const std::filesystem::path& path)
{
    const auto refuse = [&](std::string_view what) {
        throw io_error(path, std::nullopt, {}, fmt::format("{}; write one with: weightscope scan MODEL --output FILE.json", what));
    };
    if (!document.is_object() || !document.contains("schema") || !document["schema"].is_string())
        refuse("is no saved scan, it names no schema");
    const auto& schema = document["schema"].get_ref<const std::string&>();
    constexpr std::string_view family = "weightscope/scan/";
    if (!schema.starts_with(family))
        refuse(fmt::format("is no saved scan, its schema is '{}'", printable(schema, 40)));
    if (schema.substr(family.size()) != "1")
        refuse(fmt::format("is a scan of version '{}', expected 1", printable(schema.substr(family.size()), 20)));
}

}  // namespace detail

WEIGHTSCOPE_INLINE scan_result read_scan(const std::filesystem::path& path)
{
    detail::require_text(path);
    const auto document = detail::read_json_document<nlohmann::ordered_json>(path);
    detail::require_scan(document, path);
    const detail::json_place root{path};
    const detail::field_reader reader(document, root);
    scan_result scan;
    reader("model", scan.model);
    reader("settings", scan.settings);
    reader("environment", scan.environment);
    if (const auto& environment = document["environment"]; environment.contains("cuda") && environment["cuda"].is_string())
        scan.environment.cuda = environment["cuda"].get<std::string>();
    reader("seconds", scan.seconds);
    const detail::json_place place{path, &root, "layers"};
    if (!reader.holds("layers"))
        place.refuse("is missing");
    const auto& layers = document["layers"];
    (void)detail::field_reader(layers, place);
    for (const auto& [name, layer] : layers.items())
        scan.layers.push_back(detail::read_layer(name, layer, place));
    return scan;
}

}  // namespace weightscope
