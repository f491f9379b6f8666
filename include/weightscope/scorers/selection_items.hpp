#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <vector>

#include <weightscope/core/require.hpp>
#include <weightscope/scorers/group_family.hpp>
#include <weightscope/scorers/selection_options.hpp>

namespace weightscope::detail {

// What was chosen in one go through the items.
struct selection_run
{
    std::vector<std::size_t> items = {};
    std::uint64_t cost = 0;
    double importance = 0;  // Σ score · cost
    bool reached = false;
};

// What is chosen among: a group, or where widths are uniform one group of every layer.
class selection_items
{
public:
    selection_items(const grouped_model& groups, std::span<const double> scores, const selection_options& options)
        : groups_(groups), in_bytes_(options.bytes.has_value()), limits_(groups.families.size()), layer_limits_(groups.layer_count)
    {
        for (const grouped_tensor& tensor : groups.tensors)
            if (tensor.layer && tensor.tied_to.empty())
                layer_limits_[*tensor.layer] += tensor.parameters;
        for (std::uint64_t& limit : layer_limits_)
            limit = static_cast<std::uint64_t>(options.most_per_layer * static_cast<double>(limit));
        for (std::size_t f = 0; f < groups.families.size(); ++f) {
            const group_family& family = groups.families[f];
            const auto share = static_cast<std::size_t>(least_count(options.least_kept, family.unit_count));
            limits_[f] = frozen(f, options) ? 0 : family.unit_count - std::min(family.unit_count, std::max(family.least_kept, share));
            block_limit_ += family.kind == group_kind::block ? 1 : 0;
        }
        if (block_limit_ > 0)
            --block_limit_;  // a model has a layer
        options.uniform ? make_levels(scores) : make_single(scores);
        order_.resize(items_.size());
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return items_[a].score < items_[b].score; });
    }

    std::span<const group_place> places(std::size_t item) const
    {
        return std::span(places_).subspan(items_[item].first, items_[item].count);
    }

    std::uint64_t reachable() const { return choose(~std::uint64_t{0}, false).cost; }

    // Items in ascending order until `target` is reached, less those that are not needed for it. With `fill`, what is larger than what
    // is missing is passed over, until only such are left: then the one that loses least closes the gap.
    selection_run choose(std::uint64_t target, bool fill) const
    {
        selection_run run;
        state s(*this);
        std::vector<std::size_t> passed;
        for (const std::size_t item : order_) {
            if (run.cost >= target)
                break;
            if (!s.may_go(item))
                continue;
            if (fill && items_[item].cost > target - run.cost)
                passed.push_back(item);
            else
                take(item, s, run);
        }
        if (run.cost < target) {
            const auto loss = [&](std::size_t item) { return items_[item].score * static_cast<double>(items_[item].cost); };
            std::erase_if(passed, [&](std::size_t item) { return !s.may_go(item); });
            if (const auto least = std::min_element(passed.begin(), passed.end(), [&](std::size_t a, std::size_t b) { return loss(a) < loss(b); });
                least != passed.end())
                take(*least, s, run);
        }
        run.reached = run.cost >= target;
        if (run.reached)
            give_back(target, run);
        for (const std::size_t item : run.items)
            run.importance += items_[item].score * static_cast<double>(items_[item].cost);
        return run;
    }

private:
    struct entry
    {
        double score = 0;
        std::uint64_t cost = 0;
        std::size_t first = 0, count = 0;
    };

    // How much of each family and layer is gone.
    struct state
    {
        explicit state(const selection_items& of) : items(of), removed(of.groups_.families.size()), layers(of.groups_.layer_count) {}

        bool may_go(std::size_t item) const
        {
            std::size_t more_blocks = 0;
            for (const group_place& place : items.places(item)) {
                const group_family& family = items.groups_.families[place.family];
                more_blocks += family.kind == group_kind::block ? 1 : 0;
                if (removed[place.family] >= items.limits_[place.family]
                    || layers[family.layer] + family.parameters > items.layer_limits_[family.layer])
                    return false;
            }
            return more_blocks == 0 || blocks + more_blocks <= items.block_limit_;
        }
        void remove(std::size_t item)
        {
            for (const group_place& place : items.places(item)) {
                const group_family& family = items.groups_.families[place.family];
                ++removed[place.family];
                layers[family.layer] += family.parameters;
                blocks += family.kind == group_kind::block ? 1 : 0;
            }
        }

        const selection_items& items;
        std::vector<std::size_t> removed;
        std::vector<std::uint64_t> layers;
        std::size_t blocks = 0;
    };

    bool frozen(std::size_t f, const selection_options& options) const
    {
        const std::size_t layer = groups_.families[f].layer;
        return layer < options.freeze_first || layer + options.freeze_last >= groups_.layer_count
            || std::find(options.freeze_layers.begin(), options.freeze_layers.end(), layer) != options.freeze_layers.end()
            || (!options.frozen.empty() && options.frozen[f]);
    }

    std::uint64_t cost_of(const group_family& family) const { return in_bytes_ ? family.bytes : family.parameters; }

    void make_single(std::span<const double> scores)
    {
        std::size_t next = 0;
        for (std::size_t f = 0; f < groups_.families.size(); ++f)
            for (std::size_t u = 0; u < groups_.families[f].unit_count; ++u, ++next)
                if (limits_[f] > 0 && !std::isnan(scores[next])) {
                    items_.push_back({.score = scores[next], .cost = cost_of(groups_.families[f]), .first = places_.size(), .count = 1});
                    places_.push_back({f, u});
                }
    }

    // Item j of a kind is the j-th lowest group of every layer.
    void make_levels(std::span<const double> scores)
    {
        std::map<group_kind, std::vector<std::size_t>> by_kind;
        for (std::size_t f = 0; f < groups_.families.size(); ++f)
            if (limits_[f] > 0)
                by_kind[groups_.families[f].kind].push_back(f);
        std::vector<std::size_t> first;
        std::size_t next = 0;
        for (const group_family& family : groups_.families) {
            first.push_back(next);
            next += family.unit_count;
        }
        for (const auto& [kind, families] : by_kind) {
            require(kind != group_kind::attention && kind != group_kind::mlp,
                    "select_groups(groups, scores, options): widths are to be uniform, and {} goes of one layer alone; choose block", to_string(kind));
            if (kind == group_kind::block) {
                make_blocks(families, first, scores);
                continue;
            }
            std::vector<std::vector<std::size_t>> sorted;
            std::size_t levels = ~std::size_t{0};
            for (const std::size_t f : families) {
                const group_family& family = groups_.families[f];
                require(family.unit_count == groups_.families[families.front()].unit_count,
                        "select_groups(groups, scores, options): widths are to be uniform, but layer {} has {} groups of {} and layer {} has {}",
                        groups_.families[families.front()].layer, groups_.families[families.front()].unit_count, to_string(kind), family.layer,
                        family.unit_count);
                std::vector<std::size_t>& units = sorted.emplace_back();
                for (std::size_t u = 0; u < family.unit_count; ++u)
                    if (!std::isnan(scores[first[f] + u]))
                        units.push_back(u);
                std::stable_sort(units.begin(), units.end(),
                                 [&](std::size_t a, std::size_t b) { return scores[first[f] + a] < scores[first[f] + b]; });
                levels = std::min(levels, units.size());
            }
            for (std::size_t level = 0; level < levels; ++level) {
                entry& one = items_.emplace_back(entry{.first = places_.size(), .count = families.size()});
                for (std::size_t i = 0; i < families.size(); ++i) {
                    const std::size_t f = families[i], u = sorted[i][level];
                    one.cost += cost_of(groups_.families[f]);
                    one.score += scores[first[f] + u] / static_cast<double>(families.size());
                    places_.push_back({f, u});
                }
            }
        }
    }

    void make_blocks(const std::vector<std::size_t>& families, const std::vector<std::size_t>& first, std::span<const double> scores)
    {
        for (const std::size_t f : families)
            if (!std::isnan(scores[first[f]])) {
                items_.push_back({.score = scores[first[f]], .cost = cost_of(groups_.families[f]), .first = places_.size(), .count = 1});
                places_.push_back({f, 0});
            }
    }

    void take(std::size_t item, state& s, selection_run& run) const
    {
        s.remove(item);
        run.items.push_back(item);
        run.cost += items_[item].cost;
    }

    // Those of the highest scores first.
    void give_back(std::uint64_t target, selection_run& run) const
    {
        std::vector<std::size_t> kept;
        for (auto i = run.items.rbegin(); i != run.items.rend(); ++i) {
            if (items_[*i].cost > 0 && run.cost - items_[*i].cost >= target)
                run.cost -= items_[*i].cost;
            else
                kept.push_back(*i);
        }
        run.items.assign(kept.rbegin(), kept.rend());
    }

    const grouped_model& groups_;
    bool in_bytes_;
    std::vector<std::size_t> limits_;           // groups of each family that may go
    std::vector<std::uint64_t> layer_limits_;   // parameters
    std::size_t block_limit_ = 0;
    std::vector<entry> items_ = {};
    std::vector<group_place> places_ = {};
    std::vector<std::size_t> order_ = {};       // items by score
};

}  // namespace weightscope::detail
