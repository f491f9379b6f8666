#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/activation_observer.hpp>
#include <weightscope/quantizers/quantization_config.hpp>

#include "../catch.hpp"
#include "../message.hpp"

using namespace weightscope;

namespace {

activation_code code_of(const xt::xtensor<float, 2>& activations, const activation_observer_options& options)
{
    activation_observer observer(options);
    observer.observe(activations);
    return observer.code();
}

// What a static code really leaves, activation by activation.
double squared_error(const xt::xtensor<float, 2>& activations, double scale, double zero_point, bool symmetric)
{
    double sum = 0;
    for (const float x : activations) {
        const double q = std::clamp(std::nearbyint(static_cast<double>(x) / scale) + zero_point, symmetric ? -127.0 : -128.0, 127.0);
        const double e = static_cast<double>(x) - (q - zero_point) * scale;
        sum += e * e;
    }
    return sum;
}

double squared_error(const xt::xtensor<float, 2>& activations, const activation_code& code, bool symmetric)
{
    return squared_error(activations, code.scale, code.zero_point, symmetric);
}

xt::xtensor<float, 2> long_tailed()
{
    auto x = random_normal<float>({512, 64}, {.seed = 5});
    for (std::size_t i = 0; i < 40; ++i)
        x(i, i) *= 12;
    return x;
}

}  // namespace

TEST_CASE("min_max takes the whole range, extended to hold 0")
{
    const xt::xtensor<float, 2> x = {{-1, 0.5F}, {4.1F, 0}};
    const activation_code asymmetric = code_of(x, {});
    // scale (4.1 + 1) / 255 = 0.02, -1 / 0.02 = -50: the code of 0 is -128 + 50
    CHECK(asymmetric.scale == Approx(0.02).epsilon(1e-6));
    CHECK(asymmetric.zero_point == -78);
    CHECK(asymmetric.low == Approx(-1).epsilon(1e-6));
    CHECK(asymmetric.high == Approx(4.1).epsilon(1e-6));
    const activation_code symmetric = code_of(x, {.symmetric = true});
    CHECK(symmetric.scale == Approx(4.1 / 127).epsilon(1e-6));
    CHECK(symmetric.zero_point == 0);
    const xt::xtensor<float, 2> positive = {{1, 2}, {3, 5.1F}};
    const activation_code one_signed = code_of(positive, {});
    CHECK(one_signed.zero_point == -128);
    CHECK(one_signed.low == 0);
    CHECK(one_signed.scale == Approx(5.1 / 255).epsilon(1e-6));
    CHECK(one_signed.min == 1);
    CHECK(one_signed.max == Approx(5.1));
}

TEST_CASE("a code does not depend on the order or the size of the batches")
{
    const auto x = long_tailed();
    for (const auto method : {observer_method::min_max, observer_method::percentile, observer_method::mse, observer_method::entropy}) {
        const activation_code whole = code_of(x, {.method = method});
        activation_observer backwards({.method = method});
        for (std::size_t row = x.shape(0); row-- > 0;)
            backwards.observe(xt::view(x, row, xt::all()));
        CHECK(backwards.code().scale == whole.scale);
        CHECK(backwards.code().zero_point == whole.zero_point);
        CHECK(backwards.code().samples == 512);
    }
}

TEST_CASE("percentile cuts off what is beyond it, to a bin")
{
    xt::xtensor<float, 2> x = xt::zeros<float>({1, 1000});
    for (std::size_t i = 0; i < 1000; ++i)
        x(0, i) = static_cast<float>(i + 1) * (i % 2 == 0 ? 1.0F : -1.0F);
    // magnitudes 1 to 1000 in bins of 1/4: 990 is the least that 99 % do not exceed
    const activation_code symmetric = code_of(x, {.method = observer_method::percentile, .symmetric = true, .percentile = 99});
    CHECK(symmetric.high == Approx(990).margin(0.26));
    CHECK(symmetric.clipped_fraction.value == Approx(0.01).margin(0.001));
    const activation_code asymmetric = code_of(x, {.method = observer_method::percentile, .percentile = 99});
    // ten of each side are beyond: 981, 983 ... 999 and 982 ... 1000; the grid is moved by up to half a step so that 0 is a code
    CHECK(asymmetric.high == Approx(980).margin(5));
    CHECK(asymmetric.low == Approx(-980).margin(5));
    CHECK(code_of(x, {.method = observer_method::percentile, .symmetric = true, .percentile = 100}).high == Approx(1000));
}

TEST_CASE("mse is never worse than the whole range, and near the best of all ranges")
{
    const auto x = long_tailed();
    for (const bool symmetric : {true, false}) {
        const activation_code whole = code_of(x, {.symmetric = symmetric});
        const activation_code best = code_of(x, {.method = observer_method::mse, .symmetric = symmetric});
        CHECK(squared_error(x, best, symmetric) <= squared_error(x, whole, symmetric));
        CHECK(best.high < 0.95 * whole.high);  // a few outliers are cut off
    }
    double least = std::numeric_limits<double>::infinity();
    const double largest = code_of(x, {.symmetric = true}).high;
    for (int i = 1; i <= 1000; ++i)
        least = std::min(least, squared_error(x, i * largest / 1000 / 127, 0, true));
    // 0.1 dB
    CHECK(squared_error(x, code_of(x, {.method = observer_method::mse, .symmetric = true}), true) <= 1.023 * least);
}

TEST_CASE("the SQNR that is told is that of the activations")
{
    const auto x = long_tailed();
    double signal = 0;
    for (const float value : x)
        signal += static_cast<double>(value) * static_cast<double>(value);
    for (const auto method : {observer_method::min_max, observer_method::percentile, observer_method::mse, observer_method::entropy})
        for (const bool symmetric : {true, false}) {
            const activation_code code = code_of(x, {.method = method, .symmetric = symmetric});
            // a bin is small beside a step, so its centre stands for it
            CHECK(code.sqnr_db.value == Approx(10 * std::log10(signal / squared_error(x, code, symmetric))).margin(0.1));
        }
}

TEST_CASE("entropy keeps all of an even distribution and cuts off far outliers")
{
    xt::xtensor<float, 2> even = xt::zeros<float>({64, 256});
    for (std::size_t i = 0; i < even.size(); ++i)
        even.data()[i] = (static_cast<float>(i) + 0.5F) / static_cast<float>(even.size()) * 2 - 1;
    CHECK(code_of(even, {.method = observer_method::entropy, .symmetric = true}).high == Approx(1).margin(0.02));
    auto spiked = random_normal<float>({512, 64}, {.seed = 9});
    spiked(3, 3) = 400;
    const activation_code code = code_of(spiked, {.method = observer_method::entropy, .symmetric = true});
    CHECK(code.high < 40);
    CHECK(code.high > 2);
}

TEST_CASE("each token has its own scale on request")
{
    auto x = random_normal<float>({64, 32}, {.seed = 1});
    for (std::size_t j = 0; j < 32; ++j)
        x(7, j) *= 1000;
    const activation_code per_tensor = code_of(x, {.symmetric = true});
    const activation_code per_token = code_of(x, {.symmetric = true, .per_token = true});
    double error = 0, signal = 0;
    for (std::size_t i = 0; i < 64; ++i) {
        double largest = 0;
        for (std::size_t j = 0; j < 32; ++j)
            largest = std::max(largest, std::fabs(static_cast<double>(x(i, j))));
        const double scale = static_cast<double>(static_cast<float>(largest / 127));
        for (std::size_t j = 0; j < 32; ++j) {
            const double w = static_cast<double>(x(i, j)), e = w - std::nearbyint(w / scale) * scale;
            error += e * e;
            signal += w * w;
        }
    }
    CHECK(per_token.sqnr_db.value == Approx(10 * std::log10(signal / error)).epsilon(1e-6));
    CHECK(per_token.scale == 0);
    CHECK(per_token.samples == 64);
    CHECK(per_tensor.scale == Approx(static_cast<double>(std::max(per_tensor.max, -per_tensor.min)) / 127).epsilon(1e-6));
}

TEST_CASE("an observer looks at as many rows as it is told")
{
    const xt::xtensor<float, 2> x = {{1, -1}, {2, -2}, {100, -100}};
    activation_observer two({.samples = 2});
    two.observe(x);
    CHECK(two.code().max == 2);
    CHECK(two.code().samples == 2);
    two.observe(x);
    CHECK(two.code().samples == 2);

    quantization_config config{.calibration_samples = 1};
    activation_observer one(observer_options_of(config));
    one.observe(x);
    CHECK(one.code().max == 1);
    config.calibration_samples = 0;
    activation_observer all(observer_options_of(config));
    all.observe(x);
    CHECK(all.code().max == 100);
    CHECK(observer_options_of({.quant_type = quantization_type::int8_per_tensor_asym}).symmetric == false);
    CHECK(observer_options_of({}).symmetric);
}

TEST_CASE("rows that are masked do not count")
{
    const std::vector<float> x = {1, 2, 50, 60, 3, 4};
    const std::vector<std::uint8_t> mask = {1, 0, 1};
    activation_observer observer;
    observer.observe(x, 2, mask);
    CHECK(observer.code().samples == 2);
    CHECK(observer.code().max == 4);
}

TEST_CASE("activations that are not finite are counted and have no say")
{
    const float inf = std::numeric_limits<float>::infinity();
    const xt::xtensor<float, 2> x = {{1, std::nanf("")}, {inf, -1}};
    for (const bool per_token : {false, true}) {
        const activation_code code = code_of(x, {.symmetric = true, .per_token = per_token});
        CHECK(code.non_finite_count == 2);
        CHECK(code.max == 1);
        CHECK(code.min == -1);
    }
    CHECK(code_of(x, {.symmetric = true}).scale == Approx(1.0 / 127));
}

TEST_CASE("nothing seen, or nothing but zeros, gives a code that decodes 0 to 0")
{
    for (const auto method : {observer_method::min_max, observer_method::percentile, observer_method::mse, observer_method::entropy}) {
        const activation_code none = activation_observer({.method = method}).code();
        CHECK(none.scale == 1);
        CHECK(none.sqnr_db.reason == "no finite activations");
        const xt::xtensor<float, 2> zeros = xt::zeros<float>({3, 4});
        const activation_code code = code_of(zeros, {.method = method});
        CHECK(code.scale == 1);
        CHECK(code.zero_point == 0);
        CHECK(code.sqnr_db.reason == "all zero");
        CHECK(code.clipped_fraction.value == 0);
    }
}

TEST_CASE("tiny and huge activations fit the histogram")
{
    const xt::xtensor<double, 2> x = {{1e-310, 1e300}, {-1e300, 0}};
    activation_observer observer({.method = observer_method::mse, .symmetric = true});
    observer.observe(x);
    CHECK(observer.code().max == 1e300);
    const xt::xtensor<float, 2> small = {{1e-42F, -1e-42F}};
    CHECK(code_of(small, {.method = observer_method::percentile}).clipped_fraction.exists());
}

TEST_CASE("observer options out of range are refused")
{
    CHECK(message([] { activation_observer o({.bits = 1}); })
          == "weightscope::activation_observer(options): scheme.bits is 1, expected 2 to 8 or 16");
    CHECK(message([] { activation_observer o({.percentile = 50}); })
          == "weightscope::activation_observer(options): options.percentile is 50, expected above 50 and at most 100");
    activation_observer observer;
    const std::vector<float> x = {1, 2, 3};
    CHECK(message([&] { observer.observe(x, 2); }) == "weightscope::activation_observer::observe(values, cols): 3 values are no rows of 2");
    const std::vector<std::uint8_t> mask = {1};
    CHECK(message([&] { observer.observe(x, 1, mask); })
          == "weightscope::activation_observer::observe(values, cols, row_mask): row_mask has 1 entries, expected one for each row");
}
