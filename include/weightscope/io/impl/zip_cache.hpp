#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <mutex>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/io/zip_cache.hpp>
#include <weightscope/io/zip_directory.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::size_t zip_cache::kept() const
{
    const std::lock_guard lock(mutex_);
    return slots_.size();
}

WEIGHTSCOPE_INLINE std::shared_ptr<zip_cache::slot> zip_cache::find(const zip_entry& entry)
{
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const auto& s) { return s->key == entry.header_offset; });
    if (found != slots_.end()) {
        slots_.splice(slots_.begin(), slots_, found);
        return slots_.front();
    }
    if (slots_.size() >= std::max<std::size_t>(2, concurrency()))
        slots_.pop_back();
    return slots_.emplace_front(new slot{.key = entry.header_offset, .left = static_cast<std::size_t>(entry.bytes)});
}

}  // namespace weightscope::detail
