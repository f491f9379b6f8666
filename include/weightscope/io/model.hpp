#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/value_decoder.hpp>

namespace weightscope {

/// One tensor of a model file: what the header says about it, and its bytes, which are read when they are looked at.
struct named_tensor
{
    std::string name = {};                ///< as in the file, which may hold any text: printable() before it is shown
    std::vector<std::size_t> shape = {};  ///< row-major, outermost first, [out, in...] for a layer; {} is a scalar
    weightscope::dtype dtype = weightscope::dtype::float32;  ///< of the values
    std::span<const std::byte> bytes = {};         ///< as they are stored, of any alignment; owned by `file`
    std::shared_ptr<const mapped_file> file = {};  ///< that `bytes` lie in; stays open as long as a tensor refers to it
    std::uint64_t offset = 0;                      ///< of `bytes` in that file
    std::string tied_to = {};                      ///< name of an earlier tensor with the same storage, or empty
    std::string encoding = {};  ///< how the values are stored, "Q4_K", "GPTQ 4-bit g128"; empty: as an array of dtype
    std::shared_ptr<const value_decoder> decoder = {};  ///< makes the values; null: `bytes` are they, row-major, little-endian
    std::uint64_t encoded_bytes = 0;  ///< with a decoder: bytes of the file that the values take, scales included
    std::string part_of = {};         ///< name of the tensor whose codes or scales these are, or empty
    bool transposed = false;          ///< a matrix that is known to lie as [in, out]

    /// Number of elements: the product of the shape, 1 for a scalar.
    [[nodiscard]] std::size_t size() const;

    /// Bytes that the tensor takes in its file.
    [[nodiscard]] std::uint64_t stored_bytes() const { return decoder ? encoded_bytes : bytes.size(); }

    /// How the values are stored, as one word or two: "Q4_K", "BF16".
    [[nodiscard]] std::string storage() const { return encoding.empty() ? std::string(to_string(dtype)) : encoding; }
};

/// Keys and values, in the order of the file.
using model_metadata = std::vector<std::pair<std::string, std::string>>;

/// A model as it lies on disk. Its tensors may be read from several threads at once.
struct model
{
    std::filesystem::path path = {};         ///< what was opened: a file, an index or a folder
    std::string format = {};                 ///< "safetensors"
    std::vector<named_tensor> tensors = {};  ///< in model order
    model_metadata metadata = {};   ///< what the file says about itself: any text, printable() before it is shown
    std::string architecture = {};  ///< "model_type" of the config.json beside it, or what the file says itself, or empty
    std::vector<std::string> notes = {};  ///< what was decided while it was opened: "passed over 'model.onnx'"; printable
    std::vector<std::string> lost_shards = {};  ///< files that open_options allow to be lost, each with what is wrong; printable
};

namespace detail {

// The values of a tensor where they lie, or copied if they are not aligned or have to be decoded. (No template: it is the same for
// all dtypes.)
class value_bytes
{
public:
    value_bytes(const named_tensor& tensor, std::size_t alignment);

    const std::byte* data() const { return data_; }

private:
    const std::byte* data_;
    std::unique_ptr<std::byte[]> copy_;
};

// The values of a tensor as an array of its dtype.
WEIGHTSCOPE_INLINE std::vector<std::byte> value_bytes_of(const named_tensor& tensor);

WEIGHTSCOPE_INLINE void require_visitable(const named_tensor& tensor);

}  // namespace detail

/// Calls `f(view)` with a read-only xtensor view of the elements of `tensor` and returns what it returns.
///
///     visit(tensor, [](const auto& weights) { return analyze_basic_stats(weights).kurtosis; })
///
/// The view has a rank known at run time and the value type that the dtype names: float, float16, std::int8_t... It is
/// row-major and contiguous, so that functions over tensors take it without a copy, and is valid during the call only.
///
/// @param tensor  of a numeric dtype, any shape: scalars have rank 0, empty tensors no elements
/// @param f       callable with each of these views; its return type must not depend on the value type
/// @throws std::invalid_argument  the dtype is not numeric: BOOL, F4, F6, C64, codes that no one can decode here
/// @throws io_error               the file changed or could not be read while `f` ran; then what `f` saw was wrong
/// @note   copies the tensor if its bytes are not aligned for the value type, which files are free to do, and if its values have to
///         be decoded, which is done in parallel
template <class F>
decltype(auto) visit(const named_tensor& tensor, F&& f)
{
    detail::require_visitable(tensor);
    return detail::read_verified(tensor.file.get(), [&]() -> decltype(auto) {
        return with_scalar(tensor.dtype, [&]<class T>(std::type_identity<T>) -> decltype(auto) {
            const detail::value_bytes bytes(tensor, alignof(T));
            const T* elements = reinterpret_cast<const T*>(bytes.data());
            const auto view = xt::adapt(elements, tensor.size(), xt::no_ownership(), tensor.shape);
            static_assert(std::is_invocable_v<F&, decltype((view))>,
                          "visit(tensor, f): f must be callable as f(view) for a view of each numeric dtype, as a "
                          "lambda with a parameter const auto& is");
            return f(view);
        });
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/model.hpp>
#endif
