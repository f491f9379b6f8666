#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope {

/// Which weights of a tensor are removed: one bit each.
class weight_mask
{
public:
    weight_mask() = default;
    /// Nothing is removed.
    explicit weight_mask(std::size_t size) : words_((size + 63) / 64), size_(size) {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool removed(std::size_t i) const noexcept { return (words_[i / 64] >> (i % 64) & 1u) != 0; }
    void remove(std::size_t i) noexcept { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
    /// Removes those of the weights 64 word to 64 word + 63 whose bits are set; bits beyond the last weight must be 0.
    void remove_word(std::size_t word, std::uint64_t bits) noexcept { words_[word] |= bits; }
    void keep(std::size_t i) noexcept { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }

    [[nodiscard]] std::size_t removed_count() const noexcept;
    /// Bit i % 64 of word i / 64 is that of weight i; bits beyond the last weight are 0.
    [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return words_; }
    /// One byte for each weight: 1 where it is kept, as other tools write masks.
    [[nodiscard]] std::vector<std::uint8_t> kept_bytes() const;

    friend bool operator==(const weight_mask&, const weight_mask&) = default;

private:
    std::vector<std::uint64_t> words_ = {};
    std::size_t size_ = 0;
};

namespace detail {

WEIGHTSCOPE_INLINE void require_mask(const weight_mask& mask, std::size_t size, std::string_view caller);

}  // namespace detail

/// Sets the removed weights among stored ones to 0.
///
/// @param type   of the weights; numeric, and with a 0
/// @param bytes  as they are stored, row-major
/// @throws std::invalid_argument  the mask is of another size, or the dtype has no 0
WEIGHTSCOPE_INLINE void apply_mask_inplace(dtype type, std::span<std::byte> bytes, const weight_mask& mask);

/// A copy of a tensor with the removed weights set to 0.
///
/// @throws std::invalid_argument  the mask is of another size
template <tensor W>
[[nodiscard]] auto apply_mask(const W& weights, const weight_mask& mask)
{
    using T = std::remove_cv_t<typename W::value_type>;
    static_assert(!std::is_same_v<T, float8_e8m0>, "apply_mask(weights, mask): float8_e8m0 has no 0 to set a weight to");
    detail::require_mask(mask, weights.size(), "apply_mask(weights, mask)");
    xt::xarray<T> result = xt::xarray<T>::from_shape(std::vector<std::size_t>(weights.shape().begin(), weights.shape().end()));
    with_elements(weights, [&](std::span<const T> elements) { std::copy(elements.begin(), elements.end(), result.data()); });
    for (std::size_t i = 0; i < mask.size(); ++i)
        if (mask.removed(i))
            result.data()[i] = T{};
    return result;
}

/// Sets the removed weights of an evaluator's tensor to 0, until the patch is restored.
///
/// @param evaluator  writable_weights that the patch is of
/// @throws std::invalid_argument  the mask is of another size, or the dtype has no 0
/// @note  copies the tensor
template <writable_weights E>
void apply_mask(weight_patch& patch, const E& evaluator, std::size_t tensor, const weight_mask& mask)
{
    weight_info info;
    std::size_t number = 0;
    for (const auto& each : evaluator.weights())
        if (number++ == tensor)
            info = each;
    require(tensor < number, "apply_mask(patch, evaluator, tensor, mask): tensor is {}, expected below {}", tensor, number);
    std::vector<std::byte> bytes(info.size() * (bits_of(info.dtype) / 8));
    evaluator.read(tensor, 0, bytes);
    apply_mask_inplace(info.dtype, bytes, mask);
    patch.write(tensor, 0, bytes);
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/weight_mask.hpp>
#endif
