#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/study/quantization_study.hpp>

#include "../catch.hpp"
#include "../message.hpp"
#include "small_model.hpp"

using namespace weightscope;
using study_tests::small_model;

namespace {

quantization_study_options with(const std::vector<quantization_config>& configs)
{
    quantization_study_options options;
    for (const quantization_config& config : configs)
        options.variants.push_back(to_variant(config));
    return options;
}

constexpr auto int4 = quantization_type::int4_group;

const study_layer& layer_named(const quantization_study_result& study, const std::string& name)
{
    const auto found = std::find_if(study.layers.begin(), study.layers.end(), [&](const auto& layer) { return layer.name == name; });
    REQUIRE(found != study.layers.end());
    return *found;
}

// The scheme that a variant gives a layer, or why it keeps it.
std::string picked(const quantization_study_result& study, const std::string& name, std::size_t variant = 0)
{
    const auto index = static_cast<std::size_t>(&layer_named(study, name) - study.layers.data());
    const layer_pick& pick = study.variants[variant].picks[index];
    return pick.scheme == kept_as_stored ? "kept: " + pick.reason : to_string(study.schemes[pick.scheme]);
}

}  // namespace

TEST_CASE("a study quantizes matrices and says why it keeps the rest")
{
    auto m = small_model();
    const auto study = study_quantization(*m, with({{.quant_type = int4, .group_size = 32, .skip_first_last = false}}));
    REQUIRE(study.layers.size() == 12);  // the stack of two experts is two layers
    CHECK(picked(study, "embed.weight") == "kept: embedding");
    CHECK(picked(study, "layers.0.norm.weight") == "kept: vector");
    CHECK(picked(study, "layers.1.ids") == "kept: I32 is no float");
    for (const char* name : {"layers.0.q.weight", "layers.0.up.weight", "layers.0.conv.weight", "layers.0.experts.weight[0]",
                             "layers.0.experts.weight[1]", "layers.1.q.weight", "layers.1.copy.weight", "layers.1.down.weight", "lm_head.weight"})
        CHECK(picked(study, name) == "int4-g32");
    CHECK(study.variants[0].quantized_count == 9);
}

TEST_CASE("embeddings and vectors are quantized on request")
{
    auto m = small_model();
    auto options = with({{.skip_first_last = false}});
    options.embeddings = true;
    options.vectors = true;
    const auto study = study_quantization(*m, options);
    CHECK(picked(study, "embed.weight") == "int8-per-channel-sym");
    CHECK(picked(study, "layers.0.norm.weight") == "int8-per-channel-sym");
}

TEST_CASE("the first and the last layer are told, and kept by variants that skip them")
{
    auto m = small_model();
    const auto study = study_quantization(*m, with({{.skip_first_last = true}, {.name = "all", .skip_first_last = false}}));
    CHECK(study.first_layer == "layers.0.q.weight");
    CHECK(study.last_layer == "lm_head.weight");
    CHECK(picked(study, "layers.0.q.weight", 0) == "kept: first layer");
    CHECK(picked(study, "lm_head.weight", 0) == "kept: last layer");
    CHECK(picked(study, "layers.0.q.weight", 1) == "int8-per-channel-sym");
    CHECK(study.variants[0].quantized_count == 7);
    CHECK(study.variants[1].quantized_count == 9);
    CHECK(study.variants[0].bytes > study.variants[1].bytes);
    CHECK(study.variants[0].error.sums.squared_error < study.variants[1].error.sums.squared_error);
    CHECK(study.variants[0].error.sums.count == study.variants[1].error.sums.count);  // the same weights are counted
}

TEST_CASE("without an output layer by name the last layer is the last in order")
{
    study_tests::model_in_memory m;
    m.add("a.weight", random_normal<float>({4, 8}, {.seed = 1})).add("b.weight", random_normal<float>({4, 8}, {.seed = 2}));
    const auto study = study_quantization(*m, with({{.skip_first_last = true}}));
    CHECK(study.first_layer == "a.weight");
    CHECK(study.last_layer == "b.weight");
    CHECK(study.variants[0].quantized_count == 0);
    CHECK(study.variants[0].worst_error.reason == "no layer is quantized");
}

TEST_CASE("figures are those of the layer alone, bytes those of the packed layer")
{
    auto m = small_model();
    const scheme s{.bits = 4, .granularity = scale_granularity::per_group, .group_size = 32};
    const auto study = study_quantization(*m, with({{.quant_type = int4, .group_size = 32, .skip_first_last = false}}));
    const auto weights = random_normal<float>({24, 70}, {.seed = 2});
    const auto decoded = dequantize<double>(quantize_uniform(weights, s));
    double error = 0, signal = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double w = static_cast<double>(weights.data()[i]), e = w - decoded.data()[i];
        error += e * e;
        signal += w * w;
    }
    const scheme_figures& figures = layer_named(study, "layers.0.q.weight").figures[0];
    CHECK(figures.error.sqnr_db.value == Approx(10 * std::log10(signal / error)).epsilon(1e-6));  // decoded in float there
    // 24 rows of 35 bytes and three scales of four bytes: groups of 32, 32 and 6
    CHECK(figures.storage.code_bytes == 24 * 35);
    CHECK(figures.storage.scale_bytes == 24 * 3 * 4);
    CHECK(figures.storage.bytes() == 1128);
}

TEST_CASE("the bytes of a variant are those of all tensors")
{
    study_tests::model_in_memory m;
    m.add("a.weight", random_normal<float>({10, 64}, {.seed = 1})).add("a.bias", random_normal<float>({10}, {.seed = 2}));
    const auto study = study_quantization(*m, with({{.skip_first_last = false}, {.quant_type = int4, .group_size = 32, .skip_first_last = false}}));
    CHECK(study.model.bytes == 10 * 64 * 4 + 10 * 4);
    CHECK(study.variants[0].bytes == 10 * 64 + 10 * 4 + 10 * 4);      // one byte each, one scale a row, and the bias
    CHECK(study.variants[1].bytes == 10 * 32 + 10 * 2 * 4 + 10 * 4);  // half a byte each, two scales a row, and the bias
    CHECK(study.variants[0].compression_ratio.value == 2600.0 / 720.0);
    CHECK(study.variants[1].bits_per_weight.value == 8 * 440.0 / 650.0);
}

TEST_CASE("sensitive layers have sensitive_bits, the others normal_bits")
{
    auto m = small_model();
    quantization_config config{.quant_type = quantization_type::mixed_precision, .group_size = 16, .skip_first_last = false};
    config.sensitive_layers = {"q\\.weight$"};
    config.sensitive_bits = 8;
    config.normal_bits = 3;
    const auto study = study_quantization(*m, with({config}));
    CHECK(picked(study, "layers.0.q.weight") == "int8-per-channel-sym");
    CHECK(picked(study, "layers.1.q.weight") == "int8-per-channel-sym");
    CHECK(picked(study, "layers.1.down.weight") == "int3-g16");
}

TEST_CASE("every knob of a study that another variant turns is measured")
{
    auto m = small_model();
    const auto study = study_quantization(*m, with(study_configs()));
    const auto knob = [&](const std::string& name, const std::string& from, const std::string& to) {
        return std::count_if(study.knobs.begin(), study.knobs.end(), [&](const study_knob& k) { return k.knob == name && k.from == from && k.to == to; });
    };
    CHECK(knob("bits", "int8-per-channel-sym", "int4-per-channel-sym") == 1);
    CHECK(knob("symmetry", "int8-per-channel-asym", "int8-per-channel-sym") == 1);
    CHECK(knob("granularity", "int8-per-channel-sym", "int8-per-tensor-sym") == 1);
    CHECK(knob("group size", "int4-g32", "int4-g128") == 1);
    CHECK(knob("first and last layer", "int4-g32", "int4-g32 with the first and the last layer") == 1);
    REQUIRE_FALSE(study.knobs.empty());
    CHECK(study.knobs.front().knob == "bits");  // 4 bits fewer: some 24 dB
    CHECK(study.knobs.front().error_change_db.value == Approx(24.1).margin(1.5));
    for (const study_knob& k : study.knobs)
        CHECK(k.bytes_change <= 0);
}

TEST_CASE("best accuracy, smallest and recommended are what the figures say")
{
    auto m = small_model();
    auto options = with(study_configs());
    const auto study = study_quantization(*m, options);
    for (const variant_result& v : study.variants) {
        CHECK(v.error.sums.squared_error >= study.variants[study.best_accuracy].error.sums.squared_error);
        CHECK(v.bytes >= study.variants[study.smallest].bytes);
    }
    const variant_result& told = study.variants[study.recommended];
    CHECK(told.worst_error.value <= 0.0316);
    for (const variant_result& v : study.variants)
        CHECK((v.bytes >= told.bytes || v.worst_error.value > 0.0316));
    CHECK(study.recommended_because == "the smallest whose layers all stay within a relative_error of 0.0316 (30 dB)");

    options = with({{.quant_type = int4}});
    const auto coarse = study_quantization(*m, options);
    CHECK(coarse.recommended_because == "no variant keeps all layers within a relative_error of 0.0316 (30 dB), and this one loses least");
}

TEST_CASE("the frontier is what no other variant beats in size and error")
{
    auto m = small_model();
    const auto study = study_quantization(*m, with(study_configs()));
    for (const variant_result& a : study.variants) {
        bool beaten = false;
        for (const variant_result& b : study.variants)
            beaten |= b.bytes <= a.bytes && b.error.sums.squared_error <= a.error.sums.squared_error
                      && (b.bytes < a.bytes || b.error.sums.squared_error < a.error.sums.squared_error);
        CHECK(a.on_frontier == !beaten);
    }
}

TEST_CASE("searched groups lose no more than the middle size in no more bytes")
{
    // two layers: one of a single scale, where small groups gain little, and one whose outliers make them gain much
    study_tests::model_in_memory m;
    auto spiky = random_normal<float>({16, 256}, {.seed = 2});
    for (std::size_t i = 0; i < 16; ++i)
        spiky(i, 40) = 30;
    m.add("calm.weight", random_normal<float>({48, 256}, {.seed = 1})).add("spiky.weight", spiky);
    quantization_study_options options = with({{.quant_type = int4, .group_size = 64, .skip_first_last = false}});
    options.search_groups = {32, 64, 128};
    options.skip_first_last = false;
    const auto study = study_quantization(*m, options);
    REQUIRE(study.variants.size() == 2);
    CHECK(study.variants[1].bytes <= study.variants[0].bytes);
    CHECK(study.variants[1].error.sums.squared_error < study.variants[0].error.sums.squared_error);
    CHECK(picked(study, "spiky.weight", 1) == "int4-g32");
    CHECK(picked(study, "calm.weight", 1) == "int4-g128");
}

TEST_CASE("searched groups lose least of all choices in these bytes")
{
    study_tests::model_in_memory m;
    for (std::uint64_t i = 0; i < 4; ++i) {
        auto w = random_normal<float>({8, 128}, {.seed = i});
        w(0, 3 * i) = static_cast<float>(4 * i);
        m.add("w" + std::to_string(i), w);
    }
    quantization_study_options options;
    options.search_groups = {32, 64, 128};
    options.skip_first_last = false;
    const auto study = study_quantization(*m, options);
    // all 81 choices: schemes are the sizes 128, 64, 32
    double best = 1e300;
    std::uint64_t budget = 0;
    for (const study_layer& layer : study.layers)
        budget += layer.figures[1].storage.bytes();
    for (std::size_t choice = 0; choice < 81; ++choice) {
        std::uint64_t bytes = 0;
        double error = 0;
        for (std::size_t l = 0, rest = choice; l < 4; ++l, rest /= 3) {
            bytes += study.layers[l].figures[rest % 3].storage.bytes();
            error += study.layers[l].figures[rest % 3].error.sums.squared_error;
        }
        if (bytes <= budget)
            best = std::min(best, error);
    }
    // a greedy choice is at most one step short of the best
    CHECK(study.variants[0].error.sums.squared_error >= best);
    CHECK(study.variants[0].error.sums.squared_error <= 1.03 * best);
}

TEST_CASE("progressive quantization goes as far as max_error allows")
{
    auto m = small_model();
    quantization_study_options options;
    options.skip_first_last = false;
    options.max_error = 0.1;
    const auto study = study_quantization(*m, options);
    REQUIRE(study.variants.size() == 1);
    REQUIRE(study.variants[0].name == "progressive int8 to int4");
    for (std::size_t i = 0; i < study.layers.size(); ++i) {
        const study_layer& layer = study.layers[i];
        if (layer.figures.empty())
            continue;
        const std::size_t s = study.variants[0].picks[i].scheme;
        REQUIRE(s != kept_as_stored);
        CHECK(layer.figures[s].error.relative_error.value <= 0.1);
        for (const scheme_figures& other : layer.figures)
            CHECK((other.error.relative_error.value > 0.1 || other.storage.bytes() >= layer.figures[s].storage.bytes()));
    }
    CHECK(study.variants[0].worst_error.value <= 0.1);

    options.max_error = 1e-9;
    const auto strict = study_quantization(*m, options);
    CHECK(strict.variants[0].quantized_count == 0);
    CHECK(picked(strict, "layers.1.down.weight").starts_with("kept: at best relative_error 0.00"));
    options.max_error = 10;
    CHECK(study_quantization(*m, options).variants[0].quantized_count == 9);
}

TEST_CASE("max_error is a limit of the metric that is named")
{
    auto m = small_model();
    quantization_study_options options;
    options.skip_first_last = false;
    options.max_error = 0.05;
    options.error_metric = study_metric::max_error;
    const auto study = study_quantization(*m, options);
    for (std::size_t i = 0; i < study.layers.size(); ++i)
        if (const std::size_t s = study.variants[0].picks[i].scheme; s != kept_as_stored)
            CHECK(study.layers[i].figures[s].error.max_error.value <= 0.05);
    CHECK(study.variants[0].worst_error.value == study.variants[0].error.max_error.value);
}

TEST_CASE("with a limit, the searched group is the largest within it")
{
    study_tests::model_in_memory m;
    auto spiky = random_normal<float>({16, 256}, {.seed = 2});
    spiky(3, 40) = 200;
    m.add("spiky.weight", spiky).add("calm.weight", random_normal<float>({16, 256}, {.seed = 1}));
    quantization_study_options options;
    options.search_groups = {16, 64, 128};
    options.skip_first_last = false;
    options.max_error = 0.12;
    const auto study = study_quantization(*m, options);
    REQUIRE(study.variants[0].name == "int4-searched-groups");
    for (std::size_t i = 0; i < 2; ++i) {
        std::size_t largest = 2;  // schemes stand from the largest group to the smallest
        for (std::size_t s = 3; s-- > 0;)
            if (study.layers[i].figures[s].error.relative_error.value <= 0.12)
                largest = s;
        CHECK(study.variants[0].picks[i].scheme == largest);
    }
}

TEST_CASE("equal tensors are measured once and treated alike")
{
    study_tests::model_in_memory m;
    m.add("embed.weight", random_normal<float>({50, 16}, {.seed = 1}))
        .add("a.weight", random_normal<float>({8, 16}, {.seed = 2}))
        .add("b.weight", random_normal<float>({8, 16}, {.seed = 2}))
        .add("lm_head.weight", random_normal<float>({50, 16}, {.seed = 1}));
    const auto study = study_quantization(*m, with({{.skip_first_last = false}}));
    CHECK(layer_named(study, "lm_head.weight").duplicate_of == "embed.weight");
    CHECK(picked(study, "lm_head.weight") == "kept: equals embed.weight: embedding");
    CHECK(picked(study, "b.weight") == "int8-per-channel-sym");
    CHECK(study.variants[0].error.sums.count == 8 * 16);
    const auto skipping = study_quantization(*m, with({{.skip_first_last = true}}));
    CHECK(skipping.last_layer == "lm_head.weight");
    CHECK(picked(skipping, "a.weight") == "kept: first layer");
    CHECK(picked(skipping, "b.weight") == "kept: first layer");
}

TEST_CASE("turned matrices are quantized along their inputs")
{
    // one column [in] of large weights is one output: with one scale for each output the others do not suffer
    study_tests::model_in_memory m;
    auto w = random_normal<float>({32, 8}, {.seed = 1});
    for (std::size_t i = 0; i < 32; ++i)
        w(i, 5) *= 1000;
    m.add("h.0.mlp.c_fc.weight", w);
    (*m).architecture = "gpt2";
    auto options = with({{.skip_first_last = false}});
    const auto turned = study_quantization(*m, options);
    options.orientation = matrix_orientation::out_in;
    const auto plain = study_quantization(*m, options);
    CHECK(turned.layers[0].transposed);
    CHECK_FALSE(plain.layers[0].transposed);
    CHECK(turned.layers[0].figures[0].error.sums.flushed_count < plain.layers[0].figures[0].error.sums.flushed_count);
    CHECK(turned.layers[0].figures[0].storage.scale_bytes == 8 * 4);
}

TEST_CASE("weights that are not chosen are kept and counted in the bytes")
{
    auto m = small_model();
    auto options = with({{.skip_first_last = false}});
    options.include = {"layers\\.1"};
    const auto study = study_quantization(*m, options);
    CHECK(picked(study, "layers.0.q.weight") == "kept: not chosen");
    CHECK(study.variants[0].quantized_count == 2);
    CHECK(picked(study, "layers.1.copy.weight") == "kept: equals layers.0.up.weight: not chosen");
    CHECK(study.layers.size() == 11);  // a stack that is kept is one tensor
    options.include = {"nothing"};
    CHECK(message([&] { (void)study_quantization(*m, options); })
          == "weightscope::study_quantization(model, options): include, exclude and restrict leave none of the 11 tensors");
}

TEST_CASE("zeros and weights that are not finite spoil no figure")
{
    study_tests::model_in_memory m;
    xt::xtensor<float, 2> zeros = xt::zeros<float>({4, 8});
    auto broken = random_normal<float>({4, 8}, {.seed = 1});
    broken(1, 1) = std::nanf("");
    m.add("zeros.weight", zeros).add("broken.weight", broken);
    auto options = with({{.skip_first_last = false}});
    options.skip_first_last = false;
    options.max_error = 0.01;
    const auto study = study_quantization(*m, options);
    CHECK(study.layers[0].figures[0].error.relative_error.reason == "all zero");
    CHECK(study.layers[1].figures[0].error.sums.non_finite_count == 1);
    CHECK(study.variants[0].error.relative_error.exists());
    CHECK(picked(study, "zeros.weight", 1) == "int4-g128");  // exact, so within any limit
}

TEST_CASE("figures are the same for any number of threads")
{
    auto m = small_model();
    auto options = with(study_configs());
    options.threads = 1;
    const auto one = study_quantization(*m, options);
    options.threads = 3;
    const auto three = study_quantization(*m, options);
    for (std::size_t v = 0; v < one.variants.size(); ++v)
        CHECK(one.variants[v].error.sums.squared_error == three.variants[v].error.sums.squared_error);
    CHECK(three.environment.threads == 3);
}

TEST_CASE("a study tells its progress and can be cancelled")
{
    auto m = small_model();
    std::size_t done = 0, total = 0;
    (void)study_quantization(*m, with({{}}), [&](const progress& state) {
        done = state.done;
        total = state.total;
        return true;
    });
    CHECK(done == total);
    CHECK(total == 8);  // the copy is not measured again
    CHECK_THROWS_AS(study_quantization(*m, with({{}}), [](const progress&) { return false; }), cancelled);
}

TEST_CASE("what cannot be studied is refused")
{
    auto m = small_model();
    const auto refused = [&](const quantization_study_options& options) {
        return message([&] { (void)study_quantization(*m, options); });
    };
    CHECK(refused({})
          == "weightscope::study_quantization(model, options): options.variants, search_groups and max_error are empty, expected one thing to study");
    quantization_study_options options;
    options.max_error = -1;
    CHECK(refused(options) == "weightscope::study_quantization(model, options): options.max_error is -1, expected 0 or more and finite");
    options = {};
    options.search_groups = {0};
    CHECK(refused(options) == "weightscope::study_quantization(model, options): options.search_groups has 0, expected sizes of 1 or more");
    options = {};
    options.variants.push_back({.name = "kernel", .normal = {.granularity = scale_granularity::per_channel, .channel_axis = 2}});
    CHECK(refused(options)
          == "weightscope::study_quantization(model, options): int8-per-channel-axis2-sym does not fit layers.0.q.weight of rank 2, expected a "
             "channel axis below the rank; leave the layer out with exclude, or choose another axis");
    options.include = {"conv"};
    CHECK(study_quantization(*m, options).variants[0].quantized_count == 0);  // the only layer is the first and the last
}
