#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/random_stream.hpp>

namespace weightscope::detail {

template <class T>
void shuffle(void* data, std::size_t count, random_stream& random)
{
    T* elements = static_cast<T*>(data);
    for (std::size_t i = count; i > 1; --i)  // Fisher & Yates
        std::swap(elements[i - 1], elements[random.below(i)]);
}

/// The same elements in an order drawn from `random`, every order being as likely; they lie in `storage`.
[[nodiscard]] WEIGHTSCOPE_INLINE matrix_source shuffled(const matrix_source& matrix, random_stream& random, std::vector<std::uint64_t>& storage);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/shuffle.hpp>
#endif
