#include <cstring>
#include <string>
#include <vector>

#include <weightscope/report/spectra_file.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;

TEST_CASE("a file of spectra holds the singular values of each layer that has them")
{
    const files::temporary_folder folder;
    const layer_result w = layer_of("w", gaussian(20, 30)), v = layer_of("../v", gaussian(7, 5));
    write_spectra(folder / "s.npz", made_up::scan_of({layer_of("bias", made_up::float_vector{1, 2}), w, v}));
    const std::string bytes = files::content(folder / "s.npz");
    for (const layer_result& layer : {w, v}) {
        const std::vector<double>& sigma = layer.spectral->singular_values.values;
        std::string expected(sigma.size() * sizeof(double), '\0');
        std::memcpy(expected.data(), sigma.data(), expected.size());
        CHECK(bytes.find(expected) != std::string::npos);
    }
    CHECK(bytes.find("w.npy") != std::string::npos);
    CHECK(bytes.find("..%2Fv.npy") != std::string::npos);
    CHECK(bytes.find("bias") == std::string::npos);
    CHECK(folder.names() == std::vector<std::string>{"s.npz"});
}
