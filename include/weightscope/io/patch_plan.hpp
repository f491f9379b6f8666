#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope {

/// One byte of a file that a plan changes, and the bits of it that the plan is about.
struct byte_change
{
    std::uint64_t offset = 0;     ///< in the file
    std::uint8_t mask = 0xff;     ///< bits that are checked and written; the others stay as they are
    std::uint8_t old_bits = 0;    ///< what has to stand there, within `mask`
    std::uint8_t new_bits = 0;    ///< what shall stand there, within `mask`

    friend bool operator==(const byte_change&, const byte_change&) = default;
};

/// What is to be changed in one file, byte by byte, with what was there before.
struct patch_plan
{
    std::filesystem::path file = {};          ///< that it was made from
    std::uint64_t file_bytes = 0;             ///< its size
    std::vector<byte_change> changes = {};    ///< by rising offset, each byte once
};

namespace detail {

// Calls `f(byte of the file, its bit)` for each bit of a range.
template <class F>
void for_each_bit(const bit_range& range, F&& f)
{
    for (unsigned i = 0; i < range.bit_count; ++i)
        f(range.offset + (range.first_bit + i) / 8, (range.first_bit + i) % 8);
}

}  // namespace detail

/// The code of an element as a whole number: its bits, the least significant first.
///
/// @param location  of locate_weight() for this tensor, of at most 64 bits
/// @throws std::invalid_argument  it lies outside of the tensor's file
[[nodiscard]] WEIGHTSCOPE_INLINE std::uint64_t read_code(const named_tensor& tensor, const weight_location& location);

/// Adds to `plan` that the element at `location` gets the code `new_code`. The first change makes it a plan for the tensor's file.
///
///     patch_plan plan;
///     const weight_location at = locate_weight(tensor, 42);
///     add_change_inplace(plan, tensor, at, read_code(tensor, at) ^ 1u << 30);   // flips a bit of the exponent of a float
///
/// @throws std::invalid_argument  the plan is for another file, an element of it is changed twice, or the code has more bits than the
///                                element
WEIGHTSCOPE_INLINE void add_change_inplace(patch_plan& plan, const named_tensor& tensor, const weight_location& location, std::uint64_t new_code);

/// The plan that undoes `plan`.
[[nodiscard]] WEIGHTSCOPE_INLINE patch_plan reverse_patch(patch_plan plan);

/// Writes a copy of `source` with the changes of a plan to `target`, which may be the same file and which appears whole or not at all.
///
/// Strict: `source` must have the size that the plan was made for, and hold the old value in each place. Nothing is written otherwise.
/// To undo it: apply_patch(reverse_patch(plan), target, target).
///
/// @throws io_error     `source` is not as the plan expects, with the byte
/// @throws write_error  `target` cannot be written; what was there is as it was
/// @note   reads and writes the whole file once; memory for one part of 1 MiB
WEIGHTSCOPE_INLINE void apply_patch(const patch_plan& plan, const std::filesystem::path& source, const std::filesystem::path& target);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/patch_plan.hpp>
#endif
