#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/plan.hpp>
#include <weightscope/evaluators/resume_file.hpp>
#include <weightscope/evaluators/token_rows.hpp>
#include <weightscope/scorers/calibration.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE std::span<const std::int32_t> row_of(const token_rows& rows, std::size_t row)
{
    const auto whole = std::span(rows.tokens).subspan(row * rows.length, rows.length);
    return whole.first(static_cast<std::size_t>(std::find_if(whole.begin(), whole.end(), [](std::int32_t token) { return token < 0; }) - whole.begin()));
}

inline void require_rows(const token_rows& rows, const char* caller)
{
    require(rows.tokens.size() == rows.rows * rows.length, "{}: {} tokens, expected {} rows of {}", caller, rows.tokens.size(), rows.rows, rows.length);
}

inline std::string fingerprint_of_rows(const token_rows& rows)
{
    task_fingerprint print;
    for (std::size_t r = 0; r < rows.rows; ++r) {
        const auto row = row_of(rows, r);
        print.add(std::as_bytes(row));
        print.add(std::uint64_t{row.size()});
    }
    return fmt::format("{:016x}", print.value());
}

WEIGHTSCOPE_INLINE std::vector<std::size_t> overlapping_rows(const token_rows& rows, const std::vector<std::size_t>& among, std::size_t length)
{
    constexpr std::uint64_t base = 0x9e3779b97f4a7c15u;
    std::uint64_t top = 1;
    for (std::size_t i = 1; i < length; ++i)
        top *= base;
    std::unordered_map<std::uint64_t, const std::int32_t*> seen;  // of several runs with one hash the first
    std::vector<std::size_t> result;
    for (const std::size_t r : among) {
        const auto row = row_of(rows, r);
        std::vector<std::pair<std::uint64_t, const std::int32_t*>> runs;
        bool overlaps = false;
        std::uint64_t hash = 0;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i >= length)
                hash -= top * (static_cast<std::uint64_t>(row[i - length]) + 1);
            hash = hash * base + static_cast<std::uint64_t>(row[i]) + 1;
            if (i + 1 < length)
                continue;
            const std::int32_t* run = row.data() + (i + 1 - length);
            const auto found = seen.find(hash);
            overlaps = overlaps || (found != seen.end() && std::equal(run, run + length, found->second));
            runs.emplace_back(hash, run);
        }
        if (overlaps)
            result.push_back(r);
        seen.insert(runs.begin(), runs.end());
    }
    return result;
}

// Rows that are equal to no earlier one, and those that are.
inline std::pair<std::vector<std::size_t>, std::vector<std::size_t>> different_rows(const token_rows& rows)
{
    std::map<std::vector<std::int32_t>, std::size_t> seen;
    std::pair<std::vector<std::size_t>, std::vector<std::size_t>> result;
    for (std::size_t r = 0; r < rows.rows; ++r) {
        const auto row = row_of(rows, r);
        const bool fresh = seen.emplace(std::vector<std::int32_t>(row.begin(), row.end()), r).second;
        (fresh ? result.first : result.second).push_back(r);
    }
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE repeated_rows_result detect_repeated_rows(const token_rows& rows, const detect_repeated_rows_options& options)
{
    detail::require_rows(rows, "detect_repeated_rows(rows)");
    repeated_rows_result result{.rows = rows.rows, .fingerprint = detail::fingerprint_of_rows(rows)};
    for (std::size_t r = 0; r < rows.rows; ++r)
        result.tokens += detail::row_of(rows, r).size();
    auto [different, repeated] = detail::different_rows(rows);
    result.repeated_rows = std::move(repeated);
    if (options.overlap > 0)
        result.overlapping_rows = detail::overlapping_rows(rows, different, options.overlap);
    return result;
}

WEIGHTSCOPE_INLINE calibration_result select_calibration(const token_rows& rows, const select_calibration_options& options)
{
    detail::require_rows(rows, "select_calibration(rows)");
    require(rows.rows > 0, "select_calibration(rows): there are no rows, expected 1 or more");
    require(options.samples > 0, "select_calibration(rows, options): options.samples is 0, expected 1 or more");
    const auto [different, repeated] = detail::different_rows(rows);
    calibration_result result{.repeated_count = repeated.size(), .seed = options.seed};
    const std::size_t count = std::min(options.samples, different.size());
    for (const std::size_t i : detail::random_sample(different.size(), count, options.seed))
        result.chosen.push_back(different[i]);
    result.rows = {.tokens = {}, .rows = count, .length = rows.length};
    for (const std::size_t r : result.chosen) {
        const auto whole = std::span(rows.tokens).subspan(r * rows.length, rows.length);
        result.rows.tokens.insert(result.rows.tokens.end(), whole.begin(), whole.end());
        result.tokens += detail::row_of(rows, r).size();
    }
    if (options.overlap > 0)
        result.overlapping_count = detail::overlapping_rows(rows, result.chosen, options.overlap).size();
    result.fingerprint = detail::fingerprint_of_rows(result.rows);
    return result;
}

}  // namespace weightscope
