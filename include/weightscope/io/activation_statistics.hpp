#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weightscope {

/// What the inputs of one weight matrix [out, in] looked like while a model read its calibration texts: sums over the rows, one row for
/// each token that counted. A figure that was not collected is empty.
struct activation_statistics
{
    std::string tensor = {};                      ///< name of the weight matrix
    std::uint64_t rows = 0;                       ///< tokens that were counted
    std::vector<double> sums = {};                ///< [in] Σ x
    std::vector<double> sums_of_magnitudes = {};  ///< [in] Σ |x|
    std::vector<double> sums_of_squares = {};     ///< [in] Σ x²
    std::vector<double> max_magnitudes = {};      ///< [in] max |x|
};

}  // namespace weightscope
