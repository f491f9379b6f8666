#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/scope.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// A model that lies in memory: its tensors have no file.
class model_in_memory
{
public:
    template <class T, std::size_t N>
    model_in_memory& add(const std::string& name, weightscope::dtype type, const xt::xtensor<T, N>& weights)
    {
        auto& bytes = storage_.emplace_back(weights.size() * sizeof(T));
        std::memcpy(bytes.data(), weights.data(), bytes.size());
        named_tensor tensor;
        tensor.name = name;
        tensor.shape.assign(weights.shape().begin(), weights.shape().end());
        tensor.dtype = type;
        tensor.bytes = bytes;
        model_.tensors.push_back(std::move(tensor));
        return *this;
    }
    weightscope::model& operator*() { return model_; }

private:
    weightscope::model model_;
    std::vector<std::vector<std::byte>> storage_;
};

model_in_memory small_model()
{
    model_in_memory m;
    m.add("embed.weight", dtype::float32, random_normal<float>({50, 16}, {.seed = 1}))
        .add("layers.0.up.weight", dtype::bfloat16, random_normal<bfloat16>({32, 16}, {.seed = 2}))
        .add("layers.0.norm.weight", dtype::float32, random_normal<float>({16}, {.seed = 3, .mean = 1, .std = 0.1}))
        .add("layers.0.conv.weight", dtype::float16, random_normal<float16>({8, 4, 3}, {.seed = 4}))
        .add("head.weight", dtype::float32, random_normal<float>({50, 16}, {.seed = 1}));
    return m;
}

}  // namespace

TEST_CASE("a scan has every tensor in model order with the analyses that were asked for")
{
    auto m = small_model();
    const scan_result result = scan(*m);
    REQUIRE(result.layers.size() == 5);
    CHECK(result.layers[1].name == "layers.0.up.weight");
    CHECK(result.layers[1].dtype == "BF16");
    CHECK(result.layers[1].spectral->rows == 32);
    CHECK(result.layers[2].basic_stats);
    CHECK_FALSE(result.layers[2].spectral);
    CHECK(result.layers[3].spectral->cols == 12);  // [out, in * kernel]
    CHECK(result.model.parameters == 50 * 16 * 2 + 32 * 16 + 16 + 96);
    CHECK(result.environment.threads > 0);

    const scan_result spectra = scan(*m, {.basic_stats = false, .quantization = false, .sparsity = false});
    CHECK(spectra.layers[0].spectral);
    CHECK_FALSE(spectra.layers[0].basic_stats);
    CHECK_FALSE(spectra.layers[0].quantization);
    const scan_result four_bits = scan(*m, {.spectral = false, .bits = 4});
    CHECK(four_bits.layers[0].quantization->bits == 4);
    CHECK_FALSE(four_bits.layers[0].spectral);
}

TEST_CASE("equal tensors are analysed once and told, constant ones are not")
{
    auto m = small_model();
    m.add("a.zero", dtype::float32, xt::xtensor<float, 1>(xt::zeros<float>({7}))).add("b.zero", dtype::float32, xt::xtensor<float, 1>(xt::zeros<float>({7})));
    std::size_t begun = 0;
    std::string last;
    const scan_result result = scan(*m, {}, [&](const progress& p) {
        begun += p.name != last;
        last = p.name;
        return p.total == 6;
    });
    CHECK(result.layers[4].duplicate_of == "embed.weight");
    CHECK(result.layers[4].spectral->condition_number.value == result.layers[0].spectral->condition_number.value);
    CHECK(result.layers[6].duplicate_of == "");
    CHECK(begun >= 6);
}

TEST_CASE("element figures have the same bits for 1, 2 and 3 threads, spectra agree")
{
    auto m = small_model();
    m.add("big", dtype::float32, random_normal<float>({600, 500}, {.seed = 9}));
    const scan_result one = scan(*m, {.threads = 1});
    CHECK(one.environment.threads == 1);
    for (const std::size_t threads : {2, 3}) {
        const scan_result many = scan(*m, {.threads = threads});
        CHECK(many.environment.threads == threads);
        for (std::size_t i = 0; i < one.layers.size(); ++i) {
            INFO(one.layers[i].name << ", " << threads << " threads");
            CHECK(many.layers[i].basic_stats->mean.value == one.layers[i].basic_stats->mean.value);
            CHECK(many.layers[i].basic_stats->kurtosis.value == one.layers[i].basic_stats->kurtosis.value);
            CHECK(many.layers[i].quantization->quantization_mse.value == one.layers[i].quantization->quantization_mse.value);
            CHECK(many.layers[i].sparsity->mean_abs_weight.value == one.layers[i].sparsity->mean_abs_weight.value);
            if (one.layers[i].spectral)
                for (std::size_t k = 0; k < one.layers[i].spectral->total_rank; ++k)
                    CHECK(std::fabs(many.layers[i].spectral->singular_values.values[k] - one.layers[i].spectral->singular_values.values[k])
                          <= one.layers[i].spectral->singular_values.half_widths[k] + many.layers[i].spectral->singular_values.half_widths[k]);
        }
    }
}

TEST_CASE("patterns choose tensors; what they leave nothing of is refused")
{
    auto m = small_model();
    CHECK(scan(*m, {.include = {"layers\\.0\\.(up|norm)"}}).layers.size() == 2);
    CHECK(scan(*m, {.exclude = {"norm", "conv"}}).layers.size() == 3);
    CHECK(scan(*m, {.restrict_to = {"embed", "head"}}).layers.size() == 2);
    CHECK_THROWS_WITH(scan(*m, {.include = {"nothing"}}),
                      "weightscope::scan(model, options): include, exclude and restrict leave none of the 5 tensors (embed.weight, "
                      "layers.0.up.weight, layers.0.norm.weight, ...)");
    CHECK_THROWS_WITH(scan(*m, {.include = {"("}}), Catch::Matchers::ContainsSubstring("options.include has '(', which is no regular expression"));
    CHECK_THROWS_WITH(scan(*m, {.bits = 99}), "weightscope::scan(model, options): options.bits is 99, expected 2 to 16");
    CHECK(scan(model{}).layers.empty());
}

TEST_CASE("a scan can be cancelled")
{
    auto m = small_model();
    CHECK_THROWS_AS(scan(*m, {}, [](const progress&) { return false; }), cancelled);
}

TEST_CASE("one tensor that cannot be read does not lose the others")
{
    auto m = small_model();
    (*m).tensors[1].bytes = (*m).tensors[1].bytes.first(10);
    const scan_result result = scan(*m);
    CHECK(result.layers[1].error != "");
    CHECK_FALSE(result.layers[1].basic_stats);
    CHECK(result.layers[0].basic_stats);
    CHECK(result.layers[4].error == "");
}

TEST_CASE("tensors without numbers are listed with the reason")
{
    model_in_memory m;
    m.add("mask", dtype::boolean, xt::xtensor<std::uint8_t, 1>{1, 0, 1});
    CHECK(scan(*m).layers[0].skipped == "BOOL has no numeric meaning here: listed, not analysed");
}

TEST_CASE("GPT-2's Conv1D weights are turned, whatever else has their names is not")
{
    const auto dead_output = [](std::size_t in, std::size_t out) {
        xt::xtensor<float, 2> w = random_normal<float>({in, out}, {.seed = 5});
        xt::view(w, xt::all(), 1) = 0;
        return w;
    };
    model_in_memory gpt2;
    gpt2.add("h.0.attn.c_attn.weight", dtype::float32, dead_output(8, 24)).add("h.0.mlp.c_proj.weight", dtype::float32, dead_output(32, 8))
        .add("wte.weight", dtype::float32, dead_output(20, 8));
    const scan_result turned = scan(*gpt2);
    CHECK(turned.layers[0].transposed);
    CHECK(turned.layers[0].spectral->rows == 24);
    CHECK(turned.layers[0].sparsity->structured_sparsity->dead_rows == 1);
    CHECK(turned.layers[0].sparsity->structured_sparsity->dead_columns == 0);
    CHECK(turned.layers[1].transposed);
    CHECK_FALSE(turned.layers[2].transposed);
    CHECK(turned.layers[2].sparsity->structured_sparsity->dead_columns == 1);

    model_in_memory nano;
    nano.add("h.0.attn.c_attn.weight", dtype::float32, dead_output(24, 8));
    CHECK_FALSE(scan(*nano).layers[0].transposed);
    CHECK(scan(*nano, {.orientation = matrix_orientation::in_out}).layers[0].transposed);
    CHECK_FALSE(scan(*gpt2, {.orientation = matrix_orientation::out_in}).layers[0].transposed);
}

TEST_CASE("a stack of experts is analysed expert by expert, a convolution as one matrix")
{
    model_in_memory m;
    m.add("mlp.experts.up_proj", dtype::float32, random_normal<float>({3, 8, 5}, {.seed = 6})).add("conv.weight", dtype::float32, random_normal<float>({8, 5, 3}, {.seed = 7}));
    const scan_result result = scan(*m);
    REQUIRE(result.layers.size() == 4);
    CHECK(result.layers[2].name == "mlp.experts.up_proj[2]");
    CHECK(result.layers[2].shape == std::vector<std::size_t>{8, 5});
    CHECK(result.layers[3].spectral->cols == 15);
}

TEST_CASE("NaN and Inf are counted and judged whatever a scan measures")
{
    xt::xtensor<float, 2> w = random_normal<float>({20, 30}, {.seed = 8});
    w(3, 4) = std::numeric_limits<float>::quiet_NaN();
    w(5, 6) = -std::numeric_limits<float>::infinity();
    w(7, 8) = 0;
    model_in_memory m;
    m.add("w", dtype::float32, w);
    scan_options nothing{.basic_stats = false, .spectral = false, .quantization = false, .sparsity = false};
    for (scan_options options : {nothing, scan_options{}}) {
        const scan_result result = scan(*m, options);
        const layer_result& layer = result.layers[0];
        REQUIRE(layer.census);
        CHECK(layer.census->count == 600);
        CHECK(layer.census->nan_count == 1);
        CHECK(layer.census->negative_infinity_count == 1);
        CHECK(layer.census->zero_count == 1);
        CHECK(layer.basic_stats.has_value() == options.basic_stats);
        CHECK(layer.spectral.has_value() == options.spectral);
        const health_result health = judge(result);
        REQUIRE(health.count(severity::critical) == 1);
        CHECK(health.findings[0].rule_id == "nonfinite");
        CHECK(health.findings[0].message.starts_with("1 NaN and 1 infinite among 600 entries"));
        CHECK(health.score <= 39);
    }
    m.add("mask", dtype::boolean, xt::xtensor<std::uint8_t, 1>{1, 0, 1});
    CHECK_FALSE(scan(*m).layers[1].census);
}

TEST_CASE("heavy tails stand beside spectra and hold what the free functions say")
{
    auto m = small_model();
    scan_options options{.basic_stats = false, .quantization = false, .sparsity = false, .shuffles = 2, .seed = 5};
    const scan_result result = scan(*m, options);
    const auto embed = random_normal<float>({50, 16}, {.seed = 1});
    const layer_result& layer = result.layers[0];
    REQUIRE(layer.spectral);
    // the last bits of a BLAS depend on where in memory it works
    CHECK(layer.spectral->heavy_tail->fit.alpha.value == Approx(analyze_heavy_tail(embed).fit.alpha.value).epsilon(1e-10));
    const auto bulk = analyze_marchenko_pastur(embed, {.shuffles = 2, .seed = 5});
    CHECK(layer.spectral->marchenko_pastur->fitted.std.value == Approx(bulk.fitted.std.value).epsilon(1e-10));
    CHECK(layer.spectral->marchenko_pastur->shuffled->max_eigenvalue == Approx(bulk.shuffled->max_eigenvalue).epsilon(1e-10));
    CHECK_FALSE(result.layers[2].spectral);
    CHECK(result.layers[4].spectral->heavy_tail->fit.alpha.value == layer.spectral->heavy_tail->fit.alpha.value);  // a duplicate
    options.heavy_tail = false;
    CHECK_FALSE(scan(*m, options).layers[0].spectral->heavy_tail);
    options = {.spectral = false};
    CHECK_FALSE(scan(*m, options).layers[0].spectral);
}

TEST_CASE("convolutions are analysed tap by tap and as maps where asked for")
{
    model_in_memory m;
    const auto w = random_normal<float>({6, 4, 3, 3}, {.seed = 9});
    m.add("conv.weight", dtype::float32, w).add("matrix", dtype::float32, random_normal<float>({6, 4}, {.seed = 10}));
    CHECK_FALSE(scan(*m).layers[0].tap_spectra);
    CHECK_FALSE(scan(*m).layers[0].convolution_norm);
    const scan_result result = scan(*m, {.tap_spectra = true, .convolution_input = 5});
    const auto taps = analyze_tap_spectra(w).taps;
    REQUIRE(result.layers[0].tap_spectra->taps.size() == 9);
    for (std::size_t t = 0; t < 9; ++t)
        CHECK(result.layers[0].tap_spectra->taps[t].values.front() == Approx(taps[t].values.front()).epsilon(1e-10));
    CHECK(result.layers[0].convolution_norm->operator_norm == Approx(analyze_convolution_norm(w, {.input_size = 5}).operator_norm));
    CHECK_FALSE(result.layers[1].tap_spectra);
    auto broken = w;
    broken(0, 0, 0, 0) = std::numeric_limits<float>::infinity();
    m.add("broken", dtype::float32, broken);
    const scan_result again = scan(*m, {.tap_spectra = true, .convolution_input = 5});
    CHECK_FALSE(again.layers[2].convolution_norm);
    CHECK(again.layers[2].error.empty());
}
