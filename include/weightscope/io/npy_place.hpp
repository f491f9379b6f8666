#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// Where an array lies, for messages.
struct npy_place
{
    const std::filesystem::path& path;
    std::uint64_t offset = 0;  // of its first byte in the file
    std::string array = {};    // its name in an archive
    bool deflated = false;     // then no byte of the file is one of the header

    std::uint64_t at(std::uint64_t i) const { return deflated ? offset : offset + i; }
    std::string field(std::string_view part) const
    {
        return array.empty() ? std::string(part) : fmt::format("array '{}': {}", printable(array), part);
    }
    [[noreturn]] void damaged(std::uint64_t i, std::string_view part, std::string_view fault) const
    {
        refuse_damaged(path, at(i), field(part), fault);
    }
    [[noreturn]] void unsupported(std::uint64_t i, std::string_view part, std::string_view fault) const
    {
        throw io_error(path, at(i), field(part), fault);
    }
};

}  // namespace weightscope::detail
