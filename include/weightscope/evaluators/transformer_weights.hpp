#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/gemm.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

// The weights of a model, read where they lie; a tensor that is written gets memory of its own first. Copies share what lies in
// files and have their own of what was written.
template <class Real>
class transformer_weights
{
public:
    explicit transformer_weights(const std::vector<named_tensor>& tensors)
    {
        for (const named_tensor& tensor : tensors) {
            entry e{.bytes = tensor.bytes, .file = tensor.file};
            with_scalar(tensor.dtype, [&]<class T>(std::type_identity<T>) {
                e.read = read_weights<T, Real>;
                e.element_bytes = sizeof(T);
                e.as_is = std::is_same_v<T, Real>;
                e.aligned = reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(T) == 0;
            });
            if (!e.aligned || tensor.decoder)
                e.own = value_bytes_of(tensor);
            entries_.push_back(std::move(e));
            infos_.push_back({.name = tensor.name, .shape = tensor.shape, .dtype = tensor.dtype});
        }
    }

    const std::vector<weight_info>& infos() const { return infos_; }

    void read(std::size_t tensor, std::size_t byte_offset, std::span<std::byte> bytes) const
    {
        require_inside("read", tensor, byte_offset, bytes.size());
        std::copy_n(data(tensor) + byte_offset, bytes.size(), bytes.begin());
    }
    void write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes)
    {
        require_inside("write", tensor, byte_offset, bytes.size());
        entry& e = entries_[tensor];
        if (e.own.empty())
            e.own.assign(e.bytes.begin(), e.bytes.end());
        std::copy(bytes.begin(), bytes.end(), e.own.begin() + static_cast<std::ptrdiff_t>(byte_offset));
    }

    // Elements [begin, begin + count) of a tensor.
    void read_values(std::size_t tensor, std::size_t begin, std::size_t count, Real* out) const
    {
        entries_[tensor].read(data(tensor), begin, count, out);
    }
    std::vector<Real> values(std::size_t tensor) const
    {
        std::vector<Real> result(infos_[tensor].size());
        read_values(tensor, 0, result.size(), result.data());
        return result;
    }

    // A block of a matrix, or of several that lie one after the other: from where it lies, or converted into `buffer`, which has room for rows · cols elements.
    operand<Real> block(std::size_t tensor, std::size_t row, std::size_t rows, std::size_t col, std::size_t cols, Real* buffer) const
    {
        const std::size_t stride = infos_[tensor].shape.back();
        if (entries_[tensor].as_is)
            return {.data = reinterpret_cast<const Real*>(data(tensor)) + row * stride + col, .stride = stride};
        for (std::size_t i = 0; i < rows; ++i)
            read_values(tensor, (row + i) * stride + col, cols, buffer + i * cols);
        return {.data = buffer, .stride = cols};
    }

    // Throws where a file changed under the numbers that were read from it.
    void verify() const
    {
        const mapped_file* last = nullptr;
        for (const entry& e : entries_) {
            if (e.file && e.file.get() != last)
                e.file->verify();
            last = e.file.get();
        }
    }

private:
    struct entry
    {
        std::span<const std::byte> bytes = {};
        std::shared_ptr<const mapped_file> file = {};
        std::vector<std::byte> own = {};  // if not empty, counts instead of bytes
        weight_source::reader<Real> read = nullptr;
        std::size_t element_bytes = 0;
        bool as_is = false;  // stored as Real
        bool aligned = false;
    };

    const std::byte* data(std::size_t tensor) const
    {
        const entry& e = entries_[tensor];
        return e.own.empty() ? e.bytes.data() : e.own.data();
    }

    void require_inside(std::string_view function, std::size_t tensor, std::size_t offset, std::size_t count) const
    {
        require(tensor < entries_.size(), "transformer::{}(tensor, ...): tensor is {}, expected below {}", function, tensor,
                entries_.size());
        const std::size_t size = infos_[tensor].size() * entries_[tensor].element_bytes;
        require(offset <= size && count <= size - offset,
                "transformer::{}(tensor, byte_offset, bytes): {} bytes at {} of tensor '{}', which has {}", function, count, offset,
                printable(infos_[tensor].name), size);
    }

    std::vector<entry> entries_;
    std::vector<weight_info> infos_;
};

}  // namespace weightscope::detail
