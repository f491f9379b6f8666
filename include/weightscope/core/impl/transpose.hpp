#pragma once

#include <cstdint>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/transpose.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE matrix_source transposed(const matrix_source& matrix, std::vector<std::uint64_t>& storage)
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
