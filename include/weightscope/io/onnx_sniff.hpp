#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

namespace weightscope::detail {

enum class protobuf_kind
{
    none,
    onnx,
    core_ml,
    saved_model
};

// What model a protocol buffer holds, told by the fields on its first level. All three begin with a version as field 1; ONNX has the
// graph as field 7 and nothing above 30, Core ML its network at 200 or above, and a SavedModel has only graphs, as field 2. A message
// that is cut off within a field of ONNX is taken for ONNX, so that its reader can say where.
inline protobuf_kind sniff_protobuf(std::string_view text)
{
    using protozero::pbf_wire_type;
    constexpr int most_fields = 4096;
    constexpr unsigned last_onnx_field = 30, graph_field = 7, first_core_ml_network = 200;
    if (!text.starts_with('\x08'))
        return protobuf_kind::none;
    unsigned highest = 0;
    bool plausible = false;  // a second field fits ONNX as well
    try {
        protozero::pbf_reader reader(text.data(), text.size());
        for (int i = 0; i < most_fields && reader.next(); ++i) {
            const unsigned field = reader.tag();
            const bool text_or_message = reader.wire_type() == pbf_wire_type::length_delimited;
            if (field == graph_field && text_or_message)
                return protobuf_kind::onnx;
            if (field >= first_core_ml_network && text_or_message && highest <= 10)
                return protobuf_kind::core_ml;
            const bool number = field == 1 || field == 5;
            if (field > last_onnx_field || text_or_message == number)
                return protobuf_kind::none;
            plausible = plausible || i > 0;
            highest = std::max(highest, field);
            reader.skip();
        }
    } catch (const protozero::exception&) {
        return plausible ? protobuf_kind::onnx : protobuf_kind::none;
    }
    return highest == 2 ? protobuf_kind::saved_model : plausible ? protobuf_kind::onnx : protobuf_kind::none;
}

}  // namespace weightscope::detail
