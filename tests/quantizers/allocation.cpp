#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_front.hpp>
#include <weightscope/quantizers/allocation_margins.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Every allocation there is.
double brute_force(const allocation_problem& problem)
{
    std::vector<std::size_t> at(problem.items.size());
    double best = infinity;
    while (true) {
        double loss = 0;
        std::vector<std::uint64_t> costs(problem.budgets.size());
        for (std::size_t g = 0; g < at.size(); ++g) {
            const allocation_choice& choice = problem.items[g].choices[at[g]];
            loss += choice.loss;
            for (std::size_t k = 0; k < costs.size(); ++k)
                costs[k] += choice.costs[k];
        }
        const bool fits = std::equal(costs.begin(), costs.end(), problem.budgets.begin(), [](auto cost, auto budget) { return cost <= budget; });
        best = fits ? std::min(best, loss) : best;
        std::size_t g = 0;
        while (g < at.size() && ++at[g] == problem.items[g].choices.size())
            at[g++] = 0;
        if (g == at.size())
            return best;
    }
}

// best[c]: the least loss of the items so far at a cost of c
double dynamic_programming(const allocation_problem& problem)
{
    const std::size_t budget = problem.budgets.front();
    std::vector<double> best(budget + 1, 0);
    for (const allocation_item& item : problem.items) {
        std::vector<double> next(budget + 1, infinity);
        for (const allocation_choice& choice : item.choices)
            for (std::size_t c = choice.costs.front(); c <= budget; ++c)
                next[c] = std::min(next[c], best[c - choice.costs.front()] + choice.loss);
        best = next;
    }
    return best.back();
}

class problems
{
public:
    explicit problems(std::uint32_t seed) : random_(seed) {}

    std::uint64_t number(std::uint64_t least, std::uint64_t most) { return least + random_() % (most - least + 1); }
    double real() { return static_cast<double>(random_()) / 4294967296.0; }

    // `kind` 0: losses unlike the costs; 1: small whole numbers, full of ties; 2: losses that fall with the costs, as a format's do;
    // 3: losses that follow the costs exactly
    allocation_problem make(std::size_t items, std::size_t most_choices, std::size_t budgets, std::uint64_t largest, std::size_t kind)
    {
        allocation_problem problem;
        std::vector<std::uint64_t> least(budgets), most(budgets);
        for (std::size_t g = 0; g < items; ++g) {
            allocation_item item;
            const std::size_t count = number(1, most_choices);
            const double weight = real();
            std::vector<std::uint64_t> low(budgets, largest), high(budgets);
            for (std::size_t i = 0; i < count; ++i) {
                allocation_choice choice;
                for (std::size_t k = 0; k < budgets; ++k) {
                    choice.costs.push_back(kind == 1 ? number(0, 4) : number(0, largest));
                    low[k] = std::min(low[k], choice.costs[k]);
                    high[k] = std::max(high[k], choice.costs[k]);
                }
                const auto cost = static_cast<double>(choice.costs.front());
                choice.loss = kind == 0   ? real() - 0.3
                              : kind == 1 ? static_cast<double>(number(0, 5))
                              : kind == 2 ? weight / (1 + cost) * (0.9 + 0.2 * real())
                                          : static_cast<double>(largest) - cost;
                item.choices.push_back(choice);
            }
            for (std::size_t k = 0; k < budgets; ++k) {
                least[k] += low[k];
                most[k] += high[k];
            }
            problem.items.push_back(item);
        }
        for (std::size_t k = 0; k < budgets; ++k) {
            const std::uint64_t below = least[k] > 0 && number(0, 9) == 0 ? 1 : 0;  // now and then too little
            problem.budgets.push_back(below ? least[k] - 1 : least[k] + number(0, most[k] - least[k] + 1));
        }
        return problem;
    }

private:
    std::mt19937 random_;
};

// What a result says of itself is so.
bool is_consistent(const allocation_problem& problem, const allocation_result& result)
{
    double loss = 0;
    std::vector<std::uint64_t> costs(problem.budgets.size());
    for (std::size_t g = 0; g < problem.items.size(); ++g) {
        const allocation_choice& choice = problem.items[g].choices.at(result.choices.at(g));
        loss += choice.loss;
        for (std::size_t k = 0; k < costs.size(); ++k)
            costs[k] += choice.costs[k];
    }
    bool fits = loss == result.loss && costs == result.costs;
    for (std::size_t k = 0; k < costs.size(); ++k)
        fits = fits && costs[k] <= problem.budgets[k];
    return fits && result.gap >= 0 && result.lower_bound <= result.loss;
}

}  // namespace

TEST_CASE("an allocation by hand")
{
    // 3 + 3 fits 6 and loses 2 + 5; 1 + 5 loses 9 + 0; 5 + 1 loses 1 + 20
    const allocation_problem problem{.items = {{{{9, {1}}, {2, {3}}, {1, {5}}}}, {{{20, {1}}, {5, {3}}, {0, {5}}}}}, .budgets = {6}};
    const allocation_result best = allocate_choices(problem);
    CHECK(best.feasible);
    CHECK(best.proven);
    CHECK(best.choices == std::vector<std::size_t>{1, 1});
    CHECK(best.loss == 7);
    CHECK(best.costs == std::vector<std::uint64_t>{6});
    CHECK(best.gap == 0);
    CHECK(best.least_costs == std::vector<std::uint64_t>{2});
}

TEST_CASE("ten thousand small allocations are those of brute force")
{
    problems random(1);
    std::size_t wrong = 0, open = 0, infeasible = 0;
    for (std::size_t trial = 0; trial < 10'000; ++trial) {
        const std::size_t budgets = trial % 5 < 3 ? 1 : trial % 5 - 1;
        const allocation_problem problem = random.make(random.number(1, 6), 4, budgets, 30, trial % 4);
        const allocation_result result = allocate_choices(problem);
        const double best = brute_force(problem);
        open += !result.proven;
        infeasible += !result.feasible;
        const bool same = result.feasible ? result.loss == best && is_consistent(problem, result) : best == infinity;
        wrong += !same;
    }
    CHECK(wrong == 0);
    CHECK(open == 0);
    CHECK(infeasible > 300);
    CHECK(infeasible < 5000);
}

TEST_CASE("medium allocations are those of dynamic programming")
{
    problems random(2);
    for (std::size_t trial = 0; trial < 60; ++trial) {
        // whole losses, so that sums are exact in any order
        allocation_problem problem = random.make(40, 8, 1, 200, trial % 4);
        for (allocation_item& item : problem.items)
            for (allocation_choice& choice : item.choices)
                choice.loss = static_cast<double>(static_cast<int>(choice.loss * 10'000));
        const allocation_result result = allocate_choices(problem);
        INFO("trial " << trial);
        CHECK(result.proven);
        if (result.feasible)
            CHECK(is_consistent(problem, result));
        CHECK(result.loss == dynamic_programming(problem));
    }
}

TEST_CASE("allocations of equal, free, single and huge choices")
{
    allocation_problem equal;  // any 30 of the 60 are as good, and the search does not go through them
    for (std::size_t g = 0; g < 60; ++g)
        equal.items.push_back({{{1, {0}}, {0, {1}}}});
    equal.budgets = {30};
    const allocation_result half = allocate_choices(equal);
    CHECK(half.proven);
    CHECK(half.loss == 30);
    CHECK(half.state_count < 10'000);

    const allocation_problem free{.items = {{{{5, {0}}, {3, {0}}, {4, {0}}}}, {{{-1, {0}}}}}, .budgets = {0}};
    const allocation_result best = allocate_choices(free);
    CHECK(best.choices == std::vector<std::size_t>{1, 0});
    CHECK(best.loss == 2);

    const allocation_problem huge{.items = {{{{1e200, {1'000'000'000'000'000'000}}, {2e200, {3}}}}, {{{1e200, {1'000'000'000'000'000'000}}, {5e200, {2}}}}},
                                  .budgets = {1'000'000'000'000'000'010}};
    CHECK(allocate_choices(huge).choices == std::vector<std::size_t>{1, 0});

    const allocation_problem nothing{.items = {}, .budgets = {0}};
    const allocation_result none = allocate_choices(nothing);
    CHECK(none.feasible);
    CHECK(none.loss == 0);
    CHECK(none.costs == std::vector<std::uint64_t>{0});
}

TEST_CASE("a budget that nothing fits says the smallest that would do")
{
    const allocation_problem problem{.items = {{{{1, {7, 1}}, {2, {5, 9}}}}, {{{1, {4, 2}}}}}, .budgets = {8, 100}};
    const allocation_result result = allocate_choices(problem);
    CHECK_FALSE(result.feasible);
    CHECK(result.proven);
    CHECK(result.choices.empty());
    CHECK(result.least_costs == std::vector<std::uint64_t>{9, 3});
    CHECK(result.loss == infinity);
}

TEST_CASE("an allocation that is cut short tells how far from the optimum it can be")
{
    // losses that follow the first cost exactly: no choice has a better rate than another
    problems random(3);
    allocation_problem problem = random.make(60, 6, 2, 1'000'000, 3);
    problem.budgets = {30'000'000, 20'000'000};
    const allocation_result cut = allocate_choices(problem, {.state_limit = 2000});
    const allocation_result longer = allocate_choices(problem, {.state_limit = 300'000});
    if (cut.feasible && longer.feasible) {
        CHECK(is_consistent(problem, cut));
        CHECK(is_consistent(problem, longer));
        CHECK(longer.loss <= cut.loss);
        CHECK(cut.lower_bound <= longer.loss);
    }
    CHECK(cut.feasible);
    CHECK(cut.gap == cut.loss - cut.lower_bound);
}

TEST_CASE("tied items take the same choice")
{
    const std::vector<allocation_item> items = {{{{9, {1}}, {2, {3}}}}, {{{1, {2}}, {0, {10}}}}};
    const allocation_item tied = tie_items(items);
    REQUIRE(tied.choices.size() == 2);
    CHECK(tied.choices[0].loss == 10);
    CHECK(tied.choices[1].loss == 2);
    CHECK(tied.choices[0].costs == std::vector<std::uint64_t>{3});
    CHECK(tied.choices[1].costs == std::vector<std::uint64_t>{13});
    const std::vector<allocation_item> uneven = {items[0], {{{1, {1}}}}};
    CHECK_THROWS_WITH(tie_items(uneven), "weightscope::tie_items(items): one item has 2 choices and another 1, expected as many");
    CHECK_THROWS_WITH(tie_items({}), "weightscope::tie_items(items): there is no item, expected one or more");
}

TEST_CASE("every point of the front is the optimum for its cost")
{
    problems random(4);
    for (std::size_t trial = 0; trial < 40; ++trial) {
        allocation_problem problem = random.make(6, 5, 1, 30, trial % 3);
        const allocation_front front = allocate_front(problem);
        std::vector<std::size_t> chosen = front.cheapest;
        double last = infinity;
        for (std::size_t s = 0; s <= front.steps.size(); ++s) {
            const std::uint64_t cost = s == 0 ? front.cost : front.steps[s - 1].cost;
            const double loss = s == 0 ? front.loss : front.steps[s - 1].loss;
            problem.budgets = {cost};
            CHECK(loss == Approx(brute_force(problem)).margin(1e-12));  // summed in another order
            CHECK(loss < last);
            last = loss;
        }
    }
    CHECK_THROWS_WITH(allocate_front({.items = {}, .budgets = {1, 2}}), "weightscope::allocate_front(problem): problem.budgets has 2 numbers, expected 1");
}

TEST_CASE("margins are what the best allocation with another choice loses more")
{
    problems random(5);
    for (std::size_t trial = 0; trial < 60; ++trial) {
        allocation_problem problem = random.make(5, 4, 1 + trial % 2, 30, trial % 3);
        const allocation_result best = allocate_choices(problem);
        if (!best.feasible)
            continue;
        std::vector<std::vector<double>> errors;
        for (const allocation_item& item : problem.items)
            errors.emplace_back(item.choices.size(), 0.05);
        const std::vector<allocation_margin> margins = allocation_margins(problem, best, errors);
        for (std::size_t g = 0; g < problem.items.size(); ++g) {
            double least = infinity;
            for (std::size_t i = 0; i < problem.items[g].choices.size(); ++i) {
                if (i == best.choices[g])
                    continue;
                allocation_problem forced = problem;
                forced.items[g].choices = {problem.items[g].choices[i]};
                least = std::min(least, brute_force(forced) - best.loss);
            }
            CHECK(margins[g].exact);
            if (least < infinity)
                CHECK(margins[g].margin == Approx(least).margin(1e-12));  // a difference of sums
            else
                CHECK(margins[g].margin == infinity);
            if (std::fabs(least - 0.05) > 1e-9)
                CHECK(margins[g].flips == (least < 0.05));
        }
        // without solving anything: bounds from below
        const std::vector<allocation_margin> bounds = allocation_margins(problem, best, errors, {.solution_limit = 0});
        for (std::size_t g = 0; g < problem.items.size(); ++g)
            CHECK(bounds[g].margin <= margins[g].margin + 1e-12);
    }
}

TEST_CASE("what is no problem to allocate for is refused")
{
    const auto asked = [](allocation_problem problem) { return allocate_choices(problem); };
    CHECK_THROWS_WITH(asked({.items = {}, .budgets = {}}),
                      "weightscope::allocate_choices(problem, options): problem.budgets has 0 numbers, expected 1 to 3");
    CHECK_THROWS_WITH(asked({.items = {{}}, .budgets = {1}}),
                      "weightscope::allocate_choices(problem, options): item 0 has no choices, expected one or more");
    CHECK_THROWS_WITH(asked({.items = {{{{infinity, {1}}}}}, .budgets = {1}}),
                      "weightscope::allocate_choices(problem, options): item 0 has a loss of inf, expected finite ones");
    CHECK_THROWS_WITH(asked({.items = {{{{1, {1, 2}}}}}, .budgets = {1}}), "weightscope::allocate_choices(problem, options): item 0 has a "
                                                                          "choice with 2 costs, expected one for each of the 1 budgets");
    const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    CHECK_THROWS_WITH(asked({.items = {{{{1, {most}}}}}, .budgets = {1}}),
                      "weightscope::allocate_choices(problem, options): the costs add up to more than 4611686018427387903, expected less");
    CHECK_THROWS_WITH(asked({.items = {{{{1e300, {1}}}}}, .budgets = {1}}),
                      "weightscope::allocate_choices(problem, options): the losses add up to 1e+300, expected less than 1e300");
    const allocation_problem problem{.items = {{{{1, {1}}}}}, .budgets = {1}};
    CHECK_THROWS_WITH(allocation_margins(problem, {}), "weightscope::allocation_margins(problem, best, standard_errors): best.choices has 0 "
                                                       "items, expected 1, those of the problem");
    CHECK_THROWS_WITH(allocation_margins(problem, allocate_choices(problem), {{0, 0}}),
                      "weightscope::allocation_margins(problem, best, standard_errors): item 0 has 2 standard errors, expected 1, one for each choice");
}
