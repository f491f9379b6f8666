#pragma once

#include <filesystem>
#include <string_view>

#include <nlohmann/json.hpp>

#include <weightscope/io/json_reader.hpp>
#include <weightscope/io/mapped_file.hpp>

namespace weightscope::detail {

// The JSON text of a whole file as a tree, for configurations, vocabularies and saved results; nlohmann::ordered_json keeps the order
// of members. Refuses what read_json() refuses.
template <class Json = nlohmann::json>
Json read_json_document(const std::filesystem::path& path)
{
    const mapped_file file(path);
    return read_verified(&file, [&] {
        const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
        read_json({.path = path, .text = text, .offset = 0, .field = {}}, [](const json_token&) {});
        return Json::parse(text);
    });
}

}  // namespace weightscope::detail
