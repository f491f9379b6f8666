// What would INT4 in groups of 64 cost this tensor?
//
//     $ quantize_view
//     int8-per-channel-sym    65792 bytes (8.031 bits per weight), 40.5 dB, largest error 0.0016
//     int4-per-channel-sym    33024 bytes (4.031 bits per weight), 15.4 dB, largest error 0.0285
//     int4-g64                36864 bytes (4.500 bits per weight), 19.2 dB, largest error 0.0283
//     int4-g64-scale-f16-mse  34816 bytes (4.250 bits per weight), 19.8 dB, largest error 0.0264
#include <fmt/format.h>

#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>
#include <weightscope/quantizers/storage_size.hpp>

int main()
{
    auto layer = weightscope::random_normal<float>({192, 1024}, {.seed = 1, .std = 0.02});
    layer(100, 50) = 0.4F;                                             // an outlier
    const auto keys = xt::view(layer, xt::range(64, 128), xt::all());  // any xtensor expression will do

    for (const char* name : {"int8-per-channel-sym", "int4-per-channel-sym", "int4-g64", "int4-g64-scale-f16-mse"}) {
        const auto scheme = weightscope::parse_scheme(name);
        const auto error = weightscope::simulate_quantization(keys, scheme);
        const auto size = weightscope::storage_bytes(keys.shape(), scheme);
        fmt::print("{:22} {:6} bytes ({:.3f} bits per weight), {:.1f} dB, largest error {:.4f}\n", name, size.bytes(),
                   size.bits_per_weight(), error.sqnr_db.value, error.max_error.value);
    }
}
