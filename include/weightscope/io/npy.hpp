#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/npy_header.hpp>
#include <weightscope/io/npy_order.hpp>
#include <weightscope/io/npy_place.hpp>

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

inline npy_array read_npy(const std::shared_ptr<const mapped_file>& file)
{
    const std::span<const std::byte> bytes = file->bytes();
    const npy_place place{file->path()};
    const npy_header header = read_npy_header(place, bytes, bytes.size());
    npy_array result{.shape = header.shape,
                     .dtype = header.dtype,
                     .bytes = bytes.subspan(header.data_offset, npy_data_bytes(place, header, bytes.size())),
                     .file = file};
    if (const npy_order order(header); !order.plain()) {
        std::vector<std::byte> converted(result.bytes.size());
        order.copy(result.bytes, 0, converted);
        result.converted = std::make_shared<const std::vector<std::byte>>(std::move(converted));
        result.bytes = *result.converted;
        result.file = nullptr;
    }
    return result;
}

// The file as a model of one tensor, which has the file's name.
inline model read_npy_model(const std::shared_ptr<const mapped_file>& file)
{
    const npy_place place{file->path()};
    const npy_header header = read_npy_header(place, file->bytes(), file->bytes().size());
    named_tensor tensor{.name = file->path().stem().string(),
                        .shape = header.shape,
                        .dtype = header.dtype,
                        .bytes = file->bytes().subspan(header.data_offset, npy_data_bytes(place, header, file->bytes().size())),
                        .file = file,
                        .offset = header.data_offset};
    if (const npy_order order(header); !order.plain()) {
        tensor.encoding = order.words();
        tensor.encoded_bytes = tensor.bytes.size();
        tensor.decoder = std::make_shared<const reordered_values>(order, tensor.bytes);
    }
    return {.path = file->path(), .format = "NPY", .tensors = {std::move(tensor)}};
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

/// Opens an NPY file as a model of one tensor that is named as the file is, without its ending. Reads the header only: elements in
/// another order of bytes or of axes are put right when they are looked at.
///
/// @throws io_error  as read_npy()
[[nodiscard]] inline model read_npy_model(const std::filesystem::path& path)
{
    const auto file = std::make_shared<const mapped_file>(path);
    return detail::read_verified(file.get(), [&] { return detail::read_npy_model(file); });
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
