#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/io/gguf_header.hpp>
#include <weightscope/io/imatrix.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/metadata.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

namespace detail {

// Numbers of a file as doubles; `least` is what they may not be below.
inline std::vector<double> read_imatrix_values(const std::filesystem::path& path, std::uint64_t offset, const std::string& field,
                                               std::span<const std::byte> bytes, double least)
{
    std::vector<double> values(bytes.size() / sizeof(float));
    for (std::size_t i = 0; i < values.size(); ++i) {
        float value = 0;
        std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
        if (!std::isfinite(value) || value < least)
            refuse_damaged(path, offset + i * sizeof value, field,
                           fmt::format("holds {}, expected a finite number{}", value, least == 0 ? " from 0 on" : ""));
        values[i] = value;
    }
    return values;
}

class gguf_imatrix_reader
{
public:
    explicit gguf_imatrix_reader(const model& m) : model_(m)
    {
        if (find_metadata(m, "general.type") != "imatrix")
            throw io_error(m.path, std::nullopt, "key 'general.type'", "is not 'imatrix'; expected what llama-imatrix writes");
        for (const named_tensor& tensor : m.tensors)
            by_name_.emplace(tensor.name, &tensor);
    }

    std::vector<activation_statistics> read() const
    {
        constexpr std::string_view ending = ".in_sum2";
        std::vector<activation_statistics> result;
        for (const named_tensor& tensor : model_.tensors)
            if (tensor.name.ends_with(ending))
                read_one(tensor, tensor.name.substr(0, tensor.name.size() - ending.size()), result);
        if (result.empty())
            throw io_error(model_.path, std::nullopt, {}, "holds no tensor named *.in_sum2; expected what llama-imatrix writes");
        return result;
    }

private:
    // [matrices, in]: one matrix, or one for each expert
    void read_one(const named_tensor& squares, const std::string& name, std::vector<activation_statistics>& result) const
    {
        constexpr double any = -1e300;
        const auto counts_at = by_name_.find(name + ".counts"), sums_at = by_name_.find(name + ".in_sum");
        if (counts_at == by_name_.end())
            refuse(squares, fmt::format("has no '{}.counts' beside it", printable(name)));
        const std::vector<double> square_sums = values_of(squares, 0), counts = values_of(*counts_at->second, 0);
        const std::vector<double> sums = sums_at == by_name_.end() ? std::vector<double>() : values_of(*sums_at->second, any);
        const std::size_t columns = squares.shape.empty() ? 1 : squares.shape.back();
        const std::size_t matrices = columns == 0 ? 0 : square_sums.size() / columns;
        if (matrices == 0 || (counts.size() != matrices && counts.size() != 1))
            refuse(squares, fmt::format("has shape {}, but '{}.counts' has {} elements", squares.shape, printable(name), counts.size()));
        if (!sums.empty() && sums.size() != square_sums.size())
            refuse(squares, fmt::format("has {} elements, but '{}.in_sum' has {}", square_sums.size(), printable(name), sums.size()));
        for (std::size_t i = 0; i < matrices; ++i) {
            const auto part = [&](const std::vector<double>& values) {
                if (values.empty())
                    return std::vector<double>();
                const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i * columns);
                return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(columns));
            };
            result.push_back({.tensor = matrices == 1 ? name : fmt::format("{}[{}]", name, i),
                              .rows = rows_of(*counts_at->second, counts[counts.size() == 1 ? 0 : i]),
                              .sums = part(sums),
                              .sums_of_squares = part(square_sums)});
        }
    }

    std::vector<double> values_of(const named_tensor& tensor, double least) const
    {
        if (tensor.dtype != dtype::float32 || tensor.decoder)
            refuse(tensor, fmt::format("is {}, expected F32", tensor.storage()));
        return read_verified(tensor.file.get(), [&] {
            return read_imatrix_values(tensor.file->path(), tensor.offset, field_of(tensor), tensor.bytes, least);
        });
    }

    std::uint64_t rows_of(const named_tensor& counts, double count) const
    {
        constexpr double most = 0x1p53;
        if (count > most)
            refuse(counts, fmt::format("holds {}, which is no number of tokens", count));
        return static_cast<std::uint64_t>(std::llround(count));
    }

    static std::string field_of(const named_tensor& tensor) { return fmt::format("tensor '{}'", printable(tensor.name)); }

    [[noreturn]] static void refuse(const named_tensor& tensor, std::string_view fault)
    {
        refuse_damaged(tensor.file->path(), tensor.offset, field_of(tensor), fault);
    }

    const model& model_;
    std::unordered_map<std::string_view, const named_tensor*> by_name_;
};

// Entry count; for each: length and name, calls, value count, values Σx²/count · calls. Then, in newer files: calls, length and name of
// the texts. Everything in 32 bits. There is no magic number, so that only a file that fits to the last byte is taken for one.
inline std::vector<activation_statistics> read_legacy_imatrix(const mapped_file& file, const imatrix_options& options)
{
    gguf_cursor cursor(file);
    const auto count = [&](const std::string& field, std::uint64_t least, std::uint64_t least_bytes) {
        const std::uint64_t at = cursor.offset();
        const auto value = cursor.number<std::int32_t>(field);
        const bool fits = least_bytes == 0 || value <= static_cast<std::int64_t>(cursor.rest() / least_bytes);
        if (value < static_cast<std::int64_t>(least) || !fits)
            throw io_error(file.path(), at, field,
                           fmt::format("is {}, which cannot be with {} bytes behind; either this is no imatrix file or it is damaged",
                                       value, cursor.rest()));
        return static_cast<std::uint64_t>(value);
    };
    std::vector<activation_statistics> result;
    std::unordered_set<std::string> names;
    const std::uint64_t entries = count("entry count", 1, 4 + 1 + 4 + 4 + 4);
    for (std::uint64_t i = 0; i < entries; ++i) {
        const std::string number = fmt::format("entry {}: ", i);
        const std::uint64_t at = cursor.offset();
        const auto name = cursor.take(count(number + "length of the name", 1, 1), number + "name");
        activation_statistics entry{.tensor = {reinterpret_cast<const char*>(name.data()), name.size()}};
        const std::string field = fmt::format("tensor '{}'", printable(entry.tensor));
        if (!names.insert(entry.tensor).second)
            refuse_damaged(file.path(), at, field, "stands twice");
        entry.rows = count(field + ": calls", 1, 0) * options.chunk_size;
        const std::uint64_t values = count(field + ": value count", 1, sizeof(float)), values_at = cursor.offset();
        entry.sums_of_squares = read_imatrix_values(file.path(), values_at, field, cursor.take(values * sizeof(float), field), 0);
        for (double& sum : entry.sums_of_squares)
            sum *= static_cast<double>(options.chunk_size);
        result.push_back(std::move(entry));
    }
    if (cursor.rest() > 0) {
        (void)cursor.number<std::int32_t>("calls");
        if (cursor.rest() > 0)
            (void)cursor.take(count("length of the dataset's name", 0, 1), "name of the dataset");
    }
    if (cursor.rest() > 0)
        throw io_error(file.path(), cursor.offset(), {},
                       fmt::format("{} bytes follow the last entry; either this is no imatrix file or it is damaged", cursor.rest()));
    return result;
}

WEIGHTSCOPE_INLINE std::vector<activation_statistics> read_imatrix(const std::shared_ptr<const mapped_file>& file, const imatrix_options& options)
{
    const auto bytes = file->bytes();
    if (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0)
        return read_verified(file.get(), [&] { return read_legacy_imatrix(*file, options); });
    return gguf_imatrix_reader(read_gguf(file)).read();
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<activation_statistics> read_imatrix(const std::filesystem::path& path, const imatrix_options& options)
{
    return detail::read_imatrix(std::make_shared<const mapped_file>(path), options);
}

}  // namespace weightscope
