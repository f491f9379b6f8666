#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/zip_directory.hpp>
#include <weightscope/io/zip_inflate.hpp>

namespace weightscope::detail {

// The contents of deflated entries while they are read part by part: each is inflated once, by the thread that comes first, kept until
// as many bytes were taken from it as it has, and dropped then. Of entries that were begun and left, as many are kept as there are
// threads, so that readers of different entries do not drive each other's contents out.
class zip_cache
{
public:
    explicit zip_cache(std::shared_ptr<const mapped_file> file) : file_(std::move(file)) {}

    const mapped_file& file() const { return *file_; }

    // Calls `use(content)` for a reader who takes `taken` bytes of it.
    template <class F>
    void read(const zip_entry& entry, std::size_t taken, F&& use)
    {
        const std::shared_ptr<slot> s = find(entry);
        {
            const std::lock_guard lock(s->inflating);
            if (s->content.data == nullptr)
                s->content = read_zip_entry(*file_, entry);
        }
        use(s->content.bytes());
        const std::lock_guard lock(mutex_);
        s->left -= std::min(s->left, taken);
        if (s->left == 0)
            slots_.remove(s);
    }

    // Entries whose content is in memory.
    std::size_t kept() const;

private:
    struct slot
    {
        std::uint64_t key;  // where the entry lies
        std::size_t left;
        std::mutex inflating = {};
        zip_content content = {};
    };

    std::shared_ptr<slot> find(const zip_entry& entry);

    std::shared_ptr<const mapped_file> file_;
    mutable std::mutex mutex_;
    std::list<std::shared_ptr<slot>> slots_;  // the one read last comes first
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/zip_cache.hpp>
#endif
