#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/pytorch_tensor.hpp>

namespace weightscope::detail {

// Builds tensors from the calls that make them in PyTorch: from those that it knows, and from no others.
class torch_tensor_builder
{
public:
    torch_tensor_builder(const pickle_source& source, const pickle& p) : source_(source), pickle_(p) {}

    // The tensor that a value describes, or nothing where it describes something else.
    std::optional<torch_tensor> build(pickle_index i) const;

    // Where a persistent id leads, or nothing where it is not a storage's.
    std::optional<torch_storage_claim> storage(pickle_index i) const;

private:
    static constexpr std::size_t most_dimensions = 64, deepest = 16;
    static constexpr std::uint64_t most_elements = std::uint64_t{1} << 56;

    struct call
    {
        std::string_view function;
        std::span<const pickle_index> arguments;
        std::uint64_t position;
        std::size_t depth;  // calls around it
    };

    std::optional<torch_tensor> build(const call& c) const;

    // The tensor that an argument of a call describes.
    std::optional<torch_tensor> argument(const call& c, std::size_t i) const;

    // (storage, first, shape, strides, ...); the third version has a dtype as its seventh argument
    torch_tensor dense(const call& c) const;

    // (storage, first, shape, strides, (scheme, scale, zero_point) or (scheme, scales, zero_points, axis), ...)
    torch_tensor quantized(const call& c) const;

    // (layout, (indices, values, shape, ...))
    torch_tensor sparse(const call& c) const;

    // (function, type, arguments, state): a tensor of a derived class
    std::optional<torch_tensor> from_type(const call& c) const;

    // Fills in first, shape, strides and reach from the arguments 1 to 3, and checks that no number is too large to count with.
    void place(const call& c, torch_tensor& tensor) const;

    std::vector<std::size_t> extents(const call& c, pickle_index i) const;

    static bool is_list_of_numbers(const torch_tensor& tensor);

    // The elements of a tuple or list, and of what is one by another name: torch.Size([2, 3]).
    std::span<const pickle_index> items(pickle_index i) const;

    bool holds_true(pickle_index dict, std::string_view key) const;

    std::uint64_t count(pickle_index i, std::uint64_t position, std::string_view what) const;

    [[noreturn]] void fail(const call& c, std::string_view fault) const;

    const pickle_source& source_;
    const pickle& pickle_;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_tensor_builder.hpp>
#endif
