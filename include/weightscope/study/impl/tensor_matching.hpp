#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/comparison_result.hpp>
#include <weightscope/study/normalised_name.hpp>
#include <weightscope/study/tensor_matching.hpp>

namespace weightscope {

namespace detail {

// A few hundred values spread over a tensor, made to mean 0 and length 1; empty where they are all equal or not all finite.
inline std::vector<double> value_sample(const named_tensor& tensor)
{
    constexpr std::size_t most = 512;
    const std::size_t size = tensor.size(), count = std::min(size, most);
    if (!is_numeric(tensor.dtype) || count < 8)
        return {};
    std::vector<double> sample(count);
    visit(tensor, [&](const auto& weights) {
        with_source(weights, [&](const weight_source& elements) {
            for (std::size_t i = 0; i < count; ++i)
                elements.read_double(elements.data, size / count * i, 1, &sample[i]);
        });
    });
    double mean = 0, squares = 0;
    for (const double x : sample)
        mean += x / static_cast<double>(count);
    for (double& x : sample) {
        x -= mean;
        squares += x * x;
    }
    if (!(squares > 0) || !std::isfinite(squares))
        return {};
    for (double& x : sample)
        x /= std::sqrt(squares);
    return sample;
}

class tensor_matcher
{
public:
    tensor_matcher(std::span<const matchable_tensor> a, std::span<const matchable_tensor> b)
        : a_(a), b_(b), taken_a_(a.size()), taken_b_(b.size())
    {
    }

    std::vector<tensor_pair> match()
    {
        by_key(matched_by::name, [](const matchable_tensor& t) { return t.name; });
        by_key(matched_by::normalised_name, [](const matchable_tensor& t) { return normalised_name(t.name); });
        by_bytes();
        by_values();
        std::sort(pairs_.begin(), pairs_.end(), [](const tensor_pair& x, const tensor_pair& y) { return x.a < y.a; });
        return std::move(pairs_);
    }

private:
    void take(std::size_t a, std::size_t b, matched_by how)
    {
        taken_a_[a] = taken_b_[b] = true;
        pairs_.push_back({a, b, how});
    }

    template <class Key>
    void by_key(matched_by how, const Key& key)
    {
        std::map<std::string, std::vector<std::size_t>> places;
        for (std::size_t j = 0; j < b_.size(); ++j)
            if (!taken_b_[j])
                places[key(b_[j])].push_back(j);
        for (std::size_t i = 0; i < a_.size(); ++i) {
            if (taken_a_[i])
                continue;
            const auto found = places.find(key(a_[i]));
            if (found != places.end() && found->second.size() == 1 && !taken_b_[found->second[0]])
                take(i, found->second[0], how);
        }
    }

    void by_bytes()
    {
        std::multimap<std::uint64_t, std::size_t> places;
        const auto usable = [](const matchable_tensor& t) {
            return t.tensor && !t.tensor->bytes.empty() && (!t.tensor->decoder || t.tensor->decoder->determined_by_bytes())
                   && !is_constant(*t.tensor);
        };
        for (std::size_t j = 0; j < b_.size(); ++j)
            if (!taken_b_[j] && usable(b_[j]))
                places.emplace(fingerprint(b_[j].tensor->bytes), j);
        for (std::size_t i = 0; i < a_.size(); ++i) {
            if (taken_a_[i] || !usable(a_[i]))
                continue;
            const named_tensor& x = *a_[i].tensor;
            const auto [begin, end] = places.equal_range(fingerprint(x.bytes));
            const auto equal = std::find_if(begin, end, [&](const auto& place) {
                const named_tensor& y = *b_[place.second].tensor;
                return !taken_b_[place.second] && x.dtype == y.dtype && x.encoding == y.encoding && x.size() == y.size()
                       && equal_bytes(x.bytes, y.bytes);
            });
            if (equal != end)
                take(i, equal->second, matched_by::bytes);
        }
    }

    // Tensors of one shape whose samples are correlated; the best pairs first.
    void by_values()
    {
        constexpr double least_correlation = 0.9;
        struct candidate
        {
            double correlation;
            std::size_t a, b;
        };
        std::vector<candidate> candidates;
        std::map<std::size_t, std::vector<double>> samples;  // of b
        for (std::size_t i = 0; i < a_.size(); ++i) {
            if (taken_a_[i] || !a_[i].tensor)
                continue;
            std::vector<double> sample;
            for (std::size_t j = 0; j < b_.size(); ++j) {
                if (taken_b_[j] || !b_[j].tensor || a_[i].shape != b_[j].shape)
                    continue;
                if (sample.empty() && (sample = value_sample(*a_[i].tensor)).empty())
                    break;
                if (!samples.contains(j))
                    samples[j] = value_sample(*b_[j].tensor);
                const std::vector<double>& other = samples[j];
                double correlation = 0;
                for (std::size_t k = 0; k < other.size(); ++k)
                    correlation += sample[k] * other[k];
                if (correlation >= least_correlation)
                    candidates.push_back({correlation, i, j});
            }
        }
        std::stable_sort(candidates.begin(), candidates.end(), [](const candidate& x, const candidate& y) { return x.correlation > y.correlation; });
        for (const candidate& c : candidates)
            if (!taken_a_[c.a] && !taken_b_[c.b])
                take(c.a, c.b, matched_by::values);
    }

    std::span<const matchable_tensor> a_, b_;
    std::vector<bool> taken_a_, taken_b_;
    std::vector<tensor_pair> pairs_;
};

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<tensor_pair> match_tensors(std::span<const matchable_tensor> a, std::span<const matchable_tensor> b)
{
    return detail::tensor_matcher(a, b).match();
}

}  // namespace weightscope
