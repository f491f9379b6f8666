#pragma once
// Order statistics of floats from counters that lie on the device: how many begin with each 16 bits, and tables of the 16 bits that
// follow for those bins that an answer depends on. Only what the answers need of the tables comes to the host.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <vector>

#include <weightscope/analyzers/bin_ranks.hpp>
#include <weightscope/analyzers/wanted_bins.hpp>
#include <weightscope/core/value_bins.hpp>
#include <weightscope/cuda/element_kernels.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/workspace.cuh>

namespace weightscope::detail {

// Answers as answer_order_questions asks. An answer that needs a row of a table which is not here yet is wrong, and the row is noted:
// ask again after fetch_missing(), until it says that nothing was missing. Three times do: quartiles, then the fences about them.
class resolved_bins
{
public:
    explicit resolved_bins(const bin_ranks& ranks) : ranks_(ranks) {}

    // The tables of these bins are on the device until the next call. `keep`: all rows are fetched at once, since others will follow.
    void add_tables(std::span<const wanted_bin> bins, const unsigned* tables, const unsigned* coarse, bool keep, cuda_workspace& workspace)
    {
        const std::size_t first = coarse_.size() / coarse_bins;
        first_on_device_ = first;
        tables_ = tables;
        for (std::size_t i = 0; i < bins.size(); ++i)
            slots_[bins[i].bin] = first + i;
        const std::span<const unsigned> found = workspace.to_host(coarse, bins.size() * coarse_bins);
        check_cuda(cudaStreamSynchronize(workspace.stream()), "cudaStreamSynchronize");
        coarse_.insert(coarse_.end(), found.begin(), found.end());
        if (!keep)
            return;
        for (std::size_t row = first * coarse_bins; row < coarse_.size(); ++row)
            if (coarse_[row] > 0)
                missing_.insert(row);
        static_cast<void>(fetch_missing(workspace));
    }

    // True if there was something to fetch.
    bool fetch_missing(cuda_workspace& workspace)
    {
        if (missing_.empty())
            return false;
        std::vector<unsigned> places;
        for (const std::size_t row : missing_)
            places.push_back(static_cast<unsigned>(row - first_on_device_ * coarse_bins));
        auto* const on_device = workspace.take<unsigned>(places.size());
        auto* const rows = workspace.take<unsigned>(places.size() * fine_bins);
        copy_to_device(std::span<const unsigned>(places), on_device, workspace.stream());
        launch(gather_rows<unsigned>, "gather_rows", {.grid = static_cast<unsigned>(places.size()), .threads = 128, .stream = workspace.stream()},
               tables_, on_device, rows);
        const std::span<const unsigned> found = workspace.to_host(static_cast<const unsigned*>(rows), places.size() * fine_bins);
        check_cuda(cudaStreamSynchronize(workspace.stream()), "cudaStreamSynchronize");
        auto next = found.begin();
        for (const std::size_t row : missing_) {
            rows_.emplace(row, std::vector<unsigned>(next, next + fine_bins));
            next += fine_bins;
        }
        missing_.clear();
        return true;
    }

    double kth(std::uint64_t k) const
    {
        const auto [bin, inside] = ranks_.find(k);
        const bool positive = bin >= 0x8000;
        const double magnitude = kth_of({bin}, magnitude_of_bin(bin), positive ? inside : ranks_.count(bin) - 1 - inside);  // the largest is the lowest
        return positive ? magnitude : -magnitude;
    }
    double kth_magnitude(std::uint64_t k) const
    {
        const auto [m, inside] = ranks_.find_magnitude(k);
        return kth_of({0x8000 + m, 0x7fff - m}, static_cast<std::uint32_t>(m), inside);
    }
    std::uint64_t count_below(double x) const
    {
        const std::size_t bin = bin_of<float>(x);
        const std::uint32_t m = magnitude_of_bin(bin);
        return ranks_.before(bin) + (bin >= 0x8000 ? count_numbers({bin}, first_not_below(m, x)) : ranks_.count(bin) - count_numbers({bin}, first_above(m, -x)));
    }
    std::uint64_t count_at_most(double x) const
    {
        const std::size_t bin = bin_of<float>(x);
        const std::uint32_t m = magnitude_of_bin(bin);
        return ranks_.before(bin) + (bin >= 0x8000 ? count_numbers({bin}, first_above(m, x)) : ranks_.count(bin) - count_numbers({bin}, first_not_below(m, -x)));
    }
    std::uint64_t count_magnitude_at_most(double t) const
    {
        const std::uint32_t m = magnitude_of_bin(bin_of<float>(t));
        return ranks_.magnitudes_before(m) + count_numbers({std::size_t{0x8000} + m, std::size_t{0x7fff} - m}, first_above(m, t));
    }

private:
    using few_bins = std::initializer_list<std::size_t>;

    static double magnitude(std::uint32_t m, std::uint32_t number) { return static_cast<double>(std::bit_cast<float>(m << 16 | number)); }
    template <class Predicate>  // once it holds, it holds for all above
    static std::uint32_t first_number(const Predicate& holds)
    {
        std::uint32_t begin = 0, end = low_numbers;
        while (begin < end) {
            const std::uint32_t middle = (begin + end) / 2;
            if (holds(middle))
                end = middle;
            else
                begin = middle + 1;
        }
        return begin;
    }
    static std::uint32_t first_not_below(std::uint32_t m, double x)
    {
        return first_number([=](std::uint32_t number) { return !(magnitude(m, number) < x); });
    }
    static std::uint32_t first_above(std::uint32_t m, double x)
    {
        return first_number([=](std::uint32_t number) { return magnitude(m, number) > x; });
    }

    // A row of the table of a bin; null where the bin is empty, or where the row is not here, which is noted.
    const unsigned* row_of(std::size_t bin, std::size_t high) const
    {
        const auto slot = slots_.find(bin);
        if (slot == slots_.end())
            return nullptr;
        const std::size_t row = slot->second * coarse_bins + high;
        if (const auto found = rows_.find(row); found != rows_.end())
            return found->second.data();
        if (coarse_[row] > 0)
            missing_.insert(row);
        return nullptr;
    }
    std::uint64_t in_coarse_bin(std::size_t bin, std::size_t high) const
    {
        const auto slot = slots_.find(bin);
        return slot == slots_.end() ? 0 : coarse_[slot->second * coarse_bins + high];
    }

    // How many weights of the bins have lower bits below `number`.
    std::uint64_t count_numbers(few_bins bins, std::uint32_t number) const
    {
        std::uint64_t count = 0;
        for (const std::size_t bin : bins) {
            for (std::size_t high = 0; high < number / fine_bins; ++high)
                count += in_coarse_bin(bin, high);
            if (number % fine_bins == 0)
                continue;
            if (const unsigned* const row = row_of(bin, number / fine_bins))
                for (std::size_t i = 0; i < number % fine_bins; ++i)
                    count += row[i];
        }
        return count;
    }

    // The magnitude number k of the bins.
    double kth_of(few_bins bins, std::uint32_t m, std::uint64_t k) const
    {
        for (std::uint32_t high = 0; high < coarse_bins; ++high) {
            std::uint64_t inside = 0;
            for (const std::size_t bin : bins)
                inside += in_coarse_bin(bin, high);
            if (k >= inside) {
                k -= inside;
                continue;
            }
            std::uint32_t low = 0;
            for (std::uint64_t seen = 0; low < fine_bins; ++low) {
                for (const std::size_t bin : bins)
                    if (const unsigned* const row = row_of(bin, high))
                        seen += row[low];
                if (seen > k)
                    break;
            }
            return magnitude(m, high * fine_bins + low % fine_bins);
        }
        return 0;
    }

    const bin_ranks& ranks_;
    std::map<std::size_t, std::size_t> slots_;                 // by bin
    std::vector<unsigned> coarse_;                             // [slots, 256]
    std::map<std::size_t, std::vector<unsigned>> rows_;        // by slot · 256 + upper byte
    mutable std::set<std::size_t> missing_;
    const unsigned* tables_ = nullptr;
    std::size_t first_on_device_ = 0;
};

}  // namespace weightscope::detail
