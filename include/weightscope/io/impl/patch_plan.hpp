#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::uint64_t read_code(const named_tensor& tensor, const weight_location& location)
{
    std::uint64_t code = 0;
    unsigned bit = 0;
    for (const bit_range& range : location.code)
        detail::for_each_bit(range, [&](std::uint64_t offset, unsigned place) {
            require(tensor.file != nullptr && offset < tensor.file->bytes().size() && bit < 64,
                    "read_code(tensor '{}', location): byte {} is not in the file of this tensor", printable(tensor.name), offset);
            code |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(tensor.file->bytes()[offset]) >> place & 1) << bit++;
        });
    return code;
}

WEIGHTSCOPE_INLINE void add_change_inplace(patch_plan& plan, const named_tensor& tensor, const weight_location& location, std::uint64_t new_code)
{
    const std::uint64_t old_code = read_code(tensor, location);
    if (plan.changes.empty()) {
        plan.file = location.file;
        plan.file_bytes = tensor.file->bytes().size();
    }
    require(plan.file == location.file,
            "add_change_inplace(plan, tensor '{}'): the plan is for '{}', the tensor lies in '{}'; make one plan for each file",
            printable(tensor.name), plan.file.string(), location.file.string());
    unsigned bit = 0;
    for (const bit_range& range : location.code)
        detail::for_each_bit(range, [&](std::uint64_t offset, unsigned place) {
            auto change = std::lower_bound(plan.changes.begin(), plan.changes.end(), offset,
                                           [](const byte_change& c, std::uint64_t at) { return c.offset < at; });
            if (change == plan.changes.end() || change->offset != offset)
                change = plan.changes.insert(change, {.offset = offset, .mask = 0});
            const auto mask = static_cast<std::uint8_t>(1u << place);
            require((change->mask & mask) == 0, "add_change_inplace(plan, tensor '{}'): bit {} of byte {} is changed by the plan already",
                    printable(tensor.name), place, offset);
            change->mask |= mask;
            change->old_bits |= (old_code >> bit & 1) != 0 ? mask : 0;
            change->new_bits |= (new_code >> bit & 1) != 0 ? mask : 0;
            ++bit;
        });
    require(bit == 64 || new_code >> bit == 0,
            "add_change_inplace(plan, tensor '{}', new_code): {} has more than the {} bits of the element",
            printable(tensor.name), new_code, bit);
}

WEIGHTSCOPE_INLINE patch_plan reverse_patch(patch_plan plan)
{
    for (byte_change& change : plan.changes)
        std::swap(change.old_bits, change.new_bits);
    return plan;
}

WEIGHTSCOPE_INLINE void apply_patch(const patch_plan& plan, const std::filesystem::path& source, const std::filesystem::path& target)
{
    constexpr std::size_t part = std::size_t{1} << 20;
    const mapped_file file(source);
    const std::span<const std::byte> bytes = file.bytes();
    const auto refuse = [&](std::optional<std::uint64_t> offset, std::string fault) { throw io_error(source, offset, "patch", fault); };
    const auto check = [&] {
        if (bytes.size() != plan.file_bytes)
            refuse(std::nullopt,
                   fmt::format("the file has {} bytes, expected {} as when the plan was made", bytes.size(), plan.file_bytes));
        std::optional<std::uint64_t> previous;
        for (const byte_change& change : plan.changes) {
            if (change.offset >= bytes.size() || (previous && change.offset <= *previous)
                || ((change.old_bits | change.new_bits) & ~change.mask) != 0)
                refuse(change.offset, "the plan is damaged: its changes must lie in the file, by rising offset, within their masks");
            previous = change.offset;
            const auto found = static_cast<std::uint8_t>(static_cast<std::uint8_t>(bytes[change.offset]) & change.mask);
            if (found != change.old_bits)
                refuse(change.offset,
                       found == change.new_bits
                           ? fmt::format("found 0x{:02x}, which is the new value; the patch has been applied already", found)
                           : fmt::format("found 0x{:02x}, expected 0x{:02x} within the bits 0x{:02x}; the file is not the one that the "
                                         "plan was made for",
                                         found, change.old_bits, change.mask));
        }
    };
    detail::read_verified(&file, check);

    atomic_file out(target);
    auto change = plan.changes.begin();
    for (std::size_t begin = 0; begin < bytes.size(); begin += part) {
        const std::span<const std::byte> from = bytes.subspan(begin, std::min(part, bytes.size() - begin));
        std::vector<std::byte> copy(from.begin(), from.end());
        for (; change != plan.changes.end() && change->offset < begin + copy.size(); ++change) {
            std::byte& b = copy[change->offset - begin];
            b = (b & static_cast<std::byte>(~change->mask)) | static_cast<std::byte>(change->new_bits);
        }
        out.write(copy);
    }
    file.verify();
    out.commit();
}

}  // namespace weightscope
