// error: this needs outputs: give the evaluator a member outputs.std::size_t batch. that returns weightscope::model_outputs
#include <map>
#include <string>

#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/make_evaluator.hpp>

auto compare()
{
    auto evaluator = weightscope::make_evaluator(std::map<std::string, xt::xarray<float>>(), 1, [](const auto&, std::size_t) { return 0.0; });
    return weightscope::compare_outputs(evaluator, evaluator);
}
