#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

/// One tensor of a model file: what the header says about it, and its bytes, which are read when they are looked at.
struct named_tensor
{
    std::string name = {};                ///< as in the file, which may hold any text: printable() before it is shown
    std::vector<std::size_t> shape = {};  ///< row-major, outermost first, [out, in...] for a layer; {} is a scalar
    weightscope::dtype dtype = weightscope::dtype::float32;  ///< how the elements lie in `bytes`
    std::span<const std::byte> bytes = {};         ///< row-major, little-endian, of any alignment; owned by `file`
    std::shared_ptr<const mapped_file> file = {};  ///< that `bytes` lie in; stays open as long as a tensor refers to it
    std::uint64_t offset = 0;                      ///< of `bytes` in that file
    std::string tied_to = {};                      ///< name of an earlier tensor with the same storage, or empty

    /// Number of elements: the product of the shape, 1 for a scalar.
    [[nodiscard]] std::size_t size() const
    {
        std::size_t product = 1;
        for (const std::size_t extent : shape)
            product *= extent;
        return product;
    }
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
    std::string architecture = {};  ///< "model_type" of the config.json beside it, or empty
};

namespace detail {

// The bytes of a tensor, copied if they are not aligned for its elements. (No template: it is the same for all dtypes.)
class aligned_bytes
{
public:
    aligned_bytes(const named_tensor& tensor, std::size_t alignment) : data_(tensor.bytes.data())
    {
        if (reinterpret_cast<std::uintptr_t>(data_) % alignment == 0)
            return;
        copy_ = std::make_unique<std::byte[]>(tensor.bytes.size());  // new aligns for every scalar
        std::copy(tensor.bytes.begin(), tensor.bytes.end(), copy_.get());
        data_ = copy_.get();
    }

    const std::byte* data() const { return data_; }

private:
    const std::byte* data_;
    std::unique_ptr<std::byte[]> copy_;
};

// A copy of the bytes of a tensor.
inline std::vector<std::byte> stored_bytes(const named_tensor& tensor)
{
    return read_verified(tensor.file.get(), [&] { return std::vector<std::byte>(tensor.bytes.begin(), tensor.bytes.end()); });
}

inline void require_visitable(const named_tensor& tensor)
{
    require(is_numeric(tensor.dtype),
            "visit(tensor '{}'): {} elements are listed, not analysed; expected a numeric dtype",
            printable(tensor.name), to_string(tensor.dtype));
    require(tensor.bytes.size() == tensor.size() * (bits_of(tensor.dtype) / 8),
            "visit(tensor '{}'): {} bytes do not hold {} elements of {}", printable(tensor.name), tensor.bytes.size(),
            tensor.size(), to_string(tensor.dtype));
}

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
/// @throws std::invalid_argument  the dtype is not numeric: BOOL, F4, F6, C64
/// @throws io_error               the file changed or could not be read while `f` ran; then what `f` saw was wrong
/// @note   copies the tensor only if its bytes are not aligned for the value type, which files are free to do
template <class F>
decltype(auto) visit(const named_tensor& tensor, F&& f)
{
    detail::require_visitable(tensor);
    return detail::read_verified(tensor.file.get(), [&]() -> decltype(auto) {
        return with_scalar(tensor.dtype, [&]<class T>(std::type_identity<T>) -> decltype(auto) {
            const detail::aligned_bytes bytes(tensor, alignof(T));
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
