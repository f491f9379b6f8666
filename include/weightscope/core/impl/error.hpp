#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE io_error::io_error(std::filesystem::path file, std::optional<std::uint64_t> offset, std::string field, std::string_view fault)
    : std::runtime_error(file.string() + ": " + (offset ? fmt::format("byte {}: ", *offset) : std::string())
                         + (field.empty() ? std::string() : field + ": ") + std::string(fault)),
      file_(std::move(file)),
      offset_(offset),
      field_(std::move(field))
{
}

}  // namespace weightscope
