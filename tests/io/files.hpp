// What the tests of io/ share: files in a folder that goes away, and the text of what is thrown.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace files {

namespace fs = std::filesystem;

class temporary_folder
{
public:
    temporary_folder()
    {
        static std::atomic<int> count = 0;
        path_ = fs::temp_directory_path()
                / ("weightscope-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
        fs::create_directories(path_);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder()
    {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }

    const fs::path& path() const { return path_; }
    fs::path operator/(const fs::path& name) const { return path_ / name; }

    /// Names of what lies in it, sorted.
    std::vector<std::string> names() const
    {
        std::vector<std::string> result;
        for (const auto& entry : fs::directory_iterator(path_))
            result.push_back(entry.path().filename().string());
        std::sort(result.begin(), result.end());
        return result;
    }

private:
    fs::path path_;
};

inline fs::path write(const fs::path& path, std::string_view content)
{
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
}

inline std::string content(const fs::path& path)
{
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Header length, header and data, put together by hand.
inline std::string safetensors(std::string_view header, std::string_view data = {})
{
    std::string result(8, '\0');
    const std::uint64_t length = header.size();
    std::memcpy(result.data(), &length, sizeof length);
    return result.append(header).append(data);
}

/// A file of one F32 tensor of two elements, 1 and 2.
inline std::string one_tensor(std::string_view name)
{
    const float elements[] = {1, 2};
    std::string data(sizeof elements, '\0');
    std::memcpy(data.data(), elements, sizeof elements);
    return safetensors("{\"" + std::string(name) + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", data);
}

/// what() of the exception that `f` throws; "nothing was thrown" if none.
template <class Exception, class F>
std::string message(F&& f)
{
    try {
        f();
    } catch (const Exception& e) {
        return e.what();
    }
    return "nothing was thrown";
}

}  // namespace files
