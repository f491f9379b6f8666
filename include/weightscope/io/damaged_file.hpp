#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>

namespace weightscope::detail {

// Throws the io_error of a file that is not what it should be; adds what to do about it.
[[noreturn]] inline void refuse_damaged(const std::filesystem::path& file, std::optional<std::uint64_t> offset,
                                        std::string field, std::string_view fault)
{
    throw io_error(file, offset, std::move(field), fmt::format("{}; download or write the file again", fault));
}

}  // namespace weightscope::detail
