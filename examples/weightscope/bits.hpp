#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "command.hpp"

// The commands below `weightscope bits`, one file each. What they share of bits and plans:
//   <weightscope/core/bit_set.hpp>     parse_bit_set("exponent_sign"), bits_in(set, layout)
//   <weightscope/io/bit_location.hpp>  bit_parts(tensor), locate_bits(tensor, weight, part), flip_change(tensor, weight, bit, part)
//   <weightscope/io/bit_plan.hpp>      plan_flip(tensor, weight, bit, part), to_json(plan), read_bit_plan(path, "plan" or "ranked")
void add_bits_map(CLI::App& bits, command& chosen);
void add_bits_flip(CLI::App& bits, command& chosen);
void add_bits_select(CLI::App& bits, command& chosen);
void add_bits_rank(CLI::App& bits, command& chosen);

/// What is wrong with the text of a bit set, empty where nothing is: for CLI::Validator.
[[nodiscard]] std::string fault_of_bit_set(const std::string& text);
