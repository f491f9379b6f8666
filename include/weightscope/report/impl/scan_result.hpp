#pragma once

#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE void layer_result::take_figures(const layer_result& other)
{
    basic_stats = other.basic_stats;
    spectral = other.spectral;
    quantization = other.quantization;
    sparsity = other.sparsity;
    skipped = other.skipped;
    error = other.error;
    census = other.census;
    tap_spectra = other.tap_spectra;
    convolution_norm = other.convolution_norm;
    bit_flips = other.bit_flips;
}

}  // namespace weightscope
