#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/analyzers/convolution_norm.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/io/matrix_layout.hpp>

namespace weightscope {

/// What a scan shall do.
struct scan_options
{
    bool basic_stats = true;
    bool spectral = true;       ///< rank 2 or more only
    bool quantization = true;
    bool sparsity = true;
    int bits = 8;               ///< of the quantization analysis, 2 to 16
    std::size_t group_size = 128;
    std::vector<std::string> include = {};   ///< regular expressions; a tensor is taken if one of them matches a part of its name, or if there are none
    std::vector<std::string> exclude = {};   ///< regular expressions; a tensor is left out if one of them matches a part of its name
    std::vector<std::string> restrict_to = {};  ///< substrings; a tensor is taken if its name has one of them, or if there are none
    std::size_t threads = 0;    ///< 0: one per core
    matrix_orientation orientation = matrix_orientation::detect;
    bool heavy_tail = true;             ///< power law and Marchenko-Pastur bulk of each spectrum, where `spectral` holds
    std::size_t shuffles = 0;           ///< of each matrix's elements, where `heavy_tail` holds, for an empirical bulk
    std::uint64_t seed = 0;             ///< of the shuffles
    bool tap_spectra = false;           ///< convolutions also tap by tap
    std::size_t convolution_input = 0;  ///< extent of the input for the norm of convolutions as maps, see analyze_convolution_norm; 0: not computed
};

/// What the scan found out about one tensor.
struct layer_result
{
    std::string name = {};
    std::vector<std::size_t> shape = {};    ///< as stored, row-major
    std::string dtype = {};                 ///< "F32", "BF16", ... as safetensors spells it
    std::size_t parameters = 0;
    bool transposed = false;                ///< stored [in, out]; analysed as [out, in]
    std::string tied_to = {};               ///< earlier tensor with the same storage, whose results these are
    std::string duplicate_of = {};          ///< earlier tensor with equal bytes elsewhere, whose results these are; constant tensors are not told
    std::optional<basic_stats_result> basic_stats = {};
    std::optional<spectral_result> spectral = {};  ///< absent for rank 0 and 1
    std::optional<quantization_sensitivity_result> quantization = {};
    std::optional<sparsity_result> sparsity = {};
    std::string skipped = {};               ///< why nothing was analysed, such as a dtype without numbers; empty otherwise
    std::string error = {};                 ///< why the analysis failed; empty otherwise
    std::optional<value_census> census = {};  ///< whatever else was asked for; absent where nothing was analysed but of scales
    std::optional<tap_spectra_result> tap_spectra = {};            ///< of convolutions, [out, in, kernel...], where asked for
    std::optional<convolution_norm_result> convolution_norm = {};  ///< likewise; channels are taken to mix (groups = 1)
    std::optional<bit_flips_result> bit_flips = {};  ///< of tensors with a suspect; others have none
    std::string file = {};  ///< that holds it, such as a shard; empty where that is the model's path itself

    /// Takes what was found out about a tensor with the same weights.
    void take_figures(const layer_result& other);

    [[nodiscard]] bool counted_elsewhere() const { return !tied_to.empty() || !duplicate_of.empty(); }
};

struct scanned_model
{
    std::string path = {};
    std::string format = {};
    std::string architecture = {};  ///< "gpt2", "llama", ... from the configuration beside the file; empty if there is none
    std::size_t tensors = 0;        ///< in the file, before filters
    std::size_t parameters = 0;     ///< shared storage counted once
    std::uint64_t bytes = 0;        ///< of all tensors, shared storage counted once
    std::vector<std::string> lost_shards = {};  ///< see model::lost_shards; what they hold is in no layer
};

struct scan_environment
{
    std::string cpu = {};
    std::string instructions = {};  ///< the path that kernels take: "avx512", "avx2" or "baseline"
    std::size_t threads = 0;
    std::string blas = {};
    std::string compiler = {};
    std::string cuda = {};  ///< the device that took part and what it analysed: "NVIDIA H100 80GB HBM3 (sm_90): 290 of 291 tensors"; empty without one
};

/// What `scan` returns: every figure, no judgement. `judge` turns it into findings.
struct scan_result
{
    scanned_model model = {};
    scan_options settings = {};
    scan_environment environment = {};
    double seconds = 0;
    std::vector<layer_result> layers = {};  ///< in model order
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/scan_result.hpp>
#endif
