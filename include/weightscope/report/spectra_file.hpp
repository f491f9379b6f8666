#pragma once

#include <filesystem>
#include <utility>

#include <weightscope/io/npz_writer.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// Writes all singular values of a scan into an NPZ file: for each layer with a spectrum an array of float64, descending.
///
///     spectra = numpy.load("spectra.npz");  spectra["layers.0.weight"]
///
/// Names are those of the layers, but for characters that npz_writer escapes.
/// @throws write_error  see atomic_file
inline void write_spectra(std::filesystem::path target, const scan_result& scan)
{
    npz_writer file(std::move(target));
    for (const layer_result& layer : scan.layers)
        if (layer.spectral && !layer.spectral->singular_values.values.empty())
            file.add(layer.name, layer.spectral->singular_values.values);
    file.commit();
}

}  // namespace weightscope
