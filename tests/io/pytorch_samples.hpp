// Checkpoints of each kind that readers meet, as small as they can be; tests look at them, fuzz targets begin with them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pytorch_writer.hpp"

namespace pytorch {

/// 0, 1, 2... as floats.
inline std::string counting(std::size_t count)
{
    std::vector<float> values;
    for (std::size_t i = 0; i < count; ++i)
        values.push_back(static_cast<float>(i));
    return bytes_of(values);
}

/// fc.weight [2, 3] in storage 0, fc.bias [2] in storage 1, tied.weight on fc.weight.
inline std::string state_dict()
{
    const std::string weight = tensor_of(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1});
    return ordered_dict({{"fc.weight", weight}, {"fc.bias", tensor_of(storage("FloatStorage", "1", 2), 0, {2}, {1})}, {"tied.weight", weight}})
         + dict({{"_metadata", ordered_dict({{"", dict({{"version", number(1)}})}})}}) + "b";
}

inline std::string small_archive(bool deflated = false)
{
    return archive(state_dict(), {counting(6), counting(2)}, deflated);
}

/// Weights, an average of them, an optimizer's state, a schedule, random numbers, and figures.
inline std::string checkpoint()
{
    const std::string moment = tensor_of(storage("FloatStorage", "2", 6), 0, {2, 3}, {3, 1});
    const std::string adam = dict({{"state", "}(" + number(0) + dict({{"step", number(7)}, {"exp_avg", moment}, {"exp_avg_sq", moment}}) + "u"},
                                   {"param_groups", "](" + dict({{"lr", real(0.1)}}) + "e"}});
    return dict({{"epoch", number(3)},
                 {"state_dict", state_dict()},
                 {"state_dict_ema", state_dict()},
                 {"adam", adam},
                 {"lr_scheduler", dict({{"base", moment}})},
                 {"cuda_rng_state", tensor_of(storage("ByteStorage", "3", 4), 0, {4}, {1})},
                 {"best", tensor_of(storage("FloatStorage", "1", 2), 1, {}, {})},
                 {"arch", text("net")},
                 {"config", dict({{"lr", real(0.5)}, {"nesterov", yes}})}});
}

inline std::vector<std::string> checkpoint_storages()
{
    return {counting(6), counting(2), counting(6), std::string("\x01\x02\x03\x04")};
}

/// A whole module: conv.weight, conv.bias is None, bn.running_mean a buffer.
inline std::string module()
{
    const std::string parameter =
        call(global("torch._utils", "_rebuild_parameter"), {tensor_of(storage("HalfStorage", "0", 4), 0, {2, 2}, {2, 1}), yes, ordered_dict({})});
    const auto layer = [](const std::string& type, const std::string& parameters, const std::string& buffers, const std::string& modules) {
        return object(global("engine.models", type), dict({{"training", no},
                                                           {"_parameters", parameters},
                                                           {"_buffers", buffers},
                                                           {"_backward_hooks", ordered_dict({})},
                                                           {"_modules", modules}}));
    };
    const std::string mean = tensor_of(storage("FloatStorage", "1", 2), 0, {2}, {1});
    return layer("Net", ordered_dict({}), ordered_dict({}),
                 ordered_dict({{"conv", layer("Conv2d", ordered_dict({{"weight", parameter}, {"bias", none}}), ordered_dict({}), dict({}))},
                               {"bn", layer("Norm", ordered_dict({}), dict({{"running_mean", mean}}), ordered_dict({}))}}));
}

/// Views of a storage of 12 floats: transposed, columns, a repeated one, one that begins late.
inline std::string views()
{
    const std::string twelve = storage("FloatStorage", "0", 12);
    return dict({{"whole", tensor_of(twelve, 0, {3, 4}, {4, 1})},
                 {"transposed", tensor_of(twelve, 0, {4, 3}, {1, 4})},
                 {"columns", tensor_of(twelve, 1, {3, 2}, {4, 2})},
                 {"repeated", tensor_of(twelve, 2, {2, 3}, {0, 1})},
                 {"late", tensor_of(twelve, 10, {2}, {1})},
                 {"scalar", tensor_of(twelve, 5, {}, {})},
                 {"empty", tensor_of(twelve, 0, {0, 4}, {4, 1})}});
}

/// One tensor of four codes in each of the quantized types, and a sparse one.
inline std::string quantized()
{
    const auto made = [](const std::string& codes, const std::string& shape, const std::string& strides, const std::string& quantizer) {
        return call(global("torch._utils", "_rebuild_qtensor"), {codes, number(0), shape, strides, quantizer, no, ordered_dict({})});
    };
    const std::string per_tensor = tuple({global("torch", "per_tensor_affine"), real(0.5), number(1)});
    const std::string per_channel = tuple({global("torch", "per_channel_affine"), tensor_of(storage("DoubleStorage", "1", 2), 0, {2}, {1}),
                                           tensor_of(storage("LongStorage", "2", 2), 0, {2}, {1}), number(1)});
    const std::string sparse = call(global("torch._utils", "_rebuild_sparse_tensor"),
                                    {call(global("torch.serialization", "_get_layout"), {text("torch.sparse_coo")}),
                                     tuple({tensor_of(storage("LongStorage", "2", 2), 0, {1, 2}, {2, 1}),
                                            tensor_of(storage("DoubleStorage", "1", 2), 0, {2}, {1}),
                                            call(global("torch", "Size"), {numbers({5})})})});
    return dict({{"signed", made(storage("QInt8Storage", "0", 4), numbers({2, 2}), numbers({2, 1}), per_tensor)},
                 {"unsigned", made(storage("QUInt8Storage", "0", 4), numbers({2, 2}), numbers({2, 1}), per_tensor)},
                 {"channels", made(storage("QInt8Storage", "0", 4), numbers({2, 2}), numbers({2, 1}), per_channel)},
                 {"sparse", sparse}});
}

inline std::vector<std::string> quantized_storages()
{
    return {std::string("\x01\xff\x80\x7f", 4), bytes_of(std::vector<double>{0.25, 2}), bytes_of(std::vector<std::int64_t>{0, -1})};
}

/// Newer types, which lie in untyped storages and name their dtype.
inline std::string untyped()
{
    const auto made = [](const std::string& type, std::int64_t count) {
        return call(global("torch._utils", "_rebuild_tensor_v3"),
                    {storage("UntypedStorage", "0", 8), number(0), numbers({count}), numbers({1}), no, ordered_dict({}), global("torch", type)});
    };
    return dict({{"e4m3", made("float8_e4m3fn", 8)}, {"u16", made("uint16", 4)}, {"f32", made("float32", 2)}});
}

/// A script's archive: attributes of its modules, and a constant.
inline std::string script()
{
    const std::string layer = object(global("__torch__.torch.nn.modules.linear", "Linear"),
                                     dict({{"training", no}, {"weight", tensor_of(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1})}}));
    const std::string root = object(global("__torch__", "Net"), dict({{"training", no}, {"lin", layer}}));
    return zip({{"net/data.pkl", pickle(root), true},
                {"net/data/0", counting(6), true},
                {"net/constants.pkl", pickle(tuple({tensor_of(storage("FloatStorage", "0", 2), 0, {2}, {1})}))},
                {"net/constants/0", counting(2)},
                {"net/code/__torch__.py", "class Net(Module):\n"},
                {"net/version", "3\n"}});
}

/// The older stream: two views of one storage, the second one of a view.
inline std::string legacy_checkpoint()
{
    const std::string view = tuple({text("view"), number(2), number(4)});
    return legacy(ordered_dict({{"a", tensor_of(legacy_storage("FloatStorage", "94", 6), 0, {2, 3}, {1, 2})},
                                {"b", tensor_of(legacy_storage("FloatStorage", "94", 6, view), 1, {3}, {1})},
                                {"n", tensor_of(legacy_storage("LongStorage", "95", 1), 0, {}, {})}}),
                  {{"94", 6, counting(6)}, {"95", 1, bytes_of(std::int64_t{-5})}});
}

inline std::string short_text(const std::string& s)
{
    return "\x8c" + std::string(1, static_cast<char>(s.size())) + s + "\x94";
}

/// {"w": tensor [3]} as protocol 4 writes it: frames, texts with short lengths, classes from the stack, a memo that counts by itself.
inline std::string protocol_4()
{
    const std::string storage_id = "(" + short_text("storage") + short_text("torch") + short_text("FloatStorage") + "\x93\x94"
                                 + short_text("0") + short_text("cpu") + "K\x03t\x94Q";
    return "\x80\x04\x95" + bytes_of(std::uint64_t{100}) + "}\x94" + short_text("w") + short_text("torch._utils")
         + short_text("_rebuild_tensor_v2") + "\x93\x94(" + storage_id + std::string("K\0", 2) + "K\x03\x85\x94K\x01\x85\x94\x89"
         + short_text("collections") + short_text("OrderedDict") + "\x93\x94)R\x94t\x94R\x94s.";
}

}  // namespace pytorch
