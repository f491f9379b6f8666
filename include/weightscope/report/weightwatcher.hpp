#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/analyzers/heavy_tail.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// One layer as WeightWatcher describes it, with its names; λ = σ².
struct weightwatcher_layer
{
    std::size_t layer_id = 0;       ///< position in the scan
    std::string name = {};
    std::string layer_type = {};    ///< "dense" or "conv2d"
    std::size_t m = 0, n = 0;       ///< smaller and larger of outputs and inputs
    std::size_t rf = 1;             ///< taps of the kernel
    std::size_t num_evals = 0;      ///< m rf
    std::size_t matrix_rank = 0, rank_loss = 0, weak_rank_loss = 0;  ///< σ that can be told from 0; those that cannot; λ < 1e-6
    double norm = 0;                ///< Σλ
    double spectral_norm = 0;       ///< λ_max
    double stable_rank = 0;         ///< Σλ / λ_max
    double sv_max = 0, sv_min = 0;  ///< largest and smallest σ
    metric entropy = {};            ///< -Σ p ln p / ln matrix_rank, p = λ / Σλ + 1e-10
    heavy_tail_result tail = {};    ///< fitted as WeightWatcher does
};

struct weightwatcher_means
{
    std::size_t layer_count = 0;
    metric log_norm = {}, alpha = {}, alpha_weighted = {}, log_alpha_norm = {}, log_spectral_norm = {}, stable_rank = {};
};

/// The layers of a scan as WeightWatcher describes them, its conventions included, so that figures can be compared with published ones.
///
/// Its fit takes λ > 1e-5, every λ as a candidate for xmin, and tails of two values; the eigenvalues of a 2-D convolution are those of
/// all taps together, halved. Differences that remain: spectra are double, embeddings of any size are taken, sv_min is the smallest σ.
///
/// @param scan  made with scan_options::tap_spectra, without which convolutions are left out
/// @return      matrices and 2-D convolutions with ten σ or more that are not all zero, in model order; tied tensors once
/// @see         Martin & Mahoney 2021, arXiv:1810.01075
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<weightwatcher_layer> to_weightwatcher_layers(const scan_result& scan);

/// WeightWatcher's summary: plain means over the layers that have the number.
[[nodiscard]] WEIGHTSCOPE_INLINE weightwatcher_means to_weightwatcher_means(const std::vector<weightwatcher_layer>& layers);

/// One line: "means over 49 layers: alpha 3.1, ...".
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_text(const weightwatcher_means& means);

/// These layers as CSV with WeightWatcher's column names; a number that does not exist is an empty cell.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_weightwatcher_csv(const std::vector<weightwatcher_layer>& layers);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/weightwatcher.hpp>
#endif
