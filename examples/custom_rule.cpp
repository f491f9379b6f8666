// Can it tell me what only my hardware minds: here, weights of 0.5 and more?
//
//     $ custom_rule sick_sample.safetensors
//     transformer.wpe.weight: magnitude: 2.277 >= 0.5
//       clip them, or split the layer in two
#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include <weightscope/io/open_model.hpp>
#include <weightscope/report/judge.hpp>
#include <weightscope/scope.hpp>

int main(int argc, char** argv)
try {
    auto rules = weightscope::default_rules();
    rules.push_back({.id = "fixed_point",
                     .label = "magnitude",
                     .value = [](const weightscope::layer_result& layer) -> weightscope::metric {
                         if (const auto& stats = layer.basic_stats)
                             return std::max(stats->max.value, -stats->min.value);
                         return weightscope::metric::missing("not measured");
                     },
                     .compare = weightscope::comparison::at_least,
                     .critical = 0.5,
                     .meaning = "our accelerator holds weights below 0.5",
                     .remedy = "clip them, or split the layer in two",
                     .applies = [](const weightscope::layer_result& layer) { return layer.shape.size() == 2; }});

    const auto result =
        weightscope::scan(weightscope::open_model(argc > 1 ? argv[1] : "model.safetensors"), {.spectral = false});
    for (const auto& finding : weightscope::judge(result, rules).findings)
        if (finding.rule_id == "fixed_point")
            fmt::print("{}: {}\n  {}\n", finding.layer, finding.message, finding.remedy);
} catch (const std::exception& error) {
    fmt::print(stderr, "custom_rule: error: {}\n", error.what());
    return 3;
}
