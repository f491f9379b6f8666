// error: this needs gradients: give the evaluator a member loss_and_gradient.std::size_t batch, const weightscope::gradient_sink& sink.
#include <map>
#include <string>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/gradient.hpp>
#include <weightscope/evaluators/make_evaluator.hpp>

auto gradient()
{
    auto evaluator = weightscope::make_evaluator(std::map<std::string, xt::xarray<float>>(), 1, [](const auto&, std::size_t) { return 0.0; });
    return weightscope::estimate_gradient(evaluator);
}
