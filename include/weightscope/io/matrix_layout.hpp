#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// How the matrices of a model lie in memory.
enum class matrix_orientation
{
    detect,  ///< [out, in], except GPT-2's Conv1D weights where the configuration or their shapes give them away
    out_in,  ///< every matrix is [out, in]
    in_out,  ///< every matrix is [in, out] and is turned
};

namespace detail {

WEIGHTSCOPE_INLINE bool ends_with_any(std::string_view name, std::span<const std::string_view> endings);

// The weights that GPT-2's family keeps as Conv1D, [in, out].
WEIGHTSCOPE_INLINE bool has_conv1d_name(std::string_view name);

WEIGHTSCOPE_INLINE std::string lower_case(std::string_view text);

}  // namespace detail

/// Whether the model keeps its Conv1D weights as [in, out], like the GPT-2 of Hugging Face. The same names are used with [out, in]
/// elsewhere (nanoGPT), so the shape of the fused query-key-value projection decides: [d, 3d] is [in, out].
[[nodiscard]] WEIGHTSCOPE_INLINE bool keeps_conv1d_transposed(const model& m);

/// Whether a tensor of rank 3 is a stack of matrices, one per expert, and not a convolution [out, in, kernel]: its name says so,
/// or its last two extents are too large for a kernel.
[[nodiscard]] WEIGHTSCOPE_INLINE bool is_expert_stack(const named_tensor& tensor);

/// The matrices of a stack, named "stack[0]", "stack[1]"...; the tensor itself where it is none.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<named_tensor> unstack_experts(const named_tensor& tensor);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/matrix_layout.hpp>
#endif
