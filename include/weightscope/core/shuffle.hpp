#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/random.hpp>

namespace weightscope::detail {

template <class T>
void shuffle(void* data, std::size_t count, random_stream& random)
{
    T* elements = static_cast<T*>(data);
    for (std::size_t i = count; i > 1; --i)  // Fisher & Yates
        std::swap(elements[i - 1], elements[random.below(i)]);
}

/// The same elements in an order drawn from `random`, every order being as likely; they lie in `storage`.
[[nodiscard]] inline matrix_source shuffled(const matrix_source& matrix, random_stream& random, std::vector<std::uint64_t>& storage)
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
