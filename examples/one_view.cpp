// What is in one matrix of mine, how near is it to singular, and what would a quantizer do to it?
//
//     $ one_view
//     64 x 96 weights, standard deviation 0.0206, excess kurtosis 22.6
//     condition number 12.5 (a Gaussian matrix: 10), stable rank 11.2 of 64
//     4 bits, one scale for all: 2.4 dB; one per row: 16.6 dB (one for a Gaussian matrix: 16.0 dB)
#include <fmt/format.h>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/spectral.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>

int main()
{
    auto layer = weightscope::random_normal<float>({192, 96}, {.seed = 1, .std = 0.02});
    layer(100, 50) = 0.4F;                                             // an outlier
    const auto keys = xt::view(layer, xt::range(64, 128), xt::all());  // any xtensor expression will do

    const auto stats = weightscope::analyze_basic_stats(keys);
    fmt::print("{} x {} weights, standard deviation {:.4f}, excess kurtosis {:.1f}\n", keys.shape(0), keys.shape(1),
               stats.std.value, stats.kurtosis.value);

    const auto spectrum = weightscope::analyze_spectral(keys);
    fmt::print("condition number {:.1f} (a Gaussian matrix: {:.0f}), stable rank {:.1f} of {}\n",
               spectrum.condition_number.value, spectrum.gaussian_condition_number, spectrum.stable_rank.value,
               spectrum.total_rank);

    const auto int4 = weightscope::analyze_quantization_sensitivity(keys, {.bits = 4});
    fmt::print("4 bits, one scale for all: {:.1f} dB; one per row: {:.1f} dB (one for a Gaussian matrix: {:.1f} dB)\n",
               int4.sqnr_db.value, int4.per_channel_sqnr_db.value, int4.gaussian_sqnr_db.value);
}
