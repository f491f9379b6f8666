#pragma once

namespace weightscope {

/// How a model shall be opened.
struct open_options
{
    bool allow_lost_shards = false;  ///< go on with the tensors of the other shards; model::lost_shards tells which are lost
};

}  // namespace weightscope
