#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/gguf_decoder.hpp>
#include <weightscope/io/gguf_header.hpp>
#include <weightscope/io/gguf_split.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/metadata.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

namespace detail {

struct gguf_entry
{
    std::string_view name = {};
    std::vector<std::size_t> shape = {};
    const ggml_type* type = nullptr;
    std::uint64_t offset = 0, bytes = 0;  // in the data section
    std::uint64_t offset_at = 0;          // where the file says so

    std::string field(std::string_view part) const { return fmt::format("tensor '{}': {}", printable(name), part); }
};

// The shape is turned around: GGUF names the extent first along which the weights lie side by side.
inline std::vector<std::size_t> read_gguf_shape(gguf_cursor& cursor, const gguf_entry& entry)
{
    constexpr std::uint32_t most_dimensions = 4;
    const std::uint64_t at = cursor.offset();
    const auto dimensions = cursor.number<std::uint32_t>(entry.field("dimension count"));
    if (dimensions > most_dimensions)
        refuse_damaged(cursor.path(), at, entry.field("dimension count"),
                       fmt::format("is {}, expected at most {}", dimensions, most_dimensions));
    std::vector<std::size_t> shape(dimensions);
    for (std::size_t i = dimensions; i-- > 0;)
        shape[i] = cursor.number<std::uint64_t>(entry.field("shape"));
    return shape;
}

// Bytes of so many blocks as the shape needs.
inline std::uint64_t gguf_bytes(const gguf_cursor& cursor, const gguf_entry& entry, std::uint64_t type_at)
{
    constexpr std::uint64_t most = std::uint64_t{1} << 60;
    const std::uint64_t row = entry.shape.empty() ? 1 : entry.shape.back();
    if (row % entry.type->block_weights != 0)
        refuse_damaged(cursor.path(), type_at, entry.field("type"),
                       fmt::format("rows of {} weights are no whole number of {} blocks of {}", row, entry.type->name,
                                   entry.type->block_weights));
    if (std::find(entry.shape.begin(), entry.shape.end(), 0) != entry.shape.end())
        return 0;
    std::uint64_t bytes = entry.type->block_bytes;
    const auto multiply = [&](std::uint64_t factor) {
        if (factor > most / bytes)
            refuse_damaged(cursor.path(), type_at, entry.field("shape"), fmt::format("{} has 2^60 bytes or more", entry.shape));
        bytes *= factor;
    };
    multiply(row / entry.type->block_weights);
    for (std::size_t i = 0; i + 1 < entry.shape.size(); ++i)
        multiply(entry.shape[i]);
    return bytes;
}

inline gguf_entry read_gguf_entry(gguf_cursor& cursor, std::uint64_t number)
{
    gguf_entry entry{.name = cursor.text(fmt::format("tensor {}: name", number))};
    entry.shape = read_gguf_shape(cursor, entry);
    const std::uint64_t type_at = cursor.offset();
    const auto type = cursor.number<std::uint32_t>(entry.field("type"));
    entry.type = find_ggml_type(type);
    if (entry.type == nullptr)
        throw io_error(cursor.path(), type_at, entry.field("type"),
                       fmt::format("is {}, which this version does not know; it knows ggml's types up to {}, those given up excepted: "
                                   "quantize the model to one of them",
                                   type, ggml_types.back().number));
    entry.bytes = gguf_bytes(cursor, entry, type_at);
    entry.offset_at = cursor.offset();
    entry.offset = cursor.number<std::uint64_t>(entry.field("offset"));
    return entry;
}

// No tensor may lie askew, outside of the data section or across another.
inline void check_gguf_offsets(const mapped_file& file, std::uint64_t data_begin, std::uint64_t alignment,
                               const std::vector<gguf_entry>& entries)
{
    const std::uint64_t data_bytes = file.bytes().size() - std::min<std::uint64_t>(data_begin, file.bytes().size());
    std::vector<const gguf_entry*> order;
    for (const gguf_entry& entry : entries) {
        const auto refuse = [&](std::string_view fault) {
            refuse_damaged(file.path(), entry.offset_at, entry.field("offset"), fault);
        };
        if (entry.offset % alignment != 0)
            refuse(fmt::format("is {}, expected a multiple of {}", entry.offset, alignment));
        if (entry.offset > data_bytes || entry.bytes > data_bytes - entry.offset)
            refuse(fmt::format("is {}, where {} of {} bytes lie in the file", entry.offset,
                               data_bytes - std::min(entry.offset, data_bytes), entry.bytes));
        if (entry.bytes > 0)
            order.push_back(&entry);
    }
    std::sort(order.begin(), order.end(), [](auto a, auto b) { return a->offset < b->offset; });
    for (std::size_t i = 1; i < order.size(); ++i)
        if (order[i]->offset - order[i - 1]->offset < order[i - 1]->bytes)
            refuse_damaged(file.path(), order[i]->offset_at, order[i]->field("offset"),
                           fmt::format("is {}, inside of tensor '{}' at [{}, {}]", order[i]->offset, printable(order[i - 1]->name),
                                       order[i - 1]->offset, order[i - 1]->offset + order[i - 1]->bytes));
}

inline std::uint64_t gguf_alignment(const mapped_file& file, const model& m, std::uint64_t value_at)
{
    const auto text = find_metadata(m, "general.alignment");
    const std::uint64_t alignment = text ? metadata_number<std::uint64_t>(*text).value_or(0) : 32;
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > std::numeric_limits<std::uint32_t>::max())
        refuse_damaged(file.path(), value_at, "key 'general.alignment'", fmt::format("is {}, expected a power of two", printable(*text)));
    return alignment;
}

// The tensor that an entry describes. Types whose values nobody can make here are opaque.
inline named_tensor make_gguf_tensor(const std::shared_ptr<const mapped_file>& file, std::uint64_t data_begin, gguf_entry entry)
{
    named_tensor tensor{.name = std::string(entry.name), .shape = std::move(entry.shape)};
    if (entry.bytes > 0) {
        tensor.bytes = file->bytes().subspan(data_begin + entry.offset, entry.bytes);
        tensor.offset = data_begin + entry.offset;
    }
    tensor.file = file;
    if (entry.type->block_weights == 1) {
        tensor.dtype = *parse_dtype(entry.type->name);
        return tensor;
    }
    tensor.encoding = entry.type->name;
    if (const ggml_block_decoder decoder = find_ggml_block_decoder(entry.type->name)) {
        tensor.dtype = dtype::float32;
        tensor.decoder = std::make_shared<const gguf_decoder>(*entry.type, decoder, file, tensor.bytes);
        tensor.encoded_bytes = tensor.bytes.size();
    } else {
        tensor.dtype = dtype::opaque;
    }
    return tensor;
}

// One file, be it a part of a split model or not.
inline model read_gguf_part(const std::shared_ptr<const mapped_file>& file)
{
    gguf_cursor cursor(*file);
    const gguf_counts counts = read_gguf_counts(cursor);
    model result{.path = file->path(), .format = fmt::format("GGUF v{}", counts.version)};
    std::unordered_set<std::string_view> names;
    std::uint64_t alignment_at = 0;
    for (std::uint64_t i = 0; i < counts.keys; ++i) {
        const std::uint64_t at = cursor.offset();
        const std::string_view key = cursor.text(fmt::format("key {}", i));
        const std::string field = fmt::format("key '{}'", printable(key));
        if (key.empty() || !names.insert(key).second)
            refuse_damaged(file->path(), at, field, key.empty() ? "is empty" : "stands twice");
        if (key == "general.alignment")
            alignment_at = cursor.offset();
        result.metadata.emplace_back(key, read_gguf_value(cursor, field));
    }
    const std::uint64_t alignment = gguf_alignment(*file, result, alignment_at);
    result.architecture = find_metadata(result, "general.architecture").value_or("");

    names.clear();
    std::vector<gguf_entry> entries;
    entries.reserve(counts.tensors);
    for (std::uint64_t i = 0; i < counts.tensors; ++i) {
        const std::uint64_t at = cursor.offset();
        entries.push_back(read_gguf_entry(cursor, i));
        if (!names.insert(entries.back().name).second)
            refuse_damaged(file->path(), at, entries.back().field("name"), "stands twice");
    }
    const std::uint64_t data_begin = (cursor.offset() + alignment - 1) / alignment * alignment;
    check_gguf_offsets(*file, data_begin, alignment, entries);
    result.tensors.reserve(entries.size());
    for (gguf_entry& entry : entries)
        result.tensors.push_back(make_gguf_tensor(file, data_begin, std::move(entry)));
    return result;
}

WEIGHTSCOPE_INLINE model read_gguf(const std::shared_ptr<const mapped_file>& file)
{
    model first = read_verified(file.get(), [&] { return read_gguf_part(file); });
    return is_gguf_split(first) ? read_gguf_split(std::move(first), *file, read_gguf_part) : first;
}

}  // namespace detail

WEIGHTSCOPE_INLINE model read_gguf(const std::filesystem::path& path)
{
    return detail::read_gguf(std::make_shared<const mapped_file>(path));
}

}  // namespace weightscope
