#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/analyzers/compare_schemes.hpp>
#include <weightscope/analyzers/scheme_difference_words.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/conventions.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/uniform.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

const scheme narrow{.bits = 4, .granularity = scale_granularity::per_channel};
const scheme full{.bits = 4, .granularity = scale_granularity::per_channel, .full_range = true};

}  // namespace

TEST_CASE("two schemes are compared by hand")
{
    // rows of scale 1 under max|w| / 7, and of 14/15 under max|w| / 7.5: 7 -> code 7 -> 98/15, 1 -> 14/15, -3 -> -42/15; 0 stays
    const xt::xtensor<double, 2> w = {{7, 1, 0, -3}, {0, 0, 0, 0}};
    const scheme_difference d = compare_schemes(w, narrow, full);
    const double s = static_cast<double>(14.0F / 15.0F);
    const double error = (7 - 7 * s) * (7 - 7 * s) + (1 - s) * (1 - s) + (3 - 3 * s) * (3 - 3 * s);
    CHECK(d.first_sqnr_db.reason == "exact");
    CHECK(d.second_sqnr_db.value == Approx(10 * std::log10(59 / error)).epsilon(1e-6));  // decoded in float
    CHECK(d.change_db.reason == "exact");
    CHECK(d.weight_count == 8);
    CHECK(d.differing_count == 3);
    CHECK(d.differing_fraction.value == 0.375);
    CHECK(d.differing_codes_fraction.value == 0);  // the same codes stand for other numbers
    CHECK(d.largest_difference == Approx(7 - 7 * s).epsilon(1e-6));
    CHECK(d.group_count == 2);
    CHECK(d.differing_groups == 1);
    REQUIRE(d.worst);
    CHECK(d.worst->group == 0);
    CHECK(d.worst->size == 4);
    CHECK(d.worst->worst_column == 0);
    CHECK(d.worst->weight == 7);
    CHECK(d.worst->first_value == 7);
    CHECK(d.worst->second_value == Approx(7 * s).epsilon(1e-6));
    CHECK(d.worst->first_squared_error == 0);
    CHECK(d.worst->second_squared_error == Approx(error).epsilon(1e-5));
    CHECK(d.reason == "codes -7 to 7 against -8 to 7; scale max|w| / 7 against max|w| / 7.5");
}

TEST_CASE("what differs, and where, is what decoding both tells")
{
    const auto w = random_normal<float>({13, 50}, {.seed = 7});
    const scheme a{.bits = 4, .granularity = scale_granularity::per_group, .group_size = 16},
        b{.bits = 4, .symmetric = false, .granularity = scale_granularity::per_group, .group_size = 32};
    const scheme_difference d = compare_schemes(w, a, b, {.listed_groups = 7});
    const auto x = dequantize<double>(quantize_uniform(w, a)), y = dequantize<double>(quantize_uniform(w, b));
    // groups of 16, the smaller ones: 16, 16, 16 and 2 in each row
    std::size_t differing = 0, groups = 0, worst_group = 0;
    double errors[2] = {}, signal = 0, widest = 0, worst_gap = -1;
    std::vector<std::size_t> first;
    for (std::size_t row = 0; row < 13; ++row)
        for (std::size_t g = 0; g < 4; ++g) {
            std::size_t here = 0;
            double e[2] = {};
            for (std::size_t i = row * 50 + g * 16; i < row * 50 + std::min<std::size_t>(50, (g + 1) * 16); ++i) {
                const double v = static_cast<double>(w.data()[i]), p = x.data()[i], q = y.data()[i];
                signal += v * v;
                e[0] += (v - p) * (v - p);
                e[1] += (v - q) * (v - q);
                here += p != q;
                widest = std::max(widest, std::fabs(p - q));
            }
            errors[0] += e[0], errors[1] += e[1];
            differing += here;
            if (here == 0)
                continue;
            ++groups;
            if (first.size() < 7)
                first.push_back(row * 4 + g);
            if (std::fabs(e[1] - e[0]) > worst_gap) {
                worst_gap = std::fabs(e[1] - e[0]);
                worst_group = row * 4 + g;
            }
        }
    CHECK(d.group_count == 52);
    CHECK(d.differing_count == differing);
    CHECK(d.differing_groups == groups);
    CHECK(d.largest_difference == widest);
    CHECK(d.first_sqnr_db.value == Approx(10 * std::log10(signal / errors[0])).epsilon(1e-12));
    CHECK(d.change_db.value == Approx(10 * std::log10(errors[0] / errors[1])).epsilon(1e-10));
    REQUIRE(d.groups.size() == first.size());
    for (std::size_t i = 0; i < first.size(); ++i)
        CHECK(d.groups[i].group == first[i]);
    CHECK(d.worst->group == worst_group);
    CHECK(std::fabs(d.worst->second_squared_error - d.worst->first_squared_error) == Approx(worst_gap).epsilon(1e-12));
    CHECK(d.differing_codes_fraction.reason == "codes with zero points of their own");
}

TEST_CASE("the order of the schemes turns the sign and nothing else")
{
    const auto w = random_normal<bfloat16>({300, 300}, {.seed = 2});
    const scheme_difference d = compare_schemes(w, narrow, full), over = compare_schemes(w, full, narrow);
    CHECK(d.change_db.value == -over.change_db.value);
    CHECK(d.differing_count == over.differing_count);
    CHECK(d.worst->group == over.worst->group);
    CHECK(d.worst->first_value == over.worst->second_value);
    const scheme_difference same = compare_schemes(w, full, full);
    CHECK(same.change_db.value == 0);
    CHECK(same.differing_count == 0);
    CHECK(same.differing_codes_fraction.value == 0);
    CHECK(same.groups.empty());
    CHECK_FALSE(same.worst);
    CHECK(same.reason == "the same scheme");
}

TEST_CASE("weights that are not finite are compared nowhere, and nothing has a reason")
{
    xt::xtensor<float, 2> w = random_normal<float>({4, 8}, {.seed = 3});
    w(0, 0) = std::numeric_limits<float>::quiet_NaN();
    w(1, 0) = std::numeric_limits<float>::infinity();
    const scheme_difference d = compare_schemes(w, narrow, full);
    CHECK(d.weight_count == 30);
    CHECK(d.change_db.exists());
    const xt::xtensor<float, 2> none = xt::empty<float>({0, 8});
    CHECK(compare_schemes(none, narrow, full).change_db.reason == "no entries");
    CHECK(compare_schemes(none, narrow, full).differing_codes_fraction.reason == "no entries");
    const xt::xtensor<float, 2> zero = xt::zeros<float>({2, 8});
    CHECK(compare_schemes(zero, narrow, full).change_db.reason == "all zero");
    CHECK_THROWS_WITH(compare_schemes(w, narrow, {.bits = 9}),
                      "weightscope::compare_schemes(weights, first, second): scheme.bits is 9, expected 2 to 8 or 16");
}

TEST_CASE("the reason is read from the schemes")
{
    const auto words = [](const char* a, const char* b) { return explain_scheme_difference(parse_scheme(a), parse_scheme(b)); };
    CHECK(words("int4-g64", "int4-g64-asym")
          == "codes -7 to 7 against -8 to 7; scale max|w| / 7 against (max - min) / 15; zero point none against an integer code");
    CHECK(words("int4-g64", "int3-g128") == "grid int4 against int3; scale max|w| / 7 against max|w| / 3; groups: one for 64 against one for 128");
    CHECK(words("int8-per-channel", "int8-per-tensor-half-away")
          == "groups: one for each channel against one scale for all; halves rounded to even against away from zero");
    CHECK(words("int4-g64", "int4-g64-scale-f16-mse")
          == "scale stored as f32 against f16; range: the whole range against the range of least squared error");
    // every pair of known conventions that are not the same scheme has a reason
    for (const convention& a : conventions())
        for (const convention& b : conventions()) {
            const std::string reason = explain_scheme_difference(a.options, b.options);
            CHECK_FALSE(reason.empty());
            CHECK((reason == "the same scheme") == (a.options == b.options));
        }
}
