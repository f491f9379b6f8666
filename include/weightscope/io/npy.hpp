#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

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

WEIGHTSCOPE_INLINE npy_array read_npy(const std::shared_ptr<const mapped_file>& file);

// The file as a model of one tensor, which has the file's name.
WEIGHTSCOPE_INLINE model read_npy_model(const std::shared_ptr<const mapped_file>& file);

// NumPy's letter for a kind of number.
template <class T>
constexpr char npy_kind()
{
    return std::is_floating_point_v<T> || is_storage_scalar<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
}

// What stands before the data of a row-major array, as long as a multiple of 64 bytes.
WEIGHTSCOPE_INLINE std::string npy_front(char kind, std::size_t item_bytes, std::span<const std::size_t> shape);

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
[[nodiscard]] WEIGHTSCOPE_INLINE npy_array read_npy(const std::filesystem::path& path);

/// Opens an NPY file as a model of one tensor that is named as the file is, without its ending. Reads the header only: elements in
/// another order of bytes or of axes are put right when they are looked at.
///
/// @throws io_error  as read_npy()
[[nodiscard]] WEIGHTSCOPE_INLINE model read_npy_model(const std::filesystem::path& path);

/// Writes a tensor as an NPY file of version 1, which appears whole or not at all. NumPy has no name for bfloat16 and float8.
///
/// @throws write_error  the file cannot be written; the one that was there is as it was
template <tensor W>
    requires detail::npy_scalar<std::remove_cv_t<typename W::value_type>>
void write_npy(const std::filesystem::path& path, const W& weights)
{
    const std::vector<std::size_t> shape(weights.shape().begin(), weights.shape().end());
    using T = std::remove_cv_t<typename W::value_type>;
    atomic_file file(path);
    file.write(detail::npy_front(detail::npy_kind<T>(), sizeof(T), shape));
    with_elements(weights, [&](auto elements) { file.write(std::as_bytes(elements)); });
    file.commit();
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/npy.hpp>
#endif
