#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iterator>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/weight_patch.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE weight_patch::~weight_patch()
{
    try {
        restore();
    } catch (...) {  // restore() tells, a destructor cannot
    }
}

WEIGHTSCOPE_INLINE void weight_patch::write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes)
{
    saved_.push_back({tensor, byte_offset, std::vector<std::byte>(bytes.size())});
    try {
        read_(object_, tensor, byte_offset, saved_.back().bytes);
    } catch (...) {
        saved_.pop_back();  // nothing was changed
        throw;
    }
    write_(object_, tensor, byte_offset, bytes);
}

WEIGHTSCOPE_INLINE void weight_patch::restore()
{
    const region* lost = nullptr;
    const std::vector<region> regions = std::exchange(saved_, {});
    std::exception_ptr refused;
    for (auto it = regions.rbegin(); it != regions.rend(); ++it) {
        try {
            write_(object_, it->tensor, it->offset, it->bytes);
        } catch (...) {
            refused = std::current_exception();
        }
    }
    if (refused)
        std::rethrow_exception(refused);
    std::vector<std::byte> found;
    written_places before;
    for (const region& r : regions) {
        found.resize(r.bytes.size());
        read_(object_, r.tensor, r.offset, found);
        const bool again = before.add(r.tensor, r.offset, r.offset + r.bytes.size());  // the first copy of such a place is the original
        if (lost == nullptr && !again && !std::equal(found.begin(), found.end(), r.bytes.begin()))
            lost = &r;
    }
    if (lost != nullptr)
        throw std::runtime_error(fmt::format(
            "weightscope::weight_patch::restore(): bytes {} to {} of tensor {} are not what was written back; read() must give what "
            "write() took",
            lost->offset, lost->offset + lost->bytes.size(), lost->tensor));
}

}  // namespace weightscope
