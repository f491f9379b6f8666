#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/onnx.hpp>
#include <weightscope/io/onnx_graph.hpp>
#include <weightscope/io/onnx_message.hpp>
#include <weightscope/io/onnx_scope.hpp>

namespace weightscope {

namespace detail {

// Key and value of a StringStringEntryProto or an OperatorSetIdProto.
inline std::pair<std::string, std::string> read_onnx_pair(const mapped_file& file, std::string_view message)
{
    std::pair<std::string, std::string> result;
    for (onnx_cursor cursor(file, message, "metadata"); cursor.next();) {
        std::string text = cursor.field().wire == onnx_wire::varint ? std::to_string(cursor.field().value) : std::string(cursor.field().bytes);
        if (cursor.field().number == 1)
            result.first = std::move(text);
        else if (cursor.field().number == 2)
            result.second = std::move(text);
    }
    return result;
}

// Names that stand in several graphs get the path of theirs, and those that even then are not the only ones a number.
inline void make_onnx_names_unique(std::deque<onnx_entry>& entries)
{
    std::unordered_map<std::string, std::size_t> uses;
    for (const onnx_entry& entry : entries) {
        ++uses[entry.stored.tensor.name];
        if (entry.weight)
            ++uses[entry.weight->name];
    }
    std::unordered_set<std::string> taken;
    std::unordered_map<std::string, std::string> weights;  // new names of weights, by path and old name
    const auto rename = [&](std::string& name, const std::string& path) {
        const std::string plain = uses[name] > 1 ? path + name : name;
        std::size_t& number = uses["\n" + plain];  // the search goes on where it ended the last time
        name = plain;
        while (!taken.insert(name).second)
            name = fmt::format("{} ({})", plain, number = number < 2 ? 2 : number + 1);
    };
    for (onnx_entry& entry : entries)
        if (entry.weight) {
            const std::string before = entry.path + "\n" + entry.weight->name;
            rename(entry.weight->name, entry.path);
            weights.emplace(before, entry.weight->name);
        }
    for (onnx_entry& entry : entries) {
        named_tensor& tensor = entry.stored.tensor;
        rename(tensor.name, entry.path);
        if (const auto weight = weights.find(entry.path + "\n" + tensor.part_of); weight != weights.end())
            tensor.part_of = weight->second;
        if (entry.weight)
            tensor.part_of = entry.weight->name;
    }
}

// Each weight comes before the codes that it is made of.
inline std::vector<named_tensor> list_onnx_tensors(std::deque<onnx_entry>& entries)
{
    make_onnx_names_unique(entries);
    std::vector<named_tensor> tensors;
    tensors.reserve(entries.size());
    for (onnx_entry& entry : entries) {
        named_tensor& shown = entry.weight ? *entry.weight : entry.stored.tensor;
        shown.transposed = shown.shape.size() == 2 && entry.uses_in_out > 0 && entry.uses_out_in == 0;
        if (entry.weight)
            tensors.push_back(*std::move(entry.weight));
        tensors.push_back(std::move(entry.stored.tensor));
    }
    return tensors;
}

WEIGHTSCOPE_INLINE model read_onnx(const std::shared_ptr<const mapped_file>& file)
{
    model result{.path = file->path(), .format = "ONNX"};
    onnx_graph_reader reader(file);
    std::string opsets;
    model_metadata properties;
    const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
    for (onnx_cursor cursor(*file, text, "model"); cursor.next();) {
        const auto keep = [&](std::string key, std::string value) { result.metadata.emplace_back(std::move(key), std::move(value)); };
        switch (cursor.field().number) {
            case 1:
                keep("ir_version", std::to_string(cursor.number()));
                break;
            case 2:
                keep("producer_name", std::string(cursor.bytes()));
                break;
            case 3:
                keep("producer_version", std::string(cursor.bytes()));
                break;
            case 4:
                keep("domain", std::string(cursor.bytes()));
                break;
            case 5:
                keep("model_version", std::to_string(cursor.number()));
                break;
            case 7:
                result.architecture = reader.read_graph(cursor.bytes());
                break;
            case 8: {
                const auto [domain, version] = read_onnx_pair(*file, cursor.bytes());
                opsets += fmt::format("{}{} {}", opsets.empty() ? "" : ", ", domain.empty() ? "ai.onnx" : domain, version);
                break;
            }
            case 14:
                properties.push_back(read_onnx_pair(*file, cursor.bytes()));
                break;
            case 25:
                reader.read_function(cursor.bytes());
                break;
            default:
                break;
        }
    }
    if (!opsets.empty())
        result.metadata.emplace_back("opset_import", std::move(opsets));
    std::move(properties.begin(), properties.end(), std::back_inserter(result.metadata));
    result.tensors = list_onnx_tensors(reader.entries);
    result.notes = std::move(reader.notes);
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE model read_onnx(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_onnx(file); });
}

}  // namespace weightscope
