#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/shuffle.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE matrix_source shuffled(const matrix_source& matrix, random_stream& random, std::vector<std::uint64_t>& storage)
{
    const std::size_t bytes = matrix.elements.size * matrix.elements.element_bytes;
    storage.resize(bytes / sizeof(std::uint64_t) + 1);
    if (bytes > 0)
        std::memcpy(storage.data(), matrix.elements.data, bytes);
    switch (matrix.elements.element_bytes) {
    case 1: shuffle<std::uint8_t>(storage.data(), matrix.elements.size, random); break;
    case 2: shuffle<std::uint16_t>(storage.data(), matrix.elements.size, random); break;
    case 4: shuffle<std::uint32_t>(storage.data(), matrix.elements.size, random); break;
    default: shuffle<std::uint64_t>(storage.data(), matrix.elements.size, random); break;
    }
    matrix_source result = matrix;
    result.elements.data = storage.data();
    return result;
}

}  // namespace weightscope::detail
