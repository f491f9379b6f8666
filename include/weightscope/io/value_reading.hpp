#pragma once

#include <cstddef>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope::detail {

// The elements from number `first` on, as values of the tensor's dtype.
WEIGHTSCOPE_INLINE void copy_values(const named_tensor& tensor, std::size_t first, std::span<std::byte> out);

// One element as a double.
WEIGHTSCOPE_INLINE double value_at(const named_tensor& tensor, std::size_t i);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/value_reading.hpp>
#endif
