// My model is a few lines of C++: which of its layers does the loss depend on most, and how sure is that?
//
//     $ lambda_model
//     keeps what is written: all 2 tensors give back the bytes written to them
//     repeatable: the loss of the unchanged model is the same each time; noise of its evaluation ...
//     independent of order: batches have the same losses in reverse order
//     reacts to writes: the loss reacts to changes of all 2 tensors
//     gradient agrees with losses: gradient and differences of the loss agree to ...
//     w1: mean curvature 0.05 +- 0.01
//     w2: mean curvature 0.46 +- 0.04
#include <cmath>
#include <map>
#include <string>

#include <fmt/format.h>

#include <weightscope/core/random.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>
#include <weightscope/evaluators/make_evaluator.hpp>
#include <weightscope/evaluators/self_test.hpp>

using tensors = std::map<std::string, xt::xtensor<float, 2>>;

int main()
{
    const auto x = weightscope::random_normal<float>({64, 8}, {.seed = 1});  // 4 batches of 16 samples
    // y = w2 tanh(w1 x), one output; half the squared distance from sin(x0); adds the gradient to `g` if there is one
    const auto run = [&](const tensors& w, std::size_t batch, tensors* g) -> weightscope::loss_value {
        double sum = 0;
        for (std::size_t n = 16 * batch; n < 16 * batch + 16; ++n) {
            double hidden[10] = {}, error = -std::sin(x(n, 0));
            for (std::size_t h = 0; h < 10; ++h) {
                for (std::size_t i = 0; i < 8; ++i)
                    hidden[h] += w.at("w1")(h, i) * x(n, i);
                error += w.at("w2")(0, h) * (hidden[h] = std::tanh(hidden[h]));
            }
            sum += error * error / 2;
            for (std::size_t h = 0; g && h < 10; ++h) {
                g->at("w2")(0, h) += static_cast<float>(error * hidden[h]);
                for (std::size_t i = 0; i < 8; ++i)
                    g->at("w1")(h, i) += static_cast<float>(error * w.at("w2")(0, h) * (1 - hidden[h] * hidden[h]) * x(n, i));
            }
        }
        return {sum, 16};
    };
    auto model = weightscope::make_evaluator(
        tensors{{"w1", weightscope::random_normal<float>({10, 8}, {.seed = 2, .std = 0.5})}, {"w2", weightscope::random_normal<float>({1, 10}, {.seed = 3})}}, 4,
        [&](const tensors& w, std::size_t batch) { return run(w, batch, nullptr); },
        [&](const tensors& w, std::size_t batch, tensors& g) { return run(w, batch, &g); });

    for (const auto& check : weightscope::test_evaluator(model).checks)
        fmt::print("{}: {}\n", check.name, check.text);
    for (const auto& trace : weightscope::estimate_hessian_trace(model, {.max_probes = 256}).tensors) {
        const auto info = model.weights()[trace.tensor];
        const double weights = static_cast<double>(info.size());
        fmt::print("{}: mean curvature {:.2f} +- {:.2f}\n", info.name, trace.value / weights, trace.half_width / weights);
    }
}
