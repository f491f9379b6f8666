#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/damaged_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/npy_header.hpp>
#include <weightscope/io/safetensors_header.hpp>

namespace weightscope {

/// An array from an NPY file.
struct npy_array
{
    std::vector<std::size_t> shape = {};  ///< {} for a scalar
    weightscope::dtype dtype = weightscope::dtype::float32;
    std::span<const std::byte> bytes = {};                         ///< row-major, little-endian, of any alignment
    std::shared_ptr<const mapped_file> file = {};                  ///< the bytes lie in it,
    std::shared_ptr<const std::vector<std::byte>> converted = {};  ///< or here, if the file has another order of bytes or elements
};

namespace detail {

// Row-major little-endian copy of elements that lie column-major or big-endian.
inline std::vector<std::byte> convert_npy(const npy_header& header, std::span<const std::byte> from)
{
    const std::size_t size = bits_of(header.dtype) / 8, rank = header.shape.size(), count = from.size() / size;
    const std::size_t part = header.dtype == dtype::complex64 ? size / 2 : size;  // numbers turn, pairs of them do not
    std::vector<std::byte> result(from.size());
    std::vector<std::size_t> strides(rank, 1), index(rank, 0);
    for (std::size_t d = 1; d < rank; ++d)
        strides[d] = strides[d - 1] * header.shape[d - 1];
    for (std::size_t i = 0, at = 0; i < count; ++i) {
        const std::byte* element = from.data() + (header.column_major ? at : i) * size;
        std::byte* to = result.data() + i * size;
        std::copy_n(element, size, to);
        if (header.big_endian)
            for (std::size_t p = 0; p < size; p += part)
                std::reverse(to + p, to + p + part);
        for (std::size_t d = rank; d-- > 0;) {
            at += strides[d];
            if (++index[d] < header.shape[d])
                break;
            at -= strides[d] * header.shape[d];
            index[d] = 0;
        }
    }
    return result;
}

inline npy_array read_npy(const std::shared_ptr<const mapped_file>& file)
{
    const std::span<const std::byte> bytes = file->bytes();
    const npy_header header = read_npy_header(file->path(), bytes, 0);
    const auto needed = bytes_of(header.dtype, header.shape);
    const std::uint64_t there = bytes.size() - header.data_offset;
    if (!needed || *needed > there)
        refuse_damaged(file->path(), header.data_offset, "data",
                       fmt::format("{} of {} do not fit into the {} bytes that are left", header.shape, to_string(header.dtype), there));
    if (*needed < there)
        throw io_error(file->path(), header.data_offset + *needed, "data",
                       fmt::format("{} bytes follow the array; save several arrays as .npz, or each in a file of its own", there - *needed));
    npy_array result{.shape = header.shape, .dtype = header.dtype, .bytes = bytes.subspan(header.data_offset), .file = file};
    if ((header.big_endian && bits_of(header.dtype) > 8) || (header.column_major && header.shape.size() > 1)) {
        result.converted = std::make_shared<const std::vector<std::byte>>(convert_npy(header, result.bytes));
        result.bytes = *result.converted;
        result.file = nullptr;
    }
    return result;
}

template <class T>
std::string npy_type()
{
    const char kind = std::is_floating_point_v<T> || is_storage_scalar<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
    return fmt::format("{}{}{}", sizeof(T) == 1 ? '|' : '<', kind, sizeof(T));
}

// What NumPy has a name for.
template <class T>
concept npy_scalar = std::is_same_v<T, float16> || std::is_same_v<T, float> || std::is_same_v<T, double>
                  || (std::is_integral_v<T> && !std::is_same_v<T, bool>);

}  // namespace detail

/// Reads the array of an NPY file, version 1 to 3, as numpy.save() writes it.
///
/// Numbers of either byte order, row- or column-major. What is little-endian and row-major stays in the file's memory map; anything
/// else is copied once. Arrays of Python objects, of structures and of text are refused, and so is what follows the array.
///
/// @throws io_error  with the byte and the field at fault
/// @see    https://numpy.org/neps/nep-0001-npy-format.html
[[nodiscard]] inline npy_array read_npy(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_npy(file); });
}

/// Writes a tensor as an NPY file of version 1, which appears whole or not at all. NumPy has no name for bfloat16 and float8.
///
/// @throws write_error  the file cannot be written; the one that was there is as it was
template <tensor W>
    requires detail::npy_scalar<std::remove_cv_t<typename W::value_type>>
void write_npy(const std::filesystem::path& path, const W& weights)
{
    const std::vector<std::size_t> shape(weights.shape().begin(), weights.shape().end());
    std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                     detail::npy_type<std::remove_cv_t<typename W::value_type>>(), fmt::join(shape, ", "),
                                     shape.size() == 1 ? "," : "");
    header.append(63 - (10 + header.size()) % 64, ' ');  // so that the data begin at a multiple of 64 bytes
    header += '\n';
    const auto length = static_cast<std::uint16_t>(header.size());
    std::string front("\x93NUMPY\x01\x00\x00\x00", 10);
    std::memcpy(front.data() + 8, &length, sizeof length);
    atomic_file file(path);
    file.write(front + header);
    with_elements(weights, [&](auto elements) { file.write(std::as_bytes(elements)); });
    file.commit();
}

}  // namespace weightscope
