#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/npy.hpp>

namespace weightscope {

namespace detail {

// Negative numbers become -1; what no vocabulary reaches is refused.
inline std::vector<std::int32_t> to_tokens(const npy_array& array, const std::filesystem::path& path)
{
    std::vector<std::int32_t> tokens;
    with_scalar(array.dtype, [&]<class T>(std::type_identity<T>) {
        if constexpr (std::is_integral_v<T>) {
            tokens.reserve(array.bytes.size() / sizeof(T));
            for (std::size_t at = 0; at < array.bytes.size(); at += sizeof(T)) {
                T token = 0;
                std::memcpy(&token, array.bytes.data() + at, sizeof(T));
                if (std::cmp_greater(token, std::numeric_limits<std::int32_t>::max()))
                    throw io_error(path, std::nullopt, fmt::format("token {}", at / sizeof(T)),
                                   fmt::format("is {}, expected the number of a token", token));
                tokens.push_back(std::cmp_less(token, 0) ? -1 : static_cast<std::int32_t>(token));
            }
        }
    });
    return tokens;
}

}  // namespace detail

WEIGHTSCOPE_INLINE token_rows read_tokens(const std::filesystem::path& path, const read_tokens_options& options)
{
    require(options.length >= 2, "read_tokens(path, options): options.length is {}, expected 2 or more", options.length);
    const npy_array array = read_npy(path);
    const bool integers = array.dtype >= dtype::int8 && array.dtype <= dtype::uint64;
    if (!integers || array.shape.empty() || array.shape.size() > 2 || array.bytes.empty())
        throw io_error(path, std::nullopt, {},
                       fmt::format("holds {} of shape {}, expected integers [rows, length] or [count]", to_string(array.dtype), array.shape));
    std::vector<std::int32_t> tokens = detail::read_verified(array.file.get(), [&] { return detail::to_tokens(array, path); });
    if (array.shape.size() == 1)
        return cut_tokens(tokens, options.length);
    return {.tokens = std::move(tokens), .rows = array.shape[0], .length = array.shape[1]};
}

}  // namespace weightscope
