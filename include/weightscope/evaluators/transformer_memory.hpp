#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <weightscope/core/per_thread.hpp>

namespace weightscope::detail {

// Memory that is filled before it is read, and kept from one call to the next.
template <class Real>
class scratch_memory
{
public:
    Real* at_least(std::size_t count)
    {
        if (count > size_) {
            memory_.reset();
            memory_ = std::make_unique_for_overwrite<Real[]>(count);
            size_ = count;
        }
        return memory_.get();
    }

private:
    std::unique_ptr<Real[]> memory_;
    std::size_t size_ = 0;
};

// What runs of a transformer write to.
template <class Real>
struct transformer_memory
{
    scratch_memory<Real> kept, passing, backward, logits, changed;
    per_thread<std::vector<Real>> buffers;
    std::vector<Real> panel;
};

}  // namespace weightscope::detail
