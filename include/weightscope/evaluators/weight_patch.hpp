#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope {

/// A change of weights that ends with its scope: the very bytes that were there are written back, exceptions or not.
///
///     {
///         weight_patch patch(evaluator);
///         patch.write(tensor, byte_offset, bytes);
///         changed = evaluator.loss(0);
///         patch.restore();   // the destructor would do it too, but cannot complain
///     }
///
/// @note copies the bytes it replaces: memory as large as what is changed. Places may be written more than once.
class weight_patch
{
public:
    /// @param evaluator  writable_weights; must outlive the patch
    template <writable_weights E>
    explicit weight_patch(E& evaluator)
        : object_(&evaluator),
          read_([](const void* object, std::size_t tensor, std::size_t offset, std::span<std::byte> bytes) {
              static_cast<const E*>(object)->read(tensor, offset, bytes);
          }),
          write_([](void* object, std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes) {
              static_cast<E*>(object)->write(tensor, offset, bytes);
          })
    {
    }
    weight_patch(const weight_patch&) = delete;
    weight_patch& operator=(const weight_patch&) = delete;
    ~weight_patch();

    /// Replaces bytes of a tensor, after having kept the old ones.
    void write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes);

    /// Writes everything back, last change first, and looks whether it is there.
    /// @throws std::runtime_error  the evaluator does not give back what was written; all else is restored all the same
    void restore();

private:
    struct region
    {
        std::size_t tensor = 0, offset = 0;
        std::vector<std::byte> bytes;
    };

    // Bytes of tensors, as ranges that do not touch each other's inside.
    class written_places
    {
    public:
        // Whether one of the bytes was there.
        bool add(std::size_t tensor, std::size_t begin, std::size_t end)
        {
            if (begin == end)
                return false;
            bool there = false;
            auto next = ends_.upper_bound({tensor, begin});
            if (next != ends_.begin())
                if (const auto previous = std::prev(next); previous->first.first == tensor && previous->second > begin)
                    next = previous;
            while (next != ends_.end() && next->first.first == tensor && next->first.second < end) {
                there = true;
                begin = std::min(begin, next->first.second);
                end = std::max(end, next->second);
                next = ends_.erase(next);
            }
            ends_.emplace(std::pair(tensor, begin), end);
            return there;
        }

    private:
        std::map<std::pair<std::size_t, std::size_t>, std::size_t> ends_ = {};  // by tensor and begin
    };

    void* object_;
    void (*read_)(const void*, std::size_t, std::size_t, std::span<std::byte>);
    void (*write_)(void*, std::size_t, std::size_t, std::span<const std::byte>);
    std::vector<region> saved_;
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/weight_patch.hpp>
#endif
