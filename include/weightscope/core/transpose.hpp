#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

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
[[nodiscard]] inline matrix_source transposed(const matrix_source& matrix, std::vector<std::uint64_t>& storage)
{
    storage.resize(matrix.elements.size * matrix.elements.element_bytes / sizeof(std::uint64_t) + 1);
    switch (matrix.elements.element_bytes) {
    case 1: transpose<std::uint8_t>(matrix, storage.data()); break;
    case 2: transpose<std::uint16_t>(matrix, storage.data()); break;
    case 4: transpose<std::uint32_t>(matrix, storage.data()); break;
    default: transpose<std::uint64_t>(matrix, storage.data()); break;
    }
    matrix_source result{matrix.elements, matrix.cols, matrix.rows};
    result.elements.data = storage.data();
    return result;
}

}  // namespace weightscope::detail
