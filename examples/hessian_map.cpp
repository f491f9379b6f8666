// Which weights of a layer is the loss most curved in? A map of the Hessian's diagonal, from losses alone.
//
//     $ hessian_map
//     plan: 145 losses
//     :::::@::: ::::::::::::::|
//     :::::@::: ::::::::::::::|
//     :::::@::: ::::::::::::::|
//     largest 19.9, 145 of 145 losses as planned
#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/random.hpp>
#include <weightscope/evaluators/make_evaluator.hpp>
#include <weightscope/evaluators/plan.hpp>

int main()
{
    // logistic regression with 3 classes on 24 features; feature 5 is ten times as large as the others, feature 9 is always 0
    auto x = weightscope::random_normal<float>({200, 24}, {.seed = 1});
    xt::view(x, xt::all(), 5) *= 10;
    xt::view(x, xt::all(), 9) *= 0;
    using tensors = std::map<std::string, xt::xtensor<float, 2>>;
    const tensors weights = {{"w", weightscope::random_normal<float>({3, 24}, {.seed = 2, .std = 0.05})}};
    auto model = weightscope::make_evaluator(weights, 1, [&](const tensors& w, std::size_t) -> weightscope::loss_value {
        double sum = 0;
        for (std::size_t n = 0; n < 200; ++n) {
            double logits[3] = {}, total = 0;
            for (std::size_t c = 0; c < 3; ++c) {
                for (std::size_t i = 0; i < 24; ++i)
                    logits[c] += w.at("w")(c, i) * x(n, i);
                total += std::exp(logits[c]);
            }
            sum += std::log(total) - logits[n % 3];
        }
        return {sum, 200};
    });

    const auto planned = weightscope::plan_estimate(model, weightscope::differences_options{.method = weightscope::difference_method::curvature});
    fmt::print("plan: {} losses\n", planned.plan.counts.losses);
    const auto found = weightscope::estimate_differences(model, planned.options);
    constexpr std::string_view shades = ".:-=+*%@";  // each twice as curved as the one before, up to the largest
    double largest = 0;
    for (const auto& weight : found.weights)
        largest = std::max(largest, weight.curvature);
    for (const auto& weight : found.weights) {
        const double steps = weight.curvature > 0 ? std::log2(largest / weight.curvature) : 99;
        fmt::print("{}{}", steps > 7 ? ' ' : shades[7 - static_cast<std::size_t>(steps)], weight.position.element % 24 == 23 ? "|\n" : "");
    }
    fmt::print("largest {:.1f}, {} of {} losses as planned\n", largest, found.counts.losses, planned.plan.counts.losses);
}
