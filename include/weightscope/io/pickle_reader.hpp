#pragma once

#include <cstddef>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/pickle.hpp>

namespace weightscope::detail {

// The pickle that begins at `begin` of the source.
WEIGHTSCOPE_INLINE pickle read_pickle(const pickle_source& source, std::size_t begin = 0);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pickle_reader.hpp>
#endif
