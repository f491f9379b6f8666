#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace weightscope {

/// A file that cannot be read or is not what it claims to be.
/// what() is one line: "FILE: byte OFFSET: FIELD: what is wrong; what to do".
class io_error : public std::runtime_error
{
public:
    /// @param file    the file at fault
    /// @param offset  byte in the file where the fault lies, if it lies at one
    /// @param field   the part of the format at fault ("header length", "tensor 'a': data_offsets"); may be empty
    /// @param fault   what was found, what was expected, and what to do
    io_error(std::filesystem::path file, std::optional<std::uint64_t> offset, std::string field, std::string_view fault);

    const std::filesystem::path& file() const noexcept { return file_; }
    std::optional<std::uint64_t> offset() const noexcept { return offset_; }
    const std::string& field() const noexcept { return field_; }

private:
    std::filesystem::path file_;
    std::optional<std::uint64_t> offset_;
    std::string field_;
};

/// An output file that cannot be written.
class write_error : public io_error
{
public:
    write_error(std::filesystem::path file, std::string_view fault)
        : io_error(std::move(file), std::nullopt, {}, fault)
    {
    }
};

/// Thrown out of a long computation after its progress callback asked it to stop.
class cancelled : public std::exception
{
public:
    const char* what() const noexcept override { return "weightscope: cancelled"; }
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/error.hpp>
#endif
