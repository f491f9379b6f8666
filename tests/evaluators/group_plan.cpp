#include <cstddef>
#include <vector>

#include <weightscope/evaluators/group_plan.hpp>

#include "../catch.hpp"
#include "models.hpp"

using namespace weightscope;

TEST_CASE("a plan of group effects tells the counts that the run then has")
{
    linear_net net(9, 4, 3, 2, 4);
    const auto before = net.all();
    const std::vector<weight_group> groups = {{"first", {{0, 0, 4, 1}}}, {"second", {{0, 4, 4, 1}, {1, 1, 2, 3}}}};
    for (const auto& options : {group_probe_options{}, group_probe_options{.ablate = false}, group_probe_options{.scale = false}}) {
        const auto planned = plan_group_effects(net, groups, options);
        CHECK(planned.plan.refusal.empty());
        CHECK(planned.plan.seconds > 0);
        CHECK(planned.plan.noise > 0);
        CHECK(planned.options.noise == planned.plan.noise);
        CHECK(estimate_group_effects(net, groups, planned.options).counts == planned.plan.counts);
    }
    CHECK(net.same_bytes(before));
    // 2 batches · (1 + 3 · 1) = 8 losses buy one group, 13 do not buy two
    CHECK(plan_group_effects(net, groups, {}, {.losses = 14}).plan.refusal.empty());
    CHECK(plan_group_effects(net, groups, {}, {.losses = 13}).plan.refusal
          == "the budget buys 1 of 2 groups; choose among them, or fewer batches");
    CHECK_THROWS_WITH(plan_group_effects(net, std::vector<weight_group>{{"none", {}}}),
                      "weightscope::plan_group_effects(evaluator, groups, options): group 'none' has no weights, expected some");
}
