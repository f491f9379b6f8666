#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <weightscope/analyzers/tap_spectra.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/weightwatcher.hpp>

#include "../catch.hpp"
#include "made_up.hpp"

using namespace weightscope;
using made_up::gaussian;
using made_up::layer_of;

namespace {

xt::xtensor<float, 2> diagonal(const std::vector<double>& values)
{
    xt::xtensor<float, 2> w = xt::zeros<float>({values.size(), values.size() + 5});
    for (std::size_t i = 0; i < values.size(); ++i)
        w(i, i) = static_cast<float>(values[i]);
    return w;
}

std::vector<std::map<std::string, std::string>> table(const std::string& csv)
{
    std::istringstream lines(csv);
    const auto split = [](const std::string& line) {
        std::vector<std::string> cells;
        std::istringstream stream(line + ",");
        for (std::string cell; std::getline(stream, cell, ',');)
            cells.push_back(cell);
        return cells;
    };
    std::string line;
    std::getline(lines, line);
    const auto names = split(line);
    std::vector<std::map<std::string, std::string>> rows;
    while (std::getline(lines, line)) {
        const auto cells = split(line);
        REQUIRE(cells.size() == names.size());
        for (std::size_t i = 0; i < names.size(); ++i)
            (i == 0 ? rows.emplace_back() : rows.back())[names[i]] = cells[i];
    }
    return rows;
}

}  // namespace

TEST_CASE("a layer in WeightWatcher's columns is what its formulas give")
{
    const std::vector<double> sigma = {8, 4, 4, 2, 2, 2, 1, 1, 1, 0.5, 0.25, 0.001953125};  // exact in float32
    const auto rows = table(to_weightwatcher_csv(to_weightwatcher_layers(made_up::scan_of({layer_of("h.0.weight", diagonal(sigma))}))));
    REQUIRE(rows.size() == 1);
    // x = np.sort(sigma**2); keep = x[x > 1e-5]; for i in range(len(keep) - 1): m = len(keep) - i
    //     a = 1 + m / (np.log(keep[i:]).sum() - m * np.log(keep[i])); D = max(abs(1 - (keep[i:] / keep[i])**(1 - a) - np.arange(m) / m))
    // the fit of the least D; p = x / x.sum() + 1e-10; entropy = -(p * np.log(p)).sum() / np.log(12)
    const std::map<std::string, double> expected = {
        {"D", 0.2600970069260677},
        {"M", 12.0},
        {"N", 17.0},
        {"Q", 1.4166666666666667},
        {"alpha", 1.6492127684000337},
        {"alpha_weighted", 2.9787750751226674},
        {"entropy", 0.555079197469787},
        {"lambda_max", 64.0},
        {"layer_id", 0.0},
        {"log_alpha_norm", 3.071336500207271},
        {"log_norm", 2.0465439516906603},
        {"log_spectral_norm", 1.806179973983887},
        {"matrix_rank", 12.0},
        {"norm", 111.31250381469727},
        {"num_evals", 12.0},
        {"num_pl_spikes", 9.0},
        {"rank_loss", 0.0},
        {"rf", 1.0},
        {"sigma", 0.21640425613334457},
        {"spectral_norm", 64.0},
        {"stable_rank", 1.7392578721046448},
        {"sv_max", 8.0},
        {"sv_min", 0.001953125},
        {"weak_rank_loss", 0.0},
        {"xmax", 64.0},
        {"xmin", 1.0}};
    for (const auto& [column, value] : expected) {
        INFO(column);
        CHECK(std::stod(rows[0].at(column)) == Approx(value).epsilon(1e-10));
    }
    CHECK(rows[0].at("name") == "h.0.weight");
    CHECK(rows[0].at("layer_type") == "dense");
    CHECK(rows[0].at("status") == "success");
    CHECK(rows[0].at("has_esd") == "True");
}

TEST_CASE("a convolution's eigenvalues are those of its taps, pooled and halved")
{
    xt::xtensor<float, 4> w = random_normal<float>({12, 20, 3, 3}, {.seed = 2});
    layer_result layer = layer_of("conv.weight", w);
    CHECK(to_weightwatcher_layers(made_up::scan_of({layer})).empty());  // no tap spectra
    layer.tap_spectra = analyze_tap_spectra(w);
    const auto layers = to_weightwatcher_layers(made_up::scan_of({layer}));
    REQUIRE(layers.size() == 1);
    CHECK(layers[0].layer_type == "conv2d");
    CHECK(layers[0].m == 12);
    CHECK(layers[0].n == 20);
    CHECK(layers[0].rf == 9);
    CHECK(layers[0].num_evals == 108);
    double squares = 0, largest = 0;
    for (const float x : w)
        squares += static_cast<double>(x) * static_cast<double>(x);
    for (const auto& tap : layer.tap_spectra->taps)
        largest = std::max(largest, tap.values.front());
    CHECK(layers[0].norm == Approx(squares / 2).epsilon(1e-12));
    CHECK(layers[0].spectral_norm == Approx(largest * largest / 2).epsilon(1e-12));
    CHECK(layers[0].matrix_rank == 108);
    CHECK(layers[0].tail.fit.alpha.exists());
}

TEST_CASE("what WeightWatcher would not analyse is left out, tied tensors are counted once")
{
    layer_result tied = layer_of("tied.weight", gaussian(20, 30)), failed = layer_of("failed", gaussian(20, 30));
    tied.tied_to = "w";
    failed.spectral.reset();
    made_up::float_matrix broken = gaussian(20, 30);
    broken(0, 0) = std::numeric_limits<float>::quiet_NaN();
    const auto scan = made_up::scan_of({layer_of("bias", made_up::float_vector{1, 2}), layer_of("small", gaussian(9, 30)), layer_of("a,b", gaussian(20, 30)),
                                        layer_of("zero", xt::xtensor<float, 2>(xt::zeros<float>({20, 30}))), layer_of("nan", broken), tied, failed});
    const auto layers = to_weightwatcher_layers(scan);
    REQUIRE(layers.size() == 1);
    CHECK(layers[0].name == "a,b");
    CHECK(layers[0].layer_id == 2);
    CHECK(to_weightwatcher_csv(layers).find("\n2,\"a,b\",") != std::string::npos);
}

TEST_CASE("rank losses count what is lost")
{
    std::vector<double> sigma(30, 0);
    for (std::size_t i = 0; i < 20; ++i)
        sigma[i] = std::pow(0.5, static_cast<double>(i));
    const auto layers = to_weightwatcher_layers(made_up::scan_of({layer_of("w", diagonal(sigma))}));
    REQUIRE(layers.size() == 1);
    CHECK(layers[0].rank_loss == 10);
    CHECK(layers[0].matrix_rank == 20);
    CHECK(layers[0].weak_rank_loss == 20);  // 4^-10 = 9.5e-7
    CHECK(layers[0].sv_min == Approx(0).margin(1e-12));
}

TEST_CASE("means are plain means over the layers")
{
    const auto layers = to_weightwatcher_layers(made_up::scan_of({layer_of("a", gaussian(20, 30, 1)), layer_of("b", gaussian(40, 30, 2))}));
    REQUIRE(layers.size() == 2);
    const weightwatcher_means means = to_weightwatcher_means(layers);
    CHECK(means.layer_count == 2);
    CHECK(means.alpha.value == Approx((layers[0].tail.fit.alpha.value + layers[1].tail.fit.alpha.value) / 2));
    CHECK(means.alpha_weighted.value == Approx((layers[0].tail.alpha_weighted.value + layers[1].tail.alpha_weighted.value) / 2));
    CHECK(means.log_norm.value == Approx((layers[0].tail.log_norm.value + layers[1].tail.log_norm.value) / 2));
    CHECK(means.log_alpha_norm.value == Approx((layers[0].tail.log_alpha_norm.value + layers[1].tail.log_alpha_norm.value) / 2));
    CHECK(means.log_spectral_norm.value == Approx((layers[0].tail.log_spectral_norm.value + layers[1].tail.log_spectral_norm.value) / 2));
    CHECK(means.stable_rank.value == Approx((layers[0].stable_rank + layers[1].stable_rank) / 2));
    CHECK(to_weightwatcher_means({}).alpha.reason == "no layers");
    CHECK(to_text(weightwatcher_means{.layer_count = 3, .log_norm = 1.25, .alpha = 2, .alpha_weighted = 1.0 / 3, .log_alpha_norm = 12345.678,
                                      .log_spectral_norm = -1, .stable_rank = metric::missing("no layers")})
          == "means over 3 layers: alpha 2, alpha_weighted 0.3333, log_alpha_norm 1.235e+04, log_norm 1.25, log_spectral_norm -1, stable_rank no "
             "layers\n");
    CHECK(table(to_weightwatcher_csv({})).empty());
}
