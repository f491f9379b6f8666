#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>

namespace weightscope::detail {

template <class T>
void transpose(const matrix_source& matrix, void* out)
{
    constexpr std::size_t tile = 32;  // 32 x 32 floats are 4 KiB: both sides stay in the first-level cache
    const T* from = static_cast<const T*>(matrix.elements.data);
    T* to = static_cast<T*>(out);
    for (std::size_t i0 = 0; i0 < matrix.rows; i0 += tile)
        for (std::size_t j0 = 0; j0 < matrix.cols; j0 += tile)
            for (std::size_t i = i0; i < std::min(i0 + tile, matrix.rows); ++i)
                for (std::size_t j = j0; j < std::min(j0 + tile, matrix.cols); ++j)
                    to[j * matrix.rows + i] = from[i * matrix.cols + j];
}

/// The transpose of a matrix of any element type; its elements lie in `storage`.
[[nodiscard]] WEIGHTSCOPE_INLINE matrix_source transposed(const matrix_source& matrix, std::vector<std::uint64_t>& storage);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/transpose.hpp>
#endif
