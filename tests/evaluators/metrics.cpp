#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/evaluators/metrics.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

namespace {

// Share of right signs, and the smallest margin's sum, which is not counted.
struct with_metrics : logistic_model<double>
{
    using logistic_model<double>::logistic_model;
    std::vector<metric_info> metrics() const { return {{"accuracy", true}, {"nothing", false}, {"broken", false}}; }
    void measure(std::size_t b, std::span<loss_value> values)
    {
        for (std::size_t i = 0; i < sample_count(b); ++i) {
            values[0].sum += margin(b * 7 + i) > 0 ? 1 : 0;
            values[0].count += 1;
        }
        values[2] = {NAN, 1};
    }
};

}  // namespace

TEST_CASE("figures of uneven batches are summed before they are divided")
{
    with_metrics model(24, 4, 7, 3);  // batches of 7, 7, 7 and 3
    double right = 0, last = 0;
    for (std::size_t n = 0; n < 24; ++n) {
        right += model.margin(n) > 0 ? 1 : 0;
        last += n >= 21 && model.margin(n) > 0 ? 1 : 0;
    }
    const auto all = estimate_metrics(model);
    REQUIRE(all.size() == 3);
    CHECK(all[0].name == "accuracy");
    CHECK(all[0].higher_is_better);
    CHECK(all[0].value.value == Approx(right / 24).epsilon(1e-15));
    CHECK_FALSE(all[1].higher_is_better);
    CHECK(all[1].value.reason == "nothing was counted");
    CHECK(all[2].value.reason == "not finite");
    CHECK(estimate_metrics(model, {3})[0].value.value == Approx(last / 3).epsilon(1e-15));
    CHECK_THROWS_WITH(estimate_metrics(model, {4}), "weightscope::estimate_metrics(evaluator, batches): batch 4 is asked for, expected below 4");
}
