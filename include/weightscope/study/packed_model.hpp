#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// Size in bytes of the file that write_packed() would write, header included.
/// @throws std::invalid_argument  another model, no such variant, or a layer that was not measured
[[nodiscard]] WEIGHTSCOPE_INLINE std::uint64_t packed_bytes(const model& m, const quantization_study_result& study, std::size_t variant);

/// Writes what a variant of a study stores: of each layer that it quantizes the packed codes, the scales and the zero points, the other
/// tensors as they are. Codes of all grids and conventions are written in one way, which is that of no runtime: block formats lie here
/// as codes and scales apart.
///
///     <name>.codes         U8 [rows, bytes of a row]   two's complement, `bits` each, lowest bits first; see pack_codes. Of float grids the
///                                                      bits of the number, the top one for a sign
///     <name>.scales        of the scheme's scale_type  one for each group, by rows, then along them
///     <name>.global_scale  F32 [1]                     of schemes that have one for the whole tensor
///     <name>.minima        like the scales             of schemes with minima instead of zero points
///     <name>.zero_points   U8                          other asymmetric ones; packed like codes, in one run
///
/// The metadata are the model's, and for each quantized layer an entry "weightscope.quantized:<name>" with its scheme, the shape of
/// its codes, the dtype it had and whether it was turned. Matrices of a stack of experts are layers of their own, "<stack>[0]".
///
/// @param path     a safetensors file, no file of the model; appears whole or not at all
/// @param m        that the study is of
/// @param variant  index into study.variants
/// @throws std::invalid_argument  another model, no such variant, a layer that was not measured, a name that is taken, or `path` is
///                                the model
/// @throws write_error            the file cannot be written
/// @note the file has packed_bytes(m, study, variant) bytes. One tensor is in memory at a time
WEIGHTSCOPE_INLINE void write_packed(const std::filesystem::path& path, const model& m, const quantization_study_result& study, std::size_t variant);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/packed_model.hpp>
#endif
