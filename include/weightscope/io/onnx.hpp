#pragma once

#include <filesystem>
#include <memory>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE model read_onnx(const std::shared_ptr<const mapped_file>& file);

}  // namespace detail

/// Opens an ONNX model: the initializers of its graph, of the graphs within it (If, Loop, Scan) and of its functions, and the values of
/// Constant nodes, which have the names of their outputs. Where a name stands in several graphs, the path of the graph comes before it.
///
/// Data are looked at where they lie: raw_data, packed floats, and files beside the model (external data), which must not lie outside
/// of its folder. Numbers that have to be decoded one by one (int32_data, unpacked floats) are counted now and decoded when they are
/// looked at; so are the 4-bit and 2-bit types, which are shown as I8, U8 or F32. Texts, sparse tensors and COMPLEX128 are listed.
///
/// Integer codes with constant scales are shown as the weights that they stand for, (code - zero point) * scale, followed by the codes,
/// which are part_of it: DequantizeLinear (per tensor, per axis, in blocks), QLinearConv, QLinearMatMul, MatMulInteger and ConvInteger
/// whose result is multiplied by the scale, and com.microsoft's MatMulNBits, QGemm, DynamicQuantizeMatMul and MatMulIntegerToFloat.
/// A matrix that is only used as [in, out], as MatMul and Gemm without transB do, is marked as transposed.
///
/// What a hostile file can cost is bounded: lengths are checked against what is left, graphs may be nested 32 levels deep, and time and
/// memory grow with the size of the file, whatever it claims (memory about 80 times at most).
///
/// @return format "ONNX"; architecture is the name of the graph; metadata holds ir_version, producer, opset_import and metadata_props
/// @throws io_error  with the byte and the field at fault
/// @see    https://onnx.ai/onnx/repo-docs/IR.html
[[nodiscard]] WEIGHTSCOPE_INLINE model read_onnx(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/onnx.hpp>
#endif
