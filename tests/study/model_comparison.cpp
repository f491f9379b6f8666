#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/comparison_verdict.hpp>
#include <weightscope/study/model_comparison.hpp>

#include "../catch.hpp"
#include "small_model.hpp"

using namespace weightscope;
using study_tests::model_in_memory;

namespace {

using float_matrix = xt::xtensor<float, 2>;

float_matrix gaussian(std::size_t rows, std::size_t cols, std::uint64_t seed)
{
    return random_normal<float>({rows, cols}, {.seed = seed, .std = 0.05});
}

// Calls f(name, weights) with the tensors of a small network of the architecture "a", freshly drawn with `seed`.
template <class F>
void for_each_layer(std::uint64_t seed, F&& f)
{
    f("embed.weight", gaussian(100, 64, 10 * seed));
    f("layers.0.up.weight", gaussian(128, 64, 10 * seed + 1));
    f("layers.0.down.weight", gaussian(64, 128, 10 * seed + 2));
    f("layers.1.up.weight", gaussian(128, 64, 10 * seed + 3));
    f("layers.1.down.weight", gaussian(64, 128, 10 * seed + 4));
}

model_in_memory base()
{
    model_in_memory m;
    for_each_layer(1, [&](const std::string& name, const float_matrix& w) { m.add(name, w); });
    return m;
}

// The base model with change(name, weights) in place of each tensor.
template <class F>
model_in_memory changed(F&& change)
{
    model_in_memory m;
    for_each_layer(1, [&](const std::string& name, const float_matrix& w) { m.add(name, change(name, w)); });
    return m;
}

comparison_result compared(model_in_memory& a, model_in_memory& b)
{
    return compare_models({.weights = &*a}, {.weights = &*b});
}

std::size_t count(const comparison_result& r, layer_relation relation)
{
    return static_cast<std::size_t>(
        std::count_if(r.layers.begin(), r.layers.end(), [=](const compared_layer& layer) { return layer.relation == relation; }));
}

float_matrix plus_noise(const float_matrix& w, float factor, std::uint64_t seed)
{
    const float_matrix noise = gaussian(w.shape(0), w.shape(1), seed);
    float_matrix result = w;
    for (std::size_t i = 0; i < w.size(); ++i)
        result.flat(i) += factor * noise.flat(i);
    return result;
}

float_matrix quantized(const float_matrix& w, const char* scheme)
{
    return dequantize(quantize_uniform(w, parse_scheme(scheme)));
}

template <class T>
xt::xtensor<T, 2> rounded(const float_matrix& w)
{
    xt::xtensor<T, 2> result = xt::empty<T>(w.shape());
    for (std::size_t i = 0; i < w.size(); ++i)
        result.flat(i) = T(w.flat(i));
    return result;
}

}  // namespace

TEST_CASE("a model and itself are identical")
{
    model_in_memory a = base(), b = base();
    const comparison_result r = compared(a, b);
    CHECK(r.relation == model_relation::identical);
    CHECK(r.layers.size() == 5);
    CHECK(count(r, layer_relation::identical) == 5);
    CHECK(r.findings.empty());
    CHECK(r.relative_l2_distance.value == 0);
    CHECK(most_changed_layers(r, 10).empty());
    CHECK(r.evidence == std::vector<std::string>{"Of 5 matched layers: 5 identical."});
}

TEST_CASE("16-bit copies are casts, in either direction and of each other")
{
    model_in_memory wide = base();
    model_in_memory half = changed([](const std::string&, const float_matrix& w) { return rounded<float16>(w); });
    model_in_memory brain = changed([](const std::string&, const float_matrix& w) { return rounded<bfloat16>(w); });
    const comparison_result narrowed = compared(wide, half);
    CHECK(narrowed.relation == model_relation::dtype_cast);
    CHECK(narrowed.layers[0].evidence == "every weight is that of A rounded to F16");
    const comparison_result widened = compared(brain, wide);
    CHECK(widened.relation == model_relation::dtype_cast);
    CHECK(widened.layers[0].evidence == "every weight of A is this one rounded to BF16");
    const comparison_result between = compared(half, brain);
    CHECK(between.relation == model_relation::dtype_cast);
    CHECK(between.layers[0].evidence == "F16 and BF16 round to the same numbers");
    model_in_memory back = changed([](const std::string&, const float_matrix& w) {
        const auto narrow = rounded<float16>(w);
        float_matrix result = w;
        for (std::size_t i = 0; i < w.size(); ++i)
            result.flat(i) = narrow.flat(i);
        return result;
    });
    CHECK(compared(half, back).layers[0].evidence == "F32 holds every value of F16");
    CHECK(compared(half, back).relation == model_relation::dtype_cast);
}

TEST_CASE("quantized and decoded copies are recognised, whatever the scheme")
{
    model_in_memory a = base();
    for (const char* name : {"int8-per-tensor", "int8-per-channel", "int8-per-channel-asym", "int6-g64", "int4-g32", "int4-g128-asym", "int4-per-channel"}) {
        model_in_memory b = changed([&](const std::string& layer, const float_matrix& w) {
            return layer.starts_with("embed") ? w : quantized(w, name);
        });
        const comparison_result r = compared(a, b);
        INFO(name << ": " << r.layers[1].evidence);
        CHECK(r.relation == model_relation::quantized_copy);
        CHECK(count(r, layer_relation::quantized) == 4);
    }
}

TEST_CASE("a quantized copy that was stored in 16 bits is still one")
{
    model_in_memory a = base();
    model_in_memory b = changed([&](const std::string&, const float_matrix& w) {
        return rounded<float16>(quantized(w, "int4-g64"));
    });
    CHECK(compared(a, b).relation == model_relation::quantized_copy);
}

TEST_CASE("a merged adapter is told by the rank of what it added")
{
    model_in_memory a = base();
    model_in_memory b = changed([](const std::string& name, const float_matrix& w) {
        if (name.find(".up.") == std::string::npos)
            return w;
        const float_matrix up = gaussian(w.shape(0), 4, 91), down = gaussian(4, w.shape(1), 92);
        float_matrix result = w;
        for (std::size_t i = 0; i < w.shape(0); ++i)
            for (std::size_t j = 0; j < w.shape(1); ++j)
                for (std::size_t k = 0; k < 4; ++k)
                    result(i, j) += up(i, k) * down(k, j);
        return result;
    });
    const comparison_result r = compared(a, b);
    CHECK(r.relation == model_relation::adapter);
    CHECK(count(r, layer_relation::low_rank_update) == 2);
    CHECK(count(r, layer_relation::identical) == 3);
    CHECK(r.layers[1].evidence == "rank 4 of 64 carries 99 % of the difference");
    CHECK(most_changed_layers(r, 10).size() == 2);
}

TEST_CASE("small changes in all directions are a fine-tune, in 16 bits too")
{
    model_in_memory a = base();
    model_in_memory b = changed([](const std::string&, const float_matrix& w) { return plus_noise(w, 0.02f, 77); });
    const comparison_result r = compared(a, b);
    CHECK(r.relation == model_relation::fine_tune);
    CHECK(count(r, layer_relation::updated) == 5);
    CHECK(r.cosine_similarity.value > 0.999);
    CHECK(r.relative_l2_distance.value == Approx(0.02).epsilon(0.03));  // of 37,000 Gaussian numbers

    for (const float factor : {0.004f, 0.02f, 0.2f}) {
        model_in_memory c = changed([](const std::string&, const float_matrix& w) { return rounded<bfloat16>(w); });
        model_in_memory d = changed([&](const std::string&, const float_matrix& w) { return rounded<bfloat16>(plus_noise(w, factor, 78)); });
        INFO(factor);
        CHECK(compared(c, d).relation == model_relation::fine_tune);
    }
}

TEST_CASE("models of one architecture with other weights are unrelated, and of another one different")
{
    model_in_memory a = base(), b, c;
    for_each_layer(2, [&](const std::string& name, const float_matrix& w) { b.add(name, w); });
    const comparison_result r = compared(a, b);
    CHECK(r.relation == model_relation::unrelated);
    CHECK(std::abs(r.cosine_similarity.value) < 0.05);
    REQUIRE(r.findings.size() == 1);  // told once, not of each layer
    CHECK(r.findings[0].rule_id == "unrelated");
    CHECK(r.findings[0].layer == "");
    c.add("embed.weight", gaussian(100, 32, 1)).add("mixer.weight", gaussian(64, 64, 2));
    const comparison_result other = compared(a, c);
    CHECK(other.relation == model_relation::different);
    CHECK(other.layers[0].relation == layer_relation::resized);
    CHECK(other.layers[0].evidence == "6,400 weights became 3,200");
    CHECK(other.only_in_a.size() == 4);
    CHECK(other.only_in_b.size() == 1);
    CHECK(other.findings.size() == 5);  // removed, in each of A's layers
}

TEST_CASE("weights that were set to zero are a pruned copy")
{
    model_in_memory a = base();
    model_in_memory b = changed([](const std::string&, const float_matrix& w) {
        float_matrix result = w;
        for (float& x : result)
            x = std::fabs(x) < 0.03f ? 0 : x;
        return result;
    });
    const comparison_result r = compared(a, b);
    CHECK(r.relation == model_relation::pruned_copy);
    CHECK(count(r, layer_relation::pruned) == 5);
}

TEST_CASE("renamed, turned, reshaped and reordered tensors are found again")
{
    model_in_memory a = base(), b;
    float_matrix turned;
    for_each_layer(1, [&](const std::string& name, const float_matrix& w) {
        if (name == "layers.0.up.weight")
            turned = xt::transpose(w);
    });
    b.add("module.layers.1.down.weight", gaussian(64, 128, 14)).add("model.layers.1.up.weight", gaussian(128, 64, 13));
    b.add("layers.0.up.weight", turned);
    xt::xtensor<float, 1> flat = xt::empty<float>({64 * 128});
    const float_matrix down = gaussian(64, 128, 12);
    for (std::size_t i = 0; i < flat.size(); ++i)
        flat(i) = down.flat(i);
    b.add("layers.0.down.weight", flat).add("vocabulary", gaussian(100, 64, 10));
    const comparison_result r = compared(a, b);
    CHECK(r.relation == model_relation::identical);
    CHECK(r.only_in_a.empty());
    CHECK(r.layers[0].how == matched_by::bytes);
    CHECK(r.layers[0].name_b == "vocabulary");
    CHECK(r.layers[1].transposed);
    CHECK(r.layers[2].reshaped);
    CHECK(r.layers[3].how == matched_by::normalised_name);
}

TEST_CASE("a tied head that one side stores and the other does not is no loss")
{
    model_in_memory a = base(), b = base();
    a.add("lm_head.weight", gaussian(100, 64, 10));  // the embedding
    const comparison_result r = compared(a, b);
    CHECK(r.relation == model_relation::identical);
    REQUIRE(r.only_in_a.size() == 1);
    CHECK(r.only_in_a[0].equal_to == "embed.weight");
    CHECK(r.findings.empty());
    CHECK(r.evidence.back() == "1 of A stands for weights that it holds under another name.");
}

TEST_CASE("weights that became NaN are critical")
{
    model_in_memory a = base();
    model_in_memory b = changed([](const std::string& name, const float_matrix& w) {
        float_matrix result = w;
        if (name == "layers.0.up.weight")
            result(3, 4) = std::numeric_limits<float>::quiet_NaN();
        return result;
    });
    const comparison_result r = compared(a, b);
    REQUIRE(r.findings.size() == 1);
    CHECK(r.findings[0].rule_id == "appeared_nonfinite");
    CHECK(r.findings[0].level == severity::critical);
    CHECK(r.findings[0].message == "weights that became NaN or infinite: 1 > 0");
}

TEST_CASE("patterns choose the layers, and any number of threads gives the same figures")
{
    model_in_memory a = base();
    model_in_memory b = changed([](const std::string&, const float_matrix& w) { return plus_noise(w, 0.02f, 77); });
    const comparison_result some = compare_models({.weights = &*a}, {.weights = &*b}, {.include = {"up"}});
    CHECK(some.layers.size() == 2);
    const comparison_result one = compare_models({.weights = &*a}, {.weights = &*b}, {.threads = 1}), more = compared(a, b);
    for (std::size_t i = 0; i < one.layers.size(); ++i)
        CHECK(one.layers[i].weights->l2_distance.value == more.layers[i].weights->l2_distance.value);
    CHECK_THROWS_WITH(compare_models({}, {.weights = &*a}),
                      "weightscope::compare_models(a, b): a side has neither weights nor a scan, expected one of them");
    CHECK_THROWS_AS(compare_models({.weights = &*a}, {.weights = &*b}, {}, [](const progress&) { return false; }), cancelled);
}

TEST_CASE("saved scans are compared figure by figure")
{
    const auto scan_with = [](double mean, double norm, double kappa) {
        layer_result layer{.name = "w", .shape = {4, 4}, .dtype = "F32", .parameters = 16};
        layer.basic_stats = basic_stats_result{};
        layer.basic_stats->mean = mean;
        layer.basic_stats->std = 1.0;
        layer.basic_stats->l2_norm = norm;
        layer.basic_stats->min = -2.0;
        layer.basic_stats->max = 3.0;
        layer.spectral = spectral_result{};
        layer.spectral->condition_number_at_least = kappa;
        layer.spectral->stable_rank = 2.0;
        return scan_result{.layers = {layer}};
    };
    const scan_result a = scan_with(0.5, 4, 10), b = scan_with(0.75, 6, 2000);
    const comparison_result r = compare_models({.scan = &a}, {.scan = &b});
    CHECK(r.relation == model_relation::undecided);
    REQUIRE(r.layers[0].scans.has_value());
    const scan_difference& d = *r.layers[0].scans;
    CHECK(d.mean_diff.value == 0.25);
    CHECK(d.std_diff.value == 0);
    CHECK(d.l2_norm_ratio.value == 1.5);
    CHECK(d.max_abs_change.value == 0);
    CHECK(d.condition_number_ratio.value == 200);
    CHECK(d.stable_rank_diff.value == 0);
    CHECK(d.change_score.value == 3);  // 10 · 0.25 + 0.5
    CHECK(r.findings.size() == 1);
    CHECK(r.findings[0].rule_id == "conditioning");
    CHECK(compare_models({.scan = &a}, {.scan = &a}).relation == model_relation::same_figures);
    CHECK(most_changed_layers(r, 1).size() == 1);
}
