#include <cmath>
#include <limits>
#include <vector>

#include <weightscope/evaluators/batch_error.hpp>

#include "../catch.hpp"

using namespace weightscope;

TEST_CASE("the standard error of a mean over batches is that of a ratio of sums")
{
    // batches of one size: sums 1, 2, 6 of 2 each. Their means 1/2, 1, 3 have the mean 3/2 and the sample variance (1 + 1/4 + 9/4) / 2 = 7/4
    const std::vector<loss_value> equal = {{1, 2}, {2, 2}, {6, 2}};
    CHECK(estimate_batch_error(equal).value == Approx(std::sqrt(7.0 / 4 / 3)).epsilon(1e-15));

    // unlike sizes: sums 0, 4, 0 of 1, 2, 3; the mean is 2/3 and the residuals are -2/3, 8/3, -2
    std::vector<loss_value> unlike = {{0, 1}, {4, 2}, {0, 3}};
    const double error = std::sqrt(104.0 / 9 * 3 / 2) / 6;
    CHECK(estimate_batch_error(unlike).value == Approx(error).epsilon(1e-15));
    // counted in pairs, the mean is twice as large, and so is its error
    for (loss_value& batch : unlike)
        batch.count /= 2;
    CHECK(estimate_batch_error(unlike).value == Approx(2 * error).epsilon(1e-15));
    // a loss that is the same for every item has none
    CHECK(estimate_batch_error(std::vector<loss_value>{{3, 1}, {15, 5}, {6, 2}}).value == 0);
}

TEST_CASE("where there is no standard error, the reason is told")
{
    const double infinity = std::numeric_limits<double>::infinity();
    CHECK(estimate_batch_error({}).reason == "nothing was counted");
    CHECK(estimate_batch_error(std::vector<loss_value>{{0, 0}, {0, 0}}).reason == "nothing was counted");
    CHECK(estimate_batch_error(std::vector<loss_value>{{1, 2}}).reason == "one batch");
    CHECK(estimate_batch_error(std::vector<loss_value>{{1, 2}, {infinity, 2}}).reason == "not finite");
    CHECK(estimate_batch_error(std::vector<loss_value>{{1, 2}, {std::numeric_limits<double>::quiet_NaN(), 2}}).reason == "not finite");
}
