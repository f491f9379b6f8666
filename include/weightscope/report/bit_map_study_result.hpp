#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

struct bit_map_study_options
{
    std::string bitset = "all";                 ///< bits of each number that are listed, see parse_bit_set
    double rms_factor = 10;                     ///< as in bit_map_options
    std::vector<std::string> include = {};      ///< as in scan_options
    std::vector<std::string> exclude = {};
    std::vector<std::string> restrict_to = {};
    std::size_t threads = 0;                    ///< 0: one per core
};

struct tensor_bit_map
{
    std::string name = {};
    std::vector<std::size_t> shape = {};
    std::string dtype = {};      ///< as stored: "BF16", "Q4_K"
    std::size_t parameters = 0;
    std::uint64_t bytes = 0;
    std::string tied_to = {};    ///< earlier tensor with the same storage: its bits are those, and not mapped again
    std::string part_of = {};    ///< tensor whose codes or scales these are
    std::string skipped = {};    ///< why there are no bits to flip; empty where there is a map
    bit_map_result map = {};
};

/// What `map_bits` returns for a model.
struct bit_map_study_result
{
    scanned_model model = {};
    bit_map_study_options settings = {};
    scan_environment environment = {};
    double seconds = 0;
    std::vector<tensor_bit_map> tensors = {};  ///< in model order
};

}  // namespace weightscope
