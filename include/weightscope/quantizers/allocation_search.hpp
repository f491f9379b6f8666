#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include <weightscope/quantizers/allocation_base.hpp>
#include <weightscope/quantizers/allocation_bound.hpp>
#include <weightscope/quantizers/allocation_problem.hpp>

namespace weightscope::detail {

// Branch and bound around the solution of the Lagrangian. At its prices any choice has a regret r >= 0, and an allocation within the
// budgets loses
//
//     bound + Σ r + Σ price · (budget left)
//
// Items are decided in the order of their least regret, all that is not yet decided stays as the Lagrangian has it. A state is dropped
// where it cannot become better than the best allocation found, or where another one costs no more and loses no more. After some ten
// items the best allocation is so close to the bound that the least regret of the next item exceeds the gap: that ends the search.
class allocation_search
{
public:
    allocation_search(const allocation_table& table, const allocation_multipliers& prices, std::size_t state_limit, double max_seconds)
        : table_(table), prices_(prices), base_(table, prices), budgets_(table.budget_count), state_limit_(state_limit), max_seconds_(max_seconds)
    {
    }

    void run()
    {
        const auto start = std::chrono::steady_clock::now();
        if (auto [entries, regret] = base_.repaired(); regret < allocation_infinity) {
            found_ = true;
            best_ = std::move(entries);
            best_regret_ = regret;
        }
        std::vector<state> states = {{.excess = base_.excess}};
        offer(states.front());
        for (std::size_t k = 0; k < base_.order.size() && !states.empty(); ++k) {
            const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            if (state_count_ > state_limit_ || (max_seconds_ > 0 && seconds > max_seconds_)) {
                for (const state& s : states)
                    left_over_ = std::min(left_over_, bound_of(s, k));
                return;
            }
            branch(states, k);
        }
    }

    bool found() const { return found_; }
    const std::vector<std::size_t>& best() const { return best_; }  // [items] entries
    std::size_t state_count() const { return state_count_; }
    double best_regret() const { return best_regret_; }
    // No allocation has less than this above the bound.
    double least_regret() const { return std::min(best_regret_, left_over_); }

private:
    static constexpr std::uint32_t none = static_cast<std::uint32_t>(-1);

    struct state
    {
        allocation_costs excess = {};  // what it costs beyond the budgets if nothing else is changed; negative: left
        double regret = 0;
        std::uint32_t path = none;
    };
    struct change
    {
        std::uint32_t before = none;
        std::size_t item = 0, entry = 0;
    };

    // The least regret, what is left of the budgets included, of anything better that a state can still become.
    double bound_of(const state& s, std::size_t next) const
    {
        const allocation_prospect& ahead = base_.prospects[next];
        double more = ahead.least_regret;
        const bool within = base_.fits(s.excess);
        for (std::size_t b = 0; b < budgets_; ++b) {
            if (s.excess[b] > ahead.most_saved[b])
                return allocation_infinity;
            const auto units = static_cast<double>(s.excess[b]);
            if (s.excess[b] > 0)
                more = std::max(more, units * ahead.saving_rate[b]);
            else if (within && s.excess[b] < 0)
                more = std::max(more, -units * std::min(prices_[b], ahead.spending_rate[b]));
        }
        return s.regret + more;
    }

    // Takes a state, completed as the Lagrangian has it, where it is the best so far.
    void offer(const state& s)
    {
        if (!base_.fits(s.excess))
            return;
        const double regret = base_.regret_with_rest(s.excess, s.regret);
        if (found_ && regret >= best_regret_)
            return;
        found_ = true;
        best_ = base_.chosen;
        for (std::uint32_t at = s.path; at != none; at = changes_[at].before)
            best_[changes_[at].item] = changes_[at].entry;
        best_regret_ = regret;
    }

    void branch(std::vector<state>& states, std::size_t k)
    {
        const std::size_t g = base_.order[k], base = base_.chosen[g];
        std::vector<state> next;
        for (const state& s : states) {
            if (bound_of(s, k + 1) < best_regret_)
                next.push_back(s);
            for (std::size_t e = table_.first[g]; e < table_.first[g + 1]; ++e) {
                if (e == base || s.regret + base_.regrets[e] >= best_regret_)
                    continue;
                state changed = s;
                changed.regret += base_.regrets[e];
                for (std::size_t b = 0; b < budgets_; ++b)
                    changed.excess[b] += table_.entries[e].cost[b] - table_.entries[base].cost[b];
                ++state_count_;
                const bool better = base_.fits(changed.excess) && base_.regret_with_rest(changed.excess, changed.regret) < best_regret_;
                if (!better && bound_of(changed, k + 1) >= best_regret_)
                    continue;
                changed.path = static_cast<std::uint32_t>(changes_.size());
                changes_.push_back({.before = s.path, .item = g, .entry = e});
                if (better)
                    offer(changed);
                if (bound_of(changed, k + 1) < best_regret_)
                    next.push_back(changed);
            }
        }
        state_count_ += states.size();
        drop_dominated(next);
        states = std::move(next);
    }

    // Of what two states can become the difference in loss stays as it is: a state that costs no more and loses no more wins.
    void drop_dominated(std::vector<state>& states) const
    {
        const auto loss_of = [&](const state& s) { return base_.regret_with_rest(s.excess, s.regret); };
        std::sort(states.begin(), states.end(), [](const state& a, const state& b) {
            return std::tie(a.excess, a.regret, a.path) < std::tie(b.excess, b.regret, b.path);
        });
        constexpr std::size_t compared = 16;  // with several budgets: the last ones kept
        std::size_t kept = 0;
        double least = allocation_infinity;
        for (const state& s : states) {
            if (kept > 0 && states[kept - 1].excess == s.excess)
                continue;
            const double loss = loss_of(s);
            bool beaten = budgets_ == 1 && loss >= least;
            for (std::size_t i = kept; budgets_ > 1 && !beaten && i > 0 && i + compared > kept; --i) {
                const state& other = states[i - 1];
                beaten = loss_of(other) <= loss
                         && std::equal(other.excess.begin(), other.excess.end(), s.excess.begin(), [](std::int64_t a, std::int64_t b) { return a <= b; });
            }
            if (beaten)
                continue;
            least = std::min(least, loss);
            states[kept++] = s;
        }
        states.resize(kept);
    }

    const allocation_table& table_;
    allocation_multipliers prices_;
    allocation_base base_;
    std::size_t budgets_, state_limit_;
    double max_seconds_;
    std::vector<change> changes_ = {};
    std::vector<std::size_t> best_ = {};  // [items] entries
    bool found_ = false;
    double best_regret_ = allocation_infinity, left_over_ = allocation_infinity;
    std::size_t state_count_ = 0;
};

}  // namespace weightscope::detail
