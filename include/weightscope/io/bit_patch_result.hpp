#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/io/patch_plan.hpp>
#include <weightscope/io/planned_flip.hpp>

namespace weightscope {

struct bit_patch_options
{
    bool revert = false;   ///< the plan has been applied to the file and is to be undone
    bool lenient = false;  ///< pass over flips that do not fit the model instead of refusing the plan
    std::size_t top = 0;   ///< only the first so many flips; 0: all
    std::string model = {};  ///< only flips that say this "model", and those that say none; empty: all
};

/// One flip of a plan beside the model.
struct checked_flip
{
    planned_flip flip = {};     ///< with the codes and values that are in the file
    std::string skipped = {};   ///< why it is passed over; empty where it is applied
    bool checked = false;       ///< the plan told an old value or code
};

/// What a plan makes of a model's files.
struct bit_patch
{
    std::vector<checked_flip> flips = {};  ///< as applied one after the other
    std::vector<patch_plan> files = {};    ///< the bytes, for each file that is changed
    std::size_t requested_count = 0, applied_count = 0, skipped_count = 0;
    std::size_t non_finite_count = 0;      ///< applied flips that end at NaN or Inf
    std::size_t unchecked_count = 0;       ///< applied flips of which the plan tells no old value
};

}  // namespace weightscope
