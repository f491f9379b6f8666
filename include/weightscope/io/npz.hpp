#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/npy.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE model read_npz(const std::shared_ptr<const mapped_file>& file);

}  // namespace detail

/// Opens an NPZ archive, as numpy.savez() and numpy.savez_compressed() write it. Reads the directory and the headers of the arrays.
///
/// Each array is a tensor that has the entry's name without ".npy", in the order of the archive; other entries are passed over, which a
/// note says. Numbers of either byte order, row- or column-major. Stored entries are read where they lie; a deflated one is inflated
/// when it is looked at, once per visit, and takes twice its size in memory meanwhile. Arrays of Python objects, of structures and of
/// text are refused.
///
/// What a hostile archive can cost is bounded: entries lie inside the file and overlap nowhere, none claims more than 1032 times its
/// bytes, which is as much as deflate can hold, and header, directory, stream and checksum must agree.
///
/// @return format "NPZ"
/// @throws io_error  with the byte and the field at fault; a deflated entry is named by its first byte
/// @see    https://numpy.org/neps/nep-0001-npy-format.html
[[nodiscard]] WEIGHTSCOPE_INLINE model read_npz(const std::filesystem::path& path);

/// Reads one array of an NPZ archive, whatever the others are.
///
/// @param name  with or without ".npy"
/// @return      a view of the file where the array is stored as we want it; else a copy
/// @throws io_error  as read_npz(); there is no such array
[[nodiscard]] WEIGHTSCOPE_INLINE npy_array read_npz_array(const std::filesystem::path& path, std::string_view name);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/npz.hpp>
#endif
