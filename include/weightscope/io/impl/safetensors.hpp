#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/json_reader.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/natural_order.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/io/safetensors_header.hpp>
#include <weightscope/io/safetensors_layout.hpp>

namespace weightscope {

namespace detail {

// True if the writer ordered the tensors of each dtype by name, as the reference implementation does.
inline bool ordered_by_name(const std::vector<named_tensor>& tensors)
{
    std::array<const named_tensor*, dtypes.size()> last = {};
    return std::all_of(tensors.begin(), tensors.end(), [&](const named_tensor& tensor) {
        const named_tensor* before = std::exchange(last[static_cast<std::size_t>(tensor.dtype)], &tensor);
        return before == nullptr || before->name < tensor.name;
    });
}

WEIGHTSCOPE_INLINE model read_safetensors(const std::shared_ptr<const mapped_file>& file)
{
    const std::string_view text = safetensors_header_text(*file);
    const std::uint64_t header_begin = sizeof(std::uint64_t), data_begin = header_begin + text.size();
    safetensors_header_builder builder(file->path());
    read_json({.path = file->path(), .text = text, .offset = header_begin, .field = "header"}, std::ref(builder));
    safetensors_header& header = builder.header;
    arrange_safetensors_entries(*file, data_begin, header.entries);

    model result{.path = file->path(), .format = "safetensors", .metadata = std::move(header.metadata)};
    result.tensors.reserve(header.entries.size());
    for (safetensors_entry& entry : header.entries) {
        const std::uint64_t offset = data_begin + entry.data_offsets[0];
        result.tensors.push_back({.name = std::move(entry.name),
                                  .shape = std::move(entry.shape),
                                  .dtype = entry.dtype,
                                  .bytes = file->bytes().subspan(offset, entry.data_offsets[1] - entry.data_offsets[0]),
                                  .file = file,
                                  .offset = offset});
    }
    if (ordered_by_name(result.tensors))
        std::sort(result.tensors.begin(), result.tensors.end(),
                  [](const auto& a, const auto& b) { return natural_less(a.name, b.name); });
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE model read_safetensors(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_safetensors(file); });
}

namespace detail {

// Length and JSON text of the header, padded so that the data begin at a multiple of 8 bytes.
inline std::string make_safetensors_header(std::span<const tensor_to_write* const> tensors,
                                           const model_metadata& metadata)
{
    const auto quoted = [](std::string_view text) { return nlohmann::json(text).dump(); };
    std::string text;
    if (!metadata.empty()) {
        for (const auto& [key, value] : metadata)
            text += fmt::format("{}{}:{}", text.empty() ? "\"__metadata__\":{" : ",", quoted(key), quoted(value));
        text += '}';
    }
    std::uint64_t begin = 0;
    for (const tensor_to_write* tensor : tensors) {
        const std::uint64_t end = begin + *bytes_of(tensor->dtype, tensor->shape);
        text +=
            fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", text.empty() ? "" : ",",
                        quoted(tensor->name), to_string(tensor->dtype), fmt::join(tensor->shape, ","), begin, end);
        begin = end;
    }
    text = "{" + text + "}";
    text.append((8 - text.size() % 8) % 8, ' ');
    const std::uint64_t length = text.size();
    std::string result(sizeof length, '\0');
    std::memcpy(result.data(), &length, sizeof length);
    return result + text;
}

// In the order of the file: by falling size of their elements.
inline std::vector<const tensor_to_write*> safetensors_layout(std::span<const tensor_to_write> tensors)
{
    std::vector<const tensor_to_write*> layout;
    for (const tensor_to_write& tensor : tensors)
        layout.push_back(&tensor);
    std::stable_sort(layout.begin(), layout.end(),
                     [](auto a, auto b) { return bits_of(a->dtype) > bits_of(b->dtype); });
    return layout;
}

WEIGHTSCOPE_INLINE void require_writable(std::span<const tensor_to_write> tensors, const model_metadata& metadata)
{
    std::set<std::string_view> names = {"__metadata__"}, keys;
    for (const tensor_to_write& tensor : tensors) {
        const std::string name = printable(tensor.name);
        require(!find_invalid_utf8(tensor.name), "write_safetensors(tensor '{}'): the name is not UTF-8", name);
        require(names.insert(tensor.name).second,
                "write_safetensors(tensor '{}'): the name is taken; give each tensor its own", name);
        require(tensor.dtype != dtype::opaque, "write_safetensors(tensor '{}'): safetensors has no dtype for codes whose meaning is unknown", name);
        const auto bytes = bytes_of(tensor.dtype, tensor.shape);
        require(bytes.has_value(), "write_safetensors(tensor '{}'): {} of {} is no whole number of bytes below 2^60",
                name, tensor.shape, to_string(tensor.dtype));
        require(tensor.produce || tensor.bytes.size() == *bytes,
                "write_safetensors(tensor '{}'): {} bytes, but shape {} of {} needs {}", name, tensor.bytes.size(),
                tensor.shape, to_string(tensor.dtype), *bytes);
    }
    for (const auto& [key, value] : metadata) {
        require(!find_invalid_utf8(key) && !find_invalid_utf8(value),
                "write_safetensors(metadata '{}'): key or value is not UTF-8", printable(key));
        require(keys.insert(key).second, "write_safetensors(metadata '{}'): the key stands twice", printable(key));
    }
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::uint64_t safetensors_bytes(std::span<const tensor_to_write> tensors, const model_metadata& metadata)
{
    detail::require_writable(tensors, metadata);
    std::uint64_t bytes = detail::make_safetensors_header(detail::safetensors_layout(tensors), metadata).size();
    for (const tensor_to_write& tensor : tensors)
        bytes += *detail::bytes_of(tensor.dtype, tensor.shape);
    return bytes;
}

WEIGHTSCOPE_INLINE void write_safetensors(const std::filesystem::path& path, std::span<const tensor_to_write> tensors, const model_metadata& metadata)
{
    detail::require_writable(tensors, metadata);
    const std::vector<const tensor_to_write*> layout = detail::safetensors_layout(tensors);

    atomic_file file(path);
    file.write(detail::make_safetensors_header(layout, metadata));
    for (const tensor_to_write* tensor : layout) {
        const std::vector<std::byte> produced = tensor->produce ? tensor->produce() : std::vector<std::byte>();
        const std::span<const std::byte> bytes = tensor->produce ? produced : tensor->bytes;
        const std::uint64_t expected = *detail::bytes_of(tensor->dtype, tensor->shape);
        require(bytes.size() == expected,
                "write_safetensors(tensor '{}'): produced {} bytes, but shape {} of {} needs {}",
                printable(tensor->name), bytes.size(), tensor->shape, to_string(tensor->dtype), expected);
        file.write(bytes);
    }
    file.commit();
}

}  // namespace weightscope
