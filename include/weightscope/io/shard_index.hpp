#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/json_reader.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// Where the index of a sharded model says that a tensor lies.
struct index_entry
{
    std::string tensor, shard;
    std::uint64_t offset = 0;  // of the shard's name in the index

    std::string field() const { return fmt::format("weight_map '{}'", printable(tensor)); }
};

struct shard_index
{
    std::vector<index_entry> entries;
    model_metadata metadata;  // strings and numbers
};

// A path in the model's folder: relative, never upwards. (Links may lead out of it: the hub cache is made of them.)
inline bool stays_inside(std::string_view shard)
{
    const std::filesystem::path path(shard);
    return !shard.empty() && shard.find('\0') == shard.npos && !path.has_root_path()
           && std::find(path.begin(), path.end(), "..") == path.end();
}

// Reads {"metadata": {...}, "weight_map": {"tensor": "shard", ...}}; passes over whatever else there is.
inline shard_index read_shard_index(const mapped_file& file)
{
    shard_index index;
    bool found = false;
    std::string section, key, schema;
    const auto refuse = [&](std::optional<std::uint64_t> offset, std::string field, std::string_view fault) {
        throw io_error(file.path(), offset, std::move(field), fault);
    };
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    read_json({.path = file.path(), .text = text, .offset = 0, .field = "index"}, [&](const json_token& token) {
        if (token.kind == json_kind::key && token.depth <= 2) {
            (token.depth == 1 ? section : key) = token.text;
        } else if (token.depth == 1 && section == "schema" && token.kind == json_kind::string) {
            schema = token.text;
        } else if (token.depth == 1 && section == "weight_map") {
            found = true;
            if (token.kind != json_kind::object && token.kind != json_kind::end_object)
                refuse(token.offset, section, fmt::format("found {}, expected an object", token.description()));
        } else if (token.depth == 2 && section == "weight_map") {
            const index_entry entry{key, std::string(token.text), token.offset};
            if (token.kind != json_kind::string)
                refuse(token.offset, entry.field(),
                       fmt::format("found {}, expected the name of a shard", token.description()));
            if (!stays_inside(entry.shard))
                refuse(token.offset, entry.field(),
                       fmt::format("the shard '{}' lies outside of the model's folder; do not trust this model",
                                   printable(entry.shard)));
            index.entries.push_back(entry);
        } else if (token.depth == 2 && section == "metadata") {
            if (token.kind == json_kind::string || token.kind == json_kind::number)
                index.metadata.emplace_back(key, token.text);
            else if (token.kind == json_kind::count)
                index.metadata.emplace_back(key, std::to_string(token.count));
        }
    });
    if (!found && schema.starts_with("weightscope/"))
        refuse(std::nullopt, "schema",
               fmt::format("is {}: what weightscope itself wrote, not weights; a saved scan is shown by: weightscope report FILE", printable(schema)));
    if (!found)
        refuse(std::nullopt, "weight_map",
               "is missing; expected the index of a sharded model, such as model.safetensors.index.json");
    return index;
}

}  // namespace weightscope::detail
