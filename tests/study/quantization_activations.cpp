#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/activation_change.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/model_quality.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/report/json_values.hpp>
#include <weightscope/report/quantization_study_measures.hpp>
#include <weightscope/report/quantization_study_measures_json.hpp>
#include <weightscope/study/quantization_activations.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// One linear layer, whose outputs are its inputs, and whose loss is their squared distance from what they are without a change.
class showing_evaluator
{
public:
    explicit showing_evaluator(std::vector<xt::xtensor<float, 2>> batches) : batches_(std::move(batches))
    {
        infos_.push_back({.name = "layer.weight", .shape = {batches_[0].shape(1), 1}});
        bytes_.resize(infos_[0].size() * sizeof(float));
    }
    const std::vector<weight_info>& weights() const { return infos_; }
    void read(std::size_t, std::size_t offset, std::span<std::byte> out) const { std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin()); }
    void write(std::size_t, std::size_t offset, std::span<const std::byte> in) { std::copy(in.begin(), in.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset)); }
    std::size_t batch_count() const { return batches_.size(); }
    void observe(std::size_t b, const activation_tap& tap)
    {
        ++observed;
        const auto& x = batches_[b];
        if (tap.wants(0))
            tap(0, {.data = x.data(), .rows = x.shape(0), .cols = x.shape(1), .row_mask = mask});
    }
    void change_activations(const activation_change& change) { change_ = change; }
    loss_value loss(std::size_t b)
    {
        const std::vector<float> seen = inputs(b);
        double sum = 0;
        for (std::size_t i = 0; i < seen.size(); ++i) {
            const double e = static_cast<double>(seen[i]) - static_cast<double>(batches_[b].data()[i]);
            sum += e * e;
        }
        return {sum, static_cast<double>(seen.size())};
    }
    model_outputs outputs(std::size_t b) { return {.values = inputs(b), .rows = batches_[b].shape(0), .cols = batches_[b].shape(1)}; }

    std::vector<std::uint8_t> mask = {};
    std::size_t observed = 0;

private:
    std::vector<float> inputs(std::size_t b) const
    {
        std::vector<float> x(batches_[b].begin(), batches_[b].end());
        if (change_.wants(0))
            change_(0, x, batches_[b].shape(1));
        return x;
    }

    std::vector<xt::xtensor<float, 2>> batches_;
    std::vector<weight_info> infos_;
    std::vector<std::byte> bytes_;
    activation_change change_ = {};
};

std::vector<xt::xtensor<float, 2>> random_batches()
{
    auto a = random_normal<float>({30, 24}, {.seed = 1}), b = random_normal<float>({30, 24}, {.seed = 2});
    for (auto* batch : {&a, &b})
        for (std::size_t row = 0; row < 30; ++row)
            (*batch)(row, 5) *= 40;  // a channel that stands out
    return {a, b};
}

}  // namespace

TEST_CASE("rows are rounded by hand")
{
    // int4 symmetric, scale 1: codes -7 to 7, halves to even; what is beyond is cut off, NaN stays
    std::vector<float> x = {0.5F, 1.5F, -2.5F, 9, -9, 0, std::numeric_limits<float>::quiet_NaN()};
    activation_code code;
    code.scale = 1;
    detail::round_activation_rows(x, 7, code, {.bits = 4});
    CHECK(x[0] == 0);
    CHECK(x[1] == 2);
    CHECK(x[2] == -2);
    CHECK(x[3] == 7);
    CHECK(x[4] == -7);
    CHECK(x[5] == 0);
    CHECK(std::isnan(x[6]));
    // asymmetric with zero point -6: 0.25 (q + 6) for q from -8 to 7
    std::vector<float> y = {-1, 0.3F, 10};
    code = {};
    code.scale = 0.25;
    code.zero_point = -6;
    detail::round_activation_rows(y, 3, code, {.bits = 4, .symmetric = false});
    CHECK(y == std::vector<float>{-0.5F, 0.25F, 3.25F});
    // each row with its own scale: 7 / 7 and 14 / 7; a row of one magnitude is that magnitude
    std::vector<float> z = {7, 1.4F, 14, 3.1F, -5, 5};
    detail::round_activation_rows(z, 2, {}, {.bits = 4, .per_token = true});
    CHECK(z == std::vector<float>{7, 1, 14, 4, -5, 5});
}

TEST_CASE("what the observers tell of a layer is what rounding its inputs loses")
{
    for (const bool per_token : {false, true})
        for (const bool symmetric : {true, false}) {
            showing_evaluator evaluator(random_batches());
            const auto study = study_activations(evaluator, {.bits = 6, .symmetric = symmetric, .per_token = per_token});
            REQUIRE(study.layers.size() == 1);
            const activation_layer& layer = study.layers[0];
            CHECK(layer.name == "layer.weight");
            CHECK(layer.inputs == 24);
            CHECK(layer.samples == 60);
            CHECK(layer.outlier_channels == 1);
            CHECK(layer.largest_channel == 5);
            CHECK(layer.largest_channel_ratio.value > 20);
            CHECK(study.trials.size() == (per_token ? 1 : 4));
            CHECK(study.trials[0].observer == (per_token ? "per_token" : "min_max"));

            quality_meter meter(evaluator);
            const auto measured = measure_activation_losses(evaluator, study, meter);
            double signal = 0;
            for (const auto& batch : random_batches())
                for (const float x : batch)
                    signal += static_cast<double>(x) * static_cast<double>(x);
            double least = 1e300;
            for (std::size_t t = 0; t < measured.trials.size(); ++t) {
                REQUIRE(measured.trials[t].quality);
                const double noise = measured.trials[t].quality->loss.value * 60 * 24;
                // exact per token, else from a histogram with 8192 bins
                CHECK(10 * std::log10(signal / noise) == Approx(layer.codes[t].sqnr_db.value).margin(per_token ? 1e-3 : 0.1));
                least = std::min(least, measured.trials[t].quality->loss.value);
            }
            CHECK(measured.trials[measured.best].quality->loss.value == least);
            CHECK(evaluator.loss(0).sum == 0);  // nothing is changed any more
        }
}

TEST_CASE("calibration ends with the samples that are asked for, and padding does not count")
{
    showing_evaluator evaluator(random_batches());
    const auto few = study_activations(evaluator, {.observers = {observer_method::min_max}, .samples = 7});
    CHECK(evaluator.observed == 1);
    CHECK(few.layers[0].samples == 7);
    evaluator.mask.assign(30, 1);
    std::fill(evaluator.mask.begin() + 10, evaluator.mask.end(), std::uint8_t{0});
    const auto masked = study_activations(evaluator);
    CHECK(masked.layers[0].samples == 20);
    CHECK(masked.best < masked.trials.size());
    for (const activation_trial& trial : masked.trials)
        CHECK(trial.median_sqnr_db.value <= masked.trials[masked.best].median_sqnr_db.value);
}

TEST_CASE("weights and activations are measured together, and told")
{
    showing_evaluator evaluator(random_batches());
    quality_meter meter(evaluator);
    std::size_t written = 0;
    auto study = measure_activation_losses(evaluator, study_activations(evaluator, {.bits = 4}), meter,
                                           [&](weight_patch&) { ++written; }, "int4-g16");
    CHECK(written == 1);
    REQUIRE(study.together);
    CHECK(study.together_with == "int4-g16");
    CHECK(study.together->loss.value == study.trials[study.best].quality->loss.value);  // these weights do nothing

    const auto table = detail::activation_trials_table(study);
    CHECK(table.rows.size() == 5);
    CHECK(table.rows.back()[0] == study.trials[study.best].observer + " with weights of int4-g16");
    const auto layers = detail::activation_layers_table(study, 10);
    REQUIRE(layers.rows.size() == 1);
    CHECK(layers.rows[0][3] == "1 of 24");
    CHECK(detail::activations_text(study) == "activations as int4, 1 layer, from 60 tokens; the * is best by loss");

    const auto document = detail::json_of(study);
    CHECK(document["best"] == study.trials[study.best].observer);
    CHECK(document["layers"]["layer.weight"]["observers"]["mse"]["sqnr_db"] == study.layers[0].codes[2].sqnr_db.value);
    CHECK(document["trials"][0]["quality"]["loss"] == study.trials[0].quality->loss.value);
    CHECK(document["together"]["variant"] == "int4-g16");
}

TEST_CASE("wrong options of a study of activations are refused, and it can be cancelled")
{
    showing_evaluator evaluator(random_batches());
    CHECK_THROWS_WITH(study_activations(evaluator, {.observers = {}}),
                      "weightscope::study_activations(evaluator, options): options.observers is empty, expected one or more");
    CHECK_THROWS_WITH(study_activations(evaluator, {.bits = 9}),
                      "weightscope::study_activations(evaluator, options): scheme.bits is 9, expected 2 to 8 or 16");
    CHECK_THROWS_WITH(study_activations(evaluator, {.outlier_ratio = 0}),
                      "weightscope::study_activations(evaluator, options): options.outlier_ratio is 0, expected above 0");
    CHECK_THROWS_AS(study_activations(evaluator, {}, [](const progress&) { return false; }), cancelled);
}
