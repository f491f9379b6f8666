#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/imatrix.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/activation_file.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void require_finite_numbers(const named_tensor& tensor, const std::filesystem::path& path, bool may_be_negative)
{
    visit(tensor, [&](const auto& view) {
        with_source(view, [&](const weight_source& source) {
            const double largest = max_magnitude(source);
            if (std::isfinite(largest) && may_be_negative)
                return;
            std::vector<double> block(block_elements);
            for (std::size_t begin = 0; begin < source.size; begin += block.size()) {
                const std::size_t count = std::min(block.size(), source.size - begin);
                source.read_double(source.data, begin, count, block.data());
                for (std::size_t i = 0; i < count; ++i)
                    if (!std::isfinite(block[i]) || (!may_be_negative && block[i] < 0))
                        throw io_error(path, std::nullopt, fmt::format("tensor '{}'", printable(tensor.name)),
                                       fmt::format("element {} is {}, expected {}", begin + i, block[i],
                                                   may_be_negative ? "finite numbers" : "finite numbers, none of them negative"));
            }
        });
    });
}

WEIGHTSCOPE_INLINE std::vector<double> numbers_of(const named_tensor& tensor)
{
    return visit(tensor, [](const auto& view) { return with_source(view, [](const weight_source& source) { return to_doubles(source); }); });
}

inline bool is_imatrix_file(const std::filesystem::path& path)
{
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        return false;
    const mapped_file file(path);
    const auto front = file.bytes().first(std::min<std::size_t>(file.bytes().size(), 4));
    constexpr std::string_view magic = "GGUF";
    return std::string_view(reinterpret_cast<const char*>(front.data()), front.size()) == magic || path.extension() == ".dat"
        || path.extension() == ".imatrix";
}

// The vectors of activation_statistics as they are named in a file, after the weight's name.
struct statistics_field
{
    std::string_view suffix;
    std::vector<double> activation_statistics::*member;
};

inline constexpr statistics_field statistics_fields[] = {{".sums", &activation_statistics::sums},
                                                         {".sums_of_magnitudes", &activation_statistics::sums_of_magnitudes},
                                                         {".sums_of_squares", &activation_statistics::sums_of_squares},
                                                         {".max_magnitudes", &activation_statistics::max_magnitudes}};

}  // namespace detail

WEIGHTSCOPE_INLINE void write_activation_statistics(const std::filesystem::path& path, std::span<const activation_statistics> statistics,
                                                    const model_metadata& metadata)
{
    std::vector<tensor_to_write> tensors;
    for (const activation_statistics& s : statistics) {
        for (const detail::statistics_field& field : detail::statistics_fields)
            if (const std::vector<double>& values = s.*field.member; !values.empty())
                tensors.push_back({.name = s.tensor + std::string(field.suffix),
                                   .dtype = dtype::float64,
                                   .shape = {values.size()},
                                   .bytes = std::as_bytes(std::span(values))});
        tensors.push_back({.name = s.tensor + ".rows", .dtype = dtype::uint64, .shape = {1}, .bytes = std::as_bytes(std::span(&s.rows, 1))});
    }
    write_safetensors(path, tensors, metadata);
}

WEIGHTSCOPE_INLINE std::vector<activation_statistics> read_activation_statistics(const std::filesystem::path& path)
{
    if (detail::is_imatrix_file(path))
        return read_imatrix(path);
    const model file = open_model(path);
    std::map<std::string, activation_statistics> found;
    std::map<std::string, std::size_t> sizes;
    for (const named_tensor& tensor : file.tensors) {
        const std::string where = fmt::format("tensor '{}'", printable(tensor.name));
        std::string name = tensor.name;
        const auto without = [&](std::string_view suffix) {
            const bool there = name.size() > suffix.size() && name.ends_with(suffix);
            if (there)
                name.resize(name.size() - suffix.size());
            return there;
        };
        if (without(".rows")) {
            const std::vector<double> rows = is_numeric(tensor.dtype) ? detail::numbers_of(tensor) : std::vector<double>();
            if (rows.size() != 1 || !(rows[0] >= 0 && rows[0] < 0x1p63))
                throw io_error(path, std::nullopt, where, "is no number of tokens, expected one number");
            found[name].rows = static_cast<std::uint64_t>(rows[0]);
            continue;
        }
        if (tensor.shape.size() != 1 || !is_numeric(tensor.dtype))
            throw io_error(path, std::nullopt, where, fmt::format("is {} of shape {}, expected one number for each input", tensor.storage(), tensor.shape));
        std::vector<double> activation_statistics::*member = nullptr;
        for (const detail::statistics_field& field : detail::statistics_fields)
            if (member == nullptr && without(field.suffix))
                member = field.member;
        detail::require_finite_numbers(tensor, path, member == &activation_statistics::sums);
        std::vector<double> values = detail::numbers_of(tensor);
        if (member == nullptr) {
            member = &activation_statistics::sums_of_squares;
            for (double& x : values)
                x *= x;
        }
        const auto [size, fresh] = sizes.emplace(name, values.size());
        if (!fresh && size->second != values.size())
            throw io_error(path, std::nullopt, where, fmt::format("is of {} inputs, and what came before of {}", values.size(), size->second));
        found[name].*member = std::move(values);
    }
    std::vector<activation_statistics> result;
    for (auto& [name, statistics] : found) {
        statistics.tensor = name;
        result.push_back(std::move(statistics));
    }
    return result;
}

}  // namespace weightscope
