#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/study/dequantized_model.hpp>
#include <weightscope/study/quantization_losses.hpp>
#include <weightscope/study/quantization_study.hpp>

#include "../catch.hpp"
#include "small_model.hpp"
#include "watching_evaluator.hpp"

using namespace weightscope;
using study_tests::distance_from, study_tests::watching_evaluator;

namespace {

quantization_study_options three_sizes()
{
    quantization_study_options options;
    for (const int bits : {8, 6, 4, 3})
        options.variants.push_back({.name = "b" + std::to_string(bits),
                                    .normal = {.bits = bits, .granularity = scale_granularity::per_group, .group_size = 16},
                                    .skip_first_last = false});
    return options;
}

study_tests::model_in_memory two_matrices()
{
    study_tests::model_in_memory m;
    m.add("a.weight", random_normal<float>({10, 64}, {.seed = 1})).add("b.weight", random_normal<float>({20, 48}, {.seed = 2}));
    return m;
}

}  // namespace

TEST_CASE("the loss of a variant is that of its decoded weights")
{
    auto m = two_matrices();
    // a loss that is the squared error itself must rise by the squared error that the study measured
    watching_evaluator evaluator(*m, distance_from(*m));
    const auto before = evaluator.bytes();
    quality_meter meter(evaluator);
    std::size_t calls = 0;
    const auto study = measure_losses(*m, study_quantization(*m, three_sizes()), meter, [&](const progress& state) {
        calls = state.total;
        return true;
    });
    REQUIRE(study.evaluation);
    CHECK(evaluator.bytes() == before);
    CHECK(study.evaluation->before.loss.value == 0);
    CHECK(calls == study.evaluation->plan.counts.losses + study.evaluation->plan.counts.outputs);
    CHECK(study.evaluation->plan.counts.losses == 10);  // two batches, the model and four variants
    for (const variant_result& variant : study.variants) {
        REQUIRE(variant.quality);
        CHECK(variant.quality->loss_change.value == Approx(variant.error.sums.squared_error).epsilon(1e-9));
        CHECK(variant.quality->outputs.mae.value > 0);
    }
    CHECK(study.evaluation->sqnr_loss_correlation.value == -1);
    CHECK(study.evaluation->correlated_count == 4);
    CHECK(study.evaluation->notes.empty());
}

TEST_CASE("measured losses decide what is recommended")
{
    auto m = two_matrices();
    const auto steps = [&m](double per_squared_error) {
        return watching_evaluator(*m, [f = distance_from(*m), per_squared_error](const auto& bytes) { return 1 + per_squared_error * f(bytes); });
    };
    auto options = three_sizes();
    const auto plain = study_quantization(*m, options);
    CHECK(plain.variants[plain.recommended].name == "b6");  // by errors alone: 30 dB

    // three bits lose some 50 in all: as a loss that is nothing here, and the smallest will do
    watching_evaluator harmless = steps(1e-5);
    quality_meter forgiving(harmless);
    const auto small = measure_losses(*m, plain, forgiving);
    CHECK(small.variants[small.recommended].name == "b3");
    CHECK(small.recommended_because
          == "the smallest whose measured loss rises by at most 0.01: it rises by "
                 + fmt::format("{:.4f} ± 0.0000 to {:.4f}", small.variants[3].quality->loss_change.value, small.variants[3].quality->loss.value));

    watching_evaluator sensitive = steps(1e3);
    quality_meter strict(sensitive);
    const auto none = measure_losses(*m, plain, strict);
    CHECK(none.variants[none.recommended].name == "b8");
    CHECK(none.recommended_because.starts_with("no variant keeps the rise of the measured loss within 0.01, and this one's rises least: by "));

    // a limit for layers counts beside the loss
    options.max_error = 0.04;
    watching_evaluator again = steps(1e-5);
    quality_meter both(again);
    const auto limited = measure_losses(*m, study_quantization(*m, options), both);
    CHECK(limited.variants[limited.recommended].worst_error.value <= 0.04);
    CHECK(limited.recommended_because.find(" and whose layers all stay within a relative_error of 0.04: it rises by ") != std::string::npos);
}

TEST_CASE("what an evaluator is given is what write_dequantized writes")
{
    auto m = study_tests::small_model();  // turned, stacked, 16-bit and equal tensors
    const auto study = study_quantization(*m, three_sizes());
    const auto path = std::filesystem::temp_directory_path() / "weightscope_quantization_losses.safetensors";
    write_dequantized(path, *m, study, 2);
    const model written = read_safetensors(path);
    std::vector<watching_evaluator::stored> seen;
    watching_evaluator evaluator(*m, [&](const auto& bytes) {
        seen.push_back(bytes);
        return 0;
    });
    quality_meter meter(evaluator);
    (void)measure_losses(*m, study, meter);
    REQUIRE(seen.size() == 2 * 5);
    const auto& third = seen[2 + 2 * 2];
    for (const named_tensor& t : written.tensors) {
        const auto number = detail::weight_named(evaluator.weights(), t.name);
        REQUIRE(number < third.size());
        CHECK(std::equal(third[number].begin(), third[number].end(), t.bytes.begin(), t.bytes.end()));
    }
    CHECK(seen.front() == seen[1]);
    std::filesystem::remove(path);
}

TEST_CASE("an evaluator that lacks layers is told of, one of another model is refused")
{
    auto m = two_matrices();
    const auto study = study_quantization(*m, three_sizes());
    watching_evaluator partial(*m, distance_from(*m));
    partial.infos()[1].name = "other";
    quality_meter meter(partial);
    const auto measured = measure_losses(*m, study, meter);
    REQUIRE(measured.evaluation->notes.size() == 1);
    CHECK(measured.evaluation->notes[0] == "the evaluator does not have 1 of the layers: what quantizing them does is not in the losses");

    watching_evaluator wrong(*m, distance_from(*m));
    wrong.infos()[1].dtype = dtype::bfloat16;
    quality_meter other(wrong);
    CHECK_THROWS_WITH(measure_losses(*m, study, other),
                      "weightscope::measure_losses(model, study, meter): the evaluator's tensor 'b.weight' is 960 numbers of BF16, expected 960 of F32 "
                      "as in the model");
    auto another = study_tests::small_model();
    CHECK_THROWS_AS(measure_losses(*another, study, meter), std::invalid_argument);
    CHECK_THROWS_AS(measure_losses(*m, study, meter, [](const progress&) { return false; }), cancelled);
}
