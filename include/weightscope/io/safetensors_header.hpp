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
#include <fmt/ranges.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/json_reader.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// One tensor as a safetensors header describes it, and where in the file it does so.
struct safetensors_entry
{
    std::string name = {};
    weightscope::dtype dtype = weightscope::dtype::float32;
    std::vector<std::size_t> shape = {};
    std::vector<std::uint64_t> data_offsets = {};                                // begin and end in the data section
    std::uint64_t name_at = 0, dtype_at = 0, shape_at = 0, data_offsets_at = 0;  // of the values; 0: not there

    std::string field(std::string_view part) const { return fmt::format("tensor '{}': {}", printable(name), part); }
};

struct safetensors_header
{
    std::vector<safetensors_entry> entries;
    model_metadata metadata;
};

// Bytes of a tensor, or nothing where that many elements cannot exist. Extents of 0 count as 1 in that check, so that
// the strides of an empty tensor can be computed as well.
inline std::optional<std::uint64_t> bytes_of(weightscope::dtype type, const std::vector<std::size_t>& shape)
{
    std::uint64_t bits = bits_of(type);
    bool empty = false;
    for (const std::uint64_t extent : shape) {
        empty = empty || extent == 0;
        if (extent != 0 && bits > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / extent)
            return std::nullopt;
        bits *= extent == 0 ? 1 : extent;
    }
    if (empty)
        return 0;
    if (bits % 8 != 0)
        return std::nullopt;
    return bits / 8;
}

// Builds the entries from the tokens of the header, and checks whatever can be checked without looking at the file.
class safetensors_header_builder
{
public:
    explicit safetensors_header_builder(const std::filesystem::path& path) : path_(path) {}

    safetensors_header header;

    // The text begins with '{', so that the token at depth 0 is the object of all entries.
    void operator()(const json_token& token)
    {
        if (token.depth == 1)
            entry_token(token);
        else if (token.depth >= 2 && in_metadata_)
            metadata_token(token);
        else if (token.depth == 2)
            field_token(token);
        else if (token.depth == 3 && field_ == "shape")
            header.entries.back().shape.push_back(count(token));
        else if (token.depth == 3 && field_ == "data_offsets")
            header.entries.back().data_offsets.push_back(count(token));
    }

private:
    static constexpr std::size_t most_dimensions = 64;  // NumPy's and PyTorch's limit

    void entry_token(const json_token& token)
    {
        if (token.kind == json_kind::key) {
            in_metadata_ = token.text == "__metadata__";
            if (!in_metadata_)
                header.entries.push_back({.name = std::string(token.text), .name_at = token.offset});
        } else if (token.kind == json_kind::end_object && !in_metadata_) {
            check(header.entries.back());
        } else if (in_metadata_) {
            if (token.kind != json_kind::object && token.kind != json_kind::end_object && token.kind != json_kind::null)
                mismatch(token, "__metadata__", "an object of strings");
        } else if (token.kind != json_kind::object) {
            mismatch(token, fmt::format("tensor '{}'", printable(header.entries.back().name)),
                     "an object with dtype, shape and data_offsets");
        }
    }

    void metadata_token(const json_token& token)
    {
        if (token.kind == json_kind::key) {
            header.metadata.emplace_back(token.text, std::string());
            return;
        }
        auto& [key, value] = header.metadata.back();
        if (token.kind != json_kind::string)
            mismatch(token, fmt::format("__metadata__ '{}'", printable(key)), "a string");
        value = token.text;
    }

    void field_token(const json_token& token)
    {
        safetensors_entry& entry = header.entries.back();
        if (token.kind == json_kind::key) {
            field_ = token.text;
        } else if (field_ == "dtype") {
            if (token.kind != json_kind::string)
                mismatch(token, entry.field(field_), "a string");
            const auto type = parse_dtype(token.text);
            if (!type)
                throw io_error(
                    path_, token.offset, entry.field(field_),
                    fmt::format("'{}' is unknown; this version knows {}", printable(token.text, 40), known_dtypes()));
            entry.dtype = *type;
            entry.dtype_at = token.offset;
        } else if (field_ == "shape" || field_ == "data_offsets") {
            if (token.kind != json_kind::array && token.kind != json_kind::end_array)
                mismatch(token, entry.field(field_), "an array of whole numbers");
            if (token.kind == json_kind::array)
                (field_ == "shape" ? entry.shape_at : entry.data_offsets_at) = token.offset;
        }
    }

    std::uint64_t count(const json_token& token) const
    {
        const safetensors_entry& entry = header.entries.back();
        if (token.kind != json_kind::count)
            mismatch(token, entry.field(field_), "a whole number from 0 to 2^64 - 1");
        const std::size_t most = field_ == "shape" ? most_dimensions : 2;
        if ((field_ == "shape" ? entry.shape.size() : entry.data_offsets.size()) == most)
            fail(token.offset, entry.field(field_),
                 fmt::format("holds more than {} numbers, expected at most {}", most, most));
        return token.count;
    }

    void check(const safetensors_entry& entry) const
    {
        using present = std::pair<std::string_view, std::uint64_t>;
        for (const auto& [field, offset] : {present{"dtype", entry.dtype_at}, present{"shape", entry.shape_at},
                                            present{"data_offsets", entry.data_offsets_at}})
            if (offset == 0)
                fail(entry.name_at, entry.field(field), "is missing");
        if (entry.data_offsets.size() != 2)
            fail(entry.data_offsets_at, entry.field("data_offsets"),
                 fmt::format("holds {} numbers, expected [begin, end]", entry.data_offsets.size()));
        const std::uint64_t begin = entry.data_offsets[0], end = entry.data_offsets[1];
        if (begin > end)
            fail(entry.data_offsets_at, entry.field("data_offsets"),
                 fmt::format("[{}, {}] run backwards; expected begin <= end", begin, end));
        const auto bytes = bytes_of(entry.dtype, entry.shape);
        if (!bytes)
            fail(entry.shape_at, entry.field("shape"),
                 fmt::format("{} of {} is no whole number of bytes below 2^60", entry.shape, to_string(entry.dtype)));
        if (end - begin != *bytes)
            fail(entry.data_offsets_at, entry.field("data_offsets"),
                 fmt::format("[{}, {}] hold {} bytes, but shape {} of {} needs {}", begin, end, end - begin,
                             entry.shape, to_string(entry.dtype), *bytes));
    }

    static std::string known_dtypes()
    {
        std::string names;
        for (const dtype_record& record : dtypes)
            if (record.type != dtype::opaque)
                names += fmt::format("{}{}", names.empty() ? "" : " ", record.name);
        return names;
    }

    [[noreturn]] void mismatch(const json_token& token, std::string_view field, std::string_view expected) const
    {
        fail(token.offset, field, fmt::format("found {}, expected {}", token.description(), expected));
    }

    [[noreturn]] void fail(std::uint64_t offset, std::string_view field, std::string_view fault) const
    {
        refuse_damaged(path_, offset, std::string(field), fault);
    }

    const std::filesystem::path& path_;
    bool in_metadata_ = false;
    std::string field_;  // of the entry at hand
};

}  // namespace weightscope::detail
